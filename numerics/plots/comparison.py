"""What `compare` finds, over the number of channels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from numerics.compare import Comparison
from numerics.figures import BEYOND, GREY, MATRIX, RIDGE, SCALAR, TANGENT, new
from numerics.sampling.estimate import Estimate
from numerics.solutions.summary import LOAD_WORTH_A_NOTE


def comparison(result: Comparison, sampled: Sequence[tuple[float, Estimate, Estimate]] = ()) -> Any:
    """A matplotlib Figure of three panels over C: alpha, the learned direction, the errors.

    Parameters
    ----------
    result : Comparison
    sampled : sequence of (C, alpha, l_*/l_GP)
        Of networks sampled from their posterior, as Estimates: dots on the lines.
    """
    rows = sorted((row for row in result.rows if math.isfinite(row.width)), key=lambda row: row.width)
    gp = next(row for row in result.rows if math.isinf(row.width))
    width = np.array([row.width for row in rows])

    def column(name: str) -> np.ndarray:
        return np.array([getattr(row, name) for row in rows])

    figure = new((11.5, 3.8))
    overlap_axes, learned_axes, error_axes = figure.subplots(1, 3)
    highest = [
        *(row.alpha for row in result.beyond),
        0.0,
        *(alpha.mean + 2 * alpha.error for _, alpha, _ in sampled),
    ]
    _alpha_panel(overlap_axes, result, width, column, max(gp.alpha, *highest))

    learned_axes.plot(width, column("overlap"), "o-", color=MATRIX, label=r"$l_*/l_{\rm GP}$")
    learned_axes.plot(width, column("chi_response"), "s-", color=SCALAR, label=r"$\chi$ (response)")
    learned_axes.plot(width, column("readout_load"), "^-", color=GREY, label="readout load")
    learned_axes.axhline(LOAD_WORTH_A_NOTE, color=GREY, lw=0.8, ls=":")
    learned_axes.set(yscale="log", title="How much is learned")
    for (name, alphas), (_, overlaps) in zip(_lines(result, "alpha"), _lines(result, "overlap"), strict=True):
        style = {"color": BEYOND[name], "marker": "v", "ms": 4, "label": name.replace("_", " ")}
        overlap_axes.plot(*alphas, **style)
        learned_axes.plot(*overlaps, **(style | {"label": None}))
    for axes, position, label in ((overlap_axes, 0, "sampled networks"), (learned_axes, 1, None)):
        if sampled:
            found = [point[1:][position] for point in sampled]
            axes.errorbar(
                [point[0] for point in sampled],
                [estimate.mean for estimate in found],
                [2 * estimate.error for estimate in found],
                fmt="o",
                color="black",
                ms=5,
                capsize=3,
                zorder=4,
                label=label,
            )
    overlap_axes.legend(fontsize=8)
    learned_axes.legend()

    error_axes.plot(width, column("train_error"), "o-", color=MATRIX, label="train")
    if np.isfinite(gp.test_error):
        test, std = column("test_error"), column("test_std") ** 2
        error_axes.plot(width, test, "s-", color=TANGENT, label="test")
        error_axes.plot(width, std, "^--", color=GREY, label=r"(mean predictive std)$^2$")
        error_axes.axhline(gp.test_error, color=TANGENT, lw=0.8, ls=":", label="test, $C=\\infty$")
    error_axes.set(yscale="log", title=r"Mean square errors, over $\langle y^2\rangle$")
    error_axes.legend()
    for axes in (overlap_axes, learned_axes, error_axes):
        axes.set(xscale="log", xlabel="channels $C$")
        axes.set_xticks(width, [f"{c:g}" for c in width], rotation=45)
        axes.set_xticks([], minor=True)
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def _lines(result: Comparison, attribute: str) -> list[tuple[str, tuple[list[float], list[float]]]]:
    """(theory, (widths, values)) of the theories beyond mean field, at finite widths."""
    found = []
    for name in dict.fromkeys(row.theory for row in result.beyond):
        rows = [row for row in result.beyond if row.theory == name and math.isfinite(row.width)]
        rows.sort(key=lambda row: row.width)
        found.append((name, ([row.width for row in rows], [getattr(row, attribute) for row in rows])))
    return found


def _alpha_panel(axes: Any, result: Comparison, width: np.ndarray, column: Any, highest: float) -> None:
    axes.axhline(
        result.first_order.alpha_gp, color=GREY, lw=0.8, ls=":", label=r"$C=\infty$ (Gaussian process)"
    )
    axes.plot(width, column("alpha"), "o-", color=MATRIX, label="matrix equations of state", zorder=3)
    fine = np.geomspace(width.min(), width.max(), 200)
    tangent = result.first_order.alpha_gp + result.first_order.alpha_slope / fine
    axes.plot(fine, tangent, "--", color=TANGENT, label="first order in $1/C$")
    if result.network_first_order is not None:
        own = [result.network_first_order.alpha(C) for C in fine]
        axes.plot(fine, own, "--", color=BEYOND["cavity"], label="first order of the network")
    if not result.scalar_missing:
        axes.plot(width, column("alpha_scalar"), "s-", color=SCALAR, ms=4, label="Eq. (9), $q=1$")
        axes.plot(width, column("alpha_ridge"), "d-", color=RIDGE, ms=4, label="scalar, effective ridge")
    top = max(highest, np.nanmax(column("alpha_scalar")) if not result.scalar_missing else 0.0)
    axes.set(ylim=(0.0, 1.12 * top), ylabel=r"$\alpha$", title=r"Overlap $\alpha$ of discrepancy and target")
    for crossing in result.crossings:
        if width.min() <= crossing.width <= width.max():
            axes.axvline(crossing.width, color=TANGENT, lw=0.8, alpha=0.6)
            note = f" {100 * crossing.threshold:g} % off"
            axes.text(crossing.width, 0.02 * top, note, color=TANGENT, fontsize=8, rotation=90)
