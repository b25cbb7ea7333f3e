"""Stationarity of F at given widths: an Anderson-accelerated fixed point, guarded by F.

The unknowns are the theta_l of `numerics.chain`, in which every covariance stays positive definite and
the multiplicative growth of learned directions becomes steps of order one, and its means mu_l. -E_l is a
descent direction of F and, where the rest of the equations varies little, the whole step to the solution.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from numerics.activations import OutOfRange
from numerics.chain import Blocks, Chain, Pull
from numerics.data_terms import DataTerm, NotPositiveDefinite

Array = NDArray[np.float64]

# Secant pairs; fewer cost gradients where learning is strong (two-layer CNN at C = 10: 33 with 30, 56
# with 8). They are vectors as long as all unknowns, so large hidden layers get fewer.
MOST_SECANTS = 30
SECANT_DOUBLES = 6e7
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


def solve(chain: Chain, inverse_widths: Sequence[float], theta: Blocks, tol: float, max_iter: int) -> Outcome:
    """Solve E = 0 from a start; every step lowers F or the natural gradient."""
    metric = _Metric(chain.shapes, inverse_widths)
    start = _try(chain, inverse_widths, theta)
    if start is None:
        return Outcome(evaluate(chain, inverse_widths, chain.prior), Status.INDEFINITE, 2, "anderson")
    state = start
    secants: list[tuple[Array, Array]] = []  # (theta, E) of other points, refused trials included
    gradients = 1
    refused = 0
    while True:
        if not (np.isfinite(state.F) and np.isfinite(state.residual)):
            return Outcome(state, Status.NOT_FINITE, gradients, "anderson")
        if state.residual <= tol:
            return Outcome(state, Status.CONVERGED, gradients, "anderson")
        if refused > REFUSALS:
            return Outcome(state, Status.STALLED, gradients, "anderson")
        if gradients >= max_iter:
            return Outcome(state, Status.MAX_ITERATIONS, gradients, "anderson")
        here = metric.vector(state.theta), metric.vector(state.E)
        if refused < 3:
            step = anderson(here, secants)
        else:  # the secants mislead: shorter and shorter steps down the gradient
            secants.clear()
            step = -here[1] / 4 ** (refused - 3)
        trial = _try(chain, inverse_widths, metric.blocks(here[0] + metric.capped(step)))
        gradients += 1
        if trial is not None and better(trial, state, metric):
            secants.append(here)
            state, refused = trial, 0
        else:
            refused += 1
            if trial is not None:
                secants.append((metric.vector(trial.theta), metric.vector(trial.E)))
        del secants[: -metric.memory]


class _Metric:
    """Unknowns as one vector in which the Fisher metric of F's KL terms is Euclidean, up to a factor.

    It is N_l/2 tr H^2 for a covariance and N_l |dmu|^2 for a mean.
    """

    def __init__(self, shapes: Sequence[tuple[int, ...]], inverse_widths: Sequence[float]):
        largest = max(inverse_widths)
        layers = [np.sqrt(largest / x) if x > 0 else 1.0 for x in inverse_widths]
        self.shapes = shapes
        self.sizes = [math.prod(shape) for shape in shapes]
        self.weights = [*layers, *(np.sqrt(2.0) * weight for weight in layers)][: len(shapes)]
        self.memory = int(np.clip(SECANT_DOUBLES / (2 * sum(self.sizes)), 4, MOST_SECANTS))

    def vector(self, blocks: Blocks) -> Array:
        return np.concatenate(
            [weight * block.ravel() for weight, block in zip(self.weights, blocks, strict=True)]
        )

    def blocks(self, vector: Array) -> Blocks:
        parts = np.split(vector, np.cumsum(self.sizes)[:-1])
        return tuple(
            part.reshape(shape) / weight
            for part, shape, weight in zip(parts, self.shapes, self.weights, strict=True)
        )

    def capped(self, step: Array) -> Array:
        """The step, shortened so that no layer's theta or mu moves by more than LONGEST_STEP."""
        longest = max(float(np.linalg.norm(block)) for block in self.blocks(step))
        return step if longest <= LONGEST_STEP else step * (LONGEST_STEP / longest)


def _try(chain: Chain, inverse_widths: Sequence[float], theta: Blocks) -> State | None:
    try:
        return evaluate(chain, inverse_widths, theta)
    except (NotPositiveDefinite, OutOfRange):
        return None


class _Vectors(Protocol):
    def vector(self, blocks: Blocks) -> Array: ...


def better(trial: State, state: State, metric: _Vectors) -> bool:
    """A real decrease of F, or of the natural gradient where F no longer resolves the difference."""
    rounding = 1e-12 * max(abs(state.F), *map(abs, state.KL_terms), 1.0)
    if state.F - rounding > trial.F:
        return True
    if trial.F - rounding > state.F:
        return False
    return bool(np.linalg.norm(metric.vector(trial.E)) < np.linalg.norm(metric.vector(state.E)))


def anderson(here: tuple[Array, Array], secants: list[tuple[Array, Array]]) -> Array:
    """Step of Anderson's type II: the secant combination that minimises the natural gradient."""
    theta, E = here
    if not secants:
        return -E
    dtheta = np.array([theta - other for other, _ in secants])
    dE = np.array([E - other for _, other in secants])
    weights = np.linalg.lstsq(dE.T, E, rcond=1e-10)[0]
    return -E - weights @ (dtheta - dE)
