"""How far finitely many units move the eigenvalues of a kernel, by the Marchenko-Pastur law."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

WHITE = (math.sqrt(2.0) - 1.0) ** 2  # of k/M, where 2 sqrt(k/M) + k/M = 1


def noise_edge(eigenvalues: Array, units: float) -> float:
    """Largest |eigenvalue| of K - Q that units of covariance Q, with these eigenvalues, show by chance.

    q (2 sqrt(r/M) + r/M), with q the largest eigenvalue, r = tr Q / q the effective dimension and M units:
    the edge of Marchenko and Pastur where Q is a multiple of the identity, and where it is not the size of
    Koltchinskii and Lounici's bound (Bernoulli 23:110, 2017).
    """
    largest = float(np.max(eigenvalues, initial=0.0))
    if largest <= 0 or math.isinf(units):
        return 0.0
    ratio = float(np.sum(eigenvalues)) / largest / units
    return largest * (2.0 * math.sqrt(ratio) + ratio)


@dataclass(frozen=True, eq=False, repr=False)
class Spectrum:
    """Eigenvalues of a measured kernel, largest first.

    Attributes
    ----------
    values, errors : (dim,) arrays
        With the jackknife's error of each.
    vectors : (dim, dim) array
        As columns.
    noise : (dim,) array
        How far noise moves what is left from this eigenvalue on, if that is white: its mean times
        2 sqrt(c) + c with c = dimensions left / units (Marchenko-Pastur).
    edges : (dim,) array
        That mean and `noise`: an eigenvalue above its edge stands out from all that follow.
    units : float
        Effective number of independent units behind it.
    """

    values: Array
    errors: Array
    vectors: Array
    noise: Array
    edges: Array
    units: float

    @classmethod
    def of(cls, values: Array, vectors: Array, errors: Array, units: float) -> Spectrum:
        left = np.arange(len(values), 0, -1)
        mean = np.maximum(np.cumsum(values[::-1])[::-1], 0.0) / left
        c = left / units
        noise = mean * (2.0 * np.sqrt(c) + c)
        return cls(values, errors, vectors, noise, mean + noise, units)

    @property
    def resolved(self) -> int:
        """Dimensions of the leading range in which the kernel is known well enough to be divided by.

        Noise in the rest does not reach its eigenvalues, and noise in itself, 2 sqrt(k/M) + k/M of a kernel
        in k dimensions in units of itself, is below 1.
        """
        most = len(self.values) if math.isinf(self.units) else int(WHITE * self.units)
        return min(_leading(self.values > self.noise), most)

    @property
    def outliers(self) -> int:
        """Leading eigenvalues that stand out from all that follow."""
        return _leading(self.values > self.edges)

    def __repr__(self) -> str:
        leading = ", ".join(f"{value:.4g}" for value in self.values[:4])
        return (
            f"Spectrum(values=[{leading}, ...], resolved={self.resolved} of {len(self.values)}, "
            f"outliers={self.outliers})"
        )


def _leading(true: NDArray[np.bool_]) -> int:
    """How many are true before the first that is not."""
    return int(np.argmin(np.append(true, False)))
