"""The prior variances and the noise as one vector of logs, of which some are free."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numerics.network import Network
from numerics.solutions.evidence import EvidenceGradient

Array = NDArray[np.float64]

FIXED = "fixed"


@dataclass(frozen=True)
class HyperParameters:
    """Of a network with L hidden layers: L weight variances, the readout's, the biases', the noise's.

    Attributes
    ----------
    net : Network
    noise_variance : float
    limits : (L + 3, 2) array
        Smallest and largest value of each; NaN where it is fixed.
    """

    net: Network
    noise_variance: float
    limits: Array

    @classmethod
    def of(cls, net: Network, noise_variance: float, bounds: Mapping[str, Any]) -> HyperParameters:
        """`bounds` by the name of the hyper-parameter: (least, largest), one such pair per hidden layer, or
        "fixed". Without biases theirs stay away."""
        layers = len(net.widths)
        biases = bounds["bias_variance"] if net.bias_variance > 0 else FIXED
        limits = [
            *_pairs(bounds["weight_variance"], "weight_variance", layers),
            *_pairs(bounds["readout_variance"], "readout_variance"),
            *_pairs(biases, "bias_variance"),
            *_pairs(bounds["noise_variance"], "noise_variance"),
        ]
        return cls(net, noise_variance, np.array(limits))

    @property
    def values(self) -> Array:
        """(L + 3,)."""
        net = self.net
        return np.array([*net.weight_variances, net.readout_variance, net.bias_variance, self.noise_variance])

    @property
    def free(self) -> NDArray[np.bool_]:
        """(L + 3,)."""
        return np.isfinite(self.limits[:, 0])

    @property
    def log_limits(self) -> Array:
        """(k, 2) of those that are free."""
        return np.log(self.limits[self.free])

    @property
    def logs(self) -> Array:
        """(k,) of those that are free, within their limits."""
        return np.clip(np.log(self.values[self.free]), *self.log_limits.T)

    def at(self, logs: Array) -> HyperParameters:
        """With these logs (k,) of those that are free."""
        values = self.values
        values[self.free] = np.exp(logs)
        layers = len(self.net.widths)
        weights = tuple(map(float, values[:layers]))
        readout, bias, noise = map(float, values[layers:])
        return HyperParameters(self.net.with_variances(weights, readout, bias), noise, self.limits)

    def slopes(self, gradient: EvidenceGradient) -> Array:
        """(k,) of those that are free."""
        every = [
            *gradient.weight_variances,
            gradient.readout_variance,
            gradient.bias_variance,
            gradient.noise_variance,
        ]
        return np.array(every)[self.free]

    def at_a_bound(self) -> Iterator[str]:
        """A sentence for each that has ended there."""
        layers = len(self.net.widths)
        names = [f"weight_variance of layer {layer}" for layer in range(layers)]
        names += ["readout_variance", "bias_variance", "noise_variance"]
        for name, value, pair in zip(names, self.values, self.limits, strict=True):
            for bound, which in zip(pair, ("least", "largest"), strict=True):
                if np.isfinite(bound) and np.isclose(np.log(value), np.log(bound)):
                    yield (
                        f"the {name} that evidence chose, {value:.3g}, is the {which} that its bounds allow; "
                        f"widen {name.split()[0]}_bounds, or set them to 'fixed'"
                    )


def _pairs(bounds: Any, name: str, count: int = 1) -> list[tuple[float, float]]:
    if isinstance(bounds, str) and bounds == FIXED:
        return [(np.nan, np.nan)] * count
    several = f"; {count} such pairs, one per hidden layer" if count > 1 else ""
    refused = ValueError(
        f"{name}_bounds={bounds!r} must be (least, largest) with 0 < least < largest{several}, or 'fixed'"
    )
    try:
        pairs = np.broadcast_to(np.asarray(bounds, dtype=np.float64), (count, 2))
    except (TypeError, ValueError):
        raise refused from None
    if not (np.isfinite(pairs).all() and (pairs[:, 0] > 0).all() and (pairs[:, 0] < pairs[:, 1]).all()):
        raise refused
    return [(float(low), float(high)) for low, high in pairs]
