"""The blocks G_ij of a readout's pixels, in units of the noise: sums over them, and traces with them.

For one output only the symmetric parts (G_ij + G_ji)/2 matter, of which one triangle is kept; for several the
whole array is.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from numerics.kernels.kernel_maps import KernelMap
from numerics.kernels.preactivations import Kernel
from numerics.machine.dense import mirrored
from numerics.readout_laws.noise_root import NoiseRoot

Array = NDArray[np.float64]


class Blocks(ABC):
    """Of N (pooled) pixels and k observed data, for D outputs.

    Attributes
    ----------
    pixels, outputs, samples : int
        N, D, k.
    """

    pixels: int
    outputs: int
    samples: int

    @abstractmethod
    def combined(self, w: Array) -> Array:
        """Q_w (D k, D k) of w (N D, N D)."""

    @abstractmethod
    def traces(self, Z: Array) -> Array:
        """tr[G_ij Z_dd'] of a symmetric Z (D k, D k), (N D, N D)."""


@dataclass(frozen=True)
class Pairs(Blocks):
    """One output.

    Attributes
    ----------
    packed : (N (N + 1)/2, k (k + 1)/2) array
        Lower triangles of (G_ij + G_ji)/2, pair by pair (i >= j).
    """

    packed: Array
    pixels: int
    samples: int
    outputs: int = 1

    @classmethod
    def at(cls, readout: KernelMap, kernel: Kernel, noise: NoiseRoot) -> Pairs:
        return cls._of(readout, noise, (readout.pair(i, j).value(kernel) for i, j in _pairs(readout)))

    @classmethod
    def moving(cls, readout: KernelMap, kernel: Kernel, moving: Kernel, noise: NoiseRoot) -> Pairs:
        """Their change along `moving`."""
        changes = (readout.pair(i, j).tangent(kernel, moving) for i, j in _pairs(readout))
        return cls._of(readout, noise, changes)

    @classmethod
    def _of(cls, readout: KernelMap, noise: NoiseRoot, each: Iterator[Array]) -> Pairs:
        k, N = len(noise.observed), readout.receptive.fan_in
        rows, cols = np.tril_indices(k)
        packed = np.empty((N * (N + 1) // 2, len(rows)))
        for row, block in zip(packed, each, strict=True):
            row[:] = noise.inward(mirrored(block))[rows, cols]
        return cls(packed, N, k)

    def combined(self, w: Array) -> Array:
        rows, cols = np.tril_indices(self.pixels)
        weights = w[rows, cols] * np.where(rows == cols, 1.0, 2.0)
        Q = np.empty((self.samples, self.samples))
        Q[np.tril_indices(self.samples)] = weights @ self.packed
        return mirrored(Q)

    def traces(self, Z: Array) -> Array:
        rows, cols = np.tril_indices(self.samples)
        packed = Z[rows, cols] * np.where(rows == cols, 1.0, 2.0)
        T = np.empty((self.pixels, self.pixels))
        T[np.tril_indices(self.pixels)] = self.packed @ packed
        return mirrored(T)


@dataclass(frozen=True)
class Grid(Blocks):
    """Any number of outputs.

    Attributes
    ----------
    flat : (N^2, k^2) array
        G_ij, pair by pair.
    """

    flat: Array
    pixels: int
    samples: int
    outputs: int

    @classmethod
    def at(cls, readout: KernelMap, kernel: Kernel, noise: NoiseRoot, outputs: int) -> Grid:
        return cls._of(readout, noise, outputs, readout.apart.value(kernel))

    @classmethod
    def moving(
        cls, readout: KernelMap, kernel: Kernel, moving: Kernel, noise: NoiseRoot, outputs: int
    ) -> Grid:
        """Their change along `moving`."""
        return cls._of(readout, noise, outputs, readout.apart.tangent(kernel, moving))

    @classmethod
    def _of(cls, readout: KernelMap, noise: NoiseRoot, outputs: int, lower: Array) -> Grid:
        k, N = len(noise.observed), readout.receptive.fan_in
        n = len(noise.noise_variance)
        whole = mirrored(lower).reshape(N, n, N, n)
        flat = np.empty((N, N, k * k))
        for i, j in np.ndindex(N, N):
            flat[i, j] = noise.inward(whole[i, :, j]).ravel()
        return cls(flat.reshape(N * N, k * k), N, k, outputs)

    def combined(self, w: Array) -> Array:
        N, D, k = self.pixels, self.outputs, self.samples
        each = w.reshape(N, D, N, D).transpose(1, 3, 0, 2).reshape(D * D, N * N)
        return np.ascontiguousarray(
            (each @ self.flat).reshape(D, D, k, k).transpose(0, 2, 1, 3).reshape(D * k, D * k)
        )

    def traces(self, Z: Array) -> Array:
        N, D, k = self.pixels, self.outputs, self.samples
        each = np.ascontiguousarray(Z.reshape(D, k, D, k).transpose(1, 3, 0, 2)).reshape(k * k, D * D)
        return (self.flat @ each).reshape(N, N, D, D).transpose(0, 2, 1, 3).reshape(N * D, N * D)


def _pairs(readout: KernelMap) -> Iterator[tuple[int, int]]:
    return zip(*np.tril_indices(readout.receptive.fan_in), strict=True)
