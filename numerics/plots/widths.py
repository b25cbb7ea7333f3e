"""Solutions over the width: what changes along a path, and the spectra."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from numerics.figures import GREY, MATRIX, TANGENT, new
from numerics.solutions.solution import Solution
from numerics.solutions.summary import LOAD_WORTH_A_NOTE

MOST_TICKS = 9
MOST_CURVES = 6
SHOWN = 60  # leading eigenvalues per curve
WORTH_A_LOGARITHM = 30.0  # largest over smallest eigenvalue of Sigma


def path(solutions: Sequence[Solution], test_errors: Sequence[float] = ()) -> Any:
    """A matplotlib Figure of three panels over the last width: alpha, what is learned, the errors.

    Parameters
    ----------
    solutions : sequence of Solution
        Two or more of finite width.
    test_errors : sequence of float
        One per solution, or none: mean square errors over the targets' mean square.
    """
    finite = [k for k, sol in enumerate(solutions) if math.isfinite(sol.width)]
    order = sorted(finite, key=lambda k: solutions[k].width)
    sols = [solutions[k] for k in order]
    width = np.array([sol.width for sol in sols])
    figure = new((11.5, 3.8))
    alpha_axes, learned_axes, error_axes = figure.subplots(1, 3)
    _alpha(alpha_axes, sols, width)
    tops = [sol.overlap_eigenvalues[0] for sol in sols]
    learned_axes.plot(width, tops, "o-", color=MATRIX, label=r"top eigenvalue of $\Sigma$ over the prior's")
    learned_axes.plot(width, [sol.readout_load for sol in sols], "^-", color=GREY, label="readout load")
    learned_axes.axhline(LOAD_WORTH_A_NOTE, color=GREY, lw=0.8, ls=":")
    learned_axes.set(yscale="log", title="How much is learned")
    train = [sol.train_error for sol in sols]
    error_axes.plot(width, train, "o-", color=MATRIX, label="train")
    if test_errors:
        error_axes.plot(width, [test_errors[k] for k in order], "s-", color=TANGENT, label="test")
    error_axes.set(yscale="log", title=r"Mean square errors, over $\langle y^2\rangle$")
    for axes, corner in ((alpha_axes, "lower right"), (learned_axes, "best"), (error_axes, "best")):
        axes.legend(fontsize=8, loc=corner)
        _over_widths(axes, width)
    return figure


def _alpha(axes: Any, sols: Sequence[Solution], width: np.ndarray) -> None:
    gp, tangent = sols[-1].gp, sols[-1].first_order
    fine = np.geomspace(width.min(), width.max(), 200)
    alphas = [sol.alpha for sol in sols]
    axes.axhline(gp.alpha, color=GREY, lw=0.8, ls=":", label="infinite width (Gaussian process)")
    axes.plot(fine, tangent.alpha_gp + tangent.alpha_slope / fine, "--", color=TANGENT, label="first order")
    axes.plot(width, alphas, "o-", color=MATRIX, label="equations of state")
    axes.set(ylim=(0.0, 1.12 * max(gp.alpha, *alphas)), ylabel=r"$\alpha$")
    axes.set_title(r"Overlap $\alpha$ of discrepancy and target")


def _over_widths(axes: Any, width: np.ndarray) -> None:
    shown = width[:: max(1, math.ceil(len(width) / MOST_TICKS))]
    axes.set(xscale="log", xlabel="width of the last hidden layer")
    axes.set_xticks(shown, map(_label, shown), rotation=45)
    axes.set_xticks([], minor=True)
    axes.spines[["top", "right"]].set_visible(False)


def spectrum(solutions: Sequence[Solution]) -> Any:
    """A Figure with a panel per layer: eigenvalues of Sigma over the prior's, and of K - Q by size.

    A curve per width, of a few widths from the widest to the narrowest.
    """
    order = sorted(solutions, key=lambda sol: -sol.width)
    picked = np.unique(np.linspace(0, len(order) - 1, min(MOST_CURVES, len(order))).round().astype(int))
    sols = [order[k] for k in picked]
    layers = len(sols[0].widths)
    figure = new((4.6 * layers + 0.6, 4.2))
    panels = figure.subplots(1, layers, squeeze=False)[0]
    colours = _colours(len(sols))
    for sol, colour in zip(sols, colours, strict=True):
        look = {"color": colour, "marker": "o", "ms": 3, "lw": 1, "label": _label(sol.width)}
        values = sol.overlap_eigenvalues
        panels[0].plot(np.arange(1, len(values) + 1), values, **look)
        if values[0] > WORTH_A_LOGARITHM * values[-1]:
            panels[0].set(yscale="log")
        for layer in range(1, layers):
            load = np.abs(sol.feature_load(layer).values[:SHOWN])
            if load.any():  # a Gaussian process has none
                panels[layer].plot(np.arange(1, len(load) + 1), load, **look)
    panels[0].axhline(1.0, color=GREY, lw=0.8, ls=":")
    panels[0].set(title=r"Eigenvalues of $\Sigma$ over the prior's")
    for layer in range(1, layers):
        panels[layer].set(yscale="log")
        panels[layer].set_title(rf"$|$eigenvalues of $K-Q|$, hidden layer {layer + 1}")
    panels[0].legend(title="width", fontsize=8)
    for axes in panels:
        axes.set(xlabel="rank of the eigenvalue")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def _label(width: float) -> str:
    """Four digits, and no exponent for widths that people use."""
    return f"{width:.0f}" if 1e3 <= width < 1e7 else f"{width:.4g}"


def _colours(count: int) -> Any:
    """Light for wide, dark for narrow."""
    import matplotlib

    return matplotlib.colormaps["viridis_r"](np.linspace(0.12, 0.95, count))
