"""States to start a solve from: solutions, covariances, means of the input weights, random ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from numerics import checks
from numerics.gaussian.input_space import InputSpace
from numerics.gaussian.state import LayerState, State, same_shapes
from numerics.gaussian.theory import Theory
from numerics.solutions.predictive import Predictive
from numerics.solutions.solution import Solution

Array = NDArray[np.float64]

SPREAD = 1.5  # eigenvalues of a random theta lie between -2 and 2 times it


def states_of(starts: int | Sequence[Solution | ArrayLike], seed: int, theory: Theory) -> Iterator[State]:
    """The states of several starts: given ones, or so many at random."""
    if isinstance(starts, Sequence | np.ndarray) and not isinstance(starts, str):
        yield from (state_of(start, theory) for start in starts)
    else:
        rng = checks.generator(seed, "seed")
        for _ in range(checks.count(starts, "starts", least=0)):
            yield random_state(theory, rng)


def state_of(start: Solution | ArrayLike, theory: Theory) -> State:
    """The state of a start: a Solution's own, or a Sigma with every hidden layer and mean at its prior."""
    if isinstance(start, Predictive) and not isinstance(start, Solution):
        raise ValueError("start is a solution of another theory; give its Sigma")
    if not isinstance(start, Solution):
        return from_covariance(start, "start", theory)
    there, here = start.equations.space, theory.space
    same_inputs = start.problem.input_shape[1] == theory.problem.input_shape[1]
    if same_inputs and len(there.prior_variance) == len(here.prior_variance):
        state = start.state if here.has_coordinates_of(there) else _in_coordinates_of(here, start)
        if same_shapes(state, theory.prior):
            return state
    raise ValueError("start is a solution of another network or data set; drop it")


def _in_coordinates_of(here: InputSpace, start: Solution) -> State:
    """A solution's state with the input layer's theta and mu as these data see them."""
    there = start.equations.space
    theta = _log(here.from_other(there, _over_prior(start.point.Sigma, there)))
    mu = start.state[0].mu
    return (LayerState(theta, None if mu is None else here.vector(there.mean(mu))), *start.state[1:])


def _over_prior(inside: Array, space: InputSpace) -> Array:
    """A covariance of the coordinates in units of its prior."""
    std = np.sqrt(space.span_variance)
    return inside / np.multiply.outer(std, std)


def _log(ratio: Array) -> Array:
    """The logarithm of a positive definite matrix."""
    values, U = np.linalg.eigh(ratio)
    return (U * np.log(values)) @ U.T


def from_covariance(Sigma: ArrayLike, name: str, theory: Theory) -> State:
    """The state in which the input weights alone have left their prior, for the covariance Sigma of all of
    them, as far as the data see it; `name` is the argument's."""
    space = theory.space
    inside = space.within(checks.covariance(Sigma, len(space.prior_variance), name))
    first, *others = theory.prior
    return (LayerState(_log(_over_prior(inside, space)), first.mu), *others)


def with_weight_mean(state: State, weight_mean: ArrayLike, theory: Theory) -> State:
    """The same state with this mean (S,) of the input weights."""
    if theory.odd:
        raise ValueError(
            f"weight_mean: with {str(theory.problem.net.activation)!r}, which is odd, every mean is zero; "
            "leave it out"
        )
    space = theory.space
    mean = space.vector(checks.vector(weight_mean, len(space.prior_variance), "weight_mean"))
    first, *others = state
    return (LayerState(first.theta, mean / np.sqrt(theory.prior_variance)), *others)


def random_state(theory: Theory, rng: np.random.Generator) -> State:
    """Gaussian symmetric theta_l, whose eigenvalues fill a semicircle, and Gaussian mu_l."""
    noise = [rng.standard_normal((size, size)) for size in theory.sizes]
    thetas = [SPREAD * (G + G.T) / np.sqrt(2 * len(G)) for G in noise]
    means = [None if theory.odd else rng.standard_normal(size) / np.sqrt(size) for size in theory.sizes]
    return tuple(LayerState(theta, mu) for theta, mu in zip(thetas, means, strict=True))
