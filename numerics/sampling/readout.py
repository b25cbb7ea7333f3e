"""The readout integrated out exactly, given the features of the last hidden layer.

In units of the noise and of the prior, y = Phi a + xi with a ~ N(0, I_P) and xi ~ N(0, I_n) for each output:

    -log p(Y | Phi) = 1/2 tr Y^T K^{-1} Y + (D/2) log det K  (+ constant),      K = I + Phi Phi^T,
    its slope in Phi:  (D K^{-1} - E E^T) Phi,                                  E = K^{-1} Y,

and the same from M = I + Phi^T Phi, of the size of the readout, by K^{-1} Phi = Phi M^{-1}: whichever is
smaller is factorised. Given the features the readout is Gaussian: mean Phi^T E = M^{-1} Phi^T Y, covariance
M^{-1} (derived).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack

from numerics.machine.dense import mirror

Array = NDArray[np.float64]
Features = NDArray[np.floating[Any]]


class NotPositiveDefinite(ArithmeticError):
    """The features are not finite, or so large that rounding loses the identity."""


@dataclass(frozen=True)
class Marginal:
    """What the integral gives.

    Attributes
    ----------
    value : float
        -log p(Y | Phi), without its constant.
    E : (n, D) array
        K^{-1} Y.
    degrees_of_freedom : float
        tr[Phi Phi^T K^{-1}].
    inverse : array
        K^{-1} (n, n) or M^{-1} (P, P).
    by_samples : bool
        Which of them.
    """

    value: float
    E: Array
    degrees_of_freedom: float
    inverse: Array
    by_samples: bool

    def slope(self, Phi: Features) -> Features:
        """d value / d Phi, (n, P), in the precision of the features."""
        outputs = self.E.shape[1]
        E = self.E.astype(Phi.dtype)
        if self.by_samples:
            B = outputs * self.inverse
            B -= self.E @ self.E.T
            return B.astype(Phi.dtype) @ Phi
        return Phi @ (outputs * self.inverse).astype(Phi.dtype) - E @ (E.T @ Phi)

    def readout_mean(self, Phi: Features) -> Array:
        """(P, D): the mean of the readout given the features."""
        return Phi.T @ self.E

    def covariance(self, Phi: Features, there: Features) -> Array:
        """(m, m): of the outputs at features (m, P), given the hidden weights."""
        if not self.by_samples:
            return there @ self.inverse @ there.T
        cross = there @ Phi.T
        return there @ there.T - cross @ self.inverse @ cross.T

    def variances(self, Phi: Features, there: Features) -> Array:
        """(m,): the diagonal of `covariance`, not below zero."""
        if not self.by_samples:
            return np.einsum("mp,pq,mq->m", there, self.inverse, there, optimize=True)
        cross = there @ Phi.T
        explained = np.einsum("mn,mn->m", cross @ self.inverse, cross)
        return np.maximum(np.einsum("mp,mp->m", there, there) - explained, 0.0)

    def draw(self, Phi: Features, Y: Array, rng: np.random.Generator) -> Array:
        """(P, D): an exact draw of the readout given the features and the data."""
        width = Phi.shape[1]
        a = rng.standard_normal((width, Y.shape[1]))
        if not self.by_samples:
            root = np.linalg.cholesky(self.inverse)
            return self.readout_mean(Phi) + root @ a
        # a draw from the prior, corrected by what it says of the data (Matheron)
        gap = Y - Phi @ a - rng.standard_normal(Y.shape)
        return a + Phi.T @ (self.inverse @ gap)


def integrate_out(Phi: Features, Y: Array) -> Marginal:
    """The readout's marginal at features (n, P) and targets (n, D).

    Raises
    ------
    NotPositiveDefinite
    """
    samples, width = Phi.shape
    by_samples = samples <= width
    gram = Phi @ Phi.T if by_samples else Phi.T @ Phi
    matrix = gram.astype(np.float64)
    matrix[np.diag_indices(len(matrix))] += 1.0
    inverse, logdet = _inverse(matrix)
    if by_samples:
        E = inverse @ Y
        spent = samples - float(np.trace(inverse))
    else:
        E = Y - Phi @ (inverse @ (Phi.T @ Y))
        spent = width - float(np.trace(inverse))
    value = 0.5 * float(np.sum(Y * E)) + 0.5 * Y.shape[1] * logdet
    return Marginal(value, E, spent, inverse, by_samples)


def _inverse(matrix: Array) -> tuple[Array, float]:
    """Inverse and log det of a symmetric positive definite matrix, which is overwritten."""
    if len(matrix) == 0:
        return matrix, 0.0
    factor, info = lapack.dpotrf(matrix.T, lower=0, overwrite_a=1, clean=0)
    if info != 0 or not np.isfinite(factor[0, 0]):
        raise NotPositiveDefinite
    logdet = 2.0 * float(np.sum(np.log(np.diagonal(factor))))
    inverse, info = lapack.dpotri(factor, lower=0, overwrite_c=1)
    if info != 0 or not np.isfinite(logdet):
        raise NotPositiveDefinite
    return mirror(inverse.T), logdet
