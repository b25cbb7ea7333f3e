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

from numerics.gaussian.metric import FisherMetric
from numerics.gaussian.point import Point
from numerics.gaussian.state import State
from numerics.gaussian.theory import Theory
from numerics.solving import trial
from numerics.solving.outcome import Outcome, Status, better
from numerics.solving.secants import Secants, room

Array = NDArray[np.float64]

LONGEST_STEP = 2.0  # largest change of theta (Frobenius) per step
REFUSALS = 15
WINDOW = 20  # gradients that tell the rate of progress


def solve(
    theory: Theory,
    inverse_widths: Sequence[float],
    start: State,
    tol: float,
    max_iter: int,
    secants: Secants | None = None,
    patience: float = np.inf,
) -> Outcome:
    """Solve E = 0 from a start; every step lowers F or the natural gradient.

    `secants` are those of earlier solves with widths in the same ratio, carried over to these widths; what is
    seen here is added to them. It gives up once the rate of its last gradients lets it expect more than
    `patience` of them to the end.
    """
    metric = FisherMetric(theory.sizes, theory.odd, inverse_widths)
    secants = Secants(room(metric.dimension)) if secants is None else secants
    here, gradients = trial.first(theory, inverse_widths, metric.admitted(start))
    if here is None:
        prior = theory.at(theory.prior, inverse_widths)
        return Outcome(prior, Status.INDEFINITE, gradients + 1, "anderson")
    point = here[1]
    del here  # its gradient holds n x n arrays
    E = metric.vector(point.E)
    refused = 0
    history: list[float] = []
    while (status := _ended(point, tol, refused, gradients >= max_iter)) is None:
        history.append(float(np.linalg.norm(E)))
        if expected(history, tol) > patience:
            return Outcome(point, Status.MAX_ITERATIONS, gradients, "anderson")
        if refused < 3:
            step = metric.capped(secants.step(E), LONGEST_STEP)
        else:  # the secants mislead: shorter and shorter steps down the gradient
            secants.clear()
            step = metric.capped(-E / 4 ** (refused - 3), LONGEST_STEP)
        tried = _try(theory, inverse_widths, moved(point.state, metric.state(step)))
        gradients += 1
        if tried is not None:
            E_trial = metric.vector(tried.E)
            if np.isfinite(E_trial).all():  # a kernel that overflowed says nothing of the slope
                secants.add(step, E_trial - E)
        if tried is not None and better(tried, point, metric):
            point, E, refused = tried, E_trial, 0
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


def expected(history: Sequence[float], tol: float) -> float:
    """Gradients that are left to |E| = tol at the rate of the last ones; 0 as long as little is known."""
    if len(history) <= WINDOW:
        return 0.0
    left = np.log(history[-1] / tol)
    rate = np.log(history[-1 - WINDOW] / history[-1]) / WINDOW
    return float(left / rate) if rate > 0 else np.inf


def moved(state: State, change: State) -> State:
    """A step in straight lines: theta + H and mu + w of every layer."""
    return tuple(layer.plus(step) for layer, step in zip(state, change, strict=True))


def _try(theory: Theory, inverse_widths: Sequence[float], state: State) -> Point | None:
    found = trial.evaluate(theory, inverse_widths, state)
    return None if found is None else found[1]
