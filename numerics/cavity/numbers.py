"""Numbers of one state of the cavity equations; of several nearly independent ones come their errors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numerics.cavity.attempts import Found
from numerics.gaussian.theory import Theory
from numerics.problem import Problem

Array = NDArray[np.float64]

NAMES = (  # that have errors
    "alpha",
    "eps",
    "train_error",
    "free_energy",
    "log_evidence",
    "readout_load",
    "Sigma",
    "overlap_ratio",
    "weight_mean",
    "response",
    "fluctuation",
)


@dataclass(frozen=True, eq=False)
class Numbers:
    """In the units of the data, under the names of the solution's attributes.

    Attributes
    ----------
    problem : Problem
    equations : Theory
        Of the Gaussian theory of the same problem: its coordinates.
    found : Found
    """

    problem: Problem
    equations: Theory
    found: Found

    def named(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in NAMES}

    @property
    def alpha(self) -> float:
        return float(np.sum(self.found.at.eps * self.found.functional.y)) / self.problem.target_norm2

    @property
    def eps(self) -> Array:
        """(n,) or (n, D); zero where the datum is taken out."""
        whole = np.zeros((self.problem.samples, self.problem.outputs))
        whole[self.problem.observed] = (self.found.at.eps / self.noise_std).T
        return whole[:, 0] if self.problem.one_output else whole

    @property
    def train_error(self) -> float:
        gap = self.found.at.eps * self.noise_std
        return float(np.sum(gap**2)) / self.problem.target_norm2

    @property
    def free_energy(self) -> float:
        return self.found.at.F + self.problem.outputs * float(np.sum(np.log(self.noise_std)))

    @property
    def log_evidence(self) -> float:
        return -self.free_energy - 0.5 * self.found.functional.size * math.log(2 * math.pi)

    @property
    def degrees_of_freedom(self) -> float:
        H = self.found.at.H
        return (len(H) - float(np.trace(H))) / self.problem.outputs

    @property
    def readout_load(self) -> float:
        return self.degrees_of_freedom / self.problem.readout_fan_in

    @property
    def Sigma(self) -> Array:
        """Draws of a Gaussian have its covariance exactly; the average is over what the weights change."""
        size = self.problem.input_shape[1]
        population, weights = self.found.population, self.weights
        known = np.zeros((population.hidden.size, population.hidden.size))
        if population.covariance is not None:
            known, weights = population.covariance, weights - 1.0 / len(weights)
        M = known + (population.Z * weights[:, None]).T @ population.Z
        std = np.sqrt(self.equations.prior_variance)
        return (M * np.multiply.outer(std, std))[:size, :size]

    @property
    def overlap_ratio(self) -> Array:
        return self.Sigma / self.equations.prior_variance[0]

    @property
    def weight_mean(self) -> Array:
        size = self.problem.input_shape[1]
        if self.equations.odd:
            return np.zeros(size)
        W = (self.found.population.Z * np.sqrt(self.equations.prior_variance))[:, :size]
        return self.weights @ W

    @property
    def response(self) -> Array:
        return np.einsum("b,bij->ij", self.weights, self.found.at.readouts.inverse)

    @property
    def fluctuation(self) -> Array:
        """-2/C times F's slope in the prior of the readout weights, and one."""
        at, size = self.found.at, self.found.at.readouts.inverse.shape[1]
        A = np.linalg.inv(at.readouts.inverse)
        gain, outputs = (x.reshape(-1, size) for x in (at.pull.gain, at.averages.outputs))
        b = np.einsum("bij,bj->bi", A, gain)
        seen = np.einsum("bij,bjk->ik", at.averages.moment, A - np.eye(size))
        q = np.eye(size) - seen + outputs.T @ b / self.problem.net.width
        return (q + q.T) / 2

    @property
    def weights(self) -> Array:
        """(M,): of the draws."""
        return self.found.at.averages.weights

    @cached_property
    def noise_std(self) -> Array:
        return np.sqrt(self.problem.noise_variance[self.problem.observed])


def spread(values: Sequence[Any]) -> Any:
    """Standard error of the mean of independent values, NaN of a single one; a float of numbers."""
    squares = np.sum((np.array(values) - np.mean(values, axis=0)) ** 2, axis=0)
    error = np.sqrt(squares / (len(values) - 1 or math.nan) / len(values))
    return float(error) if np.ndim(error) == 0 else error
