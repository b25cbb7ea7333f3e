"""Continuation in the width: one session on one problem, which every path of widths goes through."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from numerics import checks
from numerics.costs.cost import refuse_what_does_not_fit
from numerics.gaussian.state import State
from numerics.gaussian.theory import Theory
from numerics.machine.precision import LossOfDigits
from numerics.problem import Problem
from numerics.solutions.path import ConvergenceError, NegativeCurvature, Path
from numerics.solutions.solution import Solution
from numerics.solutions.starts import state_of
from numerics.solving.continuation import Curve
from numerics.solving.outcome import Outcome

Array = NDArray[np.float64]

METHODS = ("auto", "anderson", "newton")
TOLERANCE = 1e-8
MAX_ITER = 4000  # gradients: easy problems stop long before
DIGITS = 1e-6  # relative error of alpha by rounding that a user should hear of


class Continuation:
    """Solutions of one problem at any widths, each predicted from those before it.

    What `solve`, `solve_path` and `compare` are made of: take one yourself to choose every next width by what
    was found. The Gaussian process, the solved points and the secants of the solver are shared.

    Parameters
    ----------
    problem : Problem
        Its widths do not matter.
    theory, method, tol, max_iter
        As in `numerics.solve`; max_iter is per width.

    Raises
    ------
    ValueError
        For bad arguments, naming the remedy.
    """

    def __init__(
        self,
        problem: Problem,
        theory: str = "mean_field",
        method: str = "auto",
        tol: float = TOLERANCE,
        max_iter: int = MAX_ITER,
    ):
        self.problem = problem
        self.tol = checks.positive(tol, "tol")
        self.max_iter = checks.count(max_iter, "max_iter")
        self.equations = Theory(problem, theory)
        self._method = checks.choice(method, METHODS, "method")
        self._curve: Curve | None = None

    @property
    def curve(self) -> Curve:
        """What has been solved so far; the Gaussian process is solved for when it is first asked for."""
        if self._curve is None:
            self._curve = Curve(self.equations, self.tol, self._method)
        return self._curve

    def admit(self, widths: Sequence[float | Sequence[float]] | Array, check_memory: bool = True) -> None:
        """Refuse, before the work, what would not fit in memory or lies outside what the theory describes.

        Raises
        ------
        ValueError
            With the remedy.
        """
        targets = [self.problem.with_widths(width) for width in widths]
        if check_memory:
            narrowest = min(targets, key=lambda target: min(target.widths))
            refuse_what_does_not_fit(narrowest, self.equations.law, len(targets))
        self.equations.refuse(min(target.net.width for target in targets))

    def solve(
        self,
        widths: float | Sequence[float],
        start: Solution | ArrayLike | None = None,
        raise_on_failure: bool = True,
    ) -> Solution:
        """The solution at these widths, on the branch that joins the Gaussian process, or from a start.

        Raises
        ------
        ConvergenceError
            Carrying the partial solution.
        """
        target = self.problem.with_widths(widths)
        state = None if start is None else state_of(start, self.equations)
        outcome = self.curve.solve(target.inverse_widths, self.max_iter, state)
        sol = self._solution(target, outcome)
        if raise_on_failure and not sol.converged:
            raise ConvergenceError(sol, self.tol)
        return sol

    def find(self, widths: float | Sequence[float], start: State) -> Solution:
        """Where a solve from a state leads, whatever branch that is on; not remembered."""
        target = self.problem.with_widths(widths)
        return Solution.of(
            target, self.equations, self.curve.find(target.inverse_widths, start, self.max_iter)
        )

    def along(
        self, widths: Sequence[float | Sequence[float]] | Array, known: Mapping[int, Solution] | None = None
    ) -> Iterator[tuple[int, Solution]]:
        """(position, solution) of every width, from wide to narrow, as they are found; the first that fails
        ends it, with `converged` False.

        Parameters
        ----------
        known : mapping, optional
            Solutions that are there already, by position; they lead on to the others.
        """
        known = known or {}
        targets = [self.problem.with_widths(width) for width in widths]
        for position in sorted(range(len(targets)), key=lambda k: targets[k].inverse_widths):
            sol = known.get(position)
            if sol is None:
                sol = self.solve(targets[position].widths, raise_on_failure=False)
            else:
                self.remember(sol)
            yield position, sol
            if not sol.converged:
                return

    def remember(self, sol: Solution) -> None:
        """Let a solution from elsewhere, of this problem, lead on to others."""
        if any(sol.problem.inverse_widths):
            self.curve.remember(sol.problem.inverse_widths, state_of(sol, self.equations))

    def path(self, found: Mapping[int, Solution]) -> Path:
        """Solutions by position, as a path."""
        return Path([found[position] for position in sorted(found)])

    def _solution(self, target: Problem, outcome: Outcome) -> Solution:
        sol = Solution.of(target, self.equations, outcome)
        if outcome.curvature < 0 and sol.converged:
            _warn(
                f"width {sol.width:g}: steps met negative curvature ({outcome.curvature:.2g}) of the "
                "free energy, so this minimum may lie on another branch than the one that joins the Gaussian "
                "process; follow that with solve_path",
                NegativeCurvature,
            )
        elif outcome.leapt and sol.converged:
            _warn(
                f"width {sol.width:g}: small steps from the Gaussian process did not get here, so this "
                "minimum may lie on another branch than the one that joins it; follow that with solve_path",
                NegativeCurvature,
            )
        if sol.converged and sol.rounding > DIGITS:
            _warn(
                f"width {sol.width:g}: alpha is known to about {sol.rounding:.0e} of itself: the noise is so "
                "small against the kernel of near-equal inputs that rounding decides; raise noise_variance",
                LossOfDigits,
            )
        return sol


def _warn(text: str, category: type[Warning]) -> Any:
    """At the first caller outside this package."""
    import sys

    depth, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("numerics."):
        frame, depth = frame.f_back, depth + 1
    warnings.warn(text, category, stacklevel=depth)
