"""An approximate inverse of the whitened Hessian, for conjugate gradients.

What the KL terms say is known: along M^{1/2} e^H M^{1/2} the term N/2 tr M bends like (M H + H M)/2, which
is diagonal between the eigenvectors of M, with (m_i + m_j)/2 >= 1 where a direction has grown. On top of it
come the directions that conjugate gradients searched at the last step, with their products: pairs of a
limited-memory BFGS formula (Morales and Nocedal 2000), since the Hessian changes little from one step to the
next while its few large eigenvalues, the learned directions, are what costs products.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from numerics.gaussian.layer import Layer
from numerics.gaussian.metric import FisherMetric
from numerics.gaussian.state import LayerState
from numerics.machine.dense import eigh, product

Array = NDArray[np.float64]

MOST = 60  # pairs, as far as memory allows
DOUBLES = 2.4e8  # in all
GROWN = 2.0  # below this largest eigenvalue of M the KL terms' Hessian is as good as the identity


class Preconditioner:
    """v -> about D^{-1} v, symmetric and positive definite, on vectors of a metric."""

    def __init__(self, metric: FisherMetric):
        self.metric = metric
        self.most = int(np.clip(DOUBLES / (2 * max(metric.dimension, 1)), 4, MOST))
        self._kl: list[tuple[Array, Array] | None] = []
        self._pairs: list[tuple[Array, Array]] = []
        self._next: list[tuple[Array, Array]] = []

    def at(self, layers: Sequence[Layer]) -> Preconditioner:
        """For the next state: its KL terms, and the pairs that were seen at the last one."""
        self._kl = [_bends(layer.exponential.M) for layer in layers]
        if self._next:
            self._pairs = [*self._pairs, *self._next][-self.most :]
            self._next = []
        return self

    def see(self, direction: Array, along: Array) -> None:
        """A direction and D times it, to be used from the next state on."""
        bend = float(direction @ along)
        if bend <= 1e-8 * float(np.linalg.norm(direction) * np.linalg.norm(along)):
            return
        scale = 1 / np.sqrt(bend)
        self._next.append((scale * direction, scale * along))
        del self._next[: -self.most]

    def __call__(self, v: Array) -> Array:
        """The two-loop recursion; s.y = 1 for every pair."""
        q = v.copy()
        weights = []
        for s, y in reversed(self._pairs):
            weight = float(s @ q)
            weights.append(weight)
            q -= weight * y
        q = self._kl_inverse(q)
        for (s, y), weight in zip(self._pairs, reversed(weights), strict=True):
            q += (weight - float(y @ q)) * s
        return q

    def _kl_inverse(self, v: Array) -> Array:
        if all(part is None for part in self._kl):
            return v
        state = list(self.metric.state(v))
        for level, part in enumerate(self._kl):
            if part is not None:
                U, bends = part
                inside = product(U.T, product(state[level].theta, U)) / bends
                state[level] = LayerState(product(U, product(inside, U.T)), state[level].mu)
        return self.metric.vector(tuple(state))


def _bends(M: Array) -> tuple[Array, Array] | None:
    m, U = eigh(M)
    if m[-1] <= GROWN:
        return None
    return U, np.maximum((m[:, None] + m) / 2, 1.0)
