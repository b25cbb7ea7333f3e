"""A problem with one hidden layer in units of its noise, and the functional of the cavity theory for it."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from numerics.cavity.functional import Functional
from numerics.gaussian.theory import Theory
from numerics.problem import Problem
from numerics.unit.control import Control
from numerics.unit.hidden import Hidden, gaussian_kernel
from numerics.unit.population import Population

Array = NDArray[np.float64]


class Scaled:
    """The data that are observed, divided by the standard deviation of their noise.

    Parameters
    ----------
    problem : Problem
        With one hidden layer; its width does not matter.

    Attributes
    ----------
    theory : Theory
        The Gaussian theory of the same problem: its coordinates.
    noise_std : (n,) array
    hidden : Hidden
    y : (D, n) array
    S : (n, n) array
        1 + s s^T: the noise, and the output's bias.
    """

    def __init__(self, problem: Problem):
        if len(problem.widths) != 1:
            raise ValueError(
                "net has several hidden layers, but theory='cavity' describes one; take "
                "theory='mean_field', or sample the network"
            )
        self.problem = problem
        self.theory = Theory(problem, basis=None)
        noise = problem.noise_variance[problem.observed]
        self.noise_std = np.sqrt(noise)
        self.inputs = self.theory.X[:, problem.observed]
        self.hidden = Hidden.of(self.theory, self.inputs, self.noise_std)
        self.y = np.ascontiguousarray((problem.targets[problem.observed] / self.noise_std[:, None]).T)
        bias = math.sqrt(problem.net.bias_variance) / self.noise_std
        self.S = np.eye(len(noise)) + np.multiply.outer(bias, bias)

    def kernel(self, covariance: Array) -> Array:
        """Q_f without the output's bias where the weights are N(0, covariance), in units of the noise."""
        return gaussian_kernel(self.theory, self.inputs, covariance, self.noise_std)

    def gaussian_process(self, covariance: Array | None = None) -> tuple[Array, Array]:
        """K and eps (D, n) at infinite width; or where the weights are N(0, covariance)."""
        K = self.S + self.kernel(np.eye(self.hidden.size) if covariance is None else covariance)
        eps: Array = np.linalg.solve(K, self.y.T).T.astype(np.float64)
        return np.kron(np.eye(len(self.y)), K).astype(np.float64), eps

    def functional(
        self, population: Population, width: float, shares: tuple[float, float] = (0.0, 0.0)
    ) -> Functional:
        """F with these draws, and so much (p, q) of what they miss of a Gaussian average known in closed
        form; what the draws owe to themselves is taken off where the fields have not moved them."""
        drawn_from = population.covariance
        control = None
        if drawn_from is not None and any(shares):
            control = Control.of(population, self.kernel(drawn_from), *shares)
        fixed = drawn_from is not None and math.isfinite(width)
        return Functional(population, self.y, width, self.S, control, fixed)
