"""Kernels of pre-activations, by the block: K_ab[rows, columns] for pixels a, b and panels of samples.

Where an activation is not odd the pre-activations have means too: h ~ N(m, K).

The input layer's kernel K_ab = X_a Sigma X_b^T is never stored, a hidden layer's is an array. Both give
blocks, and gather an adjoint (a gradient with respect to Sigma or to K) block by block.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from numerics import parallel
from numerics.parallel import Span

Array = NDArray[np.float64]


ROWS = 1024  # x channels: the share of the inputs that a sum over them takes at a time


class Kernel(Protocol):
    """A kernel between row inputs and column inputs (the same ones, but for test points).

    `v_row`, `v_col` : (P, m), (P, n) variances of the pre-activations; `m_row`, `m_col` : their means in
    the same shapes, None where all are zero. Of a direction along which a kernel moves they are the changes
    dv, dm.
    """

    @property
    def v_row(self) -> Array: ...

    @property
    def v_col(self) -> Array: ...
    @property
    def m_row(self) -> Array | None: ...
    @property
    def m_col(self) -> Array | None: ...

    def block(self, a: int, rows: Span, b: int, cols: Span, out: Array) -> None:
        """out = K_ab[rows, cols]."""

    def gatherer(self) -> Gatherer:
        """Collects (V, u) = dF/d(K, m) of a symmetric kernel into a gradient."""


class Gatherer(Protocol):
    def add(self, a: int, rows: Span, b: int, cols: Span, V: Array) -> None:
        """Take V_ab[rows, cols]; calls from several threads must not share rows."""

    def total(self, diagonal: Array) -> tuple[Array, Array]:
        """The gradients in the covariance (symmetric) and in the mean.

        diagonal : (P, n) to add to V_aa's diagonals, or (P, 2, n): that and u; without u the second is empty.
        """


@dataclass(frozen=True)
class InputKernel:
    """K_ab = Y_a X_b^T with Y = X Sigma and m = X m_w; X of shape (P, n, S)."""

    Y: Array
    X: Array
    v_row: Array
    v_col: Array
    m_row: Array | None = None
    m_col: Array | None = None

    @classmethod
    def at(cls, X: Array, Sigma: Array, mean: Array | None = None) -> InputKernel:
        Y, v = np.empty(X.shape), np.empty(X.shape[:2])
        flat, flat_Y, flat_v = X.reshape(-1, X.shape[2]), Y.reshape(-1, X.shape[2]), v.ravel()

        def work(shares: Sequence[Span]) -> None:
            for low, high in shares:
                np.dot(flat[low:high], Sigma, out=flat_Y[low:high])
                np.einsum("ms,ms->m", flat_Y[low:high], flat[low:high], out=flat_v[low:high])

        parallel.over_panels(work, parallel.panels(len(flat), ROWS), float(X.size))
        m = None if mean is None else X @ mean
        return cls(Y, X, v, v, m, m)

    @classmethod
    def between(cls, X_row: Array, X_col: Array, Sigma: Array, mean: Array | None = None) -> InputKernel:
        rows, cols = cls.at(X_row, Sigma, mean), cls.at(X_col, Sigma, mean)
        return cls(rows.Y, X_col, rows.v_row, cols.v_row, rows.m_row, cols.m_row)

    def block(self, a: int, rows: Span, b: int, cols: Span, out: Array) -> None:
        np.dot(self.Y[a, rows[0] : rows[1]], self.X[b, cols[0] : cols[1]].T, out=out)

    def gatherer(self) -> InputGatherer:
        return InputGatherer(self.X)


class InputGatherer:
    """sum_ab X_a^T V_ab X_b, with W_a = sum_b V_ab X_b gathered first, and sum_a X_a^T u_a."""

    def __init__(self, X: Array):
        self.X = X
        self.W = np.zeros(X.shape)

    def add(self, a: int, rows: Span, b: int, cols: Span, V: Array) -> None:
        self.W[a, rows[0] : rows[1]] += V @ self.X[b, cols[0] : cols[1]]

    def total(self, diagonal: Array) -> tuple[Array, Array]:
        diagonal, u = _split(diagonal)
        size = self.X.shape[2]
        flat, flat_W, flat_diagonal = self.X.reshape(-1, size), self.W.reshape(-1, size), diagonal.ravel()

        def work(shares: Sequence[Span]) -> Array:
            T = np.zeros((size, size))
            for low, high in shares:
                W = flat_diagonal[low:high, None] * flat[low:high]
                W += flat_W[low:high]
                T += flat[low:high].T @ W
            return T

        parts = parallel.over_panels(work, parallel.panels(len(flat), ROWS), float(self.X.size))
        T = sum(parts[1:], start=parts[0])
        return (T + T.T) / 2, flat.T @ u if u.size else u


@dataclass(frozen=True)
class HiddenKernel:
    """A hidden layer's K, rows and columns in the order (pixel, sample)."""

    K: Array
    v_row: Array
    v_col: Array
    m_row: Array | None = None
    m_col: Array | None = None

    @classmethod
    def at(cls, K: Array, pixels: int, mean: Array | None = None) -> HiddenKernel:
        v = np.ascontiguousarray(np.diagonal(K)).reshape(pixels, -1)
        m = None if mean is None else mean.reshape(pixels, -1)
        return cls(K, v, v, m, m)

    def block(self, a: int, rows: Span, b: int, cols: Span, out: Array) -> None:
        m, n = self.v_row.shape[1], self.v_col.shape[1]
        out[...] = self.K[a * m + rows[0] : a * m + rows[1], b * n + cols[0] : b * n + cols[1]]

    def gatherer(self) -> HiddenGatherer:
        return HiddenGatherer(self.v_row.shape)


class HiddenGatherer:
    """V itself, symmetrised, and u."""

    def __init__(self, shape: tuple[int, ...]):
        self.pixels, self.samples = shape
        self.V = np.zeros((self.pixels * self.samples,) * 2)

    def add(self, a: int, rows: Span, b: int, cols: Span, V: Array) -> None:
        n = self.samples
        self.V[a * n + rows[0] : a * n + rows[1], b * n + cols[0] : b * n + cols[1]] += V

    def total(self, diagonal: Array) -> tuple[Array, Array]:
        diagonal, u = _split(diagonal)
        self.V[np.diag_indices(len(self.V))] += diagonal.ravel()
        return (self.V + self.V.T) / 2, u


def _split(diagonal: Array) -> tuple[Array, Array]:
    """(P, n) or (P, 2, n) as what belongs to the variances, (P, n), and to the means, (P n,) or empty."""
    if diagonal.ndim == 2:
        return diagonal, np.empty(0)
    return diagonal[:, 0], diagonal[:, 1].ravel()
