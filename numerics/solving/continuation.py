"""Following the solution in 1/width from the Gaussian-process limit.

The widths go to infinity together, 1/N_l = t d_l. The path is smooth in s = log(1 + t k), where t = 1/k is
where the first-order change of theta reaches one: s is proportional to t near the Gaussian process and to
log t where learning is strong, and theta grows about linearly in it everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from numerics.gaussian.metric import FisherMetric
from numerics.gaussian.state import LayerState, State
from numerics.gaussian.theory import Theory
from numerics.series.perturbation import state_slopes
from numerics.solving import fixed_point, newton
from numerics.solving.outcome import Outcome, Status, best
from numerics.solving.secants import Secants, room

Array = NDArray[np.float64]

NODES = 4  # solved points that the predictor extrapolates; more amplify the error of a long step
NEARLY = 1e-4  # a residual that only a start next to the solution has
FAR = 8.0  # points at less than 1/8 of s say nothing: a cubic amplifies their errors by 8^3 and more
ANDERSON_SHARE = 0.5  # of the budget at most; Newton steps, where they are needed, get the rest
PATIENCE = 200  # gradients that the fixed point may expect to take yet, when Newton steps take over
DIRECT_SHARE = 0.5  # of the budget, before small steps from the Gaussian process are tried
ENOUGH = 600  # gradients that the direct solve gets of a smaller budget
FEWEST = 300  # gradients that may be spent on small steps to be sure of the branch
PER_STEP = 150  # gradients for one of them
FIRST_STEP = 0.5  # in s
BOUNDARY = 0.05  # in s, from where the kernels can no longer be evaluated
NODE_TOL = 1e-3  # residual of the solutions on the way
SMALLEST_STEP = 1e-3  # in s; a path that cannot be followed in such steps is given up


@dataclass(frozen=True)
class Node:
    """A solved point of the curve."""

    inverse_widths: tuple[float, ...]
    state: State


class Curve:
    """The curve of solutions that joins the Gaussian process, as far as it has been solved.

    Parameters
    ----------
    theory : Theory
    tol : float
        Largest residual to accept.
    method : "auto", "anderson" or "newton"
        As in `numerics.solve`.
    """

    def __init__(self, theory: Theory, tol: float, method: str = "auto"):
        self.theory = theory
        self.tol = tol
        self.method = method
        self.slopes = state_slopes(theory)  # d (theta_l, mu_l) / d(1/N_l) at the Gaussian process
        self.tops = tuple(max(float(np.linalg.eigvalsh(slope.theta)[-1]), 0.0) for slope in self.slopes)
        self._solved: list[Node] = []
        self._secants: tuple[tuple[float, ...], Secants] | None = None  # of the last solve, and its widths

    def solve(self, inverse_widths: Sequence[float], max_iter: int, start: State | None = None) -> Outcome:
        """The solution at these widths: directly, or in smaller steps of s when that fails.

        A solution that was found across negative curvature may lie on another branch: where as many gradients
        again lead to one in small steps from the Gaussian process, that one is preferred. `max_iter` bounds
        the gradients of F in all; what they bought is in the outcome's `gradients`.
        """
        target = tuple(inverse_widths)
        if not any(target):
            return Outcome(self.theory.gp, Status.CONVERGED, 1)
        auto = self.method == "auto"
        direct = max(math.ceil(DIRECT_SHARE * max_iter), min(max_iter, ENOUGH)) if auto else max_iter
        outcome = self._attempt(target, direct, start)
        spent = outcome.gradients
        doubtful = auto and start is None and outcome.status.solved and outcome.curvature < 0
        if spent < max_iter and (doubtful or _worth_creeping(outcome)):
            left = max_iter - spent
            self._forget(target)
            crept, cost = self._creep(target, min(left, max(spent, FEWEST)) if doubtful else left)
            spent += cost
            if crept is not None:
                joins = crept.status.solved and crept.curvature >= 0
                outcome = crept if joins else best(outcome, crept)
        if auto and outcome.status is Status.MAX_ITERATIONS and spent + newton.STEP < max_iter:
            last = self._newton(target, outcome.point.state, max_iter - spent)
            spent += last.gradients
            outcome = best(outcome, replace(last, curvature=min(last.curvature, outcome.curvature)))
        if outcome.status.solved:
            self.remember(target, outcome.point.state)
        return replace(outcome, gradients=spent)

    def predict(self, inverse_widths: tuple[float, ...]) -> State:
        """The state extrapolated from the nearest solved points and, near it, the Gaussian process."""
        from scipy.interpolate import KroghInterpolator  # here: a third of `import numerics` otherwise

        s = self._coordinate(inverse_widths)
        line = [
            node for node in self._on_line(inverse_widths) if self._coordinate(node.inverse_widths) > s / FAR
        ]
        near = sorted(line, key=lambda node: abs(self._coordinate(node.inverse_widths) - s))[:NODES]
        abscissae = [self._coordinate(node.inverse_widths) for node in near]
        per_s = 1.0 / np.expm1(s)  # dt/ds at the Gaussian process, over t

        def extrapolated(values: Sequence[Array], slope: Array) -> Array:
            if len(near) == NODES:
                return KroghInterpolator(abscissae, np.array(values))(s)
            known = [np.zeros_like(slope), slope, *values]
            return KroghInterpolator([0.0, 0.0, *abscissae], np.array(known))(s)

        predicted = []
        for level, (x, slope) in enumerate(zip(inverse_widths, self.slopes, strict=True)):
            layers, at_gp = [node.state[level] for node in near], slope.times(x * per_s)
            means = [layer.mu for layer in layers if layer.mu is not None]
            predicted.append(
                LayerState(
                    extrapolated([layer.theta for layer in layers], at_gp.theta),
                    None if at_gp.mu is None else extrapolated(means, at_gp.mu),
                )
            )
        return tuple(predicted)

    def _coordinate(self, inverse_widths: tuple[float, ...]) -> float:
        strength = max(x * top for x, top in zip(inverse_widths, self.tops, strict=True))
        return float(np.log1p(strength if strength > 0 else max(inverse_widths)))

    def _attempt(
        self, inverse_widths: tuple[float, ...], budget: int, start: State | None = None, tol: float = 0.0
    ) -> Outcome:
        if start is None:
            secants = self._recycled(inverse_widths)
            outcome = self.find(inverse_widths, self.predict(inverse_widths), budget, secants, tol)
        else:
            outcome = self.find(inverse_widths, start, budget)
        if outcome.status.solved:
            self.remember(inverse_widths, outcome.point.state)
        return outcome

    def find(
        self,
        inverse_widths: tuple[float, ...],
        start: State,
        budget: int,
        secants: Secants | None = None,
        tol: float = 0.0,
    ) -> Outcome:
        """One solve from a start, wherever it leads, by the method that was asked for; to the curve's
        tolerance or a looser one."""
        with self.theory.blas():
            return self._find(inverse_widths, start, budget, secants, max(tol, self.tol))

    def _find(
        self,
        inverse_widths: tuple[float, ...],
        start: State,
        budget: int,
        secants: Secants | None,
        tol: float,
    ) -> Outcome:
        theory = self.theory
        if self.method == "newton":
            return newton.solve(theory, inverse_widths, start, tol, budget)
        if self.method == "anderson":
            return fixed_point.solve(theory, inverse_widths, start, tol, budget, secants)
        share = math.ceil(ANDERSON_SHARE * budget)
        outcome = fixed_point.solve(theory, inverse_widths, start, tol, share, secants, PATIENCE)
        left = budget - outcome.gradients
        stopped = outcome.status in (Status.STALLED, Status.MAX_ITERATIONS)
        if not stopped or left <= newton.STEP:
            return outcome
        spent = outcome.gradients
        outcome = newton.solve(theory, inverse_widths, outcome.point.state, tol, left)
        return replace(outcome, gradients=spent + outcome.gradients)

    def _newton(self, inverse_widths: tuple[float, ...], start: State, budget: int) -> Outcome:
        with self.theory.blas():
            return newton.solve(self.theory, inverse_widths, start, self.tol, budget)

    def _recycled(self, inverse_widths: tuple[float, ...]) -> Secants:
        """The secants of the last solve, carried over to these widths."""
        if self._secants is None or not _parallel(self._secants[0], inverse_widths):
            metric = FisherMetric(self.theory.sizes, self.theory.odd, inverse_widths)
            secants = Secants(room(metric.dimension))
        else:
            before, secants = self._secants
            secants.recycle(max(inverse_widths) / max(before))
        self._secants = (inverse_widths, secants)
        return secants

    def _creep(self, target: tuple[float, ...], budget: int) -> tuple[Outcome | None, int]:
        """What came of the target in small steps of s, if it was reached, and the gradients it took.

        Steps halve after a failure, and grow after a success unless it took much work. The solutions on the
        way are solved less well: they are starts of the next.
        """
        goal = self._coordinate(target)
        passed = [self._coordinate(node.inverse_widths) for node in self._on_line(target)]
        here = max((s for s in passed if s < goal), default=0.0)
        step = (goal - here) / 2
        if self.method == "auto":
            step = min(step, FIRST_STEP)
        spent, curvature = 0, np.inf
        reached: Outcome | None = None
        while step >= SMALLEST_STEP and spent < budget:
            s = min(here + step, goal)
            part = 1.0 if s == goal else float(np.expm1(s) / np.expm1(goal))
            left = budget - spent
            if self.method == "auto":
                left = min(left, PER_STEP if s < goal else 3 * PER_STEP)
            outcome = self._attempt(tuple(part * x for x in target), left, tol=NODE_TOL if s < goal else 0.0)
            spent += outcome.gradients
            if s == goal:
                reached = replace(outcome, curvature=min(curvature, outcome.curvature))
                if outcome.status.solved:
                    break
            if outcome.status.solved:
                here, curvature = s, min(curvature, outcome.curvature)
                step *= 1.5 if outcome.gradients < PER_STEP / 3 else 1.0
            else:
                step /= 2
                if outcome.status is Status.OUT_OF_RANGE and step < BOUNDARY:
                    break  # the branch itself leaves what can be evaluated
        return reached, spent

    def _on_line(self, inverse_widths: tuple[float, ...]) -> list[Node]:
        """Solved points whose widths are in the same ratio."""
        return [node for node in self._solved if _parallel(node.inverse_widths, inverse_widths)]

    def _forget(self, inverse_widths: tuple[float, ...]) -> None:
        """Predict from these widths no more: their solution may lie on another branch."""
        self._solved = [node for node in self._solved if node.inverse_widths != inverse_widths]
        self._secants = None

    def remember(self, inverse_widths: tuple[float, ...], start: State) -> None:
        """Take a solution, found here or kept from another run, into account for predictions."""
        s = self._coordinate(inverse_widths)
        known = [self._coordinate(node.inverse_widths) for node in self._on_line(inverse_widths)]
        if any(abs(s - other) < 1e-6 for other in known):
            return
        self._solved.append(Node(inverse_widths, start))
        del self._solved[: -NODES - 2]  # large hidden layers: a path stays small


def _worth_creeping(outcome: Outcome) -> bool:
    """Whether smaller steps may help: not where rounding stopped a solve."""
    stuck_at_rounding = outcome.status is Status.STALLED and outcome.point.residual < NEARLY
    return not (outcome.status.solved or outcome.status is Status.LOST or stuck_at_rounding)


def _parallel(one: Sequence[float], other: Sequence[float]) -> bool:
    """Whether two sets of widths differ by one factor."""
    return bool(np.allclose(np.array(one) * max(other), np.array(other) * max(one), rtol=1e-12, atol=0))
