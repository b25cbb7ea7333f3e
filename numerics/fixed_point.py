"""Stationarity of F in Sigma, Eq. (8), at one width: an Anderson-accelerated, F-guarded fixed point.

Everything is measured against the prior: R = Sigma S/sigma_w^2 and Gamma = T sigma_w^2/(S C), so that
Eq. (8) reads R (I - Gamma(R)) = I. The unknown is Theta = log R, which keeps R positive definite and
turns the multiplicative growth of learned directions into steps of order one. With L = R^{1/2} the
gradient of F in the Fisher metric of its KL term is

    E = L (I - Gamma) L - I,        dF = (C/2) tr(E H)  along  R -> L exp(H) L,

so -E is a descent direction of F and, where Gamma varies little, the whole step to the solution.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from numerics.data_terms import DataTerm, NotPositiveDefinite
from numerics.problem import Field, Pull

Array = NDArray[np.float64]

MEMORY = 30  # secant pairs; fewer cost gradients where learning is strong (C = 10: 33 at 30, 56 at 8)
LONGEST_STEP = 1.5  # largest change of log R in any direction per step
REFUSALS = 15


class Status(Enum):
    """How a solve ended; the text says what to do next."""

    CONVERGED = "converged"
    MAX_ITERATIONS = (
        "stopped at max_iter: raise max_iter, loosen tol, or start from a nearby solution (start=)"
    )
    STALLED = (
        "no step lowers the free energy or the residual: rounding limits this problem; loosen tol, or raise "
        "noise_variance if it is tiny against the kernel"
    )
    INDEFINITE = "Q_f + sigma^2 I is not positive definite in float64: raise noise_variance or rescale X"
    NOT_FINITE = "the kernels overflowed or became NaN: rescale X and y to order one"


@dataclass(frozen=True)
class State:
    """One R with all that the data say there.

    Attributes
    ----------
    log_R, R : (S, S) arrays
    E : (S, S) array
        The natural gradient above; zero at a solution.
    residual : float
        max |R (I - Gamma) - I| = max |Sigma (S/sigma_w^2 I - T/C) - I|.
    F : float
        C KL + Psi.
    KL_term : float
        C KL.
    T : (S, S) array
    data : DataTerm
    """

    log_R: Array
    R: Array
    E: Array
    residual: float
    F: float
    KL_term: float
    T: Array
    data: DataTerm


@dataclass(frozen=True)
class Outcome:
    """The last state of a solve, how it ended, and the gradients of F it took."""

    state: State
    status: Status
    gradients: int


def evaluate(field: Field, inverse_width: float, log_R: Array) -> State:
    """F and its natural gradient at R = exp(log_R): one gradient's worth of work.

    Raises
    ------
    NotPositiveDefinite
        From the data term.
    """
    exponents, U = np.linalg.eigh(log_R)
    R = (U * np.exp(exponents)) @ U.T
    R = (R + R.T) / 2
    pull = field.pull(field.prior_variance * R)
    return _state(field, inverse_width, log_R, (exponents, U), R, pull)


def at_prior(field: Field, inverse_width: float) -> State:
    """The state R = I, whose pull the field knows already."""
    identity = np.eye(len(field.prior_Sigma))
    zeros = np.zeros(len(identity))
    return _state(field, inverse_width, np.zeros_like(identity), (zeros, identity), identity, field.at_prior)


def _state(
    field: Field,
    inverse_width: float,
    log_R: Array,
    spectrum: tuple[Array, Array],
    R: Array,
    pull: Pull,
) -> State:
    exponents, U = spectrum
    Gamma = (inverse_width * field.prior_variance) * pull.T
    root = (U * np.exp(exponents / 2)) @ U.T
    identity = np.eye(len(R))
    E = root @ (identity - Gamma) @ root - identity
    KL_term = 0.0
    if inverse_width > 0:
        # sum (e^t - 1 - t): the KL without cancellation at small t
        KL_term = float(np.sum(np.expm1(exponents) - exponents)) / (2 * inverse_width)
    return State(
        log_R=log_R,
        R=R,
        E=(E + E.T) / 2,
        residual=float(np.abs(R @ (identity - Gamma) - identity).max()),
        F=KL_term + pull.data.value,
        KL_term=KL_term,
        T=pull.T,
        data=pull.data.without_matrices(),  # the secants never need them again
    )


def solve(field: Field, inverse_width: float, log_R: Array, tol: float, max_iter: int) -> Outcome:
    """Solve Eq. (8) from a start; every step lowers F or the natural gradient."""
    start = _try(field, inverse_width, log_R)
    if start is None:
        return Outcome(at_prior(field, inverse_width), Status.INDEFINITE, 1)
    state = start
    secants: list[tuple[Array, Array]] = []  # (log R, E) of other points, trials that were refused included
    gradients = 1
    refused = 0
    while True:
        if not (np.isfinite(state.F) and np.isfinite(state.residual)):
            return Outcome(state, Status.NOT_FINITE, gradients)
        if state.residual <= tol:
            return Outcome(state, Status.CONVERGED, gradients)
        if refused > REFUSALS:
            return Outcome(state, Status.STALLED, gradients)
        if gradients >= max_iter:
            return Outcome(state, Status.MAX_ITERATIONS, gradients)
        if refused < 3:
            step = _anderson(state, secants)
        else:  # the secants mislead: shorter and shorter steps down the gradient
            secants.clear()
            step = -state.E / 4 ** (refused - 3)
        trial = _try(field, inverse_width, state.log_R + _capped(step))
        gradients += 1
        if trial is not None and _better(trial, state):
            secants.append((state.log_R, state.E))
            state, refused = trial, 0
        else:
            refused += 1
            if trial is not None:
                secants.append((trial.log_R, trial.E))
        del secants[:-MEMORY]


def _try(field: Field, inverse_width: float, log_R: Array) -> State | None:
    try:
        return evaluate(field, inverse_width, log_R)
    except NotPositiveDefinite:
        return None


def _better(trial: State, state: State) -> bool:
    """A real decrease of F, or of the natural gradient where F no longer resolves the difference."""
    rounding = 1e-12 * max(abs(state.F), abs(state.KL_term), 1.0)
    if state.F - rounding > trial.F:
        return True
    return state.F + rounding >= trial.F and np.linalg.norm(trial.E) < np.linalg.norm(state.E)


def _anderson(state: State, secants: list[tuple[Array, Array]]) -> Array:
    """Step of Anderson's type II: the secant combination that minimises the natural gradient."""
    if not secants:
        return -state.E
    dx = np.array([(state.log_R - log_R).ravel() for log_R, _ in secants])
    dE = np.array([(state.E - E).ravel() for _, E in secants])
    weights = np.linalg.lstsq(dE.T, state.E.ravel(), rcond=1e-10)[0]
    return -state.E - (weights @ (dx - dE)).reshape(state.E.shape)


def _capped(step: Array) -> Array:
    """The step, shortened so that no direction of log R moves by more than LONGEST_STEP."""
    largest = float(np.abs(np.linalg.eigvalsh(step)).max())
    return step if largest <= LONGEST_STEP else step * (LONGEST_STEP / largest)
