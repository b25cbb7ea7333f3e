"""A problem: network, data and noise, validated once; pure data, which every theory and sampler takes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from numerics import checks
from numerics.network import Network, Widths

Array = NDArray[np.float64]


@dataclass(frozen=True, init=False, eq=False, repr=False)
class Problem:
    """A network with its training data and the variance of their noise.

    Validated when it is made; the arrays are copied and cannot be written to.

    Parameters
    ----------
    net : Network
        From `cnn(...)` or `fcn(...)`.
    X : (n, pixels, features) array, or (n, d) for a fully connected network
        Without samples, n = 0, there is the prior alone, which can be sampled.
    y : (n,) or (n, D) array
        D outputs; one-dimensional targets give one-dimensional predictions. Of a datum that is taken out,
        what stands there does not matter and may be NaN.
    noise_variance : float or (n,) array
        sigma^2 > 0, the variance of the observation noise (temperature of the Langevin dynamics); kept as
        (n,). `math.inf` takes a datum out.

    Raises
    ------
    ValueError
        Naming the argument and the remedy.
    """

    net: Network
    X: Array
    y: Array
    noise_variance: Array

    def __init__(self, net: Network, X: ArrayLike, y: ArrayLike, noise_variance: Any) -> None:
        if not isinstance(net, Network):
            raise ValueError(f"net is a {type(net).__name__}; make a network with cnn(...) or fcn(...)")
        inputs = checks.inputs(X, net.flat)
        net.receptive_windows(inputs.shape[1])  # refuses what does not fit
        if len(inputs) == 0 < np.size(y):
            raise ValueError(
                f"X has shape {np.shape(X)}, but y has entries: no axis may be empty (the prior has neither)"
            )
        noise = checks.noise_variances(noise_variance, len(inputs))
        targets = np.array(checks.targets(y, samples=len(inputs), observed=np.isfinite(noise), prior=True))
        # pixel by pixel in memory, as the theory and the samplers want them
        inputs = np.array(inputs.transpose(1, 0, 2), order="C").transpose(1, 0, 2)
        y = targets[:, 0] if np.ndim(y) == 1 else targets
        self._set(net, inputs[:, 0] if net.flat else inputs, y, noise)

    def _set(self, net: Network, *arrays: Array) -> None:
        for array in arrays:
            array.flags.writeable = False
        for name, value in zip(("net", "X", "y", "noise_variance"), (net, *arrays), strict=True):
            object.__setattr__(self, name, value)

    @classmethod
    def of(cls, net: Network | Problem, X: Any, y: Any, noise_variance: Any) -> Problem:
        """A problem as it is, or made of its four parts: the door of every verb that takes either."""
        parts = {"X": X, "y": y, "noise_variance": noise_variance}
        if not isinstance(net, Problem):
            missing = [name for name, part in parts.items() if part is None]
            if missing and isinstance(net, Network):
                raise ValueError(
                    f"{', '.join(missing)}: missing; give net, X, y and noise_variance, or a Problem"
                )
            return cls(net, X, y, noise_variance)
        doubled = [name for name, part in parts.items() if part is not None]
        if doubled:
            raise ValueError(
                f"{', '.join(doubled)}: the problem has its own; leave it out, or give the network"
            )
        return net

    @property
    def inputs(self) -> Array:
        """(n, P, S): X with an axis of pixels in any case."""
        return self.X[:, None, :] if self.net.flat else self.X

    @property
    def input_shape(self) -> tuple[int, int]:
        """(P, S): pixels and features of one input."""
        return self.inputs.shape[1], self.inputs.shape[2]

    @cached_property
    def targets(self) -> Array:
        """(n, D): y with an axis of outputs in any case, zero where the datum is taken out."""
        y = self.y[:, None] if self.one_output else self.y
        return np.where(self.observed[:, None], y, 0.0)

    @property
    def one_output(self) -> bool:
        """Whether targets were given as (n,)."""
        return self.y.ndim == 1

    @property
    def samples(self) -> int:
        return len(self.X)

    @property
    def outputs(self) -> int:
        return 1 if self.one_output else self.y.shape[1]

    @property
    def observed(self) -> NDArray[np.bool_]:
        """(n,): which data have finite noise."""
        return np.isfinite(self.noise_variance)

    @cached_property
    def target_norm2(self) -> float:
        """y.y over the data that are observed, summed over outputs."""
        return float(np.sum(self.targets**2))

    @property
    def common_noise(self) -> float | None:
        """The noise variance that all observed data share; None where they differ."""
        noise = self.noise_variance[self.observed]
        return float(noise[0]) if len(noise) and noise.min() == noise.max() else None

    @property
    def widths(self) -> Widths:
        return self.net.widths

    @property
    def inverse_widths(self) -> Widths:
        """1/N_l, exactly 0 at infinite width."""
        return tuple(0.0 if math.isinf(width) else 1.0 / width for width in self.net.widths)

    @property
    def readout_fan_in(self) -> float:
        """P, the number of readout weights: slots of the readout times the last width."""
        return self.net.width * self.net.receptive_windows(self.input_shape[0])[-1].fan_in

    def with_widths(self, widths: float | Sequence[float]) -> Problem:
        """The same data and variances at other widths; the arrays are shared."""
        return self._with(self.net.with_widths(widths))

    def part(self, samples: NDArray[np.intp]) -> Problem:
        """The same network on some of the data."""
        return Problem(self.net, self.X[samples], self.y[samples], self.noise_variance[samples])

    def _with(self, net: Network) -> Problem:
        other = object.__new__(Problem)
        other._set(net, self.X, self.y, self.noise_variance)
        return other

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._set(*(state[name] for name in ("net", "X", "y", "noise_variance")))

    def __eq__(self, other: object) -> bool:
        """The same network, widths included, and the same data and noise."""
        if not isinstance(other, Problem):
            return NotImplemented
        pairs = (
            (self.X, other.X),
            (self.targets, other.targets),
            (self.noise_variance, other.noise_variance),
        )
        return (
            self.net == other.net
            and self.y.shape == other.y.shape
            and all(a is b or np.array_equal(a, b) for a, b in pairs)
        )

    def __hash__(self) -> int:
        return hash((self.net, self.X.shape, self.y.shape))

    def __repr__(self) -> str:
        low, high = self.noise_variance.min(initial=np.inf), self.noise_variance.max(initial=0.0)
        noise = f"{low:.4g} to {high:.4g}" if low < high else f"{low:.4g}"
        widths = ", ".join(f"{width:g}" for width in self.widths)
        return f"Problem(widths=({widths}), X{self.X.shape}, y{self.y.shape}, noise_variance={noise})"
