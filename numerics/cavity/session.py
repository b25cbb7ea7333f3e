"""One problem at any widths: draws, ladder of widths, descents, and the error of what came of them.

A width is reached on a ladder that halves it from where the readout's load is light, or takes smaller steps
where it must, each rung starting where the last one ended, with few draws. The reference follows the unit's
law: a Gaussian of its second moment, and where the effective sample of all draws is small, its own draws,
moved by Hamiltonian Monte Carlo.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numerics import checks
from numerics.cavity.descent import Descent, descend
from numerics.cavity.functional import Functional, Indefinite, Sweep
from numerics.cavity.tracking import SNAPSHOTS, track
from numerics.gaussian.theory import Theory
from numerics.problem import Problem
from numerics.solving.outcome import Status
from numerics.unit.fields import Pull, Readouts
from numerics.unit.hidden import Hidden, gaussian_kernel
from numerics.unit.population import BATCHES, Population, gaussian, told_apart

Array = NDArray[np.float64]
Floats = NDArray[np.floating[Any]]

LIGHT = 0.25  # readout load at which the ladder begins
PILOT = 8  # times fewer draws on the way
LEAST_PILOT = 2048
PILOT_LOAD = 16  # draws per datum and slot at least
ROUGH = 5e-3  # tolerance on the way, and of batches, whose noise is 20 times as large and more
ENOUGH = 0.25  # effective share of draws below which a Gaussian does not serve
AMPLE, MORE = 0.5, 2  # below which it takes so many times as many
FINEST = 1.15  # factor of the width between two rungs, below which there is none
PILOT_SWEEPS = 12  # at most; draws that fit the fields to themselves go on for ever
BATCH_SWEEPS = 8
OWN_SWEEPS = 25  # in which what draws owe to themselves is taken off, at most
NOISY = 4.0  # times sqrt(n / (draws slots)): a residual that the noise of moving draws explains
WIDEN = 1.05  # of a fitted Gaussian
WORTH_SINGLE = 3e6  # features
SINGLE = 2.0**-24  # of the largest eigenvalue of K: what rounding in single precision leaves of a residual


@dataclass(frozen=True, eq=False)
class Found:
    """What one descent gave.

    Attributes
    ----------
    functional : Functional
    descent : Descent
    control : (float, float)
        Share of the control variate in S_p and S_q.
    replicates : tuple of Found
        Nearly independent ones, for errors.
    """

    functional: Functional
    descent: Descent
    control: tuple[float, float] = (0.0, 0.0)
    replicates: tuple[Found, ...] = ()

    def kept(self) -> Found:
        """Without the features, which are made again."""
        population = replace(self.population, _kept={})
        return replace(self, functional=replace(self.functional, population=population))

    @property
    def population(self) -> Population:
        return self.functional.population

    @property
    def share(self) -> float:
        return self.descent.at.pull.effective_share

    def covariance(self) -> Array:
        """Second moment of the weights in units of the prior, free of what so few draws cannot tell."""
        return WIDEN * told_apart(self.population.Z, self.descent.at.pull.weights)


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
        if len(problem.widths) != 1:
            raise ValueError(
                "net has several hidden layers, but theory='cavity' describes one; take "
                "theory='mean_field', or sample the network"
            )
        self.problem = problem
        self.theory = Theory(problem, basis=None)
        self.draws = checks.count(draws, "draws", least=4 * BATCHES)
        self.seed = checks.count(seed, "seed", least=0)
        self.tol = checks.positive(tol, "tol")
        self.max_iter = checks.count(max_iter, "max_iter")
        observed = problem.observed
        noise = problem.noise_variance[observed]
        self.noise_std = np.sqrt(noise)
        self.hidden = Hidden.of(self.theory, self.theory.X[:, observed], self.noise_std)
        self.y = np.ascontiguousarray((problem.targets[observed] / self.noise_std[:, None]).T)
        bias = math.sqrt(problem.net.bias_variance) / self.noise_std
        self.S = np.eye(len(noise)) + np.multiply.outer(bias, bias)
        self._rungs: dict[float, Found] = {}

    def kernel(self, covariance: Array) -> Array:
        """Q_f without the output's bias where the weights are N(0, covariance), in units of the noise."""
        X = self.theory.X[:, self.problem.observed]
        return gaussian_kernel(self.theory, X, covariance, self.noise_std)

    def gaussian_process(self) -> tuple[Array, Array]:
        """K and eps (D, n) at infinite width."""
        K = self.S + self.kernel(np.eye(self.hidden.size))
        eps: Array = np.linalg.solve(K, self.y.T).T.astype(np.float64)
        return np.kron(np.eye(len(self.y)), K).astype(np.float64), eps

    def infinite(self) -> Found:
        """The Gaussian process, with draws of the prior."""
        return self.infinite_with(
            gaussian(self.hidden, self.draws, np.eye(self.hidden.size), self._stream(3))
        )

    def infinite_with(self, population: Population) -> Found:
        """The same with these draws."""
        K, eps = self.gaussian_process()
        functional = self.functional(population, math.inf, (1.0, 1.0))
        H: Array = np.linalg.inv(K).astype(np.float64)
        readouts = functional.readouts(H)
        pull = functional.pull(readouts, eps)
        F = 0.5 * (float(np.sum(self.y * eps)) + float(np.linalg.slogdet(K)[1]))
        averages = functional.averages(readouts, pull)
        at = Sweep(K, H, eps, readouts, pull, averages, None, K, F, 0.0)
        return Found(functional, Descent(at, Status.CONVERGED, 1), (1.0, 1.0))

    def _approach(self, width: float) -> Found:
        """By as few draws as do, at the narrowest width down to this one where a Gaussian roughly serves."""
        wider = [known for known in self._rungs if known >= width]
        if wider:
            top = min(wider)
            rung = self._rungs[top]
            if rung.population.covariance is None:
                return rung
        else:
            K, eps = self.gaussian_process()
            freedom = (len(K) - float(np.trace(np.linalg.inv(K)))) / len(self.y)
            top = max(width, freedom / (self.hidden.slots * LIGHT))
            rung = self._pilot(top, K, eps, np.eye(self.hidden.size), self._few())
        factor, draws = 2.0, self._few()
        while (here := rung.functional.width) > width and factor > FINEST:
            # equal steps, none of more than this factor
            steps = math.ceil(math.log(here / width) / math.log(factor) - 1e-9)
            there = width if steps <= 1 else here * (width / here) ** (1.0 / steps)
            at = rung.descent.at
            below = self._pilot(there, at.K, at.eps, rung.covariance(), draws)
            if below.share >= ENOUGH:
                rung = below
            elif draws < self.draws:
                draws = min(4 * draws, self.draws)  # few draws fit the fields to themselves
            else:
                factor = math.sqrt(factor)
        return rung

    def _few(self) -> int:
        least = max(LEAST_PILOT, PILOT_LOAD * self.hidden.samples // self.hidden.slots)
        return max(self.draws // PILOT, min(least, self.draws))

    def _pilot(self, width: float, K: Array, eps: Array, covariance: Array, draws: int) -> Found:
        found = self._from_gaussian(width, K, eps, covariance, draws, ROUGH, 0, pilot=True)
        if found.share < ENOUGH / 2:
            return found
        at, covariance = found.descent.at, found.covariance()
        found = self._from_gaussian(width, at.K, at.eps, covariance, draws, ROUGH, 1, pilot=True)
        found = found.kept()
        if found.share >= ENOUGH:
            self._rungs[width] = found
        return found

    def at(self, width: float) -> Found:
        """The solution at a finite width."""
        rung = self._approach(width)
        at = rung.descent.at
        if rung.functional.width == width and rung.population.covariance is not None:
            control = _mean_readout(at.readouts, at.pull, width)
            draws = self.draws * (1 if rung.share >= AMPLE else MORE)
            found = self._from_gaussian(width, at.K, at.eps, rung.covariance(), draws, self.tol, 2, control)
            if found.share >= ENOUGH:
                found = found.kept()
                return replace(found, replicates=tuple(self._batches(found)))
            rung = found
        return self._tracked(rung, width)

    def _tracked(self, rung: Found, width: float) -> Found:
        """Down from a rung with moving draws."""
        draws = max(self.draws // SNAPSHOTS, 4 * BATCHES)
        tracked = track(self.functional, rung.functional, rung.descent.at, width, draws, self._stream(3))
        noise = NOISY * math.sqrt(
            self.hidden.samples / (len(tracked.functional.population) * self.hidden.slots)
        )
        solved = tracked.at.residual <= noise
        status = Status.CONVERGED if solved else Status.TOO_FEW_DRAWS
        steps = len(tracked.snapshots)
        snapshots = tuple(
            Found(functional, Descent(at, status, steps)).kept() for functional, at in tracked.snapshots
        )
        self._rungs[width] = snapshots[-1]
        return Found(tracked.functional, Descent(tracked.at, status, steps), replicates=snapshots)

    def _from_gaussian(
        self,
        width: float,
        K: Array,
        eps: Array,
        covariance: Array,
        draws: int,
        tol: float,
        stream: int,
        control: tuple[float, float] = (0.0, 0.0),
        pilot: bool = False,
    ) -> Found:
        population = gaussian(self.hidden, draws, covariance, self._stream(stream))
        return self._descended(population, width, K, eps, tol, control, pilot)

    def _descended(
        self,
        population: Population,
        width: float,
        K: Array,
        eps: Array,
        tol: float,
        control: tuple[float, float],
        pilot: bool = False,
    ) -> Found:
        single = population.entries > WORTH_SINGLE and _single_serves(K, tol)
        population = replace(population, single=single, _kept={})
        functional = self.functional(population, width, control)
        plain = replace(functional, own=False)
        if pilot:
            most = min(PILOT_SWEEPS, self.max_iter)
            found = _finite(plain, K, eps, tol, most, control)
        else:
            most = self.max_iter
            found = self._without_own(functional, K, eps, tol, control)
        if found is not None:
            return found
        if any(control):
            return self._descended(population, width, K, eps, tol, (0.0, 0.0), pilot)
        return Found(plain, descend(plain, K, eps, tol, most))

    def _without_own(
        self, functional: Functional, K: Array, eps: Array, tol: float, control: tuple[float, float]
    ) -> Found | None:
        """With what draws owe to themselves taken off, unless that is more than there is."""
        few = min(OWN_SWEEPS, self.max_iter)
        found = _finite(functional, K, eps, tol, few, control)
        if found is not None and found.descent.status.solved:
            return found
        found = _finite(replace(functional, own=False), K, eps, tol, self.max_iter, control)
        if found is None:
            return None
        at = found.descent.at
        cleared = _finite(functional, at.K, at.eps, tol, few, control)
        return cleared if cleared is not None and cleared.descent.status.solved else found

    def functional(
        self, population: Population, width: float, control: tuple[float, float] = (0.0, 0.0)
    ) -> Functional:
        """F with these draws, and so much of what they miss of a Gaussian average known in closed form."""
        fixed = population.covariance is not None and math.isfinite(width)
        if population.covariance is None or not any(control):
            return Functional(population, self.y, width, self.S, self.S, own=fixed)
        drawn = mean_square(population)
        missed = self.kernel(population.covariance) - drawn
        S_p, S_q = self.S + control[0] * missed, self.S + control[1] * missed
        return Functional(population, self.y, width, S_p, S_q, control, drawn, fixed)

    def _batches(self, found: Found) -> Iterator[Found]:
        """The same with each batch of the draws alone: some sweeps, for so few may fit the fields to
        themselves in the end."""
        at, width = found.descent.at, found.functional.width
        for k in range(BATCHES):
            population = found.population.batch(k)
            functional = self.functional(population, width, found.control)
            functional = replace(functional, own=found.functional.own)
            solved = _finite(functional, at.K, at.eps, ROUGH, BATCH_SWEEPS, found.control)
            if solved is None:
                solved = self._descended(population, width, at.K, at.eps, ROUGH, found.control, pilot=True)
            yield solved.kept()

    def _stream(self, stream: int) -> int:
        return int(np.random.SeedSequence([self.seed, stream]).generate_state(1)[0])


def _finite(
    functional: Functional, K: Array, eps: Array, tol: float, most: int, control: tuple[float, float]
) -> Found | None:
    """A descent, None where it came to a K without a factor."""
    try:
        descent = descend(functional, K, eps, tol, most)
    except Indefinite:
        return None
    return None if descent.status is Status.NOT_FINITE else Found(functional, descent, control)


def _single_serves(K: Array, tol: float) -> bool:
    """Whether products in single precision leave a residual below `tol`: K is at least the noise, which is
    one."""
    return bool(SINGLE * np.linalg.eigvalsh(K)[-1] <= tol)


def mean_square(population: Population) -> Array:
    """(n, n): the average of sum_i phi_i phi_i^T over the draws as they are, without weights."""
    n = population.hidden.samples

    def work(_: slice, phi: Floats) -> Floats:
        rows = phi.reshape(-1, n)
        return rows.T @ rows

    return population.total(work) / len(population)


def _mean_readout(readouts: Readouts, pull: Pull, width: float) -> tuple[float, float]:
    """Mean diagonals of A^{-1} and of A^{-1} + abar abar^T: p and q."""
    size = readouts.inverse.shape[1]
    p = float(np.einsum("b,bii->", pull.weights, readouts.inverse)) / size
    q = p + float(np.einsum("b,bdi->", pull.weights, pull.gain**2)) / (size * width)
    return p, q
