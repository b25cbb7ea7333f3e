"""What is not the readout's weights: noise and the output's bias, and data in units of it.

Both are Gaussian whatever the width, S = diag(sigma_mu^2) + b 1 1^T with the prior variance b of the bias.
With S = L L^T, targets L^{-1} y and kernels L^{-1} Q L^{-T} have noise 1; eps and H go back as L^{-T} eps and
L^{-T} H L^{-1}. A datum of infinite noise is left out, and has no eps.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cholesky, solve_triangular

from numerics.problem import Problem

Array = NDArray[np.float64]


@dataclass(frozen=True)
class NoiseRoot:
    """L over the k data that are observed.

    Attributes
    ----------
    noise_variance : (n,) array
        `inf` takes a datum out.
    bias : float
        b.
    """

    noise_variance: Array
    bias: float

    @classmethod
    def of(cls, problem: Problem) -> NoiseRoot:
        return cls(problem.noise_variance, problem.net.bias_variance)

    @cached_property
    def observed(self) -> NDArray[np.intp]:
        return np.flatnonzero(np.isfinite(self.noise_variance))

    @cached_property
    def std(self) -> Array:
        return np.sqrt(self.noise_variance[self.observed])

    @cached_property
    def factor(self) -> Array | None:
        """L (k, k), lower; None where it is diagonal."""
        if self.bias == 0.0:
            return None
        return cholesky(self.covariance, lower=True)

    @property
    def covariance(self) -> Array:
        """S (k, k)."""
        return np.diag(self.std**2) + self.bias

    @property
    def log_det(self) -> float:
        """log det L."""
        diagonal = self.std if self.factor is None else np.diagonal(self.factor)
        return float(np.log(diagonal).sum())

    def down(self, rows: Array) -> Array:
        """L^{-1} rows, of (n, ...) arrays: (k, ...)."""
        seen = rows[self.observed]
        if self.factor is None:
            return seen / self.std[:, None]
        return np.asarray(solve_triangular(self.factor, seen, lower=True, check_finite=False))

    def back(self, rows: Array) -> Array:
        """L^{-T} rows, of (k, ...) arrays: (k, ...)."""
        if self.factor is None:
            return rows / self.std[:, None]
        return np.asarray(solve_triangular(self.factor, rows, lower=True, trans=1, check_finite=False))

    def back_both(self, H: Array) -> Array:
        """L^{-T} H L^{-1} of a full (k, k) array: (k, k)."""
        return np.ascontiguousarray(self.back(self.back(H).T).T)

    def up(self, rows: Array) -> Array:
        """L^{-T} rows, of (k, ...) arrays: (n, ...), zero at what is not observed."""
        back = self.back(rows)
        if len(self.observed) == len(self.noise_variance):
            return back
        whole = np.zeros((len(self.noise_variance), rows.shape[1]))
        whole[self.observed] = back
        return whole

    def inward(self, Q: Array) -> Array:
        """L^{-1} Q L^{-T} of a full (n, n) array."""
        return np.ascontiguousarray(self.down(self.down(Q).T).T)

    def outward(self, H: Array) -> Array:
        """L^{-T} H L^{-1} of a full (k, k) array."""
        return np.ascontiguousarray(self.up(self.up(H).T).T)
