"""Kernels of pre-activations, by the block: K_ab[rows, columns] for pixels a, b and panels of samples.

The input layer's kernel K_ab = X_a Sigma X_b^T is never stored, a hidden layer's is an array. Both give
blocks, and gather an adjoint (a gradient with respect to Sigma or to K) block by block.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from numerics.parallel import Span

Array = NDArray[np.float64]


class Kernel(Protocol):
    """A kernel between row inputs and column inputs (the same ones, but for test points).

    `v_row`, `v_col` : (P, m), (P, n) variances of the pre-activations.
    """

    @property
    def v_row(self) -> Array: ...

    @property
    def v_col(self) -> Array: ...

    def block(self, a: int, rows: Span, b: int, cols: Span, out: Array) -> None:
        """out = K_ab[rows, cols]."""

    def gatherer(self) -> Gatherer:
        """Collects V = dF/dK of a symmetric kernel into a gradient."""


class Gatherer(Protocol):
    def add(self, a: int, rows: Span, b: int, cols: Span, V: Array) -> None:
        """Take V_ab[rows, cols]; calls from several threads must not share rows."""

    def total(self, diagonal: Array) -> Array:
        """The gradient, with diagonal (P, n) added to V_aa's diagonals; symmetric."""


@dataclass(frozen=True)
class InputKernel:
    """K_ab = Y_a X_b^T with Y = X Sigma; X of shape (P, n, S)."""

    Y: Array
    X: Array
    v_row: Array
    v_col: Array

    @classmethod
    def at(cls, X: Array, Sigma: Array) -> InputKernel:
        Y = X @ Sigma
        v = np.einsum("pns,pns->pn", Y, X)
        return cls(Y, X, v, v)

    @classmethod
    def between(cls, X_row: Array, X_col: Array, Sigma: Array) -> InputKernel:
        rows, cols = cls.at(X_row, Sigma), cls.at(X_col, Sigma)
        return cls(rows.Y, X_col, rows.v_row, cols.v_row)

    def block(self, a: int, rows: Span, b: int, cols: Span, out: Array) -> None:
        np.dot(self.Y[a, rows[0] : rows[1]], self.X[b, cols[0] : cols[1]].T, out=out)

    def gatherer(self) -> InputGatherer:
        return InputGatherer(self.X)


class InputGatherer:
    """sum_ab X_a^T V_ab X_b, with W_a = sum_b V_ab X_b gathered first."""

    def __init__(self, X: Array):
        self.X = X
        self.W = np.zeros_like(X)

    def add(self, a: int, rows: Span, b: int, cols: Span, V: Array) -> None:
        self.W[a, rows[0] : rows[1]] += V @ self.X[b, cols[0] : cols[1]]

    def total(self, diagonal: Array) -> Array:
        self.W += diagonal[:, :, None] * self.X
        size = self.X.shape[2]
        T = self.X.reshape(-1, size).T @ self.W.reshape(-1, size)
        return (T + T.T) / 2


@dataclass(frozen=True)
class HiddenKernel:
    """A hidden layer's K, rows and columns in the order (pixel, sample)."""

    K: Array
    v_row: Array
    v_col: Array

    @classmethod
    def at(cls, K: Array, pixels: int) -> HiddenKernel:
        v = np.ascontiguousarray(np.diagonal(K)).reshape(pixels, -1)
        return cls(K, v, v)

    def block(self, a: int, rows: Span, b: int, cols: Span, out: Array) -> None:
        m, n = self.v_row.shape[1], self.v_col.shape[1]
        out[...] = self.K[a * m + rows[0] : a * m + rows[1], b * n + cols[0] : b * n + cols[1]]

    def gatherer(self) -> HiddenGatherer:
        return HiddenGatherer(self.v_row.shape)


class HiddenGatherer:
    """V itself, symmetrised."""

    def __init__(self, shape: tuple[int, ...]):
        self.pixels, self.samples = shape
        self.V = np.zeros((self.pixels * self.samples,) * 2)

    def add(self, a: int, rows: Span, b: int, cols: Span, V: Array) -> None:
        n = self.samples
        self.V[a * n + rows[0] : a * n + rows[1], b * n + cols[0] : b * n + cols[1]] += V

    def total(self, diagonal: Array) -> Array:
        self.V[np.diag_indices(len(self.V))] += diagonal.ravel()
        return (self.V + self.V.T) / 2
