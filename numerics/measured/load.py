"""Where a measured layer has learned: the eigenpairs of K - Q with error bars and the size of noise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from numerics.measured.groups import error_of
from numerics.measured.noise import noise_edge
from numerics.solutions.feature_load import FeatureLoad

Array = NDArray[np.float64]


@dataclass(frozen=True, repr=False)
class MeasuredLoad(FeatureLoad):
    """A FeatureLoad of measured kernels.

    Attributes
    ----------
    errors : (dim,) array
        The jackknife's error of every value along its vector.
    noise : float
        What the largest |value| would be about if nothing had been learned (`noise_edge`).
    """

    errors: Array
    noise: float

    @classmethod
    def measured(
        cls, pair: Callable[[int | None], tuple[Array, Array]], groups: int, units: float
    ) -> MeasuredLoad:
        """From `pair(g)`, covariance and prior without group g."""
        covariance, prior = pair(None)
        load = FeatureLoad.of(covariance, prior)
        vectors = load.vectors

        def along(group: int | None) -> Array:
            K, Q = pair(group)
            return np.einsum("ik,ik->k", vectors, (K - Q) @ vectors)

        noise = noise_edge(np.asarray(np.linalg.eigvalsh(prior), np.float64), units)
        return cls(load.values, vectors, load.prior, error_of(groups, along), noise)

    @property
    def significant(self) -> int:
        """Leading values beyond noise."""
        return int(np.argmin(np.append(np.abs(self.values) > self.noise, False)))

    def __repr__(self) -> str:
        pairs = zip(self.values[:4], self.errors[:4], strict=True)
        leading = ", ".join(f"{value:.4g} +- {error:.2g}" for value, error in pairs)
        return f"MeasuredLoad(values=[{leading}], noise={self.noise:.3g}, significant={self.significant})"
