"""The solution at narrow widths in small steps of s from the Gaussian process: the branch that joins it.

A step is as long as the prediction is good. Where the corrected state is more than half as far from the
prediction as from the last state, it may lie on another branch: the step is taken again at half its length,
and a descent that leaves for such a state is not followed to its end.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from numerics.gaussian.metric import FisherMetric
from numerics.gaussian.state import State
from numerics.gaussian.theory import Theory
from numerics.solving import trial
from numerics.solving.outcome import Outcome, Status, best
from numerics.solving.quasi_newton import Learned, Leash

Array = NDArray[np.float64]

PER_STEP = 250  # gradients for one of them, the last one three times as many
CHEAP = 50  # a step that took fewer is followed by a longer one
FIRST_STEP = 0.5  # in s
BOUNDARY = 0.05  # in s, from where the kernels can no longer be evaluated
NODE_TOL = 1e-3  # residual of the solutions on the way
SMALLEST_STEP = 1e-3  # in s; a path that cannot be followed in such steps is given up
STRAYED = 0.5  # from the prediction, over the way from the last state: the step was too long
CLOSE = 0.1  # the same of a prediction that is good enough for a longer step
SURE = 0.2, 0.05  # in s, and of the whole way: a path that bends within so short a step is followed
FOLD = 4  # failures in a row, down to such steps, after which small steps are left


class Line(Protocol):
    """What is known of the curve (`numerics.solving.continuation.Curve`)."""

    theory: Theory
    method: str

    def coordinate(self, inverse_widths: tuple[float, ...]) -> float: ...
    def last(self, inverse_widths: tuple[float, ...]) -> tuple[float, State]: ...
    def predict(self, inverse_widths: tuple[float, ...]) -> State: ...
    def remember(self, inverse_widths: tuple[float, ...], start: State) -> None: ...
    def learned(self, inverse_widths: tuple[float, ...]) -> Learned | None: ...
    def attempt(
        self,
        inverse_widths: tuple[float, ...],
        budget: int,
        start: State | None = None,
        tol: float = 0.0,
        learned: Learned | None = None,
        leash: Leash | None = None,
    ) -> Outcome: ...


@dataclass
class Walk:
    """Where the steps are: s, the state there, and what quasi-Newton steps learned on the way."""

    s: float
    state: State
    learned: Learned | None
    curvature: float = np.inf
    spent: int = 0


def creep(line: Line, target: tuple[float, ...], budget: int, leap: int) -> Outcome | None:
    """What came of the target, if it was tried, with the gradients of all steps.

    Steps halve after a failure. The solutions on the way are solved less well: they are starts of the next.
    When no more than `leap` gradients of the budget are left, or steps become too small, these are spent on
    the target from where the steps ended, and the outcome says that it `leapt`.
    """
    auto = line.method == "auto"
    goal = line.coordinate(target)
    walk = Walk(*line.last(target), line.learned(target))
    sure = min(SURE[0], SURE[1] * goal)
    step = min((goal - walk.s) / 2, FIRST_STEP if auto else np.inf)
    reached: Outcome | None = None
    failures = 0
    while step >= SMALLEST_STEP and walk.spent < budget - leap:
        s = min(walk.s + step, goal)
        widths = target if s == goal else tuple(float(np.expm1(s) / np.expm1(goal)) * x for x in target)
        most = budget - leap - walk.spent
        if auto:
            most = min(most, PER_STEP if s < goal else 3 * PER_STEP)
        stray = STRAYED if auto and step > sure else np.inf
        taken = _step(line, walk, widths, most, NODE_TOL if s < goal else 0.0, np.isfinite(stray))
        outcome = taken.outcome
        walk.spent += outcome.gradients
        joined = outcome.status.solved and taken.strayed <= stray
        if s == goal and joined:
            curvature = min(walk.curvature, outcome.curvature)
            return replace(outcome, curvature=curvature, gradients=walk.spent)
        if s == goal:
            reached = outcome if reached is None else best(reached, outcome)
        if joined:
            line.remember(widths, outcome.point.state)
            curvature = min(walk.curvature, outcome.curvature)
            failures = 0
            walk = Walk(s, outcome.point.state, taken.learned, curvature, walk.spent)
            step *= 1.5 if outcome.gradients < CHEAP or taken.strayed < CLOSE else 1.0
        else:
            step /= 2
            failures += 1
            if auto and failures >= FOLD and step < sure:
                break  # the branch ends, or bends more than descents of this length can follow
            if outcome.status is Status.OUT_OF_RANGE and step < BOUNDARY:
                break  # the branch itself leaves what can be evaluated
    if auto and walk.spent < budget and (reached is None or not reached.status.solved):
        outcome = _step(line, walk, target, budget - walk.spent, 0.0, False).outcome
        walk.spent += outcome.gradients
        reached = outcome if reached is None else best(outcome, reached)
    return None if reached is None else replace(reached, gradients=walk.spent, leapt=True)


@dataclass(frozen=True)
class Step:
    """One step: what came of it, what was learned, and how far it ended from the prediction, over the way."""

    outcome: Outcome
    learned: Learned | None
    strayed: float


def _step(line: Line, walk: Walk, widths: tuple[float, ...], budget: int, tol: float, leashed: bool) -> Step:
    """To some widths, from the prediction; from the last state where quasi-Newton steps are needed and F is
    lower there, since an extrapolation may go astray."""
    metric = FisherMetric(line.theory.sizes, line.theory.odd, widths)
    predicted, before = line.predict(widths), metric.vector(walk.state)
    foreseen = metric.vector(predicted)
    learned = None if walk.learned is None else walk.learned.copy()
    start, looked = None, 0
    if learned is not None and learned.updates and budget > 2:
        found = [trial.evaluate(line.theory, widths, state) for state in (predicted, walk.state)]
        F = [np.inf if there is None else there[1].F for there in found]
        start, looked = predicted if F[0] <= F[1] else walk.state, 2
    leash = Leash(foreseen, float(np.linalg.norm(foreseen - before))) if leashed else None
    outcome = line.attempt(widths, budget - looked, start, tol, learned, leash)
    here = metric.vector(outcome.point.state)
    moved = max(float(np.linalg.norm(here - before)), 1e-300)
    strayed = float(np.linalg.norm(here - foreseen)) / moved
    return Step(replace(outcome, gradients=outcome.gradients + looked), learned, strayed)
