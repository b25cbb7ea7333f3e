"""Several solutions of one problem's cavity equations, from several starts."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from numerics.cavity.scaled import Scaled
from numerics.cavity.session import Session
from numerics.cavity.solution import CavitySolution
from numerics.gaussian.state import LayerState
from numerics.solutions.solution import Solution
from numerics.solutions.starts import states_of

Array = NDArray[np.float64]
Fields = tuple[Array, Array, Array]
Start = Solution | CavitySolution | ArrayLike

ERRORS = 5.0  # of two numbers together, within which they are the same
SLACK, SLACK_MOVED = 1e-3, 0.03  # of a number: what draws leave beside their errors; moving ones have a bias


def from_start(session: Session, width: float, fields: Fields) -> CavitySolution:
    """Where a descent leads."""
    scaled = session.scaled
    return CavitySolution(
        scaled.problem.with_widths(width), scaled.theory, session.near(width, *fields).kept()
    )


def fields_of(scaled: Scaled, starts: int | Sequence[Start], seed: int) -> Iterator[Fields]:
    """K, eps (D, n) and the second moment of the weights in units of their prior, of each start.

    Raises
    ------
    ValueError
        For starts of another network, and what is none.
    """
    if isinstance(starts, str) or not isinstance(starts, Sequence | np.ndarray):  # so many at random
        for (state,) in states_of(starts, seed, scaled.theory):
            yield _of_gaussian(scaled, state)
        return
    for start in starts:
        if isinstance(start, CavitySolution):
            at = start.found.at
            if at.eps.shape != scaled.y.shape or len(start.equations.prior_variance) != scaled.hidden.size:
                raise ValueError("start is a solution of another network or data set; drop it")
            yield at.K, at.eps, start.found.covariance()
        else:
            ((state,),) = states_of([start], seed, scaled.theory)
            yield _of_gaussian(scaled, state)


def _of_gaussian(scaled: Scaled, state: LayerState) -> Fields:
    """Fields where units are Gaussian and the readout is sharp."""
    values, U = np.linalg.eigh(state.theta)
    moment: Array = (U * np.exp(values)) @ U.T
    if state.mu is not None:
        moment = moment + np.multiply.outer(state.mu, state.mu)
    return *scaled.gaussian_process(moment), moment


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
