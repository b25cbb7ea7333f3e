"""Seconds of a gradient on this machine: of the network's own gradient, on fewer data where it takes long.

Counting multiplications then leads from the one size to the other. Only ratios of counts matter, so that the
weights below need to be right to some ten percent; they were fitted at the sizes where each part prevails.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numerics.activations import OutOfRange, named
from numerics.costs.footprint import Sizes
from numerics.gaussian.state import LayerState
from numerics.gaussian.theory import Theory
from numerics.machine import parallel
from numerics.network import Network, fcn
from numerics.problem import Problem
from numerics.readout_laws import LAWS, ReadoutLaw
from numerics.solving.secants import Secants

Array = NDArray[np.float64]

clock = time.perf_counter  # benchmarks on a busy machine count processor time instead

QUICK = 2e10  # multiplications of a gradient to be timed: half a second
PATIENCE = 0.3  # seconds per measurement, or three runs of what takes longer
STAND_IN = 1000  # samples
LARGEST_INPUTS = 800  # features
WIDTH = 100.0  # of every layer timed: it does not matter

ENTRY = 230.0  # a kernel entry's functions, beside six products per channel
WITH_MEANS, ROW = 3400.0, 50.0  # the same where units have means, and per number kept of a series
SQUARE = 900.0  # n^2 of the data term
HELD_UP = 3.5e9  # by threads of BLAS that wait for more work while panels are made
INPUT_LAYER, HIDDEN_LAYER = 10.0, 12.0  # m^3 of the S input weights, and of a hidden kernel of full rank
HALF_SPEED = 600.0  # dimension where eigendecompositions and products are half as fast as large ones
SPAN = (5.0, 2000.0)  # of a basis of r inputs with S features: S r^2, and S r
SECANTS, UNKNOWNS = (4, 12), 200_000


def gradient(net: Network, sizes: Sizes, law: ReadoutLaw) -> float:
    """Seconds of one gradient, with as many threads as are set now; measured once per process and size."""
    plain, few = _quick(net, sizes, law)
    features = few.features - (plain.bias_variance > 0)
    shape = (few.samples, features) if plain.flat else (few.samples, few.pixels, features)
    timed = _timed(plain, shape, sizes.outputs, law, parallel.thread_count())
    return timed * multiplications(sizes, law) / multiplications(few, law)


def coordinates(sizes: Sizes, seconds: float, law: ReadoutLaw) -> float:
    """Seconds until the inputs' span is known, if a gradient takes so many."""
    square, line = SPAN
    work = sizes.span * (square * sizes.samples * sizes.pixels + line)
    return seconds * work / multiplications(sizes, law)


def steps(sizes: Sizes, gradients: float) -> float:
    """Seconds of the steps after so many gradients."""
    line, square = _steps()
    kept = [min(k, sizes.most_secants) for k in range(1, int(gradients))]
    return sizes.unknowns * sum(line * k + square * k * k for k in kept)


def multiplications(sizes: Sizes, law: ReadoutLaw) -> float:
    """Of a gradient, with what takes as long as so many."""
    rows = sizes.statistics
    functions = ENTRY if rows == 1 else max(WITH_MEANS, ROW * rows)
    panels = sizes.entries * (6.0 * sizes.features + functions)
    factorised_by_all = sizes.samples >= parallel.WORTH_HOLDING_UP_PANELS and parallel.thread_count() > 1
    held_up = min(HELD_UP, panels / 2) if factorised_by_all and not sizes.hidden else 0.0
    return (
        panels
        + held_up
        + sizes.hidden_entries * functions
        + SQUARE * sizes.samples**2
        + law.cubes(sizes.readout_pixels, sizes.outputs) * sizes.samples**3
        + INPUT_LAYER * sizes.features**2 * (sizes.features + HALF_SPEED)
        + HIDDEN_LAYER * sum(_layer(m, rank) for m, rank in zip(sizes.hidden, sizes.ranks, strict=True))
    )


def _layer(size: int, rank: int) -> float:
    """m^3 at full rank, and what small ones lose."""
    return (size**2 * rank + rank**3) / 2 + HALF_SPEED * size * rank


def forget() -> None:
    """Measure again what is asked from now on."""
    _timed.cache_clear()
    _steps.cache_clear()


def _quick(net: Network, sizes: Sizes, law: ReadoutLaw) -> tuple[Network, Sizes]:
    """The network with variances of order one, and as many samples as a quick gradient has, and features if
    there are very many; of hidden kernels that are large for a single datum, a smaller network stands in."""
    plain = _with_variances(net.with_widths(WIDTH), 1.0)
    biased = net.bias_variance > 0
    features = min(sizes.features, LARGEST_INPUTS + biased)
    rows = named(net.activation).rows(2.0 * (1.0 + biased))

    def work(samples: int) -> float:
        return multiplications(sizes.part(samples, features, rows), law)

    if work(1) > QUICK:
        plain = fcn((WIDTH,) * min(len(net.widths), 2), activation=net.activation)
        return _quick(plain, Sizes.of(plain, STAND_IN, 1, 32), LAWS["mean_field"])
    few, too_many = 1, sizes.samples + 1
    while too_many - few > 1:
        middle = (few + too_many) // 2
        few, too_many = (middle, too_many) if work(middle) <= QUICK else (few, middle)
    return plain, sizes.part(few, features, rows)


def _with_variances(net: Network, variance: float) -> Network:
    bias = variance if net.bias_variance > 0 else 0.0
    return replace(
        net, weight_variances=(variance,) * len(net.widths), bias_variance=bias, readout_variance=1.0
    )


@cache
def _timed(net: Network, shape: tuple[int, ...], outputs: int, law: ReadoutLaw, threads: int) -> float:
    """Seconds of a gradient on random data, at a state off the Gaussian process, with the threads set now."""
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal(shape), rng.standard_normal((shape[0], outputs))
    for variance in (1.0, 1e-2, 1e-4):
        with suppress(OutOfRange):  # a steep activation may refuse variances of order one
            return _gradient(_with_variances(net, variance), X, y, law)
    return _gradient(_with_variances(net, 1e-6), X, y, law)


def _gradient(net: Network, X: Array, y: Array, law: ReadoutLaw) -> float:
    problem = Problem(net, X, y, 1.0)
    theory = Theory(problem, law.name, basis=None)
    rng = np.random.default_rng(1)
    state = tuple(  # means are as large as learning makes them: at zero functions are quicker
        LayerState(_near_zero(rng, size), None if theory.odd else 0.3 * rng.standard_normal(size))
        for size in theory.sizes
    )
    return _typical(lambda: theory.gradient(state, problem.inverse_widths))


def _near_zero(rng: np.random.Generator, size: int) -> Array:
    """A dense symmetric matrix of norm 1e-3 or so: diagonal ones are decomposed in half the time."""
    noise = rng.standard_normal((size, size))
    return 1e-3 / math.sqrt(8 * size) * (noise + noise.T)


@cache
def _steps() -> tuple[float, float]:
    """Of a step over k secants, per unknown and k and per unknown and k^2."""
    few, many = (_step(k) / k for k in SECANTS)
    square = max(many - few, 0.0) / (SECANTS[1] - SECANTS[0])
    return many - square * SECANTS[1], square


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

    return _typical(one_more) / UNKNOWNS


def _typical(work: Callable[[], Any]) -> float:
    """The median of a few runs, without the first, which compiles and asks the system for memory."""
    work()
    laps: list[float] = []
    while len(laps) < 3 or sum(laps) < PATIENCE:
        start = clock()
        work()
        laps.append(clock() - start)
    return statistics.median(laps)
