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

from numerics.free_energy.chain import Blocks
from numerics.machine.dense import mirror

Array = NDArray[np.float64]
Entries = NDArray[np.intp]

ROOT2 = np.sqrt(2.0)


class FisherMetric:
    """Changes of a state <-> vectors, at given widths.

    Parameters
    ----------
    shapes : sequence of tuple of int
        Of the state's blocks: a symmetric matrix per layer, then, unless the activation is odd, a vector.
    inverse_widths : sequence of float
    """

    def __init__(self, shapes: Sequence[tuple[int, ...]], inverse_widths: Sequence[float]):
        narrowest = max(inverse_widths)
        layers = [np.sqrt(narrowest / x) if x > 0 else 0.0 for x in inverse_widths]
        self.shapes = tuple(shapes)
        self._weights = [*layers, *(ROOT2 * weight for weight in layers)][: len(self.shapes)]
        self._entries = [
            _independent(shape) if weight > 0 else np.empty(0, np.intp)
            for shape, weight in zip(self.shapes, self._weights, strict=True)
        ]

    @property
    def dimension(self) -> int:
        return sum(map(len, self._entries))

    def vector(self, blocks: Blocks) -> Array:
        found = []
        for block, entries, weight in zip(blocks, self._entries, self._weights, strict=True):
            part = weight * block.ravel()[entries]
            if block.ndim == 2:
                _scale_off_diagonal(part, ROOT2)
            found.append(part)
        return np.concatenate(found)

    def blocks(self, vector: Array) -> Blocks:
        found = []
        for part, shape, entries, weight in zip(
            self._parts(vector), self.shapes, self._entries, self._weights, strict=True
        ):
            block = np.zeros(shape)
            if len(entries):
                part = part / weight
                if len(shape) == 2:
                    _scale_off_diagonal(part, 1 / ROOT2)
                block.ravel()[entries] = part
                if len(shape) == 2:
                    mirror(block)
            found.append(block)
        return tuple(found)

    def admitted(self, blocks: Blocks) -> Blocks:
        """A state that these vectors reach: layers of infinite width at their prior."""
        return tuple(
            block if len(entries) else np.zeros_like(block)
            for block, entries in zip(blocks, self._entries, strict=True)
        )

    def capped(self, vector: Array, longest: float) -> Array:
        """The vector, shortened so that no block is longer (Frobenius norm) than that."""
        parts = zip(self._parts(vector), self._weights, strict=True)
        norm = max(float(np.linalg.norm(part)) / weight for part, weight in parts if weight > 0)
        return vector if norm <= longest else vector * (longest / norm)

    def _parts(self, vector: Array) -> list[Array]:
        return np.split(vector, np.cumsum([len(entries) for entries in self._entries])[:-1])


def _independent(shape: tuple[int, ...]) -> Entries:
    """Places of the lower triangle of a matrix, row by row, or of all of a vector."""
    if len(shape) == 1:
        return np.arange(shape[0])
    size = shape[0]
    return np.concatenate([np.arange(size * row, size * row + row + 1) for row in range(size)])


def _scale_off_diagonal(triangle: Array, factor: float) -> None:
    """In place; of a triangle row by row, whose row k ends with the diagonal."""
    rows = np.arange(1, int(np.sqrt(2 * len(triangle))) + 1)
    ends = rows * (rows + 1) // 2 - 1
    diagonal = triangle[ends].copy()
    triangle *= factor
    triangle[ends] = diagonal
