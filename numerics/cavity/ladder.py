"""Down in the width by few draws, rung by rung.

The first rung is where the readout's load is light; each next one halves the width, or takes a smaller step
where it must, and starts where the last one ended, with draws of a Gaussian of the law found there.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from numerics.cavity.attempts import Attempts, Found

Array = NDArray[np.float64]

LIGHT = 0.25  # readout load at which the ladder begins
PILOT = 8  # times fewer draws on the way
LEAST_PILOT = 2048
PILOT_LOAD = 16  # draws per datum and slot at least
ENOUGH = 0.25  # effective share of draws below which a Gaussian does not serve
FINEST = 1.15  # factor of the width between two rungs, below which there is none


class Ladder:
    """Rough solutions of one problem, kept for the widths below them.

    Parameters
    ----------
    attempts : Attempts
    draws : int
        At most, on a rung.
    """

    def __init__(self, attempts: Attempts, draws: int):
        self.attempts = attempts
        self.draws = draws
        self.rungs: dict[float, Found] = {}

    def approach(self, width: float) -> Found:
        """By as few draws as do, at the narrowest width down to this one where a Gaussian roughly serves."""
        rung = self._start(width)
        if rung.population.covariance is None:
            return rung
        factor, draws = 2.0, self._few()
        while (here := rung.width) > width and factor > FINEST:
            # equal steps, none of more than this factor
            steps = math.ceil(math.log(here / width) / math.log(factor) - 1e-9)
            there = width if steps <= 1 else here * (width / here) ** (1.0 / steps)
            below = self._rung(there, rung.at.K, rung.at.eps, rung.covariance(), draws)
            if serves(below):
                rung = below
            elif draws < self.draws:
                draws = min(4 * draws, self.draws)  # few draws fit the fields to themselves
            else:
                factor = math.sqrt(factor)
        return rung

    def least_above(self, width: float, share: float) -> Found | None:
        """The narrowest rung that is wider and of which so much counts."""
        known = [at for at, rung in self.rungs.items() if at > width and rung.share >= share]
        return self.rungs[min(known)] if known else None

    def _start(self, width: float) -> Found:
        """The nearest rung above, or the first one."""
        wider = [known for known in self.rungs if known >= width]
        if wider:
            return self.rungs[min(wider)]
        scaled = self.attempts.scaled
        K, eps = scaled.gaussian_process()
        freedom = (len(K) - float(np.trace(np.linalg.inv(K)))) / scaled.y.shape[0]
        top = max(width, freedom / (scaled.hidden.slots * LIGHT))
        return self._rung(top, K, eps, np.eye(scaled.hidden.size), self._few())

    def _few(self) -> int:
        hidden = self.attempts.scaled.hidden
        least = max(LEAST_PILOT, PILOT_LOAD * hidden.samples // hidden.slots)
        return max(self.draws // PILOT, min(least, self.draws))

    def _rung(self, width: float, K: Array, eps: Array, covariance: Array, draws: int) -> Found:
        found = self.settled(width, K, eps, covariance, draws)
        if serves(found):
            self.rungs[width] = found
        return found

    def settled(self, width: float, K: Array, eps: Array, covariance: Array, draws: int) -> Found:
        """From K and eps with draws of N(0, covariance), and again with draws of what those found."""
        found = self.attempts.rough(width, K, eps, covariance, draws, stream=0)
        if found.share < ENOUGH / 2:
            return found
        covariance = found.covariance()
        return self.attempts.rough(width, found.at.K, found.at.eps, covariance, draws, stream=1).kept()


def serves(found: Found) -> bool:
    """Whether so many of its draws count that a Gaussian serves as reference."""
    return found.share >= ENOUGH
