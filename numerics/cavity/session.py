"""Solutions of one problem's cavity equations at any width, each with the error of its draws.

The reference follows the unit's law: a Gaussian of its second moment, and where the effective sample of all
draws is small, its own draws, moved by Hamiltonian Monte Carlo.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from numerics import checks
from numerics.cavity.attempts import AMPLE, Attempts, Found
from numerics.cavity.descent import Descent
from numerics.cavity.functional import Indefinite, Sweep, evaluated
from numerics.cavity.ladder import Ladder
from numerics.cavity.scaled import Scaled
from numerics.cavity.tracking import SNAPSHOTS, track
from numerics.problem import Problem
from numerics.solving.outcome import Status
from numerics.unit.population import BATCHES, Population, gaussian

Array = NDArray[np.float64]

FEWEST = 4 * BATCHES  # draws
SHARP = 0.4  # effective share of fixed draws below which moving ones are sharper
MORE = 2  # times as many draws of a Gaussian where not many count
MOVED = 2  # times fewer in a step of moving draws, whose fields know no others
MOST = max(MORE, SNAPSHOTS // MOVED)  # times as many draws at once, at most
NOISY = 3.0  # times sqrt(n / (draws slots)): a residual that the noise of moving draws explains; it is below
# 1.8 where they came to rest, and above 4.7 in every case where they did not
RESTED = 0.5  # share of moving draws that must count together, once their fields no longer change
FINE, MOVING = 2, 3  # streams of random numbers; the ladder has 0 and 1


class Session:
    """The cavity equations of one problem.

    Parameters
    ----------
    problem : Problem
        With one hidden layer; its width does not matter.
    draws : int
        M, weights of one unit.
    seed : int
    tol : float
        Of the residual (`numerics.cavity.functional.Sweep`).
    max_iter : int
        Sweeps of each descent at most.
    """

    def __init__(self, problem: Problem, draws: int, seed: int, tol: float, max_iter: int):
        self.scaled = Scaled(problem)
        self.draws = checks.count(draws, "draws", least=FEWEST)
        self.tol = checks.positive(tol, "tol")
        seed = checks.count(seed, "seed", least=0)
        self.attempts = Attempts(self.scaled, seed, checks.count(max_iter, "max_iter"))
        self.ladder = Ladder(self.attempts, self.draws)

    def infinite(self) -> Found:
        """The Gaussian process, with draws of the prior."""
        hidden = self.scaled.hidden
        prior = gaussian(hidden, self.draws, np.eye(hidden.size), self.attempts.stream(MOVING))
        return infinite(self.scaled, prior)

    def at(self, width: float) -> Found:
        """The solution at a width."""
        if math.isinf(width):
            return self.infinite()
        rung = self.ladder.approach(width)
        found = self._fixed(rung, width)
        if found is None:
            # from where few draws did not fit the fields to themselves
            found = self._tracked(self.ladder.least_above(width, SHARP) or rung, width)
            if found.descent.status.solved:
                self.ladder.rungs[width] = found.replicates[-1]
        return found

    def near(self, width: float, K: Array, eps: Array, covariance: Array) -> Found:
        """The solution at a width that a descent from K and eps (D, n) leads to, with draws of
        N(0, covariance) to begin with."""
        rung = self.ladder.settled(width, K, eps, covariance, self.draws)
        return self._fixed(rung, width) or self._tracked(rung, width)

    def _fixed(self, rung: Found, width: float) -> Found | None:
        """With draws of a Gaussian, if they serve."""
        if not self._promising(rung, width):
            return None
        draws = self.draws * (1 if rung.share >= AMPLE else MORE)
        found = self.attempts.fine(rung, draws, self.tol, FINE)
        if found is None or found.share < SHARP:
            return None
        found = found.kept()
        return replace(found, replicates=tuple(self.attempts.batches(found)))

    def _promising(self, rung: Found, width: float) -> bool:
        """Whether fixed draws may do: enough of the rung's count, or they were few."""
        if rung.width != width or rung.population.covariance is None:
            return False
        return rung.share >= SHARP or len(rung.population) < self.draws

    def _tracked(self, rung: Found, width: float) -> Found:
        """Down from a rung with moving draws."""
        draws = max(self.draws // MOVED, FEWEST)
        try:
            seed = self.attempts.stream(MOVING)
            tracked = track(self.scaled.functional, rung.functional, rung.at, width, draws, seed)
        except Indefinite:
            functional = replace(self.scaled.functional(rung.population, width), own=False)
            at = evaluated(functional, rung.at.K, rung.at.eps)  # without an error: there are no replicates
            return Found(functional, Descent(at, Status.TOO_FEW_DRAWS, 0)).kept()
        hidden, together = self.scaled.hidden, len(tracked.functional.population)
        noise = NOISY * math.sqrt(hidden.samples / (together * hidden.slots))
        rests = tracked.at.residual <= noise and tracked.at.pull.effective_share >= RESTED
        status = Status.CONVERGED if rests else Status.TOO_FEW_DRAWS
        steps = len(tracked.snapshots)
        snapshots = tuple(
            Found(functional, Descent(at, status, steps)).kept() for functional, at in tracked.snapshots
        )
        return Found(tracked.functional, Descent(tracked.at, status, steps), snapshots)


def infinite(scaled: Scaled, population: Population) -> Found:
    """The Gaussian process, with these draws of the prior."""
    K, eps = scaled.gaussian_process()
    functional = scaled.functional(population, math.inf, (1.0, 1.0))
    H: Array = np.linalg.inv(K).astype(np.float64)
    readouts = functional.readouts(H)
    pull = functional.pull(readouts, eps)
    F = 0.5 * (float(np.sum(scaled.y * eps)) + float(np.linalg.slogdet(K)[1]))
    averages = functional.averages(readouts, pull)
    at = Sweep(K, H, eps, readouts, pull, averages, None, K, F, 0.0)
    return Found(functional, Descent(at, Status.CONVERGED, 1))
