"""The map Sigma -> Q_f of a two-layer CNN, Eq. (7), with its adjoint, its tangent and their mix.

    Q_f = (sigma_a^2 / N) sum_i G(K_i),    K_i = X_i Sigma X_i^T    (X_i: patch i of every sample)

Only equal patches meet, so n^2 N kernel entries are needed but never stored: panels of rows are made
one patch at a time, used while they sit in cache, and made again where they are needed again. Of
symmetric matrices the lower triangle alone is made and read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from numerics import parallel
from numerics._generated import load
from numerics.parallel import Span

Array = NDArray[np.float64]

PANEL_ROWS = 64  # x PANEL_COLUMNS doubles are what a core's L2 cache takes, twice
PANEL_COLUMNS = 1024


@dataclass(frozen=True)
class Preactivations:
    """What all entries of K_i = X_i Sigma X_i^T are made from.

    Y : (N, n, S), X_i Sigma;  v : (N, n), the variances K_i,mm;  D : (N, n), `statistic(v)`.
    """

    Y: Array
    v: Array
    D: Array


class ReadoutMap:
    """Sigma -> Q_f for the patches of one data set.

    Parameters
    ----------
    X : (n, N, S) float64
    readout_variance : float
        sigma_a^2.
    activation : str
        Whose generated kernels to run.
    """

    def __init__(self, X: Array, readout_variance: float, activation: str):
        self.samples, self.patch_count, self.patch_size = X.shape
        self.X = np.ascontiguousarray(X.transpose(1, 0, 2))  # (N, n, S)
        self.scale = readout_variance / self.patch_count
        self.entries = self.samples**2 * self.patch_count / 2
        self.kernels = load(activation)

    def preactivations(self, Sigma: Array, X: Array | None = None) -> Preactivations:
        """Rows of K_i for the training inputs, or for other inputs X of shape (N, m, S)."""
        X = self.X if X is None else X
        Y = X @ Sigma
        v = np.einsum("ims,ims->im", Y, X)
        D = np.empty_like(v)
        self.kernels.statistics(v.reshape(-1), D.reshape(-1))
        return Preactivations(Y, v, D)

    def value(self, Sigma: Array) -> Array:
        """Q_f, shape (n, n); the lower triangle is valid, the rest is undefined."""
        h = self.preactivations(Sigma)
        Q = np.empty((self.samples, self.samples))

        def work(spans: Sequence[Span]) -> None:
            buffers = _Buffers(2)
            for low, high, left, right in _triangle(spans):
                K, total = buffers.shaped(high - low, right - left)
                total.fill(0.0)
                for i in range(self.patch_count):
                    np.dot(h.Y[i, low:high], self.X[i, left:right].T, out=K)
                    self.kernels.add_value(K, h.D[i, low:high], h.D[i, left:right], total)
                np.multiply(total, self.scale, out=Q[low:high, left:right])

        parallel.over_panels(work, self._panels(), self.entries)
        return Q

    def adjoint(self, Sigma: Array, A: Array) -> Array:
        """Tr{A dQ_f/dSigma}, shape (S, S), for a symmetric A (n, n) of which the lower triangle is read."""
        h = self.preactivations(Sigma)
        W = np.zeros_like(self.X)  # V_i X_i, V_i = the adjoint of K_i

        def work(spans: Sequence[Span]) -> Array:
            buffers = _Buffers(2)
            diagonal = np.zeros((self.patch_count, self.samples))
            for low, high, left, right in _triangle(spans):
                K, B = buffers.shaped(high - low, right - left)
                self._weights(A, low, high, left, right, B)
                for i in range(self.patch_count):
                    np.dot(h.Y[i, low:high], self.X[i, left:right].T, out=K)
                    self.kernels.adjoint(
                        K,
                        h.D[i, low:high],
                        h.D[i, left:right],
                        B,
                        diagonal[i, low:high],
                        diagonal[i, left:right],
                    )
                    W[i, low:high] += K @ self.X[i, left:right]
            return diagonal

        diagonals = parallel.over_panels(work, self._panels(), self.entries)
        return self._contract(W, sum(diagonals[1:], start=diagonals[0]))

    def tangent(self, Sigma: Array, dSigma: Array) -> Array:
        """dQ_f along dSigma, shape (n, n); the lower triangle is valid, the rest is undefined."""
        h, dY, dv = self._moving(Sigma, dSigma)
        dQ = np.empty((self.samples, self.samples))

        def work(spans: Sequence[Span]) -> None:
            buffers = _Buffers(3)
            for low, high, left, right in _triangle(spans):
                K, dK, total = buffers.shaped(high - low, right - left)
                total.fill(0.0)
                for i in range(self.patch_count):
                    np.dot(h.Y[i, low:high], self.X[i, left:right].T, out=K)
                    np.dot(dY[i, low:high], self.X[i, left:right].T, out=dK)
                    self.kernels.add_tangent(
                        K,
                        dK,
                        h.D[i, low:high],
                        h.D[i, left:right],
                        dv[i, low:high],
                        dv[i, left:right],
                        total,
                    )
                np.multiply(total, self.scale, out=dQ[low:high, left:right])

        parallel.over_panels(work, self._panels(), self.entries)
        return dQ

    def adjoint_tangent(self, Sigma: Array, dSigma: Array, A: Array, dA: Array) -> Array:
        """The change of `adjoint(Sigma, A)` when Sigma moves along dSigma and A along dA, shape (S, S)."""
        h, dY, dv = self._moving(Sigma, dSigma)
        W = np.zeros_like(self.X)

        def work(spans: Sequence[Span]) -> Array:
            buffers = _Buffers(4)
            diagonal = np.zeros((self.patch_count, self.samples))
            for low, high, left, right in _triangle(spans):
                K, dK, B, dB = buffers.shaped(high - low, right - left)
                self._weights(A, low, high, left, right, B)
                self._weights(dA, low, high, left, right, dB)
                for i in range(self.patch_count):
                    np.dot(h.Y[i, low:high], self.X[i, left:right].T, out=K)
                    np.dot(dY[i, low:high], self.X[i, left:right].T, out=dK)
                    self.kernels.adjoint_tangent(
                        K,
                        dK,
                        h.D[i, low:high],
                        h.D[i, left:right],
                        dv[i, low:high],
                        dv[i, left:right],
                        B,
                        dB,
                        diagonal[i, low:high],
                        diagonal[i, left:right],
                    )
                    W[i, low:high] += K @ self.X[i, left:right]
            return diagonal

        diagonals = parallel.over_panels(work, self._panels(), self.entries)
        return self._contract(W, sum(diagonals[1:], start=diagonals[0]))

    def cross(self, Sigma: Array, X_row: Array, X_col: Array | None = None) -> Array:
        """Q_f between inputs X_row (m, N, S) and X_col (default: the training inputs), shape (m, n)."""
        rows = np.ascontiguousarray(X_row.transpose(1, 0, 2))
        cols = self.X if X_col is None else np.ascontiguousarray(X_col.transpose(1, 0, 2))
        h_row, h_col = self.preactivations(Sigma, rows), self.preactivations(Sigma, cols)
        Q = np.empty((rows.shape[1], cols.shape[1]))

        def work(spans: Sequence[Span]) -> None:
            buffers = _Buffers(2)
            for low, high in spans:
                for left, right in parallel.panels(cols.shape[1], PANEL_COLUMNS):
                    K, total = buffers.shaped(high - low, right - left)
                    total.fill(0.0)
                    for i in range(self.patch_count):
                        np.dot(h_row.Y[i, low:high], cols[i, left:right].T, out=K)
                        self.kernels.add_value(K, h_row.D[i, low:high], h_col.D[i, left:right], total)
                    np.multiply(total, self.scale, out=Q[low:high, left:right])

        entries = rows.shape[1] * cols.shape[1] * self.patch_count
        parallel.over_panels(work, parallel.panels(rows.shape[1], PANEL_ROWS), entries)
        return Q

    def diagonal(self, Sigma: Array, X: Array) -> Array:
        """Q_f(x, x) for inputs X (m, N, S), shape (m,)."""
        h = self.preactivations(Sigma, np.ascontiguousarray(X.transpose(1, 0, 2)))
        total = np.zeros((X.shape[0], 1))
        for i in range(self.patch_count):
            for m in range(X.shape[0]):
                self.kernels.add_value(
                    h.v[i, m : m + 1, None], h.D[i, m : m + 1], h.D[i, m : m + 1], total[m : m + 1]
                )
        return self.scale * total[:, 0]

    def _panels(self) -> list[Span]:
        return parallel.panels(self.samples, PANEL_ROWS)

    def _moving(self, Sigma: Array, dSigma: Array) -> tuple[Preactivations, Array, Array]:
        dY = self.X @ dSigma
        return self.preactivations(Sigma), dY, np.einsum("ims,ims->im", dY, self.X)

    def _weights(self, A: Array, low: int, high: int, left: int, right: int, out: Array) -> None:
        """sigma_a^2/N times the weight of each entry of a panel: 2 A below the diagonal block, where an
        entry stands for its mirror image too, and the whole symmetric A inside it."""
        np.multiply(A[low:high, left:right], 2 * self.scale, out=out)
        if right > low:  # the panel's last columns are the diagonal block
            block = np.tril(A[low:high, low:high])
            block += np.tril(block, -1).T
            out[:, low - left :] = self.scale * block

    def _contract(self, W: Array, diagonal: Array) -> Array:
        """sum_i X_i^T (W_i + diag(diagonal_i) X_i), symmetrised."""
        W += diagonal[:, :, None] * self.X
        T = self.X.reshape(-1, self.patch_size).T @ W.reshape(-1, self.patch_size)
        return (T + T.T) / 2


class _Buffers:
    """A thread's scratch panels: contiguous at every shape, allocated once."""

    def __init__(self, number: int):
        self._flat = [np.empty(0) for _ in range(number)]

    def shaped(self, rows: int, columns: int) -> list[Array]:
        size = rows * columns
        if self._flat[0].size < size:
            self._flat = [np.empty(size) for _ in self._flat]
        return [flat[:size].reshape(rows, columns) for flat in self._flat]


def _triangle(spans: Sequence[Span]) -> Iterator[tuple[int, int, int, int]]:
    """Panels (low, high, left, right) that cover rows [low, high) up to and with the diagonal block."""
    for low, high in spans:
        edges = list(range(0, low, PANEL_COLUMNS))
        for left in edges[:-1]:
            yield low, high, left, left + PANEL_COLUMNS
        yield low, high, edges[-1] if edges else 0, high
