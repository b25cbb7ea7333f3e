"""Theories and samples, an observable a panel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numerics.figures import GREY, MATRIX, RIDGE, SCALAR, TANGENT, new
from numerics.sampling.estimate import Estimate

TICKS = (-100, -30, -10, -3, -1, 0, 1, 3, 10, 30, 100)
COLOURS = (GREY, TANGENT, MATRIX, SCALAR, RIDGE)


def agreement_plot(rows: Sequence[tuple[str, str, float, Estimate]]) -> Any:
    """A Figure: how far each theory is off the sample, in per cent, with the sampling error as a band.

    rows : observable, theory, predicted over sampled less 1, and the sample.
    """
    observables = list(dict.fromkeys(name for name, *_ in rows))
    theories = list(dict.fromkeys(theory for _, theory, *_ in rows))
    figure = new((7.5, 0.62 * len(observables) + 1.6))
    axes = figure.subplots()
    for place, name in enumerate(observables):
        here = [row for row in rows if row[0] == name]
        sampled = here[0][3]
        band = 100 * sampled.error / abs(sampled.mean) if sampled.mean else 0.0
        axes.barh(place, 4 * band, left=-2 * band, height=0.5, color=GREY, alpha=0.35)
        for _, theory, off, _ in here:
            colour = COLOURS[theories.index(theory) % len(COLOURS)]
            label = theory.replace("_", " ") if place == 0 else None
            axes.plot(100 * off, place, "o", color=colour, ms=6, label=label)
    axes.axvline(0.0, color=GREY, lw=0.8)
    axes.set_yticks(range(len(observables)), observables)
    axes.invert_yaxis()
    axes.set(xlabel="theory off the sampled networks, per cent; grey: two sampling errors")
    axes.set_xscale("symlog", linthresh=1.0)
    axes.set_xticks(TICKS, [f"{tick:+g}" if tick else "0" for tick in TICKS])
    axes.set_xlim(TICKS[0], TICKS[-1])
    figure.legend(loc="outside upper center", ncol=5, fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    return figure
