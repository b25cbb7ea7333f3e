"""Seconds of a gradient on this machine, from small gradients of the same kind of network.

A gradient of F costs, to leading order, a kernel entry per n^2 and pair of pixels that meet, n^3 for the data
term, and m^3 for each hidden kernel of dimension m. Differences between small gradients isolate these parts.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from numerics.activations import Activation
from numerics.footprint import Sizes
from numerics.network import Network, cnn, fcn
from numerics.problem import problem
from numerics.secants import Secants

clock = time.perf_counter  # benchmarks on a busy machine count processor time instead

PATIENCE = 0.15  # seconds per measurement, or two runs of what takes longer
DATA_SIZES = (1500, 2200)  # both on all threads, as all sizes that take long are
INPUT_SIZES = (250, 500)
HIDDEN_SIZES = (250, 500)
LARGEST_PATCH = 128
SECANTS, UNKNOWNS = (4, 12), 200_000


@dataclass(frozen=True)
class Rates:
    """Seconds per unit of work.

    Attributes
    ----------
    entry : float
        Of a kernel entry made from inputs, value and adjoint.
    data, inputs, hidden : pairs of float
        Per n^2 and n^3 of the data term; per S^2 and S^3 of the input layer; per m^2 and m^3 of a
        layer with a hidden kernel.
    secants : pair of float
        Of a step over k secants, per unknown and k and per unknown and k^2.
    """

    entry: float
    data: tuple[float, float]
    inputs: tuple[float, float]
    hidden: tuple[float, float]
    secants: tuple[float, float]

    def gradient(self, sizes: Sizes) -> float:
        """Seconds of one gradient."""
        layers = _at(self.inputs, sizes.channels) + sum(_at(self.hidden, m) for m in sizes.hidden)
        return self.entry * sizes.entries + _at(self.data, sizes.samples) + layers

    def solve(self, sizes: Sizes, gradients: float) -> float:
        """Seconds of a solve: one more gradient for the Gaussian process, and a step after each."""
        line, square = self.secants
        kept = [min(k, sizes.most_secants) for k in range(1, int(gradients))]
        steps = sizes.unknowns * sum(line * k + square * k * k for k in kept)
        return (gradients + 1) * self.gradient(sizes) + steps


@cache
def rates(activation: str | Activation, channels: int, outputs: int, readout: str, hidden: bool) -> Rates:
    """Measured once per process and kind of network, in a few seconds."""

    def two_layers(samples: int, pixels: int, size: int) -> float:
        net = cnn(100.0, activation=activation)
        return _gradient(net, (samples, pixels, size), outputs, readout)

    def entry(size: int) -> float:
        samples = int(np.clip(1000 * math.sqrt(100 / size), 200, 1000))
        more, fewer = (two_layers(samples, pixels, size) for pixels in (5, 1))
        return max(more - fewer, 0.0) / (4 * samples**2 / 2)

    def of_entries(size: int) -> float:
        """Linear in the size of a patch beyond a size that takes long to time."""
        if size <= LARGEST_PATCH:
            return entry(size)
        return plain + max(entry(LARGEST_PATCH) - plain, 0.0) * (size - 1) / (LARGEST_PATCH - 1)

    two_layers(20, 1, 1)  # compiles
    plain = entry(1)
    data = _fit(lambda n: two_layers(n, 1, 1) - plain * n * n / 2, DATA_SIZES)
    inputs = _fit(lambda size: two_layers(20, 1, size), INPUT_SIZES)
    layer = (0.0, 0.0)
    if hidden:
        shallow, deep = (fcn((100.0,) * layers, activation=activation) for layers in (1, 2))
        size = int(np.clip(channels, 16, 64))  # of few inputs the kernel would be singular

        def one_layer_more(m: int) -> float:
            seconds = [_gradient(net, (m, size), outputs, readout) for net in (deep, shallow)]
            return seconds[0] - seconds[1]

        layer = _fit(one_layer_more, HIDDEN_SIZES)
    few, many = (_step(k) / k for k in SECANTS)
    square = max(many - few, 0.0) / (SECANTS[1] - SECANTS[0])
    return Rates(of_entries(channels), data, inputs, layer, (many - square * SECANTS[1], square))


def _gradient(net: Network, shape: tuple[int, ...], outputs: int, readout: str) -> float:
    """Seconds of a gradient on random data, at a state off the Gaussian process."""
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal(shape), rng.standard_normal((shape[0], outputs))
    bound = problem(net, X, y, 1.0, readout)
    chain = bound.field.chain
    state = tuple(
        1e-3 * np.diag(rng.standard_normal(len(block))) if block.ndim == 2 else block for block in chain.prior
    )
    return _best(lambda: chain.pull(state, bound.inverse_widths))


def _step(secants: int) -> float:
    """Seconds of the solver's step over its secants, per unknown; beyond the caches, as in earnest."""
    rng = np.random.default_rng(0)
    known = Secants(secants)
    here, *others = rng.standard_normal((2 * secants + 1, UNKNOWNS))
    for change, change_of_E in zip(others[::2], others[1::2], strict=True):
        known.add(change, change_of_E)

    def one_more() -> None:
        known.add(others[0], others[1])
        known.step(here)

    return _best(one_more) / UNKNOWNS


def _best(work: Callable[[], Any]) -> float:
    """The shortest of a few runs; the first one alone would have memory to ask the system for."""
    laps: list[float] = []
    while len(laps) < 2 or (len(laps) < 3 and sum(laps) < PATIENCE):
        start = clock()
        work()
        laps.append(clock() - start)
    return min(laps)


def _fit(seconds: Callable[[int], float], sizes: tuple[int, int]) -> tuple[float, float]:
    """(a, b) of a n^2 + b n^3 through two measurements, neither negative."""
    small, large = sizes
    low, high = (max(seconds(n), 0.0) / n**2 for n in sizes)
    cubic = float(np.clip((high - low) / (large - small), 0.0, high / large))
    return high - cubic * large, cubic


def _at(coefficients: tuple[float, float], n: float) -> float:
    square, cube = coefficients
    return square * n**2 + cube * n**3
