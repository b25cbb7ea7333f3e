"""The input weights that the data see.

A kernel depends on the input weights through the inputs alone. Where an input has more channels than there
are inputs (pixels times samples), the weights across the inputs' span keep their prior, and the theory is
solved for the coordinates within it: with V an orthonormal basis of the span and the prior P the same in
every direction,

    Sigma = P + V (Sigma_V - P_V) V^T,        m_w = V m_V,

and F, being invariant, is that of the coordinates (derived). This is exact, and its cost does not grow with
the third power of the channels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import block_diag, qr

from numerics.machine import parallel
from numerics.machine.dense import congruence, product
from numerics.network import Network

Array = NDArray[np.float64]


@dataclass(frozen=True)
class InputSpace:
    """Coordinates of the input weights.

    Attributes
    ----------
    prior_variance : (S,) array
        Of every input weight; with biases theirs is the last.
    basis : (S, r) array or None
        Orthonormal columns V, the bias its own; None where the coordinates are the weights themselves.
    """

    prior_variance: Array
    basis: Array | None = None

    @classmethod
    def spanned(cls, X: Array, prior_variance: Array) -> InputSpace:
        """The span of inputs X (P, n, S), if it is smaller than the S weights; a bias may follow them."""
        rows = X.reshape(-1, X.shape[2])
        if len(rows) >= rows.shape[1]:
            return cls(prior_variance)
        with parallel.for_factorisation(len(rows)):
            (basis,) = qr(rows.T, mode="economic", check_finite=False)[:1]
        biases = len(prior_variance) - len(basis)
        return cls(prior_variance, block_diag(basis, np.eye(biases)) if biases else basis)

    @property
    def span_variance(self) -> Array:
        """(r,) prior variances of the coordinates."""
        return self.prior_variance if self.basis is None else self.prior_variance @ self.basis**2

    def has_coordinates_of(self, other: InputSpace) -> bool:
        """Whether a state means the same in both."""
        if self.basis is None or other.basis is None:
            return self.basis is other.basis
        return np.array_equal(self.basis, other.basis)

    def coordinates(self, X: Array) -> Array:
        """Inputs (P, m, S) as (P, m, r): what of them the weights within the span multiply."""
        return X if self.basis is None else X @ self.basis

    def times_covariance(self, X: Array, inside: Array) -> Array:
        """X Sigma (P, m, S) of inputs X (P, m, S), from the covariance of the coordinates (r, r)."""
        if self.basis is None:
            return X @ inside
        learned = self.coordinates(X) @ (inside - np.diag(self.span_variance))
        return X * self.prior_variance + learned @ self.basis.T

    def from_other(self, other: InputSpace, ratio: Array) -> Array:
        """A covariance over its prior in these coordinates, (r, r), from that in another space's, of as many
        weights: 1 where the other sees nothing."""
        turned = _overlap(self.basis, other.basis)
        return np.eye(len(turned)) + congruence(turned, ratio - np.eye(len(ratio)))

    def within(self, M: Array) -> Array:
        """V^T M V, (r, r), of a symmetric M (S, S)."""
        return M if self.basis is None else congruence(self.basis.T, M)

    def spread(self, M: Array) -> Array:
        """V M V^T, (S, S), of a symmetric M (r, r): nothing across the span."""
        return M if self.basis is None else congruence(self.basis, M)

    def covariance(self, inside: Array) -> Array:
        """Sigma (S, S) from that of the coordinates (r, r): across the span it is the prior's."""
        if self.basis is None:
            return inside
        Sigma = self.spread(inside - np.diag(self.span_variance))
        Sigma[np.diag_indices(len(Sigma))] += self.prior_variance
        return Sigma

    def vector(self, m: Array) -> Array:
        """V^T m, (r,), of a vector m (S,)."""
        return m if self.basis is None else m @ self.basis

    def mean(self, inside: Array) -> Array:
        """m_w (S,) from that of the coordinates (r,)."""
        return inside if self.basis is None else self.basis @ inside


def prior_variances(net: Network, size: int) -> Array:
    """(S,) or, with biases, (S + 1,): sigma_1^2/S of every input weight, and sigma_b^2."""
    prior = np.full(size, net.weight_variances[0] / size)
    return np.append(prior, net.bias_variance) if net.bias_variance > 0 else prior


def _overlap(here: Array | None, there: Array | None) -> Array:
    """V^T V' of two bases, None standing for the identity."""
    if here is None or there is None:
        known = there if here is None else here.T
        assert known is not None  # both None: the coordinates are the same
        return known
    return product(here.T, there)
