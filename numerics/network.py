"""The network: widths, prior variances and the activation, without data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from numerics import checks
from numerics._generated import ACTIVATIONS


@dataclass(frozen=True)
class Network:
    """A chain "input weights -> convolution -> activation -> readout" and the law of its weights.

    Attributes
    ----------
    widths : tuple of float
        Number of channels of each hidden layer; `math.inf` is the Gaussian-process limit.
    weight_variance : float
        sigma_w^2: every input weight has prior variance sigma_w^2 / fan-in.
    readout_variance : float
        sigma_a^2: every readout weight has prior variance sigma_a^2 / fan-in, one weight per
        (patch, channel), so the fan-in is (number of patches) x (channels).
    activation : str
        Name of the activation, one of `numerics.ACTIVATIONS`.
    """

    widths: tuple[float, ...]
    weight_variance: float
    readout_variance: float
    activation: str

    @property
    def width(self) -> float:
        """Channels C of the (last) hidden layer."""
        return self.widths[-1]

    def with_width(self, width: float) -> Network:
        """The same network, variances included, with another number of channels."""
        return replace(self, widths=(checks.width(width, "widths"),))


def cnn(
    channels: float | Sequence[float],
    weight_variance: float = 2.0,
    readout_variance: float = 2.0,
    activation: str = "erf",
) -> Network:
    """Two-layer convolutional network with non-overlapping patches, Eq. (7).

    f(x) = sum_{i,c} a_{ic} phi(w_c . x_i), with i over N patches x_i of S pixels, c over C channels,
    w_c ~ N(0, weight_variance / S) and a_ic ~ N(0, readout_variance / (N C)).

    Parameters
    ----------
    channels : float or sequence of one float
        C > 0; `math.inf` is the Gaussian-process limit.
    weight_variance, readout_variance : float
        sigma_w^2 and sigma_a^2: variances, with the fan-in divided out by the package.
    activation : str
        `"erf"` or `"linear"`.

    Raises
    ------
    ValueError
        Naming the argument and the remedy.
    """
    widths = tuple(channels) if isinstance(channels, Sequence) else (channels,)
    if len(widths) != 1:
        raise ValueError(
            f"channels={channels!r} asks for {len(widths)} convolutional layers; this version solves "
            "the two-layer CNN: give one number of channels"
        )
    if activation not in ACTIVATIONS:
        raise ValueError(f"activation={activation!r} is unknown; choose one of {ACTIVATIONS}")
    return Network(
        widths=tuple(checks.width(width, "channels") for width in widths),
        weight_variance=checks.positive(weight_variance, "weight_variance"),
        readout_variance=checks.positive(readout_variance, "readout_variance"),
        activation=activation,
    )


def inverse_width(width: float) -> float:
    """1/C, exactly 0 for `math.inf`."""
    return 0.0 if math.isinf(width) else 1.0 / width
