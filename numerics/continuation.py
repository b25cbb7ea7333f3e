"""Following the solution in 1/C from the Gaussian-process limit.

The path is smooth in s = log(1 + (1/C)/c), where c is the 1/C at which the first-order change of Sigma
would double its top eigenvalue: s is proportional to 1/C near the Gaussian process and to log(1/C) where
learning is strong, and log R grows about linearly in it everywhere.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from numerics import fixed_point
from numerics.fixed_point import Outcome, State, Status
from numerics.problem import Field

Array = NDArray[np.float64]

NODES = 3  # solved points that the predictor extrapolates; more amplify the error of a long step
SMALLEST_STEP = 1e-3  # in s; a path that cannot be followed in such steps is given up


class Branch:
    """The branch of solutions that joins the Gaussian process, as far as it has been solved."""

    def __init__(self, field: Field, tol: float):
        self.field = field
        self.tol = tol
        self.slope = field.prior_variance * field.at_prior.T  # d log R / d(1/C) at 1/C = 0
        top = float(np.linalg.eigvalsh(self.slope)[-1])
        self.scale = 1.0 / top if top > 0 else 1.0
        self._solved: list[tuple[float, Array]] = []  # (s, log R), in the order of solving

    def coordinate(self, inverse_width: float) -> float:
        return float(np.log1p(inverse_width / self.scale))

    def predict(self, inverse_width: float) -> Array:
        """log R extrapolated from the nearest solved points and, near it, the Gaussian process."""
        from scipy.interpolate import KroghInterpolator  # here: a third of `import numerics` otherwise

        s = self.coordinate(inverse_width)
        near = sorted(self._solved, key=lambda node: abs(node[0] - s))[:NODES]
        abscissae = [position for position, _ in near]
        values = [log_R for _, log_R in near]
        if len(near) < NODES:
            abscissae = [0.0, 0.0, *abscissae]
            values = [np.zeros_like(self.slope), self.scale * self.slope, *values]
        return KroghInterpolator(abscissae, np.array(values))(s)

    def solve(self, inverse_width: float, max_iter: int, start: Array | None = None) -> Outcome:
        """The solution at 1/C: directly, or in smaller steps of s when that fails.

        `max_iter` bounds the gradients of F in all; what they bought is in the outcome's `gradients`.
        """
        if inverse_width == 0.0:
            return Outcome(fixed_point.at_prior(self.field, 0.0), Status.CONVERGED, 1)
        outcome = self._attempt(inverse_width, max_iter, start)
        spent = outcome.gradients
        if outcome.status is not Status.CONVERGED and spent < max_iter:
            outcome = self._creep(inverse_width, max_iter - spent, outcome)
            spent += outcome.gradients
        return Outcome(outcome.state, outcome.status, spent)

    def _attempt(self, inverse_width: float, budget: int, start: Array | None = None) -> Outcome:
        log_R = self.predict(inverse_width) if start is None else start
        outcome = fixed_point.solve(self.field, inverse_width, log_R, self.tol, budget)
        if outcome.status is Status.CONVERGED:
            self._remember(inverse_width, outcome.state)
        return outcome

    def _creep(self, inverse_width: float, budget: int, failed: Outcome) -> Outcome:
        """Reach 1/C in steps of s that halve after a failure and grow after a success."""
        goal = self.coordinate(inverse_width)
        here = max((s for s, _ in self._solved if s < goal), default=0.0)
        step = (goal - here) / 2
        spent = 0
        while step >= SMALLEST_STEP and spent < budget:
            s = min(here + step, goal)
            x = inverse_width if s == goal else self.scale * float(np.expm1(s))
            outcome = self._attempt(x, budget - spent)
            spent += outcome.gradients
            if outcome.status is not Status.CONVERGED:
                step /= 2
                continue
            if s == goal:
                return Outcome(outcome.state, outcome.status, spent)
            here, step = s, 1.5 * step
        return Outcome(failed.state, failed.status, spent)

    def _remember(self, inverse_width: float, state: State) -> None:
        s = self.coordinate(inverse_width)
        if all(abs(s - known) > 1e-6 for known, _ in self._solved):
            self._solved.append((s, state.log_R))
