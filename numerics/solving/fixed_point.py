"""Stationarity of F at given widths: an Anderson-accelerated fixed point, guarded by F.

The unknowns are the theta_l of `numerics.free_energy.chain`, in which every covariance stays positive
definite and the multiplicative growth of learned directions becomes steps of order one, and its means mu_l.
-E_l is a descent direction of F and, where the rest of the equations varies little, the whole step to the
solution.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from numerics.activations import OutOfRange
from numerics.free_energy.chain import Blocks, Chain
from numerics.free_energy.data_terms import NotPositiveDefinite
from numerics.free_energy.metric import FisherMetric
from numerics.free_energy.state import State, evaluate
from numerics.solving.outcome import Outcome, Status, better
from numerics.solving.secants import Secants, room

Array = NDArray[np.float64]

LONGEST_STEP = 2.0  # largest change of theta (Frobenius) per step
REFUSALS = 15


def solve(
    chain: Chain,
    inverse_widths: Sequence[float],
    theta: Blocks,
    tol: float,
    max_iter: int,
    secants: Secants | None = None,
) -> Outcome:
    """Solve E = 0 from a start; every step lowers F or the natural gradient.

    `secants` are those of earlier solves with widths in the same ratio, carried over to these widths; what is
    seen here is added to them.
    """
    metric = FisherMetric(chain.shapes, inverse_widths)
    secants = Secants(room(metric.dimension)) if secants is None else secants
    start = _try(chain, inverse_widths, metric.admitted(theta))
    if start is None:
        return Outcome(evaluate(chain, inverse_widths, chain.prior), Status.INDEFINITE, 2, "anderson")
    state, E = start, metric.vector(start.E)
    gradients = 1
    refused = 0
    while (status := _ended(state, tol, refused, gradients >= max_iter)) is None:
        if refused < 3:
            step = metric.capped(secants.step(E), LONGEST_STEP)
        else:  # the secants mislead: shorter and shorter steps down the gradient
            secants.clear()
            step = metric.capped(-E / 4 ** (refused - 3), LONGEST_STEP)
        trial = _try(chain, inverse_widths, tuple(map(np.add, state.theta, metric.blocks(step))))
        gradients += 1
        if trial is not None:
            E_trial = metric.vector(trial.E)
            if np.isfinite(E_trial).all():  # a kernel that overflowed says nothing of the slope
                secants.add(step, E_trial - E)
        if trial is not None and better(trial, state, metric):
            state, E, refused = trial, E_trial, 0
        else:
            refused += 1
            secants.forget_recycled()
    return Outcome(state, status, gradients, "anderson")


def _ended(state: State, tol: float, refused: int, spent: bool) -> Status | None:
    if not (np.isfinite(state.F) and np.isfinite(state.residual)):
        return Status.NOT_FINITE
    if state.residual <= tol:
        return Status.CONVERGED
    if refused > REFUSALS:
        return Status.STALLED
    return Status.MAX_ITERATIONS if spent else None


def _try(chain: Chain, inverse_widths: Sequence[float], theta: Blocks) -> State | None:
    try:
        return evaluate(chain, inverse_widths, theta)
    except (NotPositiveDefinite, OutOfRange):
        return None
