"""Warm-up of one chain: down to where the posterior is, then a step size.

From a draw of the prior the energy may be orders of magnitude above its usual values, and a step size tuned
there is useless below. So the first phase only descends, on paths of a few steps whose size grows
and shrinks with what is accepted, until the energy has stopped falling; the second looks for the step by dual
averaging (Hoffman and Gelman 2014), started from what the descent ended with. The average of log h that dual
averaging itself proposes is too small after few paths; the step is read off the acceptances of its paths.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

from numerics.sampling.hmc import LARGEST_STEP, E, Transition, transition

Array = NDArray[np.float64]

TARGET = 0.75  # acceptance; anything between .65 and .85 costs much the same
SMALLEST_STEP = 1e-5
FIRST_STEP = 0.1

DESCENT_STEPS, DESCENT_LENGTH = (
    8,
    1.6,
)  # of a path: no more than so many, and no longer than about a quarter turn
WINDOW = 5  # paths whose median energy is compared with that of as many before
LONGEST_DESCENT = 60
GROW, SHRINK = 1.25, 0.7
EASY, HARD = 0.9, 0.6  # acceptance above which a step grows, and below which it shrinks

# gamma and t_0 of dual averaging; the usual gamma of .05 throws the step about by factors of ten, and paths
# far from the right step teach little
SHRINKAGE, DELAY = 0.2, 10.0
NEGLIGIBLE = 1e-4  # roughness times h^2 below which, and above whose inverse, acceptance is 1, or 0


def clipped(step: float) -> float:
    return min(max(step, SMALLEST_STEP), LARGEST_STEP)


@dataclass
class Descent:
    """The first phase: paths of at most `DESCENT_STEPS` steps.

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
        steps = min(DESCENT_STEPS, math.ceil(DESCENT_LENGTH / self.step))
        path = transition(energy, z, at, self.step, rng, steps=steps)
        if path.acceptance > EASY:
            self.step = clipped(GROW * self.step)
        elif path.acceptance < HARD:
            self.step = clipped(SHRINK * self.step)
        self.values.append(path.at.value)
        return path


@dataclass
class DualAveraging:
    """The second phase: steps about the one whose acceptance is TARGET, from noisy acceptances.

    Attributes
    ----------
    step : float
        Of the next path.
    tried : list of (float, float)
        Step and acceptance of each path.
    """

    step: float
    centre: float
    excess: float = 0.0
    tried: list[tuple[float, float]] = field(default_factory=list)

    @classmethod
    def around(cls, step: float) -> DualAveraging:
        step = clipped(step)
        return cls(step, math.log(2.0 * step))

    @property
    def count(self) -> int:
        return len(self.tried)

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
        self.tried.append((self.step, acceptance))
        weight = 1.0 / (self.count + DELAY)
        self.excess = (1.0 - weight) * self.excess + weight * (TARGET - acceptance)
        log_step = self.centre - math.sqrt(self.count) / SHRINKAGE * self.excess
        self.step = clipped(math.exp(min(log_step, 0.0)))


def expected_acceptance(roughness: float, step: Array) -> Array:
    """Of paths whose error of the energy is normal, of standard deviation roughness h^2.

    exp(-error) averages to 1, so that its mean is half its variance, and the acceptance 2 Phi(-sd / 2)
    (Beskos et al. 2013).
    """
    return 2.0 * ndtr(-0.5 * roughness * step**2)


def tuned_step(phases: Sequence[DualAveraging]) -> float:
    """The step for TARGET, from all chains' paths: the roughness that accounts for their mean acceptance.

    Of each chain the second half of its paths counts, as the first may have begun far from the step. The
    result is no further out than the steps tried there, as the law above holds near them. Without any path it
    is the geometric mean of the chains' steps.
    """
    tried = [pair for phase in phases for pair in phase.tried[phase.count // 2 :]]
    if not tried:
        return clipped(math.exp(float(np.mean(np.log([phase.step for phase in phases])))))
    steps, accepted = np.array(tried).T
    smallest, largest = float(np.min(steps)), float(np.max(steps))

    def surplus(log_roughness: float) -> float:
        return float(np.mean(expected_acceptance(math.exp(log_roughness), steps) - accepted))

    smooth, rough = math.log(NEGLIGIBLE / largest**2), math.log(1.0 / (NEGLIGIBLE * smallest**2))
    if surplus(smooth) <= 0.0:
        return clipped(largest)
    if surplus(rough) >= 0.0:
        return clipped(smallest)
    roughness = math.exp(brentq(surplus, smooth, rough))
    step = math.sqrt(-2.0 * float(ndtri(TARGET / 2.0)) / roughness)
    return clipped(min(max(step, smallest), largest))
