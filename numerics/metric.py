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

from numerics.chain import Blocks

Array = NDArray[np.float64]
Index = tuple[NDArray[np.intp], ...]


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
        self.shapes = tuple(shapes)
        self._entries: list[Index] = []
        self._scales: list[Array] = []
        for position, shape in enumerate(self.shapes):
            x = inverse_widths[position % len(inverse_widths)]
            index = _independent(shape) if x > 0 else (np.empty(0, np.intp),) * len(shape)
            twice = index[0] != index[1] if len(shape) == 2 else np.ones(len(index[0]), bool)
            self._entries.append(index)
            self._scales.append(np.where(twice, np.sqrt(2.0), 1.0) * np.sqrt(narrowest / x if x > 0 else 1.0))

    @property
    def dimension(self) -> int:
        return sum(len(scale) for scale in self._scales)

    def vector(self, blocks: Blocks) -> Array:
        parts = zip(blocks, self._entries, self._scales, strict=True)
        return np.concatenate([scale * block[entries] for block, entries, scale in parts])

    def blocks(self, vector: Array) -> Blocks:
        ends = np.cumsum([len(scale) for scale in self._scales])[:-1]
        found = []
        for part, shape, entries, scale in zip(
            np.split(vector, ends), self.shapes, self._entries, self._scales, strict=True
        ):
            block = np.zeros(shape)
            block[entries] = block.T[entries] = part / scale
            found.append(block)
        return tuple(found)


def _independent(shape: tuple[int, ...]) -> Index:
    """Indices of the lower triangle of a matrix, or of all of a vector."""
    return np.tril_indices(shape[0]) if len(shape) == 2 else (np.arange(shape[0]),)
