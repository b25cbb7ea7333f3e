"""Secants of the equations E(v) = 0, and Anderson's step over them.

A secant is how E changed along one change of the state. With G(v) = v - E(v), the fixed-point map, the step
is that to sum_j w_j G(v_j) for the combination w that makes E least (type II): exact where E is linear on the
span. Along a path of widths the map's slope varies little but for its factor 1/width, so that the secants of
one width serve at the next.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.blas import daxpy

from numerics.machine import dense, parallel

Array = NDArray[np.float64]

# Secants kept: more cost fewer gradients where learning is strong (two-layer CNN at C = 10: 33 with 30, 56
# with 8), and those of earlier widths count among them. Large hidden layers get fewer.
MOST = 40
FEWEST = 4
DOUBLES = 2.4e8  # in all: 1.9 GB
DEPENDENT = 1e-13  # of the largest eigenvalue of the secants' correlations: rounding


def room(dimension: int) -> int:
    """How many secants of so many unknowns are kept."""
    return int(np.clip(DOUBLES / (2 * max(dimension, 1)), FEWEST, MOST))


class Secants:
    """The newest secants, each a change of E and one of G.

    Parameters
    ----------
    most : int
    """

    def __init__(self, most: int):
        self.most = most
        self._E: list[Array] = []
        self._G: list[Array] = []
        self._products = np.empty((0, 0))  # E_j . E_k
        self._recycled = 0  # the oldest, that belong to another width

    def __len__(self) -> int:
        return len(self._E)

    def add(self, change: Array, change_of_E: Array) -> None:
        """One more secant; the oldest makes room."""
        if len(self) == self.most:
            self._keep(slice(1, None))
        self._E.append(change_of_E)
        self._G.append(change - change_of_E)
        border = self._along(change_of_E)
        products = np.empty((len(self), len(self)))
        products[:-1, :-1] = self._products
        products[-1] = products[:, -1] = border
        self._products = products

    def step(self, E: Array) -> Array:
        """From the state where the equations read E."""
        step = -E
        if len(self):
            weights = self._weights(E)
            with parallel.blas_threads(1):  # memory is the limit
                for weight, G in zip(weights, self._G, strict=True):
                    step = daxpy(G, step, a=-weight)
        return step

    def recycle(self, factor: float) -> None:
        """Carry all secants over to another width, whose inverse is `factor` times this one's."""
        for E, G in zip(self._E, self._G, strict=True):
            E += (1.0 - factor) * G  # E = v - G(v), and G is proportional to 1/width
            G *= factor
        if self._E:
            self._products = dense.gram(np.array(self._E))
        self._recycled = len(self)

    def forget_recycled(self) -> None:
        """Keep those alone that were seen at this width."""
        self._keep(slice(self._recycled, None))

    def clear(self) -> None:
        self._keep(slice(0, 0))

    def _keep(self, which: slice) -> None:
        before = len(self)
        self._E, self._G = self._E[which], self._G[which]
        self._products = self._products[which, which]
        self._recycled = max(self._recycled - (before - len(self)), 0)

    def _along(self, E: Array) -> Array:
        with parallel.blas_threads(1):
            return np.array([other @ E for other in self._E])

    def _weights(self, E: Array) -> Array:
        """w that makes |E - sum_j w_j E_j| least, without directions lost in rounding."""
        scale = np.sqrt(np.diagonal(self._products))
        scale[scale == 0.0] = 1.0
        along = self._along(E) / scale
        with parallel.for_factorisation(len(self)):
            values, U = dense.eigh(self._products / np.multiply.outer(scale, scale))
        kept = values > DEPENDENT * values[-1]
        return U[:, kept] @ ((U[:, kept].T @ along) / values[kept]) / scale
