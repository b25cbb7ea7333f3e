"""The coordinates of a state: one entry per hidden layer, from the inputs up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class LayerState(NamedTuple):
    """One layer against its prior: covariance L e^theta L^T and mean L mu.

    Changes of a state and gradients have the same form, with H and w, or E and e, in the places of theta and
    mu.

    Attributes
    ----------
    theta : (rank, rank) array
        Symmetric; 0 is the prior.
    mu : (rank,) array or None
        None where the activation is odd: the mean is zero then.
    """

    theta: Array
    mu: Array | None = None

    @property
    def arrays(self) -> tuple[Array, ...]:
        """Those that there are."""
        return (self.theta,) if self.mu is None else (self.theta, self.mu)

    def plus(self, change: LayerState) -> LayerState:
        return LayerState(
            self.theta + change.theta,
            None if self.mu is None or change.mu is None else self.mu + change.mu,
        )

    def times(self, factor: float) -> LayerState:
        return LayerState(factor * self.theta, None if self.mu is None else factor * self.mu)


State = tuple[LayerState, ...]


def at_prior(sizes: Sequence[int], odd: bool) -> State:
    """theta = 0 and mu = 0: the Gaussian process."""
    return tuple(LayerState(np.zeros((size, size)), None if odd else np.zeros(size)) for size in sizes)


def finite(state: State) -> bool:
    """Whether every number is."""
    return all(np.isfinite(array).all() for layer in state for array in layer.arrays)


def same_shapes(one: State, other: State) -> bool:
    """Whether two states are of the same layers."""
    return len(one) == len(other) and all(
        [array.shape for array in a.arrays] == [array.shape for array in b.arrays]
        for a, b in zip(one, other, strict=True)
    )


def distance(one: State, other: State) -> float:
    """Largest difference of two states."""
    return max(
        float(np.abs(x - y).max(initial=0.0))
        for a, b in zip(one, other, strict=True)
        for x, y in zip(a.arrays, b.arrays, strict=True)
    )


def size(state: State) -> float:
    """Largest entry of a state."""
    return max(float(np.abs(array).max(initial=0.0)) for layer in state for array in layer.arrays)
