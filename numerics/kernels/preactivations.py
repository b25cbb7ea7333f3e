"""Kernels of pre-activations, a panel at a time: K_ab[rows, columns] for pairs of pixels (a, b).

Where an activation is not odd the pre-activations have means too: h ~ N(m, K).

The input layer's kernel K_ab = X_a Sigma X_b^T is never stored, a hidden layer's is an array. Both run an
activation's loops over the tiles of a panel, and gather an adjoint (a gradient with respect to Sigma or to
K). D is what the activation keeps of each datum (`Activation.statistics`), K and dK are scratch of a panel's
shape.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from numerics.kernels.panels import Tiles
from numerics.machine import parallel, scratch
from numerics.machine.parallel import Span

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

    def add_values(self, tiles: Tiles, D_row: Array, D_col: Array, K: Array, out: Array) -> None:
        """out += the sum of G(K_ab) over the tiles."""

    def add_tangents(
        self, tiles: Tiles, moving: Any, D: Array, dv: Array, K: Array, dK: Array, out: Array
    ) -> None:
        """out += the change of the same along `moving`, a kernel of the same kind, with dv per datum."""

    def moving(self, dK: Array, dm: Array | None) -> Kernel:
        """The direction in which Sigma or K moves along dK and the mean along dm."""

    def gatherer(self) -> Gatherer:
        """Collects (V, u) = dF/d(K, m) of a symmetric kernel into a gradient."""


class Gatherer(Protocol):
    """Calls of several threads must not share rows, nor a `diagonal`: (P, n) or (P, 2, n), see `total`."""

    def add(self, tiles: Tiles, D: Array, B: Array, K: Array, diagonal: Array) -> None:
        """Take V_ab = B dG/dK_ab of the tiles; the slopes in what each datum has, variance and mean, are
        added to `diagonal`."""

    def add_tangent(
        self,
        tiles: Tiles,
        moving: Any,
        D: Array,
        dv: Array,
        B: Array,
        dB: Array,
        K: Array,
        dK: Array,
        diagonal: Array,
    ) -> None:
        """The change of the same along `moving`, dv and dB."""

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
        X = np.ascontiguousarray(X)
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
        return cls(rows.Y, cols.X, rows.v_row, cols.v_row, rows.m_row, cols.m_row)

    def add_values(self, tiles: Tiles, D_row: Array, D_col: Array, K: Array, out: Array) -> None:
        tiles.loops.add_values(self.Y, self.X, *tiles.where, D_row, D_col, K, out)

    def add_tangents(
        self, tiles: Tiles, moving: InputKernel, D: Array, dv: Array, K: Array, dK: Array, out: Array
    ) -> None:
        tiles.loops.add_tangents(self.Y, moving.Y, self.X, *tiles.where, D, dv, K, dK, out)

    def moving(self, dK: Array, dm: Array | None) -> InputKernel:
        return InputKernel.at(self.X, dK, dm)

    def gatherer(self) -> InputGatherer:
        return InputGatherer(self)


class InputGatherer:
    """sum_ab X_a^T V_ab X_b, with W_a = sum_b V_ab X_b gathered first, and sum_a X_a^T u_a."""

    def __init__(self, kernel: InputKernel):
        self.kernel = kernel
        self.X = kernel.X
        self.W = scratch.take(self.X.size).reshape(self.X.shape)
        self.W.fill(0.0)

    def add(self, tiles: Tiles, D: Array, B: Array, K: Array, diagonal: Array) -> None:
        with self._part(tiles) as part:
            tiles.loops.adjoints(self.kernel.Y, self.X, *tiles.where, D, B, K, part, diagonal, self.W)

    def add_tangent(
        self,
        tiles: Tiles,
        moving: InputKernel,
        D: Array,
        dv: Array,
        B: Array,
        dB: Array,
        K: Array,
        dK: Array,
        diagonal: Array,
    ) -> None:
        Y, dY = self.kernel.Y, moving.Y
        with self._part(tiles) as part:
            tiles.loops.adjoint_tangents(
                Y, dY, self.X, *tiles.where, D, dv, B, dB, K, dK, part, diagonal, self.W
            )

    @contextmanager
    def _part(self, tiles: Tiles) -> Iterator[Array]:
        shape = tiles.rows[1] - tiles.rows[0], self.X.shape[2]
        with scratch.arrays(1, shape[0] * shape[1]) as (flat,):
            yield flat.reshape(shape)

    def total(self, diagonal: Array) -> tuple[Array, Array]:
        diagonal, u = _split(diagonal)
        size = self.X.shape[2]
        flat, flat_W, flat_diagonal = self.X.reshape(-1, size), self.W.reshape(-1, size), diagonal.ravel()

        def work(shares: Sequence[Span]) -> Array:
            T = np.zeros((size, size))
            for low, high in shares:
                with scratch.arrays(1, (high - low) * size) as (part,):
                    W = np.multiply(flat_diagonal[low:high, None], flat[low:high], out=part.reshape(-1, size))
                    W += flat_W[low:high]
                    T += flat[low:high].T @ W
            return T

        parts = parallel.over_panels(work, parallel.panels(len(flat), ROWS), float(self.X.size))
        scratch.give(self.W)
        del self.W
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

    def tile(self, tiles: Tiles, a: int, b: int) -> Array:
        """The view K_ab[rows, cols]."""
        return tiles.of(self.K, a, self.v_row.shape[1], b, self.v_col.shape[1])

    def add_values(self, tiles: Tiles, D_row: Array, D_col: Array, K: Array, out: Array) -> None:
        here, there = slice(*tiles.rows), slice(*tiles.cols)
        for a, b in tiles.group.pairs:
            K[...] = self.tile(tiles, a, b)
            tiles.loops.add_value(K, D_row[a, ..., here], D_col[b, ..., there], out)

    def add_tangents(
        self, tiles: Tiles, moving: HiddenKernel, D: Array, dv: Array, K: Array, dK: Array, out: Array
    ) -> None:
        here, there = slice(*tiles.rows), slice(*tiles.cols)
        for a, b in tiles.group.pairs:
            K[...] = self.tile(tiles, a, b)
            dK[...] = moving.tile(tiles, a, b)
            tiles.loops.add_tangent(
                K, dK, D[a, ..., here], D[b, ..., there], dv[a, ..., here], dv[b, ..., there], out
            )

    def moving(self, dK: Array, dm: Array | None) -> HiddenKernel:
        return HiddenKernel.at(dK, len(self.v_row), dm)

    def gatherer(self) -> HiddenGatherer:
        return HiddenGatherer(self)


class HiddenGatherer:
    """V itself, symmetrised, and u."""

    def __init__(self, kernel: HiddenKernel):
        self.kernel = kernel
        self.V = np.zeros(kernel.K.shape)

    def add(self, tiles: Tiles, D: Array, B: Array, K: Array, diagonal: Array) -> None:
        here, there = slice(*tiles.rows), slice(*tiles.cols)
        for a, b in tiles.group.pairs:
            K[...] = self.kernel.tile(tiles, a, b)
            tiles.loops.adjoint(
                K, D[a, ..., here], D[b, ..., there], B, diagonal[a, ..., here], diagonal[b, ..., there]
            )
            self._take(tiles, a, b, K)

    def add_tangent(
        self,
        tiles: Tiles,
        moving: HiddenKernel,
        D: Array,
        dv: Array,
        B: Array,
        dB: Array,
        K: Array,
        dK: Array,
        diagonal: Array,
    ) -> None:
        here, there = slice(*tiles.rows), slice(*tiles.cols)
        for a, b in tiles.group.pairs:
            K[...] = self.kernel.tile(tiles, a, b)
            dK[...] = moving.tile(tiles, a, b)
            tiles.loops.adjoint_tangent(
                K,
                dK,
                D[a, ..., here],
                D[b, ..., there],
                dv[a, ..., here],
                dv[b, ..., there],
                B,
                dB,
                diagonal[a, ..., here],
                diagonal[b, ..., there],
            )
            self._take(tiles, a, b, K)

    def _take(self, tiles: Tiles, a: int, b: int, V: Array) -> None:
        n = self.kernel.v_row.shape[1]
        mine = tiles.of(self.V, a, n, b, n)
        mine += V

    def total(self, diagonal: Array) -> tuple[Array, Array]:
        diagonal, u = _split(diagonal)
        self.V[np.diag_indices(len(self.V))] += diagonal.ravel()
        return (self.V + self.V.T) / 2, u


def _split(diagonal: Array) -> tuple[Array, Array]:
    """(P, n) or (P, 2, n) as what belongs to the variances, (P, n), and to the means, (P n,) or empty."""
    if diagonal.ndim == 2:
        return diagonal, np.empty(0)
    return diagonal[:, 0], diagonal[:, 1].ravel()
