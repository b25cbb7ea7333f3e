"""What every solver returns, how it may end, and which of two states it prefers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np

from numerics.gaussian.metric import FisherMetric
from numerics.gaussian.point import Point


class Status(Enum):
    """How a solve ended; the text says what to do next."""

    CONVERGED = "converged"
    GIVEN = "not solved for: the covariance was given (from_sigma)"
    MAX_ITERATIONS = (
        "stopped at max_iter: raise max_iter, loosen tol, or start from a nearby solution (start=)"
    )
    STALLED = (
        "no step lowers the free energy or the residual: rounding limits this problem; loosen tol, or "
        "raise noise_variance if it is tiny against the kernel"
    )
    INDEFINITE = "a kernel is not positive definite in float64: raise noise_variance or rescale X"
    NOT_FINITE = "the kernels overflowed or became NaN: rescale X and y to order one"


@dataclass(frozen=True)
class Outcome:
    """The last point of a solve and how it ended.

    Attributes
    ----------
    gradients : int
        Gradients of F that it took; a Hessian product counts for two.
    method : str
        What found the state: "anderson", "newton", or "direct" where nothing was iterated.
    curvature : float
        The least curvature v.D^2F v in the Fisher metric that Newton steps met; `inf` without any.
    """

    point: Point
    status: Status
    gradients: int
    method: str = "direct"
    curvature: float = np.inf


def better(trial: Point, point: Point, metric: FisherMetric) -> bool:
    """A real decrease of F, or of the natural gradient where F no longer resolves the difference."""
    rounding = 1e-12 * max(abs(point.F), *map(abs, point.KL_terms), 1.0)
    if point.F - rounding > trial.F:
        return True
    if trial.F - rounding > point.F:
        return False
    return bool(np.linalg.norm(metric.vector(trial.E)) < np.linalg.norm(metric.vector(point.E)))
