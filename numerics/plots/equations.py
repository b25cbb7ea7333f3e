"""Measured kernels beside the right-hand sides of their equations, and the emergent scale over n."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numerics.emergent_scale import ChiOne
from numerics.figures import GREY, MATRIX, RIDGE, SCALAR, TANGENT, new
from numerics.measured.comparison import Equation
from numerics.measured.measured import Measured
from numerics.measured.noise import Spectrum
from numerics.measured.predicted import Predicted

Array = NDArray[np.float64]

SHOWN = 50  # leading eigenvalues, as in Fig. 5
WORTH_A_LOGARITHM = 8.0
COLOURS = (GREY, MATRIX, TANGENT, SCALAR, RIDGE)
PAPER: dict[str, Any] = {"ls": "--", "marker": "o", "mfc": "white", "ms": 5, "lw": 1}
RESPONSE: dict[str, Any] = {"ls": "-", "marker": "o", "ms": 5}
HALF: dict[str, Any] = {"ls": ":", "marker": "v", "ms": 5, "lw": 1}


def equations(predicted: Predicted) -> Any:
    """A Figure like Fig. 5, a panel per equation: eigenvalues of the measured kernel with error bars, of the
    right-hand side, and of where nothing is learned."""
    shown = [each for each in predicted.equations if each.measured.ndim == 2]
    figure = new((3.7 * len(shown) + 0.4, 3.7))
    for axes, each in zip(figure.subplots(1, len(shown), squeeze=False)[0], shown, strict=True):
        _spectra(axes, each, _spectrum(predicted.measured, each.name))
        axes.spines[["top", "right"]].set_visible(False)
        axes.set(title=_title(each), xlabel="rank of the eigenvalue")
        axes.xaxis.get_major_locator().set_params(integer=True)
    figure.axes[0].legend(fontsize=8, frameon=False)
    return figure


def _spectra(axes: Any, each: Equation, spectrum: Spectrum) -> None:
    count = min(SHOWN, each.resolved[0])
    rank = np.arange(1, count + 1)
    reference, right = (_eigenvalues(matrix, count) for matrix in (each.reference, each.predicted))
    axes.plot(rank, reference, "-", color=SCALAR, lw=1.5, label="nothing learned")
    axes.errorbar(
        rank,
        spectrum.values[:count],
        2 * spectrum.errors[:count],
        fmt="o",
        color=MATRIX,
        ms=4,
        capsize=2,
        lw=1,
        label="measured, two errors",
    )
    axes.plot(rank, right, "x", color=TANGENT, ms=6, mew=1.5, label="predicted", zorder=4)
    if reference[0] > WORTH_A_LOGARITHM * reference[-1] > 0:
        axes.set(yscale="log")


def _eigenvalues(matrix: Array, count: int) -> Array:
    if not np.isfinite(matrix).all():
        return np.full(count, np.nan)
    return np.asarray(np.linalg.eigvalsh(matrix)[::-1][:count], np.float64)


def _spectrum(measured: Measured, name: str) -> Spectrum:
    """Of what stands on the left."""
    if name == "Sigma":
        return measured.spectrum(0)
    level = measured.layers if name == "Q_f" else int(name[1:]) - 1
    return measured.spectrum(level) if name[0] == "K" else measured.post_spectrum(level)


def _title(each: Equation) -> str:
    return {"Sigma": r"$\Sigma$", "Q_f": r"$Q_f$"}.get(each.name, rf"${each.name[0]}^{{({each.name[1:]})}}$")


def emergent_scale(found: Mapping[str, Sequence[ChiOne]]) -> Any:
    """A Figure like Fig. 2c: over n, the width at which chi is 1, and at which alpha has halved, of several
    architectures.

    Parameters
    ----------
    found : dict
        Results of `chi_one` at several n, by the name of the architecture.
    """
    figure = new((6.4, 4.2))
    axes = figure.subplots()
    for (name, each), colour in zip(found.items(), COLOURS[1:] * len(found), strict=False):
        n = [one.samples for one in each]
        axes.plot(n, [one.paper for one in each], color=colour, **PAPER)
        axes.plot(n, [one.response for one in each], color=colour, label=name, **RESPONSE)
        axes.plot(n, [one.half_alpha for one in each], color=colour, **HALF)
    named = (
        (PAPER, r"$\chi_{\rm paper}=1$"),
        (RESPONSE, r"$\chi_{\rm response}=1$"),
        (HALF, r"$\alpha$ halved"),
    )
    for style, label in named:
        axes.plot([], [], color=GREY, label=label, **style)
    axes.set(xscale="log", yscale="log", xlabel="samples $n$", ylabel="width of the last hidden layer")
    axes.spines[["top", "right"]].set_visible(False)
    ticks = sorted({one.samples for each in found.values() for one in each})
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.set_xticks([], minor=True)
    figure.legend(loc="outside upper center", ncol=3, fontsize=8, frameon=False)
    return figure
