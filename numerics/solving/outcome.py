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
    ROUNDING = (
        "converged to rounding: changing the state's last digits changes its residual as much as a step "
        "would, so float64 holds no better one; for more digits rescale y or raise noise_variance"
    )
    GIVEN = "not solved for: the covariance was given (from_sigma)"
    MAX_ITERATIONS = (
        "stopped at max_iter: raise max_iter, loosen tol, or start from a nearby solution (start=)"
    )
    STALLED = (
        "no step lowers the free energy or the residual, which is more than rounding leaves: loosen tol, "
        "start from a nearby solution (start=), raise noise_variance or rescale y to order one"
    )
    LOST = (
        "what is left of the residual is the rounding of huge terms that cancel: raise noise_variance, or "
        "rescale y or readout_variance so that the prior reaches the targets"
    )
    OUT_OF_RANGE = (
        "the free energy falls towards states whose kernels float64, or the series of an activation of "
        "your own, does not resolve: raise noise_variance, lower weight_variance, rescale X and y, or use "
        "'erf' or 'relu'"
    )
    TOO_FEW_DRAWS = (
        "the residual is larger than the noise of so many draws explains: give more of them (draws=)"
    )
    INDEFINITE = "a kernel is not positive definite in float64: raise noise_variance or rescale X"
    NOT_FINITE = "the kernels overflowed or became NaN: rescale X and y to order one"

    @property
    def solved(self) -> bool:
        """Whether the state is a solution, as far as float64 tells."""
        return self in (Status.CONVERGED, Status.ROUNDING)


@dataclass(frozen=True)
class Outcome:
    """The last point of a solve and how it ended.

    Attributes
    ----------
    gradients : int
        Gradients of F that it took; a Hessian product counts for two.
    method : str
        What found the state: "anderson", "bfgs", "newton", or "direct" where nothing was iterated.
    curvature : float
        The least curvature v.D^2F v in the Fisher metric that steps met; `inf` without any.
    leapt : bool
        Whether small steps from the Gaussian process were tried and did not lead there.
    """

    point: Point
    status: Status
    gradients: int
    method: str = "direct"
    curvature: float = np.inf
    leapt: bool = False


def better(trial: Point, point: Point, metric: FisherMetric, rounding: float = 0.0) -> bool:
    """A real decrease of F, or of the natural gradient where F no longer resolves the difference.

    `rounding` is that of F where it has been measured.
    """
    rounding = max(rounding, 1e-12 * max(abs(point.F), *map(abs, point.KL_terms), 1.0))
    if point.F - rounding > trial.F:
        return True
    if trial.F - rounding > point.F:
        return False
    return bool(np.linalg.norm(metric.vector(trial.E)) < np.linalg.norm(metric.vector(point.E)))


def best(one: Outcome, other: Outcome) -> Outcome:
    """The solved one, or that of lower free energy, with the gradients and the curvature as they are."""
    if one.status.solved != other.status.solved:
        return one if one.status.solved else other
    return other if other.point.F < one.point.F else one
