"""Where chains start: draws of the prior, of the equations of state's Gaussian, or earlier chains' ends."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cholesky

from numerics.continuation import Continuation
from numerics.costs.cost import NotEnoughMemory, duration
from numerics.estimates import estimate_cost
from numerics.problem import Problem
from numerics.sampling.coordinates import Shapes
from numerics.solutions.solution import Solution

Array = NDArray[np.float64]

GRADIENTS = 300  # for a solution to start from, which need not be an exact one
PATIENCE = 300.0  # seconds for it
SMALL = 3000  # data times pixels that are solved without asking how long it takes
WORDS = ("both", "prior", "eos")


@dataclass(frozen=True)
class Gaussian:
    """Of the input weights of a unit, whitened by their prior.

    Attributes
    ----------
    mean : (S,) array
    root : (S, S) lower triangular array
        Of the covariance.
    """

    mean: Array
    root: Array

    @classmethod
    def of(cls, sol: Solution) -> Gaussian:
        """The equations of state's."""
        std = np.sqrt(sol.equations.space.prior_variance)
        covariance = sol.input_covariance / np.multiply.outer(std, std)
        return cls(sol.input_mean / std, cholesky((covariance + covariance.T) / 2, lower=True))

    @property
    def reference(self) -> Array:
        """Root of its second moment: the measure that chains are drawn against."""
        moment = self.root @ self.root.T + np.multiply.outer(self.mean, self.mean)
        return cholesky(moment, lower=True)


def _is_large(problem: Problem) -> bool:
    """Whether a solve may take long, so that an estimate is worth its seconds."""
    windows = problem.net.receptive_windows(problem.input_shape[0])
    return problem.samples * max(one.pixels_in for one in windows) > SMALL


def solution_for(problem: Problem, patience: float = PATIENCE) -> tuple[Solution | None, str]:
    """A solution of the equations of state to start from, or None and why there is none: what would take
    more than `patience` seconds is not begun."""
    if _is_large(problem):
        expected = estimate_cost(problem)
        if expected.seconds_per_solve > patience:
            return None, (
                "the equations of state were not solved for a start, as that would take about "
                f"{duration(expected.seconds_per_solve)}; chains start from the prior"
            )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            session = Continuation(problem, max_iter=GRADIENTS)
            session.admit([problem.widths])
            sol = session.solve(problem.widths, raise_on_failure=False)
    except (NotEnoughMemory, ArithmeticError, ValueError) as refused:
        return (
            None,
            f"the equations of state were not solved for a start ({refused}); chains start from the prior",
        )
    if not np.isfinite(sol.input_covariance).all():
        return None, "the equations of state were not solved for a start; chains start from the prior"
    return sol, ""


def states(
    shapes: Shapes, generators: Sequence[np.random.Generator], start: str, gaussian: Gaussian | None
) -> list[list[Array]]:
    """Whitened weights of every chain; of "both" every second one is drawn from the Gaussian."""
    found = []
    for index, rng in enumerate(generators):
        weights = [rng.standard_normal(shape) for shape in shapes]
        if gaussian is not None and (start == "eos" or (start == "both" and index % 2)):
            weights[0] = gaussian.mean[:, None] + gaussian.root @ weights[0]
        found.append(weights)
    return found
