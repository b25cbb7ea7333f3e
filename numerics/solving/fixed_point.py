"""Stationarity of F at given widths: an Anderson-accelerated fixed point, guarded by F.

The unknowns are the theta_l of `numerics.gaussian.theory`, in which every covariance stays positive
definite and the multiplicative growth of learned directions becomes steps of order one, and its means mu_l.
-E_l is a descent direction of F and, where the rest of the equations varies little, the whole step to the
solution.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from numerics.activations import OutOfRange
from numerics.gaussian.metric import FisherMetric
from numerics.gaussian.point import Point
from numerics.gaussian.state import State
from numerics.gaussian.theory import Theory
from numerics.readout_laws.law import NotPositiveDefinite
from numerics.solving.outcome import Outcome, Status, better
from numerics.solving.secants import Secants, room

Array = NDArray[np.float64]

LONGEST_STEP = 2.0  # largest change of theta (Frobenius) per step
REFUSALS = 15


def solve(
    theory: Theory,
    inverse_widths: Sequence[float],
    start: State,
    tol: float,
    max_iter: int,
    secants: Secants | None = None,
) -> Outcome:
    """Solve E = 0 from a start; every step lowers F or the natural gradient.

    `secants` are those of earlier solves with widths in the same ratio, carried over to these widths; what is
    seen here is added to them.
    """
    metric = FisherMetric(theory.sizes, theory.odd, inverse_widths)
    secants = Secants(room(metric.dimension)) if secants is None else secants
    point = _try(theory, inverse_widths, metric.admitted(start))
    if point is None:
        return Outcome(theory.at(theory.prior, inverse_widths), Status.INDEFINITE, 2, "anderson")
    E = metric.vector(point.E)
    gradients = 1
    refused = 0
    while (status := _ended(point, tol, refused, gradients >= max_iter)) is None:
        if refused < 3:
            step = metric.capped(secants.step(E), LONGEST_STEP)
        else:  # the secants mislead: shorter and shorter steps down the gradient
            secants.clear()
            step = metric.capped(-E / 4 ** (refused - 3), LONGEST_STEP)
        trial = _try(theory, inverse_widths, moved(point.state, metric.state(step)))
        gradients += 1
        if trial is not None:
            E_trial = metric.vector(trial.E)
            if np.isfinite(E_trial).all():  # a kernel that overflowed says nothing of the slope
                secants.add(step, E_trial - E)
        if trial is not None and better(trial, point, metric):
            point, E, refused = trial, E_trial, 0
        else:
            refused += 1
            secants.forget_recycled()
    return Outcome(point, status, gradients, "anderson")


def _ended(point: Point, tol: float, refused: int, spent: bool) -> Status | None:
    if not (np.isfinite(point.F) and np.isfinite(point.residual)):
        return Status.NOT_FINITE
    if point.residual <= tol:
        return Status.CONVERGED
    if refused > REFUSALS:
        return Status.STALLED
    return Status.MAX_ITERATIONS if spent else None


def moved(state: State, change: State) -> State:
    """A step in straight lines: theta + H and mu + w of every layer."""
    return tuple(layer.plus(step) for layer, step in zip(state, change, strict=True))


def _try(theory: Theory, inverse_widths: Sequence[float], state: State) -> Point | None:
    try:
        return theory.at(state, inverse_widths)
    except (NotPositiveDefinite, OutOfRange):
        return None
