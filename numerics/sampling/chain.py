"""One Markov chain: its state, and how it is taken further.

A chain goes through three phases: down to where the posterior is, tuning of the step, draws. Its random
numbers come from its own generator, so that what it does depends on neither how many paths are asked for at a
time nor who runs them: it can be stopped after any of them, sent to another process, or written to a file.
"""

from __future__ import annotations

import copy
import math
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numerics.sampling import langevin
from numerics.sampling.adaptation import Descent, DualAveraging
from numerics.sampling.energies import (
    Collapsed,
    CollapsedEvaluation,
    Joint,
    JointEvaluation,
    Posterior,
)
from numerics.sampling.hmc import Transition, transition
from numerics.sampling.langevin import Langevin, Schedule
from numerics.sampling.records import Record, record_of

Array = NDArray[np.float64]

DESCENT, TUNING, DRAWS = "descent", "tuning", "draws"
COLLAPSED, JOINT, LANGEVIN = "collapsed", "joint", "langevin"
METHODS = (COLLAPSED, JOINT, LANGEVIN)
MEMORY = 0.8  # of the moments, per path: of some five paths


class Stopped(ArithmeticError):
    """A chain cannot go on; the message says why, and what to do."""


class Unstable(Stopped):
    """Steps of Langevin dynamics were too large."""


class NotEvaluated(Stopped):
    """The posterior has no number at a state that a chain is in."""

    def __init__(
        self,
        message: str = "the posterior cannot be evaluated, as features overflow, or rounding loses the noise "
        "beside them; rescale X, or raise noise_variance",
    ):
        super().__init__(message)


@dataclass(frozen=True)
class Plan:
    """What all chains of a run have in common.

    Attributes
    ----------
    posterior : Posterior
    method : "collapsed", "joint" or "langevin"
    length : float
        Path length.
    thin : int
        Paths per draw.
    tuning : int
        Paths of the second phase.
    pooled : bool
        The chains estimate the first layer's covariance together while they descend.
    langevin : Langevin
        Settings of that method.
    """

    posterior: Posterior
    method: str = COLLAPSED
    length: float = 1.2
    thin: int = 1
    tuning: int = 20
    pooled: bool = False
    langevin: Langevin = field(default_factory=Langevin)

    def energy(self) -> Collapsed | Joint:
        return Collapsed(self.posterior) if self.method == COLLAPSED else Joint(self.posterior)


@dataclass
class Tally:
    """What the draws of a chain took, and how they were accepted."""

    paths: int = 0
    gradients: int = 0
    acceptance: float = 0.0
    divergences: int = 0

    def add(self, path: Transition[Any]) -> None:
        self.paths += 1
        self.gradients += path.gradients
        self.acceptance += path.acceptance
        self.divergences += path.diverged


@dataclass
class Chain:
    """A chain's state.

    Attributes
    ----------
    z : (size,) array
        In the coordinates of the plan.
    rng : Generator
    phase : str
    step : float
        Of the draws, once it is tuned; of Langevin dynamics the rate.
    descent : Descent
    averaging : DualAveraging
    moments : (S, S) array
        Average of W W^T / N_1 of the first layer over the last paths of the descent, if they are pooled.
    phase_ended : bool
        A phase of the warm-up is over, so that the chains have to meet.
    schedule : Schedule
        Of Langevin dynamics.
    drawn : int
        Draws so far.
    warm_up, tally : Tally
    at : Evaluation or None
        The energy at z, of the kind that the plan's energy gives; made again where it is not at hand.
    """

    z: Array
    rng: np.random.Generator
    phase: str = DESCENT
    step: float = 0.0
    descent: Descent = field(default_factory=Descent)
    averaging: DualAveraging = field(default_factory=lambda: DualAveraging.around(0.1))
    moments: Array = field(default_factory=lambda: np.zeros((0, 0)))
    schedule: Schedule = field(default_factory=Schedule)
    drawn: int = 0
    warm_up: Tally = field(default_factory=Tally)
    tally: Tally = field(default_factory=Tally)
    phase_ended: bool = False
    at: Any = None

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"at": None}


@dataclass(frozen=True)
class Advanced:
    """A chain after a task, its new draws, and the seconds that it took."""

    chain: Chain
    records: Record | None
    seconds: float


def advance(plan: Plan, chain: Chain, count: int) -> Advanced:
    """Up to `count` paths of a warm-up phase, or that many draws, by a copy: a task that fails or is lost
    leaves the chain where it was, random numbers included."""
    began = time.perf_counter()
    energy = plan.energy()
    at = energy(chain.z) if chain.at is None else chain.at
    if not math.isfinite(at.value):  # no path would leave it
        raise NotEvaluated
    chain = copy.deepcopy(chain)  # without `at`, which nothing writes to
    chain.at = at
    records: list[Record] = []
    for _ in range(count):
        if chain.phase == DRAWS:
            records.append(_draw(plan, energy, chain))
        elif not chain.phase_ended:
            _warm_up(plan, energy, chain)
    stacked = Record.stacked(records) if records else None
    return Advanced(chain, stacked, time.perf_counter() - began)


def _warm_up(plan: Plan, energy: Any, chain: Chain) -> None:
    if plan.method == LANGEVIN:
        if chain.phase == DESCENT:
            _epoch(plan, energy, chain, chain.warm_up)
            settings, schedule = plan.langevin, chain.schedule
            burnt = schedule.fixed if settings.schedule else schedule.epoch >= settings.burn_in
            chain.phase_ended = burnt
        else:
            chain.phase_ended = True  # nothing to tune
        return
    if chain.phase == DESCENT:
        path = chain.descent.path(energy, chain.z, chain.at, chain.rng)
        chain.phase_ended = chain.descent.ended
    else:
        path = chain.averaging.path(energy, chain.z, chain.at, chain.rng, plan.length)
        chain.phase_ended = chain.averaging.count >= plan.tuning
    chain.z, chain.at = path.z, path.at
    chain.warm_up.add(path)
    if plan.pooled and chain.phase == DESCENT:
        W = plan.posterior.coordinates.weights(chain.z)[0]
        fresh = W @ W.T / W.shape[1]
        chain.moments = MEMORY * chain.moments + (1 - MEMORY) * fresh if chain.moments.size else fresh
    if plan.method == JOINT:
        _redraw(energy, chain)


def _draw(plan: Plan, energy: Any, chain: Chain) -> Record:
    for _ in range(plan.thin):
        if plan.method == LANGEVIN:
            for _ in range(plan.langevin.interval):
                _epoch(plan, energy, chain, chain.tally)
            continue
        path = transition(energy, chain.z, chain.at, chain.step, chain.rng, plan.length)
        chain.z, chain.at = path.z, path.at
        chain.tally.add(path)
    chain.drawn += 1
    if plan.method == COLLAPSED:
        assert isinstance(chain.at, CollapsedEvaluation)
        return record_of(plan.posterior, chain.at)
    if plan.method == JOINT:
        return record_of(plan.posterior, _redraw(energy, chain))
    record = record_of(plan.posterior, _integrated(energy, chain))
    return record.with_loss(energy.loss(chain.z))  # its own: that is where the step's bias is


def _epoch(plan: Plan, energy: Joint, chain: Chain, tally: Tally) -> None:
    """A step of Langevin dynamics at the rate of the moment."""
    assert isinstance(chain.at, JointEvaluation)
    factor = chain.schedule.now if plan.langevin.schedule else 1.0
    tau = factor * chain.step * langevin.time_steps(energy, plan.langevin.per_layer)
    chain.z, chain.at = langevin.step(energy, chain.z, chain.at, tau, chain.rng)
    if not math.isfinite(chain.at.value):
        raise Unstable(
            f"Langevin dynamics blew up in epoch {chain.schedule.epoch + 1} at rate {chain.step:.3g}; lower "
            "it, or leave it out: then it is a share of the largest stable one"
        )
    chain.schedule.see(chain.at.loss)
    tally.paths += 1
    tally.gradients += 1
    tally.acceptance += 1.0


def _redraw(energy: Joint, chain: Chain) -> CollapsedEvaluation:
    """An exact draw of the readout given the hidden weights, which are evaluated without it."""
    at = _integrated(energy, chain)
    assert at.marginal is not None
    assert at.passed is not None
    a = at.marginal.draw(at.passed.features, energy.posterior.Y, chain.rng)
    chain.z = energy.with_readout(chain.z, a)
    chain.at = energy(chain.z)
    return at


def _integrated(energy: Joint, chain: Chain) -> CollapsedEvaluation:
    """At the hidden weights of a state of all weights."""
    at = Collapsed(energy.posterior)(chain.z[: energy.hidden])
    if at.marginal is None:
        raise NotEvaluated
    return at
