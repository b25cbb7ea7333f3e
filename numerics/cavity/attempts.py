"""Descents with draws of a Gaussian, from a state near by, and what is done where one fails."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from numerics.cavity.descent import Descent, descend
from numerics.cavity.functional import Functional, Indefinite, Sweep
from numerics.cavity.scaled import Scaled
from numerics.solving.outcome import Status
from numerics.unit.fields import Pull, Readouts
from numerics.unit.population import BATCHES, Population, gaussian, told_apart

Array = NDArray[np.float64]

ROUGH = 5e-3  # tolerance on the way, and of batches, whose noise is 20 times as large and more
PILOT_SWEEPS = 12  # at most; draws that fit the fields to themselves go on for ever
BATCH_SWEEPS = 8
AMPLE = 0.5  # effective share of draws below which there is one attempt, with more draws, and no second one
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
    replicates : tuple of Found
        Nearly independent ones, for errors.
    """

    functional: Functional
    descent: Descent
    replicates: tuple[Found, ...] = ()

    def kept(self) -> Found:
        """Without the features, which are made again."""
        population = replace(self.population, _kept={})
        return replace(self, functional=replace(self.functional, population=population))

    @property
    def at(self) -> Sweep:
        return self.descent.at

    @property
    def population(self) -> Population:
        return self.functional.population

    @property
    def width(self) -> float:
        return self.functional.width

    @property
    def share(self) -> float:
        """Effective sample over the number of draws."""
        return self.at.pull.effective_share

    def covariance(self) -> Array:
        """Second moment of the weights in units of the prior, free of what so few draws cannot tell."""
        return WIDEN * told_apart(self.population.Z, self.at.pull.weights)


@dataclass(frozen=True, eq=False)
class Attempts:
    """At one problem; `max_iter` sweeps of each descent at most."""

    scaled: Scaled
    seed: int
    max_iter: int

    def stream(self, number: int) -> int:
        """A seed of its own."""
        return int(np.random.SeedSequence([self.seed, number]).generate_state(1)[0])

    def rough(self, width: float, K: Array, eps: Array, covariance: Array, draws: int, stream: int) -> Found:
        """A few sweeps from K and eps (D, n), with draws of N(0, covariance)."""
        population = gaussian(self.scaled.hidden, draws, covariance, self.stream(stream))
        return self._rough(population, width, K, eps, (0.0, 0.0))

    def fine(self, rung: Found, draws: int, tol: float, stream: int) -> Found | None:
        """To a residual of `tol` from a rough solution, with draws of a Gaussian of its second moment, a
        control variate, and what the draws owe to themselves taken off; None where that is more than there
        is, since so few draws count. Where it fails and many count, another attempt starts from the fields
        that the draws fit to themselves, and another does without the control variate."""
        at = rung.at
        population = gaussian(self.scaled.hidden, draws, rung.covariance(), self.stream(stream))
        for shares in (_mean_readout(at.readouts, at.pull, rung.width), (0.0, 0.0)):
            functional = self._functional(population, rung.width, at.K, tol, shares)
            found = self._settled(functional, at.K, at.eps, tol)
            if found is not None or rung.share < AMPLE:
                return found
            plain = replace(functional, own=False)
            near = _finite(plain, at.K, at.eps, ROUGH, self.max_iter)
            if near is not None:
                return self._settled(functional, near.at.K, near.at.eps, tol)
        return None

    def _settled(self, functional: Functional, K: Array, eps: Array, tol: float) -> Found | None:
        """A descent, None where it went astray or nowhere."""
        found = _finite(functional, K, eps, tol, self.max_iter)
        return None if found is None or found.descent.status is Status.STALLED else found

    def batches(self, found: Found) -> Iterator[Found]:
        """The same with each batch of the draws alone: some sweeps, for so few may fit the fields to
        themselves in the end."""
        at, width, shares = found.at, found.width, found.functional.shares
        for k in range(BATCHES):
            population = found.population.batch(k)
            functional = self.scaled.functional(population, width, shares)
            functional = replace(functional, own=found.functional.own)
            solved = _finite(functional, at.K, at.eps, ROUGH, BATCH_SWEEPS)
            yield (solved or self._rough(population, width, at.K, at.eps, shares)).kept()

    def _rough(
        self, population: Population, width: float, K: Array, eps: Array, shares: tuple[float, float]
    ) -> Found:
        most = min(PILOT_SWEEPS, self.max_iter)
        functional = self._functional(population, width, K, ROUGH, shares)
        found = _finite(replace(functional, own=False), K, eps, ROUGH, most)
        if found is None and any(shares):
            return self._rough(population, width, K, eps, (0.0, 0.0))
        if found is None:  # whatever comes of it
            plain = replace(functional, own=False)
            found = Found(plain, descend(plain, K, eps, ROUGH, most))
        return found

    def _functional(
        self,
        population: Population,
        width: float,
        K: Array,
        tol: float,
        shares: tuple[float, float] = (0.0, 0.0),
    ) -> Functional:
        single = population.entries > WORTH_SINGLE and _single_serves(K, tol)
        return self.scaled.functional(replace(population, single=single, _kept={}), width, shares)


def _finite(functional: Functional, K: Array, eps: Array, tol: float, most: int) -> Found | None:
    """A descent, None where it came to a K without a factor."""
    try:
        descent = descend(functional, K, eps, tol, most)
    except Indefinite:
        return None
    return None if descent.status is Status.NOT_FINITE else Found(functional, descent)


def _single_serves(K: Array, tol: float) -> bool:
    """Whether products in single precision leave a residual below `tol`: K is at least the noise, which is
    one."""
    return bool(SINGLE * np.linalg.eigvalsh(K)[-1] <= tol)


def _mean_readout(readouts: Readouts, pull: Pull, width: float) -> tuple[float, float]:
    """Mean diagonals of A^{-1} and of A^{-1} + abar abar^T: p and q."""
    size = readouts.inverse.shape[1]
    p = float(np.einsum("b,bii->", pull.weights, readouts.inverse)) / size
    q = p + float(np.einsum("b,bdi->", pull.weights, pull.gain**2)) / (size * width)
    return p, q
