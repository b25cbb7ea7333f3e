"""The network: layers, widths, prior variances and the activation, without data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from numerics import checks, pixels
from numerics.activations import Activation, Formula, named
from numerics.pixels import Receptive

Widths = tuple[float, ...]


@dataclass(frozen=True)
class Network:
    """A chain of dense and convolutional layers, one activation, and the law of the weights.

    Attributes
    ----------
    widths : tuple of float
        Neurons or channels N_l of each hidden layer; `math.inf` is the Gaussian-process limit.
    weight_variances : tuple of float
        sigma_l^2 of the weights into each hidden layer: a weight has prior variance sigma_l^2 / fan-in.
    readout_variance : float
        sigma_a^2 of the readout, over its fan-in.
    activation : str or Activation
        One of `numerics.ACTIVATIONS`, or your own: `analytic.activation`, or
        `numerics.activations.quadrature`.
    bias_variance : float
        sigma_b^2: prior variance of every unit's bias, the output's included; 0: no biases.
    windows : tuple of int, "all" or Receptive
        Receptive field of each hidden layer above the first: an int is a non-overlapping window over that
        many neighbouring pixels.
    readout : "per_pixel", "global_pooling" or Receptive
    flat : bool
        Inputs are vectors, X of shape (n, d); otherwise X is (n, pixels, features).
    """

    widths: Widths
    weight_variances: tuple[float, ...]
    readout_variance: float
    activation: str | Activation | Formula
    bias_variance: float = 0.0
    windows: tuple[int | str | Receptive, ...] = ()
    readout: str | Receptive = "per_pixel"
    flat: bool = False

    @property
    def width(self) -> float:
        """Units of the last hidden layer, the one the readout sees."""
        return self.widths[-1]

    def with_widths(self, widths: float | Sequence[float]) -> Network:
        """The same network, variances included, with other widths; one number stands for all layers."""
        return replace(self, widths=_widths(widths, "widths", len(self.widths)))

    def with_activation(self, activation: str | Activation) -> Network:
        """The same network with another activation."""
        named(activation)
        return replace(self, activation=activation)

    def with_variances(
        self,
        weight_variance: float | Sequence[float] | None = None,
        readout_variance: float | None = None,
        bias_variance: float | None = None,
    ) -> Network:
        """The same network with other prior variances; None leaves one as it is."""
        weights = self.weight_variances if weight_variance is None else weight_variance
        readout = self.readout_variance if readout_variance is None else readout_variance
        bias = self.bias_variance if bias_variance is None else bias_variance
        return replace(
            self,
            weight_variances=_variances(weights, len(self.widths)),
            readout_variance=checks.positive(readout, "readout_variance"),
            bias_variance=checks.not_negative(bias, "bias_variance"),
        )

    def receptive_windows(self, pixels_in: int) -> tuple[Receptive, ...]:
        """One per hidden layer: how the next layer, or the readout, sees its pixels."""
        found: list[Receptive] = []
        count = pixels_in
        for window in (*self.windows, self.readout):
            receptive = _receptive(window, count)
            found.append(receptive)
            count = receptive.pixels_out
        if count != 1:
            raise ValueError(f"the readout has {count} output pixels; it must have one")
        return tuple(found)


def _receptive(window: int | str | Receptive, count: int) -> Receptive:
    if isinstance(window, Receptive):
        if window.pixels_in > count:
            raise ValueError(
                f"a receptive field sees pixel {window.pixels_in - 1}, but there are {count} pixels"
            )
        return window
    if isinstance(window, str) and window in ("all", "per_pixel"):
        return pixels.dense(count)
    if isinstance(window, str) and window == "global_pooling":
        return pixels.dense(count, pools=[range(count)])
    if isinstance(window, int | np.integer) and not isinstance(window, bool):
        return pixels.blocks(count, int(window))
    raise ValueError(
        f"{window!r} is no receptive field; give a window (a whole number), 'all', 'per_pixel', "
        "'global_pooling' or a numerics.pixels.Receptive"
    )


def cnn(
    channels: float | Sequence[float],
    weight_variance: float | Sequence[float] = 2.0,
    readout_variance: float = 2.0,
    activation: str | Activation | Formula = "erf",
    windows: Sequence[int | str | Receptive] = (),
    bias_variance: float = 0.0,
    readout: str | Receptive = "per_pixel",
) -> Network:
    """Convolutional network on X of shape (n, pixels, S): pixels are non-overlapping patches of size S.

    With one number of channels this is the two-layer CNN of Eq. (7), f(x) = sum_ic a_ic phi(w_c . x_i).
    `channels=(C1, C2), windows=(S1,)` is the three-layer CNN of Eq. (14), X of shape (n, N S1, S0) with
    pixel i + j S1 in slot i of hidden pixel j.

    Parameters
    ----------
    channels : float or sequence of float
        C_l > 0 of each hidden layer; `math.inf` is the Gaussian-process limit.
    weight_variance : float or sequence of float
        sigma_l^2: a weight into layer l has prior variance sigma_l^2 / fan-in.
    readout_variance : float
        sigma_a^2, over the fan-in of the readout: (pixels it sees) x (channels).
    activation : str or Activation
        One of `numerics.ACTIVATIONS`, or your own: `analytic.activation`, or
        `numerics.activations.quadrature`.
    windows : sequence
        Receptive fields of the hidden layers above the first: a window (int) that divides the number of
        pixels, "all" for a dense layer, or a `numerics.pixels.Receptive`.
    bias_variance : float
        sigma_b^2 >= 0.
    readout : str or Receptive
        "per_pixel" (a weight per pixel and channel) or "global_pooling" (channels averaged over pixels).

    Raises
    ------
    ValueError
        Naming the argument and the remedy.
    """
    widths = _widths(channels, "channels")
    if not isinstance(windows, Sequence) or isinstance(windows, str):
        raise ValueError(f"windows={windows!r} must be a sequence with one entry per layer, such as (6,)")
    if len(windows) != len(widths) - 1:
        raise ValueError(
            f"windows={tuple(windows)!r} must have one entry per convolutional layer above the first, "
            f"{len(widths) - 1} for channels={channels!r}"
        )
    return _network(
        widths, weight_variance, readout_variance, activation, bias_variance, tuple(windows), readout, False
    )


def fcn(
    widths: float | Sequence[float],
    weight_variance: float | Sequence[float] = 2.0,
    readout_variance: float = 2.0,
    activation: str | Activation | Formula = "erf",
    bias_variance: float = 0.0,
) -> Network:
    """Fully connected network on X of shape (n, d), Eq. (1); `widths=(N_1, N_2)` has three layers.

    Mean-field scaling is nothing but a `readout_variance` of order 1/width.

    Parameters
    ----------
    widths : float or sequence of float
        Neurons N_l > 0 of each hidden layer; `math.inf` is the Gaussian-process limit.
    weight_variance, readout_variance, activation, bias_variance
        As in `cnn`.
    """
    sizes = _widths(widths, "widths")
    windows = ("all",) * (len(sizes) - 1)
    return _network(
        sizes, weight_variance, readout_variance, activation, bias_variance, windows, "per_pixel", True
    )


def _network(
    widths: Widths,
    weight_variance: float | Sequence[float],
    readout_variance: float,
    activation: str | Activation | Formula,
    bias_variance: float,
    windows: tuple[int | str | Receptive, ...],
    readout: str | Receptive,
    flat: bool,
) -> Network:
    named(activation)
    return Network(
        widths=widths,
        weight_variances=_variances(weight_variance, len(widths)),
        readout_variance=checks.positive(readout_variance, "readout_variance"),
        activation=activation,
        bias_variance=checks.not_negative(bias_variance, "bias_variance"),
        windows=windows,
        readout=readout,
        flat=flat,
    )


def _variances(value: float | Sequence[float], layers: int) -> tuple[float, ...]:
    given = tuple(value) if _is_sequence(value) else (value,) * layers  # type: ignore[arg-type]
    if len(given) != layers:
        raise ValueError(f"weight_variance={value!r} must be one number or one per hidden layer ({layers})")
    return tuple(checks.positive(variance, "weight_variance") for variance in given)


def _widths(value: float | Sequence[float], name: str, layers: int | None = None) -> Widths:
    given = tuple(value) if _is_sequence(value) else (value,) * (layers or 1)  # type: ignore[arg-type]
    if not given or (layers is not None and len(given) != layers):
        raise ValueError(
            f"{name}={value!r} must be one number or one per hidden layer ({layers or 'at least one'})"
        )
    return tuple(checks.width(width, name) for width in given)


def _is_sequence(value: float | Sequence[float]) -> bool:
    if isinstance(value, np.ndarray):
        return value.ndim == 1
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)
