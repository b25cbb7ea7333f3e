"""What a solve takes, said before it is run: memory, seconds, and a refusal of what does not fit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from numerics import checks
from numerics.activations import named
from numerics.costs import rates
from numerics.costs.footprint import Sizes, peak_memory
from numerics.machine import memory
from numerics.network import Network
from numerics.problem import Problem
from numerics.readout_laws import LAWS, NAMES, ReadoutLaw

GIGABYTE = 2.0**30

# Gradients of a solve at width N: TYPICAL (n/N)^GROWTH with no, one, and more hidden kernels, counted on the
# problems of benchmarks/cost.py. What there is to learn decides: from a sixth to twice as many were seen.
TYPICAL = (5.0, 24.0, 35.0)
GROWTH = 0.4
FEWEST = 3.0


class NotEnoughMemory(ValueError):
    """A run that would not fit, refused before anything large is allocated.

    A ValueError, as for every refusal of arguments, and not a MemoryError: nothing has failed, the process is
    sound, and smaller arguments will do.
    """


@dataclass(frozen=True)
class Cost:
    """Memory and time of one solve; `print(cost)` is readable.

    Attributes
    ----------
    memory : float
        GB (2^30 bytes) above the process at the peak.
    available : float or None
        GB that machine and container have left, None where they do not say.
    seconds_per_gradient, seconds_per_solve : float
        On this machine, with as many threads as are set now.
    gradients : float
        What memory and seconds_per_solve are for.
    what : str
        Network and shape in words.
    """

    memory: float
    available: float | None
    seconds_per_gradient: float
    seconds_per_solve: float
    gradients: float
    what: str

    def __str__(self) -> str:
        left = "" if self.available is None else f" ({self.available:.3g} GB available)"
        return (
            f"{self.what}\n"
            f"  memory  {self.memory:.2g} GB at the peak{left}\n"
            f"  time    {duration(self.seconds_per_gradient)} per gradient, "
            f"about {duration(self.seconds_per_solve)} per solve ({self.gradients:.0f} gradients)"
        )


def estimate_cost(
    net: Network | Problem,
    shape: Sequence[int] | None,
    outputs: int,
    gradients: float | None,
    theory: str,
) -> Cost:
    """As `numerics.estimate_cost`, of the Gaussian theories."""
    net, shape, outputs = network_and_shape(net, shape, outputs)
    samples, pixels, channels = (shape[0], 1, shape[1]) if net.flat else shape
    law = LAWS[checks.choice(theory, NAMES, "theory")]
    sizes = Sizes.of(net, samples, pixels, channels, outputs)
    if gradients is None:
        gradients = typical_gradients(net, samples)
    gradients = checks.not_negative(gradients, "gradients")
    left = memory.available()
    seconds = rates.gradient(net, sizes, law)
    return Cost(
        memory=peak_memory(sizes, gradients, law) / GIGABYTE,
        available=None if left is None else left / GIGABYTE,
        seconds_per_gradient=seconds,
        # one more gradient, for the Gaussian process
        seconds_per_solve=(gradients + 1) * seconds
        + rates.steps(sizes, gradients)
        + rates.coordinates(sizes, seconds, law),
        gradients=gradients,
        what=_describe(net, sizes),
    )


def network_and_shape(
    net: Network | Problem, shape: Sequence[int] | None, outputs: int
) -> tuple[Network, tuple[int, ...], int]:
    """Network, X.shape and columns of y of a problem, or of a network with a shape, checked."""
    if isinstance(net, Problem):
        if shape is not None:
            raise ValueError("shape: the problem has its own; leave it out, or give the network")
        return net.net, net.X.shape, net.outputs
    return net, _shape(net, shape), checks.count(outputs, "outputs")


def typical_gradients(net: Network, samples: int) -> float:
    """How many gradients a solve takes, roughly; 0 for a Gaussian process."""
    narrowest = min(net.widths)
    if math.isinf(narrowest):
        return 0.0
    factor = TYPICAL[min(len(net.widths), len(TYPICAL)) - 1]
    return max(FEWEST, factor * (samples / narrowest) ** GROWTH)


def refuse_what_does_not_fit(problem: Problem, law: ReadoutLaw, solutions: int = 1) -> None:
    """Compare a run's peak with the memory there is; unknown memory is taken to suffice.

    Raises
    ------
    NotEnoughMemory
    """
    left = memory.available()
    net, samples = problem.net, problem.samples

    def need(n: int) -> float:
        sizes = Sizes.of(net, n, *problem.input_shape, problem.outputs)
        return peak_memory(sizes, typical_gradients(net, n), law, solutions)

    if left is None or need(samples) <= left:
        return
    fits, too_many = 0, samples
    while too_many - fits > max(1, fits // 50):
        middle = (fits + too_many) // 2
        fits, too_many = (middle, too_many) if need(middle) <= left else (fits, middle)
    pixels = "" if net.flat or len(net.widths) == 1 else " or larger windows (fewer hidden pixels)"
    raise NotEnoughMemory(
        f"X has {samples} samples, for which this network takes about {need(samples) / GIGABYTE:.3g} GB, but "
        f"{left / GIGABYTE:.3g} GB are available; take at most about {fits} samples{pixels}, or try all the "
        "same with check_memory=False"
    )


def _shape(net: Network, shape: Sequence[int] | None) -> tuple[int, ...]:
    if not isinstance(net, Network):
        raise ValueError(f"net is a {type(net).__name__}; make a network with cnn(...) or fcn(...)")
    axes = 2 if net.flat else 3
    if shape is None or isinstance(shape, str) or np.ndim(shape) != 1 or len(shape) != axes:
        names = "(n, d)" if net.flat else "(n, pixels, features)"
        raise ValueError(f"shape={shape!r} must be {names}, the shape of X")
    return tuple(checks.count(size, "shape") for size in shape)


def _describe(net: Network, sizes: Sizes) -> str:
    kind = "fully connected" if net.flat else "convolutional"
    hidden = f", hidden kernels of dimension {', '.join(map(str, sizes.hidden))}" if sizes.hidden else ""
    name = named(net.activation).name
    return f"{kind}, {name}, {len(net.widths) + 1} layers, n = {sizes.samples}{hidden}"


def duration(seconds: float) -> str:
    """In words, to two digits."""
    for unit, name in ((3600.0, "h"), (60.0, "min")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.2g} {name}"
    return f"{seconds:.2g} s"
