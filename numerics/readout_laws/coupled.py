"""Response p and second moment q of a readout's weights as matrices (derived: docs/derivations-fan-in.md).

One channel's weights are indexed by (pixel or pooled pixel, output). In units of the noise, with the blocks
G_ij of the post-activations' kernel, prior variance and number of pixels in them, and C channels,

    Q_w[(d)(d')] = sum_ij w_(id)(jd') G_ij,    H = (1 + Q_q)^{-1},    eps = (1 + Q_p)^{-1} y,
    p^{-1} = I + T/C,      T_(id)(jd') = tr[G_ij H_dd'],
    q = p + p M p/C,       M_(id)(jd') = eps_d^T G_ij eps_d',

which is the stationarity of

    Psi = 1/2 y^T (1 + Q_p)^{-1} y + 1/2 log det(1 + Q_q) + C/2 (tr q - tr q p^{-1} - log det p).

Here is what solves them, given T(q) and M(p); what these are made of stands in `numerics.readout_laws.pixels`
and `numerics.readout_laws.outputs`.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.linalg import LinearOperator, gmres

from numerics.readout_laws.law import NotPositiveDefinite

Array = NDArray[np.float64]

CLOSE = 1e-14  # a sweep that moves q by less, relative to its largest entry, is rounding
GOOD = 1e-11  # as far as it must come to count as solved
SWEEPS, DEPTH = 400, 6  # at most, and remembered by Anderson's acceleration
PLAIN = 3  # sweeps before it is accelerated
KRYLOV = 1e-13


class Coupled(ABC):
    """T and M of one readout at one kernel.

    Attributes
    ----------
    size : int
        Of p and q.
    channels : float
        C.
    """

    size: int
    channels: float

    @abstractmethod
    def fluctuation(self, q: Array) -> tuple[Array, float]:
        """T, and log det(1 + Q_q)."""

    @abstractmethod
    def response(self, p: Array) -> tuple[Array, float]:
        """M, and 1/2 y^T eps."""

    def p(self, q: Array) -> Array:
        return inverse(np.eye(self.size) + self.fluctuation(q)[0] / self.channels)

    def next(self, q: Array) -> Array:
        """p + p M p / C at p(q)."""
        p = self.p(q)
        return symmetric(p + p @ self.response(p)[0] @ p / self.channels)

    def psi(self, p: Array, q: Array) -> tuple[float, float, float]:
        """The three parts of Psi: fit, complexity, fan-in."""
        paid = float(np.trace(q) - np.sum(q * inverse(p)) - np.linalg.slogdet(p)[1])
        return self.response(p)[1], 0.5 * self.fluctuation(q)[1], 0.5 * self.channels * paid

    def solve(self, several: bool) -> tuple[Array, Array]:
        """(p, q); where there may be several roots, of those that two ends lead to the one of lower Psi."""
        ends = [np.eye(self.size)]
        if several:
            low = self.p(np.zeros_like(ends[0]))
            high = ends[0] + self.response(ends[0])[0] / self.channels
            ends = [low, symmetric(high)]
        roots = [accelerated(self.next, end) for end in ends]
        return min(((self.p(q), q) for q in roots), key=lambda found: sum(self.psi(*found)))

    def tangent(self, p: Array, M: Array, change: Change) -> tuple[Array, Array]:
        """(dp, dq) when the kernel changes: the linearised equations, by GMRES over symmetric matrices."""
        rows, cols = np.tril_indices(self.size)

        def whole(packed: Array) -> Array:
            D = np.zeros((self.size, self.size))
            D[rows, cols] = D[cols, rows] = packed
            return D

        def moved(dT: Array, fixed: bool) -> tuple[Array, Array]:
            dp = -p @ dT @ p / self.channels
            dM = change.M(dp, fixed)
            half = dp @ M @ p
            return dp, dp + (half + half.T + p @ dM @ p) / self.channels

        def homogeneous(packed: Array) -> Array:
            dq = whole(packed)
            return packed - symmetric(moved(change.T(dq, False), False)[1])[rows, cols]

        right = symmetric(moved(change.T(np.zeros_like(p), True), True)[1])[rows, cols]
        operator = LinearOperator((len(rows), len(rows)), matvec=homogeneous, dtype=np.float64)
        packed, _ = gmres(operator, right, rtol=KRYLOV, atol=0.0, restart=min(len(rows), 60), maxiter=5)
        dq = whole(packed)
        return symmetric(moved(change.T(dq, True), True)[0]), dq


class Change(ABC):
    """How T and M answer to a change of the kernel (if `fixed`) and of q or p, to first order."""

    @abstractmethod
    def T(self, dq: Array, fixed: bool) -> Array: ...

    @abstractmethod
    def M(self, dp: Array, fixed: bool) -> Array: ...


def symmetric(A: Array) -> Array:
    return (A + A.T) / 2


def inverse(A: Array) -> Array:
    """Of a symmetric matrix."""
    return symmetric(np.linalg.inv(A).astype(np.float64))


def accelerated(step: Callable[[Array], Array], q: Array) -> Array:
    """The fixed point q = step(q) over positive symmetric matrices, by Anderson's acceleration.

    Where an accelerated step leaves them, or has made things much worse, the plain one is taken.

    Raises
    ------
    NotPositiveDefinite
        When it does not settle.
    """
    images: list[Array] = []
    gaps: list[Array] = []
    best, least, stalled = q, math.inf, 0
    for sweep in range(SWEEPS):
        image = step(q)
        gap = image - q
        moved = float(np.abs(gap).max() / np.abs(image).max())
        if not math.isfinite(moved):
            break
        stalled = 0 if moved < 0.5 * least else stalled + 1
        if moved > 10.0 * least:
            images, gaps = [], []
        if moved < least:
            best, least = image, moved
        if least <= CLOSE or (least <= GOOD and stalled >= PLAIN):
            return best
        images, gaps = [*images[-DEPTH:], image], [*gaps[-DEPTH:], gap]
        q = image
        if sweep >= PLAIN and len(gaps) > 1:
            differences = np.array([(gap - old).ravel() for old in gaps[:-1]]).T
            weights = np.linalg.lstsq(differences, gap.ravel(), rcond=1e-12)[0]
            back = sum(w * (image - old) for w, old in zip(weights, images[:-1], strict=True))
            ahead = symmetric(image - back)
            if np.linalg.eigvalsh(ahead)[0] > 0.0:
                q = ahead
    if least <= GOOD:
        return best
    raise NotPositiveDefinite(f"q of a readout of finite fan-in does not settle: {least:.1g}")
