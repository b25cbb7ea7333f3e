"""Where a layer has learned: the eigenpairs of its covariance less that of its prior."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, repr=False)
class FeatureLoad:
    """Eigenpairs of K - Q, or of Sigma - P for input weights, largest absolute value first.

    Covariances alone: where units have means, these are learned beside.

    Attributes
    ----------
    values : (dim,) array
        Change of variance along each vector, in the units of the covariance: pre-activations squared (an
        eigenvalue of a kernel matrix grows with the number of samples), or weights squared.
    vectors : (dim, dim) array
        Unit vectors as columns, over (pixel, sample) with the sample fastest, or over input weights. The
        entry of largest absolute value is positive.
    prior : (dim,) array
        v^T Q v, the prior variance along each vector.
    """

    values: Array
    vectors: Array
    prior: Array

    @classmethod
    def of(cls, covariance: Array, prior: Array) -> FeatureLoad:
        values, vectors = np.linalg.eigh(covariance - prior)
        order = np.argsort(-np.abs(values), kind="stable")
        values, vectors = values[order], vectors[:, order]
        largest = np.take_along_axis(vectors, np.abs(vectors).argmax(axis=0)[None], axis=0)
        vectors = vectors * np.where(largest < 0, -1.0, 1.0)
        return cls(values, vectors, np.einsum("ik,ik->k", vectors, prior @ vectors))

    @property
    def relative(self) -> Array:
        """values / prior, the learned variance over the prior's less 1; 0 where the prior has none."""
        share = np.zeros_like(self.values)
        resolved = self.prior > len(self.prior) * np.finfo(float).eps * self.prior.max()
        return np.divide(self.values, self.prior, out=share, where=resolved)

    def __repr__(self) -> str:
        leading = ", ".join(f"{value:.4g}" for value in self.values[:4])
        more = f", ... {len(self.values)} in all" if len(self.values) > 4 else ""
        return f"FeatureLoad(values=[{leading}{more}])"
