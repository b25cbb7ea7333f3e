"""Whether units depend on one another: correlations within and across layers, beside their null level."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from numerics.figures import short
from numerics.sampling.estimate import Estimate
from numerics.sampling.projections import Projections

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Correlation:
    """Attributes
    ----------
    value : float
        The mean over pairs of units, and over networks.
    error : float
        By the spread between networks; NaN of a single one.
    null : float
        Standard deviation of the value if all units were independent.
    """

    value: float
    error: float
    null: float

    def __str__(self) -> str:
        return f"{short(self.value, self.error)}, independent units: 0 +- {self.null:.1e}"


def correlations(each: Sequence[Projections], effective: float) -> dict[str, Correlation]:
    """Of projections (chains, draws, units) of every layer, from networks worth `effective` ones.

    "layer l": mean product of two units over their variance; "layer l, squares": of their squares, less the
    mean; "layers l and l + 1, squares": of a square here and one there. Squares need several networks.
    """
    found: dict[str, Correlation] = {}
    several = each[0].values.shape[0] * each[0].values.shape[1] > 1
    for layer, one in enumerate(each):
        units = one.values.shape[2]
        if units < 2:
            continue
        null = math.sqrt(2.0 / effective) / (units - 1)
        found[f"layer {layer}"] = _of(one.pair_correlation, null)
        if several:
            found[f"layer {layer}, squares"] = _of(one.square_correlation, null)
    for layer, (below, above) in enumerate(pairwise(each)):
        if several:
            name = f"layers {layer} and {layer + 1}, squares"
            null = 1.0 / math.sqrt(effective * below.values.shape[2] * above.values.shape[2])
            series = below.square_covariance(above)
            estimate = Estimate.of_independent(series) if below.independent else Estimate.of(series)
            found[name] = _of(estimate, null)
    return found


def _of(estimate: Estimate, null: float) -> Correlation:
    return Correlation(estimate.mean, estimate.error, null)
