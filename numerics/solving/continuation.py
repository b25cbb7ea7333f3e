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

from numerics.free_energy.chain import Blocks
from numerics.free_energy.metric import FisherMetric
from numerics.free_energy.perturbation import theta_slopes
from numerics.free_energy.problem import Field
from numerics.solving import fixed_point, newton
from numerics.solving.outcome import Outcome, Status
from numerics.solving.secants import Secants, room

Array = NDArray[np.float64]

NODES = 4  # solved points that the predictor extrapolates; more amplify the error of a long step
NEARLY = 1e-4  # a residual that only a start next to the solution has
FAR = 8.0  # points at less than 1/8 of s say nothing: a cubic amplifies their errors by 8^3 and more
ANDERSON_SHARE = 0.5  # of the budget; Newton steps, where they are needed, get the rest
SMALLEST_STEP = 1e-3  # in s; a path that cannot be followed in such steps is given up


@dataclass(frozen=True)
class Node:
    """A solved point of the branch."""

    inverse_widths: tuple[float, ...]
    theta: Blocks


class Branch:
    """The branch of solutions that joins the Gaussian process, as far as it has been solved.

    Parameters
    ----------
    field : Field
    tol : float
        Largest residual to accept.
    method : "auto", "anderson" or "newton"
        As in `numerics.solve`.
    """

    def __init__(self, field: Field, tol: float, method: str = "auto"):
        self.field = field
        self.tol = tol
        self.method = method
        self.slopes = theta_slopes(field)  # d (theta_l, mu_l) / d(1/N_l) at the Gaussian process
        matrices = self.slopes[: len(field.net.widths)]
        self.tops = tuple(max(float(np.linalg.eigvalsh(slope)[-1]), 0.0) for slope in matrices)
        self._solved: list[Node] = []
        self._secants: tuple[tuple[float, ...], Secants] | None = None  # of the last solve, and its widths

    def solve(self, inverse_widths: Sequence[float], max_iter: int, start: Blocks | None = None) -> Outcome:
        """The solution at these widths: directly, or in smaller steps of s when that fails.

        `max_iter` bounds the gradients of F in all; what they bought is in the outcome's `gradients`.
        """
        target = tuple(inverse_widths)
        if not any(target):
            return Outcome(self.field.gp, Status.CONVERGED, 1)
        outcome = self._attempt(target, max_iter, start)
        spent = outcome.gradients
        if spent < max_iter and _worth_creeping(outcome):
            outcome = self._creep(target, max_iter - spent, outcome)
            spent += outcome.gradients
        return replace(outcome, gradients=spent)

    def predict(self, inverse_widths: tuple[float, ...]) -> Blocks:
        """theta extrapolated from the nearest solved points and, near it, the Gaussian process."""
        from scipy.interpolate import KroghInterpolator  # here: a third of `import numerics` otherwise

        s = self._coordinate(inverse_widths)
        line = [
            node for node in self._on_line(inverse_widths) if self._coordinate(node.inverse_widths) > s / FAR
        ]
        near = sorted(line, key=lambda node: abs(self._coordinate(node.inverse_widths) - s))[:NODES]
        predicted = []
        per_s = 1.0 / np.expm1(s)  # dt/ds at the Gaussian process, over t
        for block, slope in enumerate(self.slopes):
            abscissae = [self._coordinate(node.inverse_widths) for node in near]
            values = [node.theta[block] for node in near]
            if len(near) < NODES:
                at_gp = (inverse_widths[block % len(inverse_widths)] * per_s) * slope
                abscissae = [0.0, 0.0, *abscissae]
                values = [np.zeros_like(slope), at_gp, *values]
            predicted.append(KroghInterpolator(abscissae, np.array(values))(s))
        return tuple(predicted)

    def _coordinate(self, inverse_widths: tuple[float, ...]) -> float:
        strength = max(x * top for x, top in zip(inverse_widths, self.tops, strict=True))
        return float(np.log1p(strength if strength > 0 else max(inverse_widths)))

    def _attempt(
        self, inverse_widths: tuple[float, ...], budget: int, start: Blocks | None = None
    ) -> Outcome:
        if start is None:
            secants = self._recycled(inverse_widths)
            outcome = self.find(inverse_widths, self.predict(inverse_widths), budget, secants)
        else:
            outcome = self.find(inverse_widths, start, budget)
        if outcome.status is Status.CONVERGED:
            self.remember(inverse_widths, outcome.state.theta)
        return outcome

    def find(
        self, inverse_widths: tuple[float, ...], theta: Blocks, budget: int, secants: Secants | None = None
    ) -> Outcome:
        """One solve from a start, wherever it leads, by the method that was asked for."""
        with self.field.chain.blas():
            return self._find(inverse_widths, theta, budget, secants)

    def _find(
        self, inverse_widths: tuple[float, ...], theta: Blocks, budget: int, secants: Secants | None
    ) -> Outcome:
        chain, tol = self.field.chain, self.tol
        if self.method == "newton":
            return newton.solve(chain, inverse_widths, theta, tol, budget)
        share = budget if self.method == "anderson" else math.ceil(ANDERSON_SHARE * budget)
        outcome = fixed_point.solve(chain, inverse_widths, theta, tol, share, secants)
        left = budget - outcome.gradients
        stopped = outcome.status in (Status.STALLED, Status.MAX_ITERATIONS)
        if self.method == "anderson" or not stopped or left <= newton.STEP:
            return outcome
        spent = outcome.gradients
        outcome = newton.solve(chain, inverse_widths, outcome.state.theta, tol, left)
        return replace(outcome, gradients=spent + outcome.gradients)

    def _recycled(self, inverse_widths: tuple[float, ...]) -> Secants:
        """The secants of the last solve, carried over to these widths."""
        if self._secants is None or not _parallel(self._secants[0], inverse_widths):
            secants = Secants(room(FisherMetric(self.field.chain.shapes, inverse_widths).dimension))
        else:
            before, secants = self._secants
            secants.recycle(max(inverse_widths) / max(before))
        self._secants = (inverse_widths, secants)
        return secants

    def _creep(self, target: tuple[float, ...], budget: int, failed: Outcome) -> Outcome:
        """Reach the target in steps of s that halve after a failure and grow after a success."""
        goal = self._coordinate(target)
        passed = [self._coordinate(node.inverse_widths) for node in self._on_line(target)]
        here = max((s for s in passed if s < goal), default=0.0)
        step = (goal - here) / 2
        spent = 0
        while step >= SMALLEST_STEP and spent < budget:
            s = min(here + step, goal)
            part = 1.0 if s == goal else float(np.expm1(s) / np.expm1(goal))
            outcome = self._attempt(tuple(part * x for x in target), budget - spent)
            spent += outcome.gradients
            if outcome.status is not Status.CONVERGED:
                step /= 2
                continue
            if s == goal:
                return replace(outcome, gradients=spent)
            here, step = s, 1.5 * step
        return replace(failed, gradients=spent)

    def _on_line(self, inverse_widths: tuple[float, ...]) -> list[Node]:
        """Solved points whose widths are in the same ratio."""
        return [node for node in self._solved if _parallel(node.inverse_widths, inverse_widths)]

    def remember(self, inverse_widths: tuple[float, ...], theta: Blocks) -> None:
        """Take a solution, found here or kept from another run, into account for predictions."""
        s = self._coordinate(inverse_widths)
        known = [self._coordinate(node.inverse_widths) for node in self._on_line(inverse_widths)]
        if any(abs(s - other) < 1e-6 for other in known):
            return
        self._solved.append(Node(inverse_widths, theta))
        del self._solved[: -NODES - 2]  # large hidden layers: a path stays small


def _worth_creeping(outcome: Outcome) -> bool:
    """Whether smaller steps may help: not where rounding stopped a solve next to the solution."""
    stuck_at_rounding = outcome.status is Status.STALLED and outcome.state.residual < NEARLY
    return outcome.status is not Status.CONVERGED and not stuck_at_rounding


def _parallel(one: Sequence[float], other: Sequence[float]) -> bool:
    """Whether two sets of widths differ by one factor."""
    return bool(np.allclose(np.array(one) * max(other), np.array(other) * max(one), rtol=1e-12, atol=0))
