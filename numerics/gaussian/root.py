"""Square roots L of a layer's prior covariance, Q = L L^T, also where Q is singular.

The input weights' prior is diagonal and stays; a hidden layer's Q moves with the layer below, and its L is
Cholesky's. Both have the same verbs. A linear layer on more samples than features, or a duplicated sample,
makes Q singular, with the same range at every state. There L = V l, V an orthonormal basis of that range and
l l^T = V^T Q V; every formula of `numerics.free_energy.chain` then lives on the range.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack, solve_triangular
from scipy.linalg.blas import dtrmm, dtrsm

from numerics.machine.dense import congruence, eigh, gram, mirrored, product, symmetrise
from numerics.readout_laws.law import NotPositiveDefinite

Array = NDArray[np.float64]

# Pivots of a Cholesky factor below 1e-6 of the largest: eigenvalues near rounding, look at them.
SUSPECT_PIVOTS = 1e-6
RANK_TOLERANCE = 1e-13  # of the largest eigenvalue: a few hundred roundings


class Root(Protocol):
    """L (dim, rank) of one layer."""

    @property
    def moves(self) -> bool:
        """Whether Q depends on the layer below."""

    @property
    def largest(self) -> float:
        """max |Q|, the largest variance."""

    @property
    def square(self) -> Array:
        """Q = L L^T."""

    def inner(self, T: Array) -> Array:
        """L^T T L for a symmetric T (dim, dim)."""

    def outer(self, M: Array) -> Array:
        """L M L^T for a symmetric M (rank, rank)."""

    def times(self, mu: Array) -> Array:
        """L mu, (dim,)."""

    def transposed(self, t: Array) -> Array:
        """L^T t, (rank,)."""

    def product(self, M: Array) -> Array:
        """L M for a matrix M (rank, k)."""

    def transposed_product(self, M: Array) -> Array:
        """L^T M for a matrix M (dim, k)."""


@dataclass(frozen=True)
class Diagonal:
    """Of the input weights: L = diag(std)."""

    std: Array
    moves: ClassVar[bool] = False

    @property
    def largest(self) -> float:
        return float(self.std.max()) ** 2

    @property
    def square(self) -> Array:
        return np.diag(self.std**2)

    def outer(self, M: Array) -> Array:
        return self.std[:, None] * M * self.std

    inner = outer

    def times(self, mu: Array) -> Array:
        return self.std * mu

    transposed = times

    def product(self, M: Array) -> Array:
        return self.std[:, None] * M

    transposed_product = product


@dataclass(frozen=True)
class Triangular:
    """Of a hidden layer, L = V l: `lower` is l in C order, `basis` is V (dim, rank) or None for the
    identity."""

    lower: Array
    basis: Array | None = None
    moves: ClassVar[bool] = True

    @property
    def largest(self) -> float:
        dense = self.dense
        return float(np.einsum("mk,mk->m", dense, dense).max())

    def outer(self, M: Array) -> Array:
        inside = _triangular_congruence(self.lower.T, M, transposed=True)
        return inside if self.basis is None else congruence(self.basis, inside)

    def inner(self, T: Array) -> Array:
        if self.basis is not None:
            T = congruence(self.basis.T, T)
        return _triangular_congruence(self.lower.T, T, transposed=False)

    def pull_back(self, Z: Array) -> Array:
        """L^{-T} Z L^{-1} on the range, for a symmetric Z (rank, rank)."""
        upper = self.lower.T
        half = dtrsm(1.0, upper, Z.T, side=0, lower=0)
        inside = symmetrise(dtrsm(1.0, upper, half, side=1, lower=0, trans_a=1, overwrite_b=1).T)
        return inside if self.basis is None else congruence(self.basis, inside)

    def whitened(self, K: Array) -> Array:
        """L^{-1} K L^{-T} on the range, (rank, rank), for a symmetric K (dim, dim)."""
        return symmetrise(self.solve(self.solve(K).T))

    def split(self, dQ: Array) -> Array:
        """Phi = l^{-1} dl (rank, rank) when Q moves along dQ, whose lower triangle is read.

        With W = l^{-1} dQ l^{-T} on the range, Phi is W's lower triangle with half of its diagonal.
        """
        full = mirrored(dQ)
        if self.basis is not None:
            full = congruence(self.basis.T, full)
        upper = self.lower.T
        half = dtrsm(1.0, upper, full.T, side=0, lower=0, trans_a=1)
        Phi = np.tril(dtrsm(1.0, upper, half, side=1, lower=0, overwrite_b=1).T)
        Phi[np.diag_indices(len(Phi))] /= 2
        return Phi

    def times(self, mu: Array) -> Array:
        inside = self.lower @ mu
        return inside if self.basis is None else self.basis @ inside

    def transposed(self, t: Array) -> Array:
        return self.lower.T @ (t if self.basis is None else self.basis.T @ t)

    @property
    def dense(self) -> Array:
        """L as an array (dim, rank)."""
        return self.lower if self.basis is None else self.basis @ self.lower

    def product(self, M: Array) -> Array:
        inside = dtrmm(1.0, self.lower.T, M.T, side=1, lower=0).T
        return inside if self.basis is None else product(self.basis, inside)

    def transposed_product(self, M: Array) -> Array:
        inside = M if self.basis is None else product(self.basis.T, M)
        return dtrmm(1.0, self.lower.T, inside.T, side=1, lower=0, trans_a=1).T

    def solve(self, Q: Array) -> Array:
        """B with L B = Q (dim, k), whose columns lie in the range of L: (rank, k)."""
        inside = Q if self.basis is None else product(self.basis.T, Q)
        return solve_triangular(self.lower, inside, lower=True, check_finite=False)

    def onto_range(self, adjoint: Array) -> Array:
        """V V^T A V V^T of a symmetric A (dim, dim): what Q hears of it, being the range's alone."""
        if self.basis is None:
            return adjoint
        return congruence(self.basis, congruence(self.basis.T, adjoint))

    @property
    def square(self) -> Array:
        return gram(self.dense)


def factor(Q: Array, basis: Array | None) -> Triangular:
    """Factor of a Q whose lower triangle is valid and is overwritten.

    Raises
    ------
    NotPositiveDefinite
        When Q (on the basis) has no Cholesky factor.
    """
    if basis is not None:
        Q = congruence(basis.T, mirrored(Q))
    upper, info = lapack.dpotrf(Q.T, lower=0, overwrite_a=1, clean=1)
    if info != 0:
        raise NotPositiveDefinite
    return Triangular(upper.T, basis)


def range_basis(Q: Array) -> Array | None:
    """Orthonormal basis (dim, rank) of the range of a Q whose lower triangle is valid; None at full rank.

    Large eigenvalues come first: a Cholesky factor of a graded matrix keeps the small ones' digits only in
    that order.
    """
    full = mirrored(Q)
    upper, info = lapack.dpotrf(full, lower=0, clean=1)
    pivots = np.diagonal(upper)
    if info == 0 and pivots.min() > SUSPECT_PIVOTS * pivots.max():
        return None
    values, vectors = eigh(full)
    kept = values > RANK_TOLERANCE * values[-1]
    return None if kept.all() else np.ascontiguousarray(vectors[:, kept][:, ::-1])


def _triangular_congruence(upper: Array, M: Array, transposed: bool) -> Array:
    """U M U^T, or U^T M U if transposed, for an upper triangular U in Fortran order and a symmetric M."""
    half = dtrmm(1.0, upper, M.T, side=0, lower=0, trans_a=int(transposed))
    turned = int(not transposed)
    return symmetrise(dtrmm(1.0, upper, half, side=1, lower=0, trans_a=turned, overwrite_b=1).T)
