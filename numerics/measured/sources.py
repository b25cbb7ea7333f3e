"""Networks one after the other, from arrays or from samples: input weights and pre-activations of each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import block_diag

from numerics import checks
from numerics.activations import named
from numerics.gaussian.input_space import InputSpace, prior_variances
from numerics.measured import arrays
from numerics.network import Network
from numerics.sampling import diagnostics
from numerics.sampling.forward import Forward
from numerics.sampling.observed import pixel_major
from numerics.sampling.samples import Samples

Array = NDArray[np.float64]

RANK = 1e-10  # of the largest singular value of X: below it a direction is rounding


@dataclass(frozen=True)
class OneNetwork:
    """Attributes
    ----------
    weights : (r, N_1) array
        Into the first layer, in the coordinates that the inputs see.
    h : list of (P_l n, N_l) arrays
        Pre-activations of every hidden layer, rows (pixel, sample), the sample fastest.
    """

    weights: Array
    h: list[Array]


class Source(Protocol):
    """Networks of one architecture at the same inputs X (n, P, S)."""

    net: Network
    X: Array
    space: InputSpace
    forward: Forward
    chains: int

    def __len__(self) -> int:
        """How many."""

    def __iter__(self) -> Iterator[OneNetwork]: ...

    @property
    def independent(self) -> bool:
        """Whether networks were trained one by one, and are no Markov chain."""

    @property
    def weight_moments(self) -> tuple[Array, Array] | None:
        """Mean and second moment of all input weights where they are known beyond what X sees."""


def input_space(net: Network, X: Array) -> InputSpace:
    """Of inputs X (n, P, S): weights themselves where X tells them all apart, or an orthonormal basis of what
    it sees."""
    prior = prior_variances(net, X.shape[2])
    rows = X.reshape(-1, X.shape[2])
    _, values, vectors = np.linalg.svd(rows, full_matrices=False)
    rank = int(np.count_nonzero(values > RANK * values[0])) if len(values) and values[0] > 0 else 0
    if rank == X.shape[2]:
        return InputSpace(prior)
    if rank == 0:
        raise ValueError("X is zero everywhere, so that no weight matters; give the inputs")
    basis = vectors[:rank].T
    return InputSpace(prior, block_diag(basis, np.eye(1)) if len(prior) > X.shape[2] else basis)


def pixels_first(net: Network, X: Array) -> Array:
    """(n, P, S) -> (P n, S), with the constant 1 of biases."""
    rows = X.transpose(1, 0, 2).reshape(-1, X.shape[2])
    return np.pad(rows, ((0, 0), (0, int(net.bias_variance > 0))), constant_values=1.0)


class FromArrays:
    """Networks that a user trained.

    Parameters
    ----------
    net : Network
    X : (n, P, S) array
    activations : sequence of arrays
        Pre-activations of every hidden layer.
    weights : array, optional
        Into the first layer, (units, S), with biases (units, S + 1), networks in front.
    check : bool
        Whether every layer must be linear in what it sees.
    """

    independent = True
    chains = 1

    def __init__(self, net: Network, X: Array, activations: Sequence[Any], weights: Any, check: bool):
        self.net, self.X = net, X
        widths = arrays.whole_widths(net)
        self.forward = Forward(net, X)
        self.space = input_space(net, X)
        if not isinstance(activations, list | tuple) or len(activations) != len(widths):
            raise ValueError(
                f"activations must be a list of the pre-activations of every hidden layer, {len(widths)} of "
                "them, from the first up"
            )
        self.h = [
            arrays.stacked(values, f"activations[{level}]", width, len(X), gather.pixels)
            for level, (values, width, gather) in enumerate(
                zip(activations, widths, self.forward.gathers, strict=True)
            )
        ]
        counts = {len(h) for h in self.h}
        if len(counts) > 1:
            raise ValueError(
                f"activations hold {', '.join(str(len(h)) for h in self.h)} networks; stack the same ones of "
                "every layer"
            )
        for level, h in enumerate(self.h):
            arrays.not_constant(h, f"activations[{level}]")
        self.weights = None if weights is None else self._given(weights, widths[0])
        if check:
            self._check()

    def _given(self, weights: Any, units: int) -> Array:
        array = checks.any_array(weights, "weights")
        size = len(self.space.prior_variance)
        if array.shape[-2:] != (units, size) or array.size != len(self.h[0]) * units * size:
            raise ValueError(
                f"weights has shape {array.shape}, but (units, features) = {(units, size)} of the first "
                "layer is needed, networks stacked in front as in activations, with biases as the last "
                "column where the network has bias_variance"
            )
        return array.reshape(-1, units, size)

    def __len__(self) -> int:
        return len(self.h[0])

    def __iter__(self) -> Iterator[OneNetwork]:
        for number in range(len(self)):
            h = [layer[number].transpose(2, 1, 0).reshape(-1, layer.shape[1]) for layer in self.h]
            yield OneNetwork(self._weights(number, h[0]), h)

    def _weights(self, number: int, h: Array) -> Array:
        if self.weights is not None:
            W = self.weights[number].T
            return W if self.space.basis is None else self.space.basis.T @ W
        return self._inverse @ h

    @cached_property
    def _inverse(self) -> Array:
        """Weights from what they make of X: exact, as the coordinates have full rank."""
        return np.asarray(np.linalg.pinv(self._seen))

    @cached_property
    def _seen(self) -> Array:
        return self.space.coordinates(pixels_first(self.net, self.X))

    @property
    def weight_moments(self) -> tuple[Array, Array] | None:
        if self.weights is None:
            return None
        flat = self.weights.reshape(-1, self.weights.shape[2])
        return flat.mean(axis=0), flat.T @ flat / len(flat)

    def _check(self) -> None:
        """That pre-activations are what the network makes of the layer below."""
        name = str(self.net.activation)
        for number, network in zip(range(arrays.LOOKED_AT), self, strict=False):
            beyond = np.linalg.norm(network.h[0] - self._seen @ network.weights)
            share = float(beyond / np.linalg.norm(network.h[0]))
            if share > arrays.LEFT_OVER:
                what = "X" if self.weights is None else "X times weights"
                raise ValueError(
                    f"activations[0] is not linear in {what} ({share:.2g} of network {number} is left over): "
                    "give what enters the activation, samples in the order of X, and the network's "
                    "bias_variance where there are biases"
                )
            below = network.h[0]
            for level, h in enumerate(network.h[1:]):
                share = arrays.left_over(h, seen_above(self.forward, level, below, len(self.X)))
                if share > arrays.LEFT_OVER:
                    raise ValueError(
                        f"activations[{level + 1}] is not linear in {name}(activations[{level}]) "
                        f"({share:.2g} of network {number} is left over): give what enters the activation, "
                        "samples in the order of X, with the activation, windows and bias_variance of the net"
                    )
                below = h


def seen_above(forward: Forward, level: int, h: Array, samples: int) -> Array:
    """(P_out n, fan-in): what sees a layer whose pre-activations are h (P n, units), in units of its prior,
    so that the product with its transpose is the prior kernel above."""
    phi = named(forward.net.activation).phi(h).reshape(-1, samples, h.shape[1]).transpose(1, 0, 2)
    return pixel_major(forward.rows_above(level, np.ascontiguousarray(phi)), samples)


class FromSamples:
    """Draws of the posterior."""

    independent = False

    def __init__(self, samples: Samples):
        self.samples = samples
        problem = samples.problem
        if problem.samples == 0:
            raise ValueError("samples of the prior without inputs have no kernels; sample with data")
        self.net, self.X = problem.net, problem.inputs
        self.forward = Forward(problem.net, problem.inputs)
        self.space = input_space(problem.net, problem.inputs)
        self.chains = samples.shape[0]

    def __len__(self) -> int:
        chains, draws = self.samples.shape
        return chains * draws

    def __iter__(self) -> Iterator[OneNetwork]:
        for parts in self.samples.networks():
            h = [
                layer.transpose(1, 0, 2).reshape(-1, layer.shape[2]).astype(np.float64)
                for layer in self.forward.preactivations(parts)
            ]
            W = parts[0] * np.sqrt(self.space.prior_variance)[:, None]
            yield OneNetwork(W if self.space.basis is None else self.space.basis.T @ W, h)

    @property
    def weight_moments(self) -> tuple[Array, Array] | None:
        std = np.sqrt(self.space.prior_variance)
        first = np.concatenate([parts[0].T for parts in self.samples.networks()]) * std
        return first.mean(axis=0), first.T @ first / len(first)


def effective_networks(series: Array, independent: bool) -> float:
    """How many independent networks a series (chains, draws) of one of their numbers is worth."""
    if independent or series.shape[1] < diagnostics.FEWEST_DRAWS:
        return float(series.size)
    return min(float(series.size), diagnostics.ess_mean(series))
