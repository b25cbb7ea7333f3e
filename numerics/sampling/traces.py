"""Traces of chains: what each quantity did over the draws, and how it is distributed."""

from __future__ import annotations

from typing import Any

import numpy as np

from numerics.figures import GREY, new

BINS = 40


def trace_plot(samples: Any, names: tuple[str, ...]) -> Any:
    """A Figure with a row per quantity."""
    import matplotlib

    chains, draws = samples.shape
    for name in names:
        if not np.isfinite(samples.series(name)).all():
            raise ValueError(f"{name} is not defined without data; name others, such as square_1")
    colours = matplotlib.colormaps["viridis"](np.linspace(0.1, 0.85, chains))
    figure = new((9.0, 2.2 * len(names) + 0.4))
    for (over, beside), name in zip(
        figure.subplots(len(names), 2, squeeze=False, width_ratios=(3, 1), sharey="row"), names, strict=True
    ):
        series = samples.series(name)
        edges = np.linspace(series.min(), series.max() + 1e-300, BINS)
        for chain, colour in zip(series, colours, strict=True):
            over.plot(np.arange(1, draws + 1), chain, color=colour, lw=0.8, alpha=0.8)
            beside.hist(chain, bins=edges, orientation="horizontal", color=colour, alpha=0.35, density=True)
        estimate = samples.estimate(series, name)
        over.axhline(estimate.mean, color=GREY, lw=0.8, ls=":")
        over.set(ylabel=name.replace("_", " "), xlabel="draw", xlim=(1, max(draws, 2)))
        title = f"R-hat {estimate.plain.rhat:.3f}, {estimate.plain.ess:.0f} effective draws"
        over.set_title(title, fontsize=9)
        beside.set_xticks([])
        for axes in (over, beside):
            axes.spines[["top", "right"]].set_visible(False)
    return figure
