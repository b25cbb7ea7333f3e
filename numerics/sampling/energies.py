"""Minus the log posterior of a network's weights, with its gradient: the readout integrated out, or not.

In the units of `numerics.sampling.forward` and `numerics.sampling.readout`, W and a standard normal under the
prior, up to constants (derived):

    collapsed   U(W)    = 1/2 |W|^2 + 1/2 tr Y^T K^{-1} Y + (D/2) log det K
    joint       U(W, a) = 1/2 |W|^2 + 1/2 |a|^2 + 1/2 |Phi a - Y|^2

Integrating exp(-joint) over a gives exp(-collapsed).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from numerics.problem import Problem
from numerics.sampling.coordinates import Coordinates
from numerics.sampling.forward import Forward, Pass
from numerics.sampling.readout import Marginal, NotPositiveDefinite, integrate_out

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Posterior:
    """A network's posterior on its data, in coordinates; it can be sent to another process.

    Attributes
    ----------
    problem : Problem
        Finite whole widths.
    single : bool
        Activations, products and gradients in single precision; states, factorisations and energies are in
        double in any case.
    root : (S, S) array or None
        Of the reference measure of the first layer.
    """

    problem: Problem
    single: bool = False
    root: Array | None = None

    @cached_property
    def forward(self) -> Forward:
        """On the data that count, in units of their noise."""
        problem, seen = self.problem, self.problem.observed
        X = np.ascontiguousarray(problem.inputs[seen])
        return Forward(problem.net, X, self.single, np.sqrt(problem.noise_variance[seen]))

    @cached_property
    def noise_std(self) -> Array:
        """(n,): of the data that count."""
        return np.sqrt(self.problem.noise_variance[self.problem.observed])

    @cached_property
    def Y(self) -> Array:
        """(n, D): their targets, in units of the noise."""
        return self.problem.targets[self.problem.observed] / self.noise_std[:, None]

    @cached_property
    def coordinates(self) -> Coordinates:
        return Coordinates(self.forward.shapes, self.root)

    @property
    def readout_shape(self) -> tuple[int, int]:
        return self.forward.readout_weights, self.problem.outputs

    def with_root(self, root: Array | None) -> Posterior:
        """The same posterior with another reference measure."""
        return replace(self, root=root)

    def __getstate__(self) -> dict[str, object]:
        return {"problem": self.problem, "single": self.single, "root": self.root}


@dataclass(frozen=True)
class Evaluation:
    """An energy at a state.

    Attributes
    ----------
    value : float
        inf where it cannot be evaluated: no sampler goes there.
    gradient : (size,) array
    slopes : tuple of arrays
        Of -log likelihood in the whitened weights, layer by layer.
    """

    value: float
    gradient: Array
    slopes: tuple[Array, ...] = ()


@dataclass(frozen=True)
class CollapsedEvaluation(Evaluation):
    """With what the factorisation gives."""

    weights: tuple[Array, ...] = ()
    passed: Pass | None = None
    marginal: Marginal | None = None


@dataclass(frozen=True)
class JointEvaluation(Evaluation):
    """With |Phi a - Y|^2, the loss in units of the noise."""

    loss: float = 0.0


class Collapsed:
    """The energy of the hidden weights; the readout is integrated out."""

    def __init__(self, posterior: Posterior):
        self.posterior = posterior
        self.size = posterior.coordinates.size

    def __call__(self, z: Array) -> CollapsedEvaluation:
        coordinates, forward = self.posterior.coordinates, self.posterior.forward
        weights = coordinates.weights(z)
        try:
            with np.errstate(over="ignore", invalid="ignore"):
                passed = forward(weights)
                marginal = integrate_out(passed.features, self.posterior.Y)
                slopes = forward.adjoint(passed, marginal.slope(passed.features))
        except NotPositiveDefinite:
            return CollapsedEvaluation(math.inf, np.full(self.size, np.nan))
        value = marginal.value + 0.5 * sum(float(np.sum(W * W)) for W in weights)
        gradient = coordinates.slope([W + slope for W, slope in zip(weights, slopes, strict=True)])
        return CollapsedEvaluation(value, gradient, tuple(slopes), tuple(weights), passed, marginal)

    def marginal(self, z: Array) -> tuple[Pass, Marginal]:
        """Forward pass and factorisation alone, without the gradient."""
        passed = self.posterior.forward(self.posterior.coordinates.weights(z))
        return passed, integrate_out(passed.features, self.posterior.Y)


class Joint:
    """The energy of all weights; a state has the readout, whitened, behind the hidden weights."""

    def __init__(self, posterior: Posterior):
        self.posterior = posterior
        rows, outputs = posterior.readout_shape
        self.hidden = posterior.coordinates.size
        self.size = self.hidden + rows * outputs

    def __call__(self, z: Array) -> JointEvaluation:
        coordinates, forward = self.posterior.coordinates, self.posterior.forward
        weights, a = coordinates.weights(z), self.readout(z)
        with np.errstate(over="ignore", invalid="ignore"):
            passed = forward(weights)
            Phi = passed.features
            narrow = a.astype(Phi.dtype)
            gap = Phi @ narrow - self.posterior.Y
            slopes = forward.adjoint(passed, gap.astype(Phi.dtype) @ narrow.T)
            loss = float(np.sum(gap**2))
            value = 0.5 * (loss + float(np.sum(a**2) + sum(np.sum(W * W) for W in weights)))
            gradient = coordinates.slope([W + slope for W, slope in zip(weights, slopes, strict=True)])
            gradient = np.concatenate([gradient, (a + Phi.T @ gap).ravel()])
        value = value if math.isfinite(value) else math.inf
        return JointEvaluation(value, gradient, tuple(slopes), loss)

    def loss(self, z: Array) -> float:
        """Mean square of y - f of the network of a state, over that of y; NaN without data."""
        posterior = self.posterior
        if not len(posterior.Y):
            return math.nan
        Phi = posterior.forward(posterior.coordinates.weights(z)).features
        gap = posterior.noise_std[:, None] * (Phi @ self.readout(z) - posterior.Y)
        return float(np.sum(gap**2)) / posterior.problem.target_norm2

    def readout(self, z: Array) -> Array:
        """(P, D): a of a state."""
        return z[self.hidden :].reshape(self.posterior.readout_shape)

    def with_readout(self, z: Array, a: Array) -> Array:
        """The state with another readout."""
        return np.concatenate([z[: self.hidden], a.ravel()])
