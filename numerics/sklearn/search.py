"""The largest log evidence over the free hyper-parameters, from one start or several."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from numerics.machine.precision import LossOfDigits
from numerics.sklearn.hyper_parameters import HyperParameters
from numerics.solutions.path import ConvergenceError, NegativeCurvature
from numerics.solutions.solution import Solution

Array = NDArray[np.float64]

# The evidence is known to the square of a solution's residual, far better than either.
FLAT, SETTLED = 1e-12, 1e-6  # relative change of the log evidence, and largest slope, to stop at


@dataclass(frozen=True)
class Found:
    """Attributes
    ----------
    at : HyperParameters
    log_evidence : float
    settled : bool
        Whether the run that led there ended at a maximum.
    message : str
        What it said.
    """

    at: HyperParameters
    log_evidence: float
    settled: bool
    message: str


def largest_evidence(
    solve: Callable[[HyperParameters], Solution],
    start: HyperParameters,
    restarts: int,
    rng: np.random.RandomState,
) -> Found:
    """From the start, and from so many points drawn log-uniformly within the bounds.

    Where the theory cannot be solved on the way the evidence counts as none; at the start it must be.

    Raises
    ------
    ConvergenceError, ValueError
        From the start.
    """
    first = start.at(start.logs)
    solve(first)
    low, high = start.log_limits.T
    starts = [start.logs, *(rng.uniform(low, high) for _ in range(restarts))]
    return max((_climb(solve, first, logs) for logs in starts), key=lambda found: found.log_evidence)


def _climb(solve: Callable[[HyperParameters], Solution], around: HyperParameters, logs: Array) -> Found:
    best = -math.inf, logs

    def loss(logs: Array) -> tuple[float, Array]:
        nonlocal best
        here = around.at(logs)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", LossOfDigits)
                warnings.simplefilter("ignore", NegativeCurvature)
                sol = solve(here)
                value, slopes = sol.log_evidence, here.slopes(sol.evidence_gradient())
        except (ConvergenceError, ValueError):
            return math.inf, np.zeros_like(logs)
        if value > best[0]:
            best = value, logs.copy()
        return -value, -slopes

    options = {"ftol": FLAT, "gtol": SETTLED}
    ended = minimize(loss, logs, jac=True, method="L-BFGS-B", bounds=around.log_limits, options=options)
    value, at = best
    return Found(around.at(at), value, bool(ended.success) and math.isfinite(value), str(ended.message))
