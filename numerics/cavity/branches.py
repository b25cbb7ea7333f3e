"""Several solutions of one problem's cavity equations, from several starts."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from numerics.cavity.session import Session
from numerics.cavity.solution import CavitySolution
from numerics.gaussian.state import LayerState
from numerics.solutions.solution import Solution
from numerics.solutions.starts import states_of

Array = NDArray[np.float64]
Start = Solution | CavitySolution | ArrayLike

ERRORS = 5.0  # of two numbers together, within which they are the same
SLACK, SLACK_MOVED = 1e-3, 0.03  # of a number: what draws leave beside their errors; moving ones have a bias


def from_starts(
    session: Session, width: float, starts: int | Sequence[Start], seed: int
) -> Iterator[CavitySolution]:
    """Where a descent from each start leads."""
    scaled = session.scaled
    for K, eps, covariance in _begun(session, starts, seed):
        found = session.near(width, K, eps, covariance).kept()
        yield CavitySolution(scaled.problem.with_widths(width), scaled.theory, found)


def _begun(
    session: Session, starts: int | Sequence[Start], seed: int
) -> Iterator[tuple[Array, Array, Array]]:
    """K, eps and the second moment of the weights in units of their prior."""
    scaled = session.scaled
    if isinstance(starts, str) or not isinstance(starts, Sequence | np.ndarray):  # so many at random
        for (state,) in states_of(starts, seed, scaled.theory):
            yield _of_gaussian(session, state)
        return
    for start in starts:
        if isinstance(start, CavitySolution):
            at = start.found.at
            if at.eps.shape != scaled.y.shape or len(start.equations.prior_variance) != scaled.hidden.size:
                raise ValueError("start is a solution of another network or data set; drop it")
            yield at.K, at.eps, start.found.covariance()
        else:
            ((state,),) = states_of([start], seed, scaled.theory)
            yield _of_gaussian(session, state)


def _of_gaussian(session: Session, state: LayerState) -> tuple[Array, Array, Array]:
    """Fields where units are Gaussian and the readout is sharp."""
    scaled = session.scaled
    values, U = np.linalg.eigh(state.theta)
    moment: Array = (U * np.exp(values)) @ U.T
    if state.mu is not None:
        moment = moment + np.multiply.outer(state.mu, state.mu)
    K = scaled.S + scaled.kernel(moment)
    eps: Array = np.linalg.solve(K, scaled.y.T).T.astype(np.float64)
    return np.kron(np.eye(len(scaled.y)), K).astype(np.float64), eps, moment


def same_branch(one: CavitySolution, other: CavitySolution) -> bool:
    """Whether two runs came to one solution, as far as their draws tell."""

    slack = SLACK if one.method == other.method == "gaussian" else SLACK_MOVED
    told = zip(_told(one), _told(other), strict=True)
    return all(
        abs(here - there) <= ERRORS * math.hypot(error, other_error) + slack * abs(here)
        for (here, error), (there, other_error) in told
    )


def _told(sol: CavitySolution) -> Iterator[tuple[float, float]]:
    """Numbers that tell branches apart, with their errors."""
    for name in ("alpha", "free_energy", "readout_load"):
        yield getattr(sol, name), sol.errors[name]
    each = [np.linalg.eigvalsh(ratio)[-1] for ratio in sol.replicated("overlap_ratio")]
    yield float(sol.overlap_eigenvalues[0]), float(np.std(each, ddof=1)) / math.sqrt(len(each))
