"""A problem: network, data and noise, validated once and bound to a chain of kernel maps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from numerics import checks
from numerics.activations import named
from numerics.free_energy.chain import Chain
from numerics.free_energy.data_terms import NotPositiveDefinite
from numerics.free_energy.input_space import InputSpace
from numerics.free_energy.state import State, evaluate
from numerics.kernels.kernel_maps import KernelMap
from numerics.network import Network, inverse_widths

Array = NDArray[np.float64]


Basis = Array | Literal["span"] | None
READOUTS = ("mean_field", "finite_fan_in")


class Field:
    """What of a problem does not depend on the widths: data, prior, chain, Gaussian process.

    Attributes
    ----------
    X : (P, n, S) array
        Pixel-major inputs, with the constant that carries biases.
    y, noise_variance : (n, D) and (n,) arrays
    shape : tuple of int
        (P, S): pixels and channels of an input, without the constant that carries biases.
    one_output : bool
        Targets were given as (n,).
    readout : str
        "mean_field" or "finite_fan_in".
    """

    def __init__(
        self,
        net: Network,
        X: Array,
        y: Array,
        noise_variance: Array,
        one_output: bool,
        readout: str = "mean_field",
        basis: Basis = "span",
    ):
        self.net = net
        self.shape = X.shape[1:]
        self.X = self.pixel_major(X)
        self.y = y
        self.noise_variance = noise_variance
        self.one_output = one_output
        self.readout = readout
        self._basis = basis
        self._receptive = net.receptive_fields(self.shape[0])

    @cached_property
    def space(self) -> InputSpace:
        """The input weights that the data see."""
        size = self.shape[1]
        prior = np.full(size, self.net.weight_variances[0] / size)
        if self.net.bias_variance > 0:
            prior = np.append(prior, self.net.bias_variance)
        if isinstance(self._basis, str):
            return InputSpace.spanned(self.X[:, :, :size], prior)
        return InputSpace(prior, self._basis)

    @cached_property
    def chain(self) -> Chain:
        """The network's layers, in the coordinates of `space`."""
        net, space = self.net, self.space
        maps = [
            KernelMap(field, variance, net.activation, net.bias_variance)
            for field, variance in zip(
                self._receptive, (*net.weight_variances[1:], net.readout_variance), strict=True
            )
        ]
        return Chain(
            space.coordinates(self.X), self.y, self.noise_variance, space.seen_variance, maps, self.readout
        )

    def pixel_major(self, X: Array) -> Array:
        """(n, P, S) -> (P, n, S), with the constant 1 that carries the first layer's biases."""
        if self.net.bias_variance > 0:
            X = np.concatenate([X, np.ones((*X.shape[:2], 1))], axis=2)
        return np.ascontiguousarray(X.transpose(1, 0, 2))

    @property
    def target_norm2(self) -> float:
        """y.y, summed over outputs."""
        return float(np.sum(self.y**2))

    @cached_property
    def gp(self) -> State:
        """The Gaussian-process limit.

        Raises
        ------
        ValueError
            When rounding loses the noise, or the inputs overflow.
        """
        too_large = ValueError("X is so large that the kernels overflow; rescale X to entries of order one")
        try:
            with np.errstate(over="ignore", invalid="ignore"):
                state = evaluate(self.chain, (0.0,) * len(self.net.widths), self.chain.prior)
        except NotPositiveDefinite:
            if not np.isfinite(np.linalg.norm(self.chain.X)):
                raise too_large from None
            raise ValueError(
                f"noise_variance={self.noise_variance.min():g} is lost in rounding: a kernel is not positive "
                "definite in float64; raise noise_variance, or rescale X to entries of order one"
            ) from None
        if not all(np.isfinite(T).all() for T in state.T):
            raise too_large
        return state


@dataclass(frozen=True)
class Problem:
    """Network, data and noise; `at_widths` shares everything but the widths."""

    net: Network
    field: Field

    @property
    def inverse_widths(self) -> tuple[float, ...]:
        return inverse_widths(self.net)

    @property
    def readout_fan_in(self) -> float:
        """P, the number of readout weights: slots of the readout times the last width."""
        return self.net.width * self.field.chain.maps[-1].receptive.fan_in

    def at_widths(self, widths: float | Sequence[float]) -> Problem:
        return Problem(self.net.with_widths(widths), self.field)


def problem(
    net: Network,
    X: ArrayLike,
    y: ArrayLike,
    noise_variance: Any,
    readout: str = "mean_field",
    basis: Basis = "span",
) -> Problem:
    """Validate and bind; the arrays are copied, so later changes of the caller's do not matter.

    Parameters
    ----------
    X : (n, P, S) array, or (n, d) for a fully connected network
    y : (n,) or (n, D) array
        D outputs; one-dimensional targets give one-dimensional predictions.
    noise_variance : float or (n,) array
        sigma^2 > 0; `math.inf` takes a datum out.
    readout : "mean_field" or "finite_fan_in"
        As in `numerics.solve`.
    basis : "span", None or (S, r) array
        Orthonormal coordinates of the input weights, in which the state is kept: of the span of X, where that
        is smaller; None for the weights themselves; or those of an earlier state.
    """
    if not isinstance(net, Network):
        raise ValueError(f"net is a {type(net).__name__}; make a network with cnn(...) or fcn(...)")
    inputs = checks.inputs(X, net.flat)
    outputs = np.array(checks.targets(y, samples=len(inputs)))
    noise = checks.noise_variances(noise_variance, len(inputs))
    checks.choice(readout, READOUTS, "readout")
    if readout == "finite_fan_in":
        _refuse_what_two_scalars_cannot_say(net, inputs.shape[1], outputs, noise)
    return Problem(net, Field(net, inputs, outputs, noise, np.ndim(y) == 1, readout, basis))


def _refuse_what_two_scalars_cannot_say(net: Network, pixels: int, y: Array, noise: Array) -> None:
    """p and q are scalars for one output, one noise, and pixels that are alike and do not share weights."""
    last = net.receptive_fields(pixels)[-1]
    if any(a != b for group in last.groups[0, 0] for a, b in group.pairs):
        raise ValueError(
            "readout='finite_fan_in' needs a readout with a weight per pixel; pooling makes p and q matrices "
            "over pixels, which are not there: use readout='mean_field'"
        )
    if not named(net.activation).odd:
        raise ValueError(
            f"readout='finite_fan_in' is for odd activations, not {net.activation!r}: what a mean of the "
            "features does to p and q is not there; use readout='mean_field'"
        )
    if y.shape[1] != 1:
        raise ValueError(
            "readout='finite_fan_in' is for one output; give one column of y, or use 'mean_field'"
        )
    if noise.min() != noise.max():
        raise ValueError(
            "readout='finite_fan_in' is for one noise_variance; give one number, or use 'mean_field'"
        )
