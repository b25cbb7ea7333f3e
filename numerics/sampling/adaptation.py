"""Warm-up of one chain: down to where the posterior is, then a step size.

From a draw of the prior the energy may be orders of magnitude above its usual values, and a step size tuned
there is useless below. So the first phase only descends, on paths of a fixed number of steps whose size grows
and shrinks with what is accepted, until the energy has stopped falling; the second tunes the step by dual
averaging (Hoffman and Gelman 2014), started from what the descent ended with.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from numerics.sampling.hmc import LARGEST_STEP, E, Transition, transition

Array = NDArray[np.float64]

# The average of log h accepts more than aimed at, as acceptance is concave in log h: .65 gives about .8, and
# anything between .65 and .85 costs much the same.
TARGET = 0.65
SMALLEST_STEP = 1e-5
FIRST_STEP = 0.1

DESCENT_STEPS = 8
WINDOW = 5  # paths whose median energy is compared with that of as many before
LONGEST_DESCENT = 60
GROW, SHRINK = 1.25, 0.7
EASY, HARD = 0.9, 0.6  # acceptance above which a step grows, and below which it shrinks

SHRINKAGE, DELAY, DECAY = 0.05, 10.0, 0.75  # gamma, t_0 and kappa of dual averaging


def clipped(step: float) -> float:
    return min(max(step, SMALLEST_STEP), LARGEST_STEP)


@dataclass
class Descent:
    """The first phase: paths of `DESCENT_STEPS` steps.

    Attributes
    ----------
    step : float
        Of the next path.
    values : list of float
        Energies after each.
    """

    step: float = FIRST_STEP
    values: list[float] = field(default_factory=list)

    @property
    def ended(self) -> bool:
        """Whether the last energies are no lower, in the median, than those before them."""
        if len(self.values) < 2 * WINDOW:
            return False
        before, last = self.values[-2 * WINDOW : -WINDOW], self.values[-WINDOW:]
        settled = len(set(last)) > 1 and float(np.median(last)) >= float(np.median(before))
        return settled or len(self.values) >= LONGEST_DESCENT

    def path(self, energy: Callable[[Array], E], z: Array, at: E, rng: np.random.Generator) -> Transition[E]:
        path = transition(energy, z, at, self.step, rng, steps=DESCENT_STEPS)
        if path.acceptance > EASY:
            self.step = clipped(GROW * self.step)
        elif path.acceptance < HARD:
            self.step = clipped(SHRINK * self.step)
        self.values.append(path.at.value)
        return path


@dataclass
class DualAveraging:
    """The second phase: the step whose acceptance is TARGET, from noisy acceptances.

    Attributes
    ----------
    step : float
        Of the next path.
    """

    step: float
    centre: float
    count: int = 0
    excess: float = 0.0
    log_average: float = 0.0

    @classmethod
    def around(cls, step: float) -> DualAveraging:
        step = clipped(step)
        return cls(step, math.log(2.0 * step))

    def path(
        self,
        energy: Callable[[Array], E],
        z: Array,
        at: E,
        rng: np.random.Generator,
        length: float,
    ) -> Transition[E]:
        path = transition(energy, z, at, self.step, rng, length)
        self.learn(path.acceptance)
        return path

    def learn(self, acceptance: float) -> None:
        self.count += 1
        weight = 1.0 / (self.count + DELAY)
        self.excess = (1.0 - weight) * self.excess + weight * (TARGET - acceptance)
        log_step = self.centre - math.sqrt(self.count) / SHRINKAGE * self.excess
        self.step = clipped(math.exp(min(log_step, 0.0)))
        fresh = self.count**-DECAY
        self.log_average = fresh * math.log(self.step) + (1.0 - fresh) * self.log_average

    @property
    def average(self) -> float:
        """The step to go on with."""
        return self.step if self.count == 0 else clipped(math.exp(self.log_average))
