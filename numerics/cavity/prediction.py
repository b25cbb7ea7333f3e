"""The output at test inputs, from the law of one unit and the fields of the training data.

Test points are data of infinite noise: f_bar_* = Q_p,*t eps and Cov f_* = Q_q,** - Q_q,*t H Q_q,t*, with
features of test and training inputs together and the law tilted by the training data (derived).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cholesky, solve_triangular

from numerics.cavity.attempts import Found
from numerics.gaussian.theory import Theory
from numerics.problem import Problem
from numerics.solutions.predictive import JointLaw, warn_of_lost_variances
from numerics.unit.control import Control, mean_square
from numerics.unit.fields import mean_output, weighted
from numerics.unit.hidden import Hidden, gaussian_kernel

Array = NDArray[np.float64]
Floats = NDArray[np.floating[Any]]

CHUNK = 256  # test points at a time where their covariance is not asked for


@dataclass(frozen=True)
class Predictor:
    """Fields and draws of a solved problem, ready for test inputs X (m, P, S)."""

    problem: Problem
    equations: Theory
    found: Found

    def mean(self, X: Array) -> Array:
        """f_bar, (m, D)."""
        return np.concatenate([self._mean(chunk, self._beside(chunk)[0]) for chunk in _chunks(X)])

    def law(self, X: Array) -> JointLaw:
        """Mean and full covariance."""
        law, rounding = self._law(X)
        warn_of_lost_variances(law.variances.min(axis=1), rounding)
        return law

    def mean_and_variance(self, X: Array) -> tuple[Array, Array]:
        """Mean (m, D) and latent variances (m, D), a chunk of test points at a time."""
        laws = [self._law(chunk) for chunk in _chunks(X)]
        variance = np.concatenate([law.variances for law, _ in laws])
        rounding = np.concatenate([rounding for _, rounding in laws])
        warn_of_lost_variances(variance.min(axis=1), rounding)
        mean = np.concatenate([law.mean for law, _ in laws])
        return mean, np.where(variance > 0, variance, rounding[:, None])

    def kernel(self, X: Array) -> Array:
        """(m, m): the mean kernel of the readout over the unit's law, the output's bias included."""
        inputs, units = self.equations.pixel_major(X), np.ones(len(X))
        population = replace(self.found.population, hidden=Hidden.of(self.equations, inputs, units), _kept={})
        weights = self.found.at.averages.weights

        def work(span: slice, phi: Floats) -> Floats:
            rows = phi.reshape(-1, len(X))
            return rows.T @ (phi * weights[span, None, None].astype(phi.dtype)).reshape(rows.shape)

        Q = population.total(work)
        Q = (Q + Q.T) / 2
        if population.covariance is not None:  # what the draws miss of a Gaussian average
            exact = gaussian_kernel(self.equations, inputs, population.covariance, units)
            Q += exact - mean_square(population)
        return Q + self.problem.net.bias_variance

    def _mean(self, X: Array, beside: Array) -> Array:
        at, m = self.found.at, len(X)
        hidden = Hidden.of(self.equations, self.equations.pixel_major(X), np.ones(m))
        population = replace(self.found.population, hidden=hidden, _kept={})
        total = mean_output(population, at.averages.outputs)
        return total.T + beside[:m, m:] @ at.eps.T

    def _law(self, X: Array) -> tuple[JointLaw, Array]:
        """The law at X, and what rounding may have done to the variances (m,)."""
        at, m = self.found.at, len(X)
        outputs, n = at.eps.shape
        hidden = Hidden.of(self.equations, *self._together(X))
        population = replace(self.found.population, hidden=hidden, _kept={})
        response, fluctuation = self._beside(X)
        Q = weighted(population, at.averages.moment, outputs)
        Q += np.kron(np.eye(outputs), fluctuation)
        Q = Q.reshape(outputs, m + n, outputs, m + n)
        cross = Q[:, :m, :, m:].reshape(outputs * m, outputs * n)
        own = Q[:, :m, :, :m].reshape(outputs * m, outputs * m)
        # S_q + Q_q of the very draws, which is H^{-1} but for the residual: no variance below zero
        whitened = solve_triangular(cholesky(at.target, lower=True), cross.T, lower=True)
        C = own - whitened.T @ whitened
        C = (C + C.T) / 2
        rounding = np.finfo(np.float32 if population.single else np.float64).eps
        lost = float(rounding) * np.diagonal(own).reshape(outputs, m).max(axis=0) * math.sqrt(n)
        return JointLaw(self._mean(X, response), C.reshape(outputs, m, outputs, m)), lost

    def _beside(self, X: Array) -> tuple[Array, Array]:
        """What Q_p and Q_q of every output have beside the draws', (m + n, m + n): its bias, and the control
        variate."""
        inputs, units = self._together(X)
        bias = math.sqrt(self.problem.net.bias_variance) / units
        shared = np.multiply.outer(bias, bias)
        control, drawn_from = self.found.functional.control, self.found.population.covariance
        if control is None or drawn_from is None:
            return shared, shared
        hidden = Hidden.of(self.equations, inputs, units)
        population = replace(self.found.population, hidden=hidden, _kept={})
        here = Control.of(
            population, gaussian_kernel(self.equations, inputs, drawn_from, units), control.p, control.q
        )
        return shared + here.p * here.missed, shared + here.q * here.missed

    def _together(self, X: Array) -> tuple[Array, Array]:
        """Test inputs and observed training inputs, (P, m + n, r), and the units of their features."""
        seen = self.problem.observed
        inputs = np.concatenate([self.equations.pixel_major(X), self.equations.X[:, seen]], axis=1)
        return inputs, np.concatenate([np.ones(len(X)), np.sqrt(self.problem.noise_variance[seen])])


def _chunks(X: Array) -> Iterator[Array]:
    for low in range(0, max(len(X), 1), CHUNK):
        yield X[low : low + CHUNK]
