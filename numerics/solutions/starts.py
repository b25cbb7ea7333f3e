"""States to start a solve from: solutions, covariances, means of the input weights, random ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from numerics import checks
from numerics.free_energy.chain import Blocks, Chain
from numerics.free_energy.input_space import InputSpace
from numerics.free_energy.problem import Problem
from numerics.solutions.solution import Solution

Array = NDArray[np.float64]

SPREAD = 1.5  # eigenvalues of a random theta lie between -2 and 2 times it


def thetas_of(starts: int | Sequence[Solution | ArrayLike], seed: int, bound: Problem) -> Iterator[Blocks]:
    """The states of several starts: given ones, or so many at random."""
    if isinstance(starts, Sequence | np.ndarray) and not isinstance(starts, str):
        yield from (theta_of(start, bound) for start in starts)
    else:
        rng = checks.generator(seed, "seed")
        for _ in range(checks.count(starts, "starts", least=0)):
            yield random_theta(bound.field.chain, rng)


def theta_of(start: Solution | ArrayLike, bound: Problem) -> Blocks:
    """The state of a start: a Solution's own, or a Sigma with every hidden layer and mean at its prior."""
    if not isinstance(start, Solution):
        return from_covariance(start, "start", bound)
    there, here = start.problem.field, bound.field
    if there.shape[1] == here.shape[1] and len(there.space.prior_variance) == len(here.space.prior_variance):
        same = here.space.has_coordinates_of(there.space)
        theta = start.theta if same else _in_coordinates_of(here.space, start)
        if tuple(block.shape for block in theta) == here.chain.shapes:
            return theta
    raise ValueError("start is a solution of another network or data set; drop it")


def _in_coordinates_of(here: InputSpace, start: Solution) -> Blocks:
    """A solution's state with the input layer's theta and mu as these data see them."""
    chain, there = start.problem.field.chain, start.problem.field.space
    theta = list(start.theta)
    theta[0] = _log(here.from_other(there, _over_prior(start.seen_covariance, there)))
    if not chain.odd:
        mean = len(chain.maps)
        theta[mean] = here.vector(there.mean(theta[mean]))
    return tuple(theta)


def _over_prior(seen: Array, space: InputSpace) -> Array:
    """A covariance of the coordinates in units of its prior."""
    std = np.sqrt(space.seen_variance)
    return seen / np.multiply.outer(std, std)


def _log(ratio: Array) -> Array:
    """The logarithm of a positive definite matrix."""
    values, U = np.linalg.eigh(ratio)
    return (U * np.log(values)) @ U.T


def from_covariance(Sigma: ArrayLike, name: str, bound: Problem) -> Blocks:
    """The state in which the input weights alone have left their prior, for the covariance Sigma of all of
    them, as far as the data see it; `name` is the argument's."""
    space = bound.field.space
    seen = space.within(checks.covariance(Sigma, len(space.prior_variance), name))
    return (_log(_over_prior(seen, space)), *bound.field.chain.prior[1:])


def from_mean(weight_mean: ArrayLike, bound: Problem) -> Blocks:
    """mu of the input layer, of a network with nothing above it."""
    chain = bound.field.chain
    if chain.odd:
        raise ValueError(
            f"weight_mean: with {bound.net.activation!r}, which is odd, every mean is zero; leave it out"
        )
    return (checks.vector(weight_mean, chain.sizes[0], "weight_mean") / np.sqrt(chain.prior_variance),)


def random_theta(chain: Chain, rng: np.random.Generator) -> Blocks:
    """A random state: Gaussian symmetric theta_l, whose eigenvalues fill a semicircle, and Gaussian mu_l."""
    blocks = []
    for shape in chain.shapes:
        G = rng.standard_normal(shape)
        blocks.append(
            SPREAD * (G + G.T) / np.sqrt(2 * shape[0]) if len(shape) == 2 else G / np.sqrt(shape[0])
        )
    return tuple(blocks)
