"""States as vectors in which the Fisher metric of the KL terms is Euclidean.

The metric of F is sum_l (N_l/2) tr(H_l H'_l) + N_l w_l.w'_l for changes H of the covariances and w of the
means. A vector holds the lower triangles, off-diagonal entries times sqrt 2, and the means times sqrt 2, each
layer times sqrt(N_l / N_min): v.v' is the metric over N_min/2. A layer of infinite width sits at its prior
and has no entries.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from numerics.gaussian.state import LayerState, State
from numerics.machine.dense import mirror

Array = NDArray[np.float64]

ROOT2 = np.sqrt(2.0)


class FisherMetric:
    """Changes of a state <-> vectors, at given widths.

    Parameters
    ----------
    sizes : sequence of int
        Dimension of each layer's theta, and mu.
    odd : bool
        Whether the activation is, so that there is no mu.
    inverse_widths : sequence of float
    """

    def __init__(self, sizes: Sequence[int], odd: bool, inverse_widths: Sequence[float]):
        narrowest = max(inverse_widths)
        weights = [np.sqrt(narrowest / x) if x > 0 else 0.0 for x in inverse_widths]
        self._layers = [_Entries(size, odd, weight) for size, weight in zip(sizes, weights, strict=True)]

    @property
    def dimension(self) -> int:
        return sum(layer.count for layer in self._layers)

    def vector(self, state: State) -> Array:
        return np.concatenate(
            [part for layer, block in zip(self._layers, state, strict=True) for part in layer.parts(block)]
        )

    def state(self, vector: Array) -> State:
        return tuple(layer.block(part) for layer, part in zip(self._layers, self._split(vector), strict=True))

    def admitted(self, state: State) -> State:
        """A state that these vectors reach: layers of infinite width at their prior."""
        return tuple(
            block if layer.weight > 0 else block.times(0.0)
            for layer, block in zip(self._layers, state, strict=True)
        )

    def capped(self, vector: Array, longest: float) -> Array:
        """The vector, shortened so that no layer's theta or mu is longer (Frobenius norm) than that."""
        norm = max(layer.longest(part) for layer, part in zip(self._layers, self._split(vector), strict=True))
        return vector if norm <= longest else vector * (longest / norm)

    def _split(self, vector: Array) -> list[Array]:
        return np.split(vector, np.cumsum([layer.count for layer in self._layers])[:-1])


class _Entries:
    """One layer's place in a vector: the lower triangle of theta, then mu."""

    def __init__(self, size: int, odd: bool, weight: float):
        self.size, self.odd, self.weight = size, odd, weight
        self._triangle = _lower_triangle(size) if weight > 0 else np.empty(0, np.intp)
        self.count = len(self._triangle) + (0 if odd or weight == 0 else size)

    def parts(self, block: LayerState) -> list[Array]:
        if self.weight == 0:
            return []
        triangle = self.weight * block.theta.ravel()[self._triangle]
        _scale_off_diagonal(triangle, ROOT2)
        return [triangle] if block.mu is None else [triangle, ROOT2 * self.weight * block.mu]

    def block(self, part: Array) -> LayerState:
        theta, mu = np.zeros((self.size, self.size)), None if self.odd else np.zeros(self.size)
        if self.weight > 0:
            triangle = part[: len(self._triangle)] / self.weight
            _scale_off_diagonal(triangle, 1 / ROOT2)
            theta.ravel()[self._triangle] = triangle
            mirror(theta)
            mu = None if self.odd else part[len(self._triangle) :] / (ROOT2 * self.weight)
        return LayerState(theta, mu)

    def longest(self, part: Array) -> float:
        if self.weight == 0:
            return 0.0
        triangle, mean = np.split(part, [len(self._triangle)])
        return max(float(np.linalg.norm(triangle)), float(np.linalg.norm(mean)) / ROOT2) / self.weight


def _lower_triangle(size: int) -> NDArray[np.intp]:
    """Places of a matrix's lower triangle, row by row."""
    return np.concatenate([np.arange(size * row, size * row + row + 1) for row in range(size)])


def _scale_off_diagonal(triangle: Array, factor: float) -> None:
    """In place; of a triangle row by row, whose row k ends with the diagonal."""
    rows = np.arange(1, int(np.sqrt(2 * len(triangle))) + 1)
    ends = rows * (rows + 1) // 2 - 1
    diagonal = triangle[ends].copy()
    triangle *= factor
    triangle[ends] = diagonal
