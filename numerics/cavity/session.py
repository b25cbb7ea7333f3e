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

SHARP = 0.4  # effective share of fixed draws below which moving ones are sharper
MORE = 2  # times as many draws of a Gaussian where not many count
MOVED = 2  # times fewer in a step of moving draws, whose fields know no others
MOST = max(MORE, SNAPSHOTS // MOVED)  # times as many draws at once, at most
NOISY = 4.0  # times sqrt(n / (draws slots)), draws of a step: a residual that their noise explains
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
        self.draws = checks.count(draws, "draws", least=4 * BATCHES)
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
        if self._promising(rung, width):
            draws = self.draws * (1 if rung.share >= AMPLE else MORE)
            found = self.attempts.fine(rung, draws, self.tol, FINE)
            if found is not None and found.share >= SHARP:
                found = found.kept()
                return replace(found, replicates=tuple(self.attempts.batches(found)))
        return self._tracked(rung, width)

    def _promising(self, rung: Found, width: float) -> bool:
        """Whether fixed draws may do: enough of the rung's count, or they were few."""
        if rung.width != width or rung.population.covariance is None:
            return False
        return rung.share >= SHARP or len(rung.population) < self.draws

    def _tracked(self, rung: Found, width: float) -> Found:
        """Down with moving draws from where few of them did not fit the fields to themselves."""
        rung = self.ladder.least_above(width, SHARP) or rung
        draws = max(self.draws // MOVED, 4 * BATCHES)
        try:
            seed = self.attempts.stream(MOVING)
            tracked = track(self.scaled.functional, rung.functional, rung.at, width, draws, seed)
        except Indefinite:
            functional = self.scaled.functional(rung.population, width)
            at = evaluated(functional, rung.at.K, rung.at.eps)
            return Found(functional, Descent(at, Status.TOO_FEW_DRAWS, 0)).kept()
        hidden = self.scaled.hidden
        noise = NOISY * math.sqrt(hidden.samples / (draws * hidden.slots))
        status = Status.CONVERGED if tracked.at.residual <= noise else Status.TOO_FEW_DRAWS
        steps = len(tracked.snapshots)
        snapshots = tuple(
            Found(functional, Descent(at, status, steps)).kept() for functional, at in tracked.snapshots
        )
        if status.solved:
            self.ladder.rungs[width] = snapshots[-1]
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
