"""Symmetric blocks as vectors in which the Fisher metric of the KL terms is Euclidean.

The metric of F is sum_l (N_l/2) tr(H_l H'_l). A vector holds the lower triangles, off-diagonal entries times
sqrt 2, each layer times sqrt(N_l / N_min): v.v' is the metric over N_min/2. A layer of infinite width sits
at its prior and has no entries.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from numerics.chain import Blocks

Array = NDArray[np.float64]


class FisherMetric:
    """Blocks of the given sizes <-> vectors, at given widths."""

    def __init__(self, sizes: Sequence[int], inverse_widths: Sequence[float]):
        narrowest = max(inverse_widths)
        self.sizes = tuple(sizes)
        self.weights = tuple(np.sqrt(narrowest / x) if x > 0 else 0.0 for x in inverse_widths)
        self._triangles = [
            np.tril_indices(size) if weight else (np.empty(0, np.intp),) * 2
            for size, weight in zip(self.sizes, self.weights, strict=True)
        ]
        self._scales = [
            weight * np.where(rows == columns, 1.0, np.sqrt(2.0))
            for (rows, columns), weight in zip(self._triangles, self.weights, strict=True)
        ]

    @property
    def dimension(self) -> int:
        return sum(len(scale) for scale in self._scales)

    def vector(self, blocks: Blocks) -> Array:
        return np.concatenate(
            [
                scale * block[triangle]
                for block, triangle, scale in zip(blocks, self._triangles, self._scales, strict=True)
            ]
        )

    def blocks(self, vector: Array) -> Blocks:
        found = []
        for part, size, triangle, scale in zip(
            self._split(vector), self.sizes, self._triangles, self._scales, strict=True
        ):
            block = np.zeros((size, size))
            block[triangle] = part / scale
            block.T[triangle] = block[triangle]
            found.append(block)
        return tuple(found)

    def lengths(self, vector: Array) -> list[float]:
        """Frobenius norm of every layer's block."""
        return [
            float(np.linalg.norm(part)) / weight
            for part, weight in zip(self._split(vector), self.weights, strict=True)
            if weight
        ]

    def _split(self, vector: Array) -> list[Array]:
        return np.split(vector, np.cumsum([len(scale) for scale in self._scales])[:-1])
