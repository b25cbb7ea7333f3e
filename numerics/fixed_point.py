"""Stationarity of F at given widths: an Anderson-accelerated fixed point, guarded by F.

The unknowns are the theta_l of `numerics.chain`, in which every covariance stays positive definite and
the multiplicative growth of learned directions becomes steps of order one, and its means mu_l. -E_l is a
descent direction of F and, where the rest of the equations varies little, the whole step to the solution.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from numerics.activations import OutOfRange
from numerics.chain import Blocks, Chain, Pull
from numerics.data_terms import DataTerm, NotPositiveDefinite
from numerics.metric import FisherMetric
from numerics.secants import Secants, room

Array = NDArray[np.float64]

LONGEST_STEP = 2.0  # largest change of theta (Frobenius) per step
REFUSALS = 15


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
class State:
    """One state (theta, mu) with all that the data say there.

    Attributes
    ----------
    theta, E, T : tuple of arrays
        As in `numerics.chain`; E is zero at a solution.
    covariances : tuple of arrays
        Sigma, K_2, ...
    residual : float
        The largest of the layers' equations.
    KL_terms : tuple of float
        N_l KL_l.
    data : DataTerm
        Without its n x n arrays.
    """

    theta: Blocks
    E: Blocks
    T: Blocks
    covariances: Blocks
    residual: float
    KL_terms: tuple[float, ...]
    data: DataTerm

    @property
    def F(self) -> float:
        return sum(self.KL_terms) + self.data.value


@dataclass(frozen=True)
class Outcome:
    """The last state of a solve and how it ended.

    Attributes
    ----------
    gradients : int
        Gradients of F that it took; a Hessian product counts for two.
    method : str
        What found the state: "anderson", "newton", or "direct" where nothing was iterated.
    curvature : float
        The least curvature v.D^2F v in the Fisher metric that Newton steps met; `inf` without any.
    """

    state: State
    status: Status
    gradients: int
    method: str = "direct"
    curvature: float = np.inf


def evaluate(chain: Chain, inverse_widths: Sequence[float], theta: Blocks) -> State:
    """F and its natural gradient: one gradient's worth of work.

    Raises
    ------
    NotPositiveDefinite
        From a kernel's factorisation.
    """
    return state_of(chain.pull(theta, inverse_widths), theta, inverse_widths)


def state_of(pull: Pull, theta: Blocks, inverse_widths: Sequence[float]) -> State:
    """What stays of a pull at theta once its n x n arrays are gone."""
    KL_terms = tuple(
        layer.KL / x if x > 0 else 0.0 for layer, x in zip(pull.layers, inverse_widths, strict=True)
    )
    return State(
        theta=theta,
        E=pull.E,
        T=pull.T,
        covariances=tuple(layer.covariance for layer in pull.layers),
        residual=max(pull.residuals),
        KL_terms=KL_terms,
        data=pull.data.without_matrices(),
    )


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


def better(trial: State, state: State, metric: FisherMetric) -> bool:
    """A real decrease of F, or of the natural gradient where F no longer resolves the difference."""
    rounding = 1e-12 * max(abs(state.F), *map(abs, state.KL_terms), 1.0)
    if state.F - rounding > trial.F:
        return True
    if trial.F - rounding > state.F:
        return False
    return bool(np.linalg.norm(metric.vector(trial.E)) < np.linalg.norm(metric.vector(state.E)))
