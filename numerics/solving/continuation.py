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
from numerics.solving import fixed_point, newton, quasi_newton
from numerics.solving.outcome import Outcome, Status, best
from numerics.solving.quasi_newton import Learned, Leash
from numerics.solving.secants import Secants, room
from numerics.solving.small_steps import creep

Array = NDArray[np.float64]

NODES = 4  # solved points that the predictor extrapolates; more amplify the error of a long step
NEARLY = 1e-4  # a residual that only a start next to the solution has
FAR = 8.0  # points at less than 1/8 of s say nothing: a cubic amplifies their errors by 8^3 and more
ANDERSON_SHARE = 0.5  # of the budget at most; what follows, where it is needed, gets the rest
PATIENCE = 200  # gradients that the fixed point may expect to take yet, when it is left
DIRECT_SHARE = 0.5  # of the budget, from solutions nearby, before small steps are tried
SHORT = 75  # gradients of a descent that hardly leads to another branch
LEAP_SHARE = 0.3  # of the budget, kept for a descent from where small steps get no further
ENOUGH = 600  # gradients that this descent gets of a smaller budget
UNFINISHED = (Status.MAX_ITERATIONS, Status.STALLED)


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
        """The solution at these widths.

        What the fixed point, and a short descent, do not reach from the Gaussian process is followed from
        there in small steps of s, on the branch that joins it; what they do not reach is descended to from
        where they end, and `leapt` says so. `max_iter` bounds the gradients of F in all; what they bought is
        in the outcome's `gradients`.
        """
        target = tuple(inverse_widths)
        if not any(target):
            return Outcome(self.theory.gp, Status.CONVERGED, 1)
        auto = self.method == "auto"
        if auto and start is None and not self.on_line(target):
            outcome = self._easily(target, max_iter)
        else:
            outcome = self.attempt(target, math.ceil(DIRECT_SHARE * max_iter) if auto else max_iter, start)
        spent = outcome.gradients
        leap = max(math.ceil(LEAP_SHARE * max_iter), ENOUGH) if auto else 0
        if start is None and spent + leap < max_iter and _worth_creeping(outcome):
            crept = creep(self, target, max_iter - spent, leap)
            if crept is not None:
                spent += crept.gradients
                outcome = best(outcome, crept)
        elif auto and outcome.status in UNFINISHED and spent + newton.STEP < max_iter:
            left, state = max_iter - spent, outcome.point.state
            with self.theory.blas():
                if outcome.point.residual < NEARLY:  # Newton steps tell what rounding leaves
                    last = newton.solve(self.theory, target, state, self.tol, left)
                else:
                    last = self._beyond(target, state, left, self.tol)
            spent += last.gradients
            outcome = best(outcome, last)
        if outcome.status.solved:
            self.remember(target, outcome.point.state)
        return replace(outcome, gradients=spent)

    def predict(self, inverse_widths: tuple[float, ...]) -> State:
        """The state extrapolated from the nearest solved points and, near it, the Gaussian process."""
        from scipy.interpolate import KroghInterpolator  # here: a third of `import numerics` otherwise

        s = self.coordinate(inverse_widths)
        line = [
            node for node in self.on_line(inverse_widths) if self.coordinate(node.inverse_widths) > s / FAR
        ]
        near = sorted(line, key=lambda node: abs(self.coordinate(node.inverse_widths) - s))[:NODES]
        abscissae = [self.coordinate(node.inverse_widths) for node in near]
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

    def coordinate(self, inverse_widths: tuple[float, ...]) -> float:
        """s."""
        strength = max(x * top for x, top in zip(inverse_widths, self.tops, strict=True))
        return float(np.log1p(strength if strength > 0 else max(inverse_widths)))

    def _easily(self, inverse_widths: tuple[float, ...], budget: int) -> Outcome:
        """The fixed point from the prediction, while it gets on, or the end of a short descent from there."""
        secants, share = self._recycled(inverse_widths), math.ceil(ANDERSON_SHARE * budget)
        with self.theory.blas():
            first = fixed_point.solve(
                self.theory, inverse_widths, self.predict(inverse_widths), self.tol, share, secants, PATIENCE
            )
            if not _worth_creeping(first) or first.gradients + SHORT > budget:
                return first
            last = self._beyond(inverse_widths, first.point.state, SHORT, self.tol)
        spent = first.gradients + last.gradients
        return replace(last if last.status.solved and last.curvature >= 0 else first, gradients=spent)

    def attempt(
        self,
        inverse_widths: tuple[float, ...],
        budget: int,
        start: State | None = None,
        tol: float = 0.0,
        learned: Learned | None = None,
        leash: Leash | None = None,
    ) -> Outcome:
        """One solve, by default from the prediction."""
        if start is not None:
            return self.find(inverse_widths, start, budget, None, tol, learned, leash)
        secants = self._recycled(inverse_widths)
        return self.find(inverse_widths, self.predict(inverse_widths), budget, secants, tol, learned, leash)

    def find(
        self,
        inverse_widths: tuple[float, ...],
        start: State,
        budget: int,
        secants: Secants | None = None,
        tol: float = 0.0,
        learned: Learned | None = None,
        leash: Leash | None = None,
    ) -> Outcome:
        """One solve from a start, wherever it leads, by the method that was asked for; to the curve's
        tolerance or a looser one."""
        # a slope whose square overflows is infinitely long, and no better one
        with self.theory.blas(), np.errstate(all="ignore"):
            return self._find(inverse_widths, start, budget, secants, max(tol, self.tol), learned, leash)

    def _find(
        self,
        inverse_widths: tuple[float, ...],
        start: State,
        budget: int,
        secants: Secants | None,
        tol: float,
        learned: Learned | None,
        leash: Leash | None,
    ) -> Outcome:
        theory = self.theory
        if self.method == "newton":
            return newton.solve(theory, inverse_widths, start, tol, budget)
        if self.method == "anderson":
            return fixed_point.solve(theory, inverse_widths, start, tol, budget, secants)
        if learned is not None and learned.updates:  # Anderson's method gave up at the last width
            return self._beyond(inverse_widths, start, budget, tol, learned, leash)
        share = math.ceil(ANDERSON_SHARE * budget)
        outcome = fixed_point.solve(theory, inverse_widths, start, tol, share, secants, PATIENCE)
        left = budget - outcome.gradients
        if outcome.status not in UNFINISHED or left <= newton.STEP:
            return outcome
        spent = outcome.gradients
        outcome = self._beyond(inverse_widths, outcome.point.state, left, tol, learned, leash)
        return replace(outcome, gradients=spent + outcome.gradients)

    def _beyond(
        self,
        inverse_widths: tuple[float, ...],
        start: State,
        budget: int,
        tol: float,
        learned: Learned | None = None,
        leash: Leash | None = None,
    ) -> Outcome:
        """Quasi-Newton steps while their matrix has room, and Newton steps where those end without a
        solution."""
        theory, spent, curvature = self.theory, 0, np.inf
        if self._dimension(inverse_widths) <= quasi_newton.LARGEST:
            outcome = quasi_newton.solve(theory, inverse_widths, start, tol, budget, learned, leash)
            spent, curvature, start = outcome.gradients, outcome.curvature, outcome.point.state
            if outcome.status is not Status.STALLED or budget - spent <= newton.STEP:
                return outcome
        outcome = newton.solve(theory, inverse_widths, start, tol, budget - spent)
        return replace(
            outcome, gradients=spent + outcome.gradients, curvature=min(curvature, outcome.curvature)
        )

    def _dimension(self, inverse_widths: tuple[float, ...]) -> int:
        return FisherMetric(self.theory.sizes, self.theory.odd, inverse_widths).dimension

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

    def last(self, inverse_widths: tuple[float, ...]) -> tuple[float, State]:
        """The nearest solved point before these widths, and its s: the Gaussian process if there is none."""
        s = self.coordinate(inverse_widths)
        solved = [(0.0, self.theory.prior)]
        solved += [
            (self.coordinate(node.inverse_widths), node.state) for node in self.on_line(inverse_widths)
        ]
        return max((point for point in solved if point[0] < s), key=lambda point: point[0])

    def learned(self, inverse_widths: tuple[float, ...]) -> Learned | None:
        """Room for what quasi-Newton steps learn, where such are taken."""
        dimension = self._dimension(inverse_widths)
        return Learned(dimension) if dimension <= quasi_newton.LARGEST else None

    def on_line(self, inverse_widths: tuple[float, ...]) -> list[Node]:
        """Solved points whose widths are in the same ratio."""
        return [node for node in self._solved if _parallel(node.inverse_widths, inverse_widths)]

    def remember(self, inverse_widths: tuple[float, ...], start: State) -> None:
        """Take a solution, found here or kept from another run, into account for predictions."""
        s = self.coordinate(inverse_widths)
        known = [self.coordinate(node.inverse_widths) for node in self.on_line(inverse_widths)]
        if any(abs(s - other) < 1e-6 for other in known):
            return
        self._solved.append(Node(inverse_widths, start))
        del self._solved[: -NODES - 2]  # large hidden layers: a path stays small


def _worth_creeping(outcome: Outcome) -> bool:
    """Whether smaller steps may help: not next to the solution, and not where rounding stopped a solve."""
    near = outcome.status in UNFINISHED and outcome.point.residual < NEARLY
    return not (outcome.status.solved or outcome.status is Status.LOST or near)


def _parallel(one: Sequence[float], other: Sequence[float]) -> bool:
    """Whether two sets of widths differ by one factor."""
    return bool(np.allclose(np.array(one) * max(other), np.array(other) * max(one), rtol=1e-12, atol=0))
