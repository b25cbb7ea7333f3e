"""Coordinates of the hidden weights in which their law is near a standard normal's.

Weights are whitened by their prior; those into the first layer may have a reference measure of their own,

    W_1 = T z_1,    T T^T = Sigma over its prior,

such as the equations of state give. A state z is one flat vector of all layers. The prior's energy is
1/2 sum_l |W_l|^2, a quadratic form of z, which is 1/2 |z|^2 where T is the identity.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

Array = NDArray[np.float64]
Shapes = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Coordinates:
    """z <-> weights, whitened by their prior.

    Attributes
    ----------
    shapes : tuple of (fan-in, units)
        Of every layer's weights.
    root : (S, S) lower triangular array or None
        T of the first layer; None is the identity.
    """

    shapes: Shapes
    root: Array | None = None

    @property
    def size(self) -> int:
        return sum(rows * columns for rows, columns in self.shapes)

    def split(self, z: Array) -> list[Array]:
        """The layers' parts of a flat vector, as views."""
        ends = list(accumulate(rows * columns for rows, columns in self.shapes))
        parts = np.split(z[: self.size], ends[:-1])
        return [part.reshape(shape) for part, shape in zip(parts, self.shapes, strict=True)]

    def weights(self, z: Array) -> list[Array]:
        """W_l of every layer."""
        first, *others = self.split(z)
        return [first if self.root is None else self.root @ first, *others]

    def state(self, weights: Sequence[Array]) -> Array:
        """z of given weights."""
        first, *others = weights
        if self.root is not None:
            first = solve_triangular(self.root, first, lower=True)
        return np.concatenate([part.ravel() for part in (first, *others)])

    def slope(self, slopes: Sequence[Array]) -> Array:
        """A gradient in z from that in the weights."""
        first, *others = slopes
        if self.root is not None:
            first = self.root.T @ first
        return np.concatenate([part.ravel() for part in (first, *others)])
