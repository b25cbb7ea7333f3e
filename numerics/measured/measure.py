"""The door: `measure` of networks, of samples, of a solution."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from numerics import checks
from numerics.measured.averages import Averages, averages
from numerics.measured.groups import Groups, error_of
from numerics.measured.measured import Measured
from numerics.measured.sources import FromArrays, FromSamples, Source
from numerics.network import Network
from numerics.sampling.samples import Samples
from numerics.solutions.solution import Solution

Array = NDArray[np.float64]


def measure(
    net: Network | Samples | Solution,
    X: ArrayLike | None = None,
    activations: Sequence[Any] | None = None,
    weights: Any = None,
    *,
    shrinkage: bool = False,
    check: bool = True,
) -> Measured:
    """Kernels of trained networks, averaged over units and networks, with error bars.

    Parameters
    ----------
    net : Network, Samples or Solution
        The architecture that was trained, with its prior variances (weight decay) and widths. Of Samples, or
        of a Solution, whose kernels are exact, nothing else is needed.
    X : (n, pixels, features) array, or (n, d) for a fully connected network
    activations : list of arrays
        Pre-activations of every hidden layer at X, from the first up: what enters the activation function.
        Shape (units, n), or (units, n, pixels) where a layer has several pixels; several networks are stacked
        on a leading axis. NumPy, or whatever has `__array__` or `__dlpack__`.
    weights : array, optional
        Into the first layer, (units, features), networks in front; with biases these are the last column.
        Only needed for `Sigma` where X has fewer numbers than a unit has weights.
    shrinkage : bool
        Move every covariance towards the layer's prior, by the share that makes its mean square error least
        (Ledoit and Wolf 2004, with a known target): for few units.
    check : bool
        Refuse layers that are no linear function of what they see.

    Raises
    ------
    ValueError
        Naming the array and the remedy.
    """
    if isinstance(net, Samples | Solution):
        if any(each is not None for each in (X, activations, weights)):
            raise ValueError(
                "samples and solutions have their own X, activations and weights; leave them out"
            )
        found = _of_solution(net) if isinstance(net, Solution) else _of(FromSamples(net))
    else:
        if not isinstance(net, Network):
            raise ValueError(f"net is a {type(net).__name__}; make a network with cnn(...) or fcn(...)")
        if X is None or activations is None:
            raise ValueError("X and activations are needed beside the network; or give Samples")
        inputs = checks.inputs(checks.any_array(X, "X"), net.flat)
        if len(inputs) == 0:
            raise ValueError("X is empty; give the inputs at which the networks were evaluated")
        found = _of(FromArrays(net, inputs, activations, weights, check))
    return _shrunk(found) if shrinkage else found


def _of(source: Source) -> Measured:
    found = averages(source)
    return Measured(source.net, source.X, source.space, found, (0.0,) * len(source.net.widths), source)


def _shrunk(found: Measured) -> Measured:
    shares = []
    for level in range(found.layers):
        error = error_of(found.groups, partial(found.covariance_without, level))
        gap = found.covariance_without(level, None) - found.prior_without(level, None)
        apart = float(np.sum(gap**2))
        shares.append(min(1.0, float(np.sum(error**2)) / apart) if apart > 0 else 0.0)
    return Measured(found.net, found.X, found.space, found.averages, tuple(shares), found.source)


def _of_solution(sol: Solution) -> Measured:
    """The kernels of a solution, as if infinitely many units had been measured."""
    if any(math.isinf(width) for width in sol.widths):
        raise ValueError("at infinite width there is nothing to learn; give a solution at finite widths")
    layers = sol.equations.layers(sol.state)
    means = [np.zeros(len(layer.covariance)) if layer.mean is None else layer.mean for layer in layers]
    second = [layer.covariance + np.multiply.outer(m, m) for layer, m in zip(layers, means, strict=True)]
    posts = [*(layer.root.square for layer in layers[1:]), sol.Q_f]
    found = Averages(
        tuple(_exact(array) for array in second),
        tuple(_exact(array) for array in means),
        tuple(_exact(array) for array in posts),
        (math.inf,) * len(layers),
        "nothing",
    )
    space, problem = sol.equations.space, sol.problem
    return Measured(problem.net, problem.inputs, space, found, (0.0,) * len(layers), None)


def _exact(array: Array) -> Groups:
    return Groups(np.ones(1), array[None])
