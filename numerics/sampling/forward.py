"""The network as a function of its weights, with its adjoint: the one place that knows what layers do.

Activations of a layer are (samples, pixels, units). A layer sees them through windows over pooled pixels
(`numerics.pixels.Receptive`), one row of slots times units per output pixel, in units in which its weights
have their prior variance:

    B = s gather(phi),    h = B W,    s^2 = sigma_l^2 / fan-in,    W ~ N(0, 1) under the prior,

with one more column, sigma_b, where there are biases. The rows that the readout sees are its features Phi, so
that Q_f = Phi Phi^T given the hidden weights.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numerics.activations import Activation, named
from numerics.network import Network
from numerics.pixels import Receptive

Array = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Gather:
    """What every output pixel of a receptive field sees, (n, P, C) -> (n P_out, slots C), and the adjoint.

    It is linear in the activations: slot i of output pixel j sees the mean over a pool of pixels.
    """

    receptive: Receptive
    pixels: int

    @cached_property
    def as_it_lies(self) -> bool:
        """Whether the slots of all output pixels are the pixels in their order: no copy is needed."""
        windows, pools = self.receptive.windows, self.receptive.pools
        in_order = np.array_equal(windows.ravel(), np.arange(self.pixels))
        return in_order and pools == tuple((pixel,) for pixel in range(self.pixels))

    @cached_property
    def means(self) -> NDArray[np.float64]:
        """(P_out slots, P): the mean that each slot sees, zero for padding."""
        return self.receptive.means(self.pixels)

    def rows(self, phi: Array) -> Array:
        n, _, units = phi.shape
        seen = phi if self.as_it_lies else self.means.astype(phi.dtype) @ phi
        return seen.reshape(n * self.receptive.pixels_out, self.receptive.fan_in * units)

    def adjoint(self, G: Array, units: int) -> Array:
        """The gradient in phi, (n, P, C), from that in the rows."""
        slots = self.receptive.pixels_out * self.receptive.fan_in
        seen = G.reshape(-1, slots, units)
        return seen if self.as_it_lies else self.means.T.astype(G.dtype) @ seen


@dataclass(frozen=True)
class Pass:
    """A forward pass: what its adjoint takes.

    Attributes
    ----------
    weights : tuple of (fan-in, N_l) arrays
    rows : tuple of (n P_l, fan-in) arrays
        B of every hidden layer.
    slopes : tuple of (n P_l, N_l) arrays
        phi' of its units.
    features : (n, P) array
        Phi: Q_f = Phi Phi^T, its rows in the units asked for.
    """

    weights: tuple[Array, ...]
    rows: tuple[Array, ...]
    slopes: tuple[Array, ...]
    features: Array


class Forward:
    """Inputs X (n, P, S) through the hidden layers of a network of finite width.

    Parameters
    ----------
    net : Network
    X : (n, P, S) array
    single : bool
        Activations, slopes and products in single precision.
    units : (n,) array, optional
        Features are given in these, per sample; such as the standard deviation of the noise.
    """

    def __init__(
        self,
        net: Network,
        X: NDArray[np.float64],
        single: bool = False,
        units: NDArray[np.float64] | None = None,
    ):
        self.net = net
        self.dtype = np.dtype(np.float32 if single else np.float64)
        self.samples, self.pixels, self.size = X.shape
        self.activation: Activation = named(net.activation)
        self.widths = tuple(int(width) for width in net.widths)
        self.gathers = self._gathers()
        self.scales = tuple(
            math.sqrt(variance / fan_in)
            for variance, fan_in in zip(
                (*net.weight_variances, net.readout_variance), self.fan_ins, strict=True
            )
        )
        self.bias_std = math.sqrt(net.bias_variance)
        self.per_unit = None if units is None else (1.0 / units).astype(self.dtype)[:, None]
        self.inputs = self._scaled(X.reshape(-1, self.size).astype(self.dtype), self.scales[0])

    def _gathers(self) -> tuple[Gather, ...]:
        found = []
        count = self.pixels
        for receptive in self.net.receptive_windows(self.pixels):
            found.append(Gather(receptive, count))
            count = receptive.pixels_out
        return tuple(found)

    @property
    def fan_ins(self) -> tuple[int, ...]:
        """Of every hidden layer and the readout, biases left out."""
        above = (
            gather.receptive.fan_in * width for gather, width in zip(self.gathers, self.widths, strict=True)
        )
        return (self.size, *above)

    @property
    def shapes(self) -> tuple[tuple[int, int], ...]:
        """(fan-in, units) of every hidden layer's weights; a bias is the last row."""
        bias = int(self.net.bias_variance > 0)
        return tuple((fan_in + bias, width) for fan_in, width in zip(self.fan_ins, self.widths, strict=False))

    @property
    def readout_weights(self) -> int:
        """Columns of the features: the readout's fan-in and its bias."""
        return self.fan_ins[-1] + int(self.net.bias_variance > 0)

    def __call__(self, weights: Sequence[Array]) -> Pass:
        """A pass with whitened weights of the shapes of `shapes`, from the first layer up."""
        given = tuple(np.asarray(W, dtype=self.dtype) for W in weights)
        B, rows, slopes = self.inputs, [], []
        for level, (W, gather) in enumerate(zip(given, self.gathers, strict=True)):
            rows.append(B)
            phi, slope = self.activation.activate(B @ W)
            slopes.append(slope)
            phi = phi.reshape(self.samples, gather.pixels, self.widths[level])
            B = self.rows_above(level, phi)
        if self.per_unit is not None:
            B *= self.per_unit
        return Pass(given, tuple(rows), tuple(slopes), B)

    def to(self, layer: int, weights: Sequence[Array]) -> NDArray[np.floating[Any]]:
        """Pre-activations of one hidden layer, (n P_l, N_l), and nothing above it."""
        B = self.inputs
        for level in range(layer):
            phi = self.activation.activate(B @ np.asarray(weights[level], dtype=self.dtype))[0]
            B = self.rows_above(level, phi.reshape(self.samples, -1, self.widths[level]))
        return np.asarray(B @ np.asarray(weights[layer], dtype=self.dtype))

    def rows_above(self, level: int, phi: Array) -> Array:
        """B of what sees hidden layer `level`, (n P_out, fan-in), from its activations (n, P, units): of all
        its units, or of some, each of which counts for more then."""
        share = self.widths[level] / phi.shape[2]
        scale = self.scales[level + 1] * math.sqrt(share)
        return self._scaled(self.gathers[level].rows(phi), scale)

    def preactivations(self, weights: Sequence[Array]) -> list[Array]:
        """h of every hidden layer, (n, P_l, N_l)."""
        passed = self(weights)
        return [
            (B @ W).reshape(self.samples, gather.pixels, -1)
            for B, W, gather in zip(passed.rows, passed.weights, self.gathers, strict=True)
        ]

    def adjoint(self, passed: Pass, G: Array) -> list[NDArray[np.float64]]:
        """d/dW of every hidden layer, from d/dPhi (n, P)."""
        found: list[NDArray[np.float64]] = []
        if self.per_unit is not None:
            G = G * self.per_unit
        for level in reversed(range(len(self.gathers))):
            seen = np.ascontiguousarray(G[:, : self.fan_ins[level + 1]])  # without the bias
            phi = self.gathers[level].adjoint(seen, self.widths[level])
            h = phi.reshape(passed.slopes[level].shape) * passed.slopes[level]
            h *= self.dtype.type(self.scales[level + 1])
            found.insert(0, (passed.rows[level].T @ h).astype(np.float64))
            if level > 0:
                G = h @ passed.weights[level].T
        return found

    def _scaled(self, B: Array, scale: float) -> Array:
        """Rows in units of the prior, with the column of the biases."""
        B = B * self.dtype.type(scale)
        if not self.bias_std:
            return B
        return np.concatenate([B, np.full((len(B), 1), self.bias_std, self.dtype)], axis=1)
