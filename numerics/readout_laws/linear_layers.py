"""Finite fan-in of every layer of a linear network with one output: a pair p_l, q_l each (derived).

The units of a linear layer act on the output through one collective combination, their readout direction, as
a readout of fan-in N_l does. Only the products p = prod p_l and q = prod q_l meet
the kernel. With a = q tr[Q H] and b = p eps.Q eps,

    p_l = 1 - a/(N_l + b),   q_l = p_l (1 + b/N_l),
    Psi = 1/2 y^T (1 + p Q)^{-1} y + 1/2 log det(1 + q Q) + sum_l N_l/2 (q_l - q_l/p_l - log p_l).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from numerics.readout_laws.coupled import Change
from numerics.readout_laws.outputs import Outputs

Array = NDArray[np.float64]

PLACES, SMALLEST = 60, 1e-9  # at which roots are looked for, from a fraction of the largest b there can be
TINY = 1e-300
DIGITS = 1e-15


@dataclass(frozen=True)
class LinearLayers(Outputs):
    """Attributes
    ----------
    widths : (L,) array
        N_l; infinite ones say nothing.
    """

    widths: Array

    def a(self, q: float) -> float:
        scaled = q * self.values
        return float(np.sum(scaled / (1.0 + scaled)))

    def b(self, p: float) -> float:
        scaled = p * self.values
        return float(np.sum(self.y[:, 0] ** 2 * scaled / (1.0 + scaled) ** 2))

    def each(self, a: float, b: float) -> tuple[Array, Array]:
        """p_l and q_l."""
        p = 1.0 - a / (self.widths + b)
        return p, p * (1.0 + b / self.widths)

    def solve(self, several: bool) -> tuple[Array, Array]:
        """(p, q), 1 x 1; of several roots the one of lowest Psi."""

        def gap(b: float) -> float:
            q = self._q(b)
            return self.b(float(np.prod(self.each(self.a(q), b)[0]))) - b

        largest = float(np.sum(self.y**2)) / 4.0  # x / (1 + x)^2 is at most 1/4
        places = [0.0, *(largest * np.geomspace(SMALLEST, 1.0, PLACES))]
        gaps = [gap(b) for b in places]
        roots = [0.0] if gaps[0] <= 0.0 else []
        for low, high, before, after in zip(places, places[1:], gaps, gaps[1:], strict=False):
            if before > 0.0 >= after or before <= 0.0 < after:
                roots.append(brentq(gap, low, high, xtol=DIGITS * high, rtol=4 * DIGITS))
        return min((self._at(b) for b in roots), key=lambda found: sum(self.psi(*found)))

    def psi(self, p: Array, q: Array) -> tuple[float, float, float]:
        fit, complexity, _ = super().psi(p, q)
        finite = np.isfinite(self.widths)
        p_l, q_l = (w[finite] for w in self.each(self.a(q[0, 0]), self.b(p[0, 0])))
        paid = 0.5 * float(np.sum(self.widths[finite] * (q_l - q_l / p_l - np.log(p_l))))
        return fit, complexity, paid

    def tangent(self, p: Array, M: Array, change: Change) -> tuple[Array, Array]:
        """Two linear equations for dp and dq."""
        a, b = self.a(q := self._from_p(p)), self.b(p[0, 0])
        T = a / q
        p_l, _ = self.each(a, b)

        def moved(dp: float, dq: float, fixed: bool) -> Array:
            da = dq * T + q * change.T(np.array([[dq]]), fixed)[0, 0]
            db = dp * M[0, 0] + p[0, 0] * change.M(np.array([[dp]]), fixed)[0, 0]
            over = self.widths + b
            log_p = float(np.sum((a * db / over - da) / over / p_l))
            return np.array([p[0, 0] * log_p, q * (log_p + float(np.sum(db / over)))])

        J = np.stack([moved(1.0, 0.0, False), moved(0.0, 1.0, False)], axis=1)
        dp, dq = np.linalg.solve(np.eye(2) - J, moved(0.0, 0.0, True))
        return np.array([[dp]]), np.array([[dq]])

    def _q(self, b: float) -> float:
        """The root of q = prod_l q_l at this b: the right side falls with q."""
        top = float(np.sum(np.log1p(b / self.widths)))

        def gap(log_q: float) -> float:
            p_l = self.each(self.a(np.exp(log_q)), b)[0]
            return log_q - top - float(np.sum(np.log(np.maximum(p_l, TINY))))

        low = top - 1.0
        while gap(low) > 0.0:
            low -= 2.0 * (top - low)
        return float(np.exp(brentq(gap, low, top, xtol=DIGITS, rtol=4 * DIGITS))) if gap(top) > 0.0 else 1.0

    def _at(self, b: float) -> tuple[Array, Array]:
        p_l, q_l = self.each(self.a(self._q(b)), b)
        return np.array([[np.prod(p_l)]]), np.array([[np.prod(q_l)]])

    def _from_p(self, p: Array) -> float:
        return self._q(self.b(p[0, 0]))
