"""The law of one unit: its input weights and its readout weights, as weighted draws."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from numerics import checks

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class UnitLaw:
    """p(w) = N_0(w) det(A)^{-1/2} exp(b.A^{-1}b/2) / z of one unit, and its readout N(abar, A^{-1}) given w.

    Units are independent of one another in the fields of all data. Where the activation is odd, w and -w are
    as likely, and both are among the draws.

    Attributes
    ----------
    w : (M, S) array
        Input weights, biases left out.
    bias : (M,) array or None
        Of the unit.
    weights : (M,) array
        Of the draws, of sum 1.
    readout_mean : (M, D, m) array
        abar given w, in units of the network: m slots (pixels or pools) of D outputs.
    readout_covariance : (M, D m, D m) array
        A^{-1}, of the prior's variance times it; one for w and -w.
    prior_std, readout_std : float
        Prior standard deviations of an input weight and of a readout weight.
    one_output : bool
    """

    w: Array
    bias: Array | None
    weights: Array
    readout_mean: Array
    readout_covariance: Array
    prior_std: float
    readout_std: float
    one_output: bool

    @property
    def effective_sample(self) -> float:
        """Draws of equal weight that an average is worth; w and -w count as one."""
        half = self.weights.reshape(-1, len(self.readout_covariance)).sum(axis=0)
        return float(1.0 / np.sum(half**2))

    def projection(self, direction: ArrayLike) -> Array:
        """(M,): w along a direction (S,), in prior standard deviations."""
        u = checks.vector(direction, self.w.shape[1], "direction")
        norm = float(np.linalg.norm(u))
        if norm == 0:
            raise ValueError("direction is zero; give a vector along which to look")
        return self.w @ u / (norm * self.prior_std)

    def moments(self, direction: ArrayLike, order: int = 4) -> Array:
        """(order,): E t^k, k = 1, 2, ..., of t the projection: the second is l_*/l_GP along w*."""
        t = self.projection(direction)
        powers = np.arange(1, checks.count(order, "order") + 1)
        return self.weights @ t[:, None] ** powers

    def excess_kurtosis(self, direction: ArrayLike) -> float:
        """Fourth central moment over the second squared, less 3: zero of a Gaussian."""
        t = self.projection(direction)
        t = t - self.weights @ t
        second, fourth = self.weights @ t**2, self.weights @ t**4
        return float(fourth / second**2 - 3.0)

    def histogram(self, direction: ArrayLike, bins: Any = 60) -> tuple[Array, Array]:
        """(density, edges) of the projection, as `numpy.histogram` gives them."""
        return np.histogram(self.projection(direction), bins=bins, weights=self.weights, density=True)

    def sample(
        self, n_samples: int, random_state: int | np.random.Generator | None = 0
    ) -> tuple[Array, Array]:
        """Units drawn at random: w (n_samples, S) and their readouts (n_samples, m), or (n_samples, m, D)."""
        count = checks.count(n_samples, "n_samples")
        rng = checks.generator(random_state, "random_state")
        chosen = rng.choice(len(self.w), size=count, p=self.weights)
        mean = self.readout_mean[chosen]
        roots = np.linalg.cholesky(self.readout_covariance[chosen % len(self.readout_covariance)])
        noise = np.einsum("bij,bj->bi", roots, rng.standard_normal((count, roots.shape[1])))
        a = (mean + self.readout_std * noise.reshape(mean.shape)).transpose(0, 2, 1)
        return self.w[chosen], a[:, :, 0] if self.one_output else a

    def __repr__(self) -> str:
        return f"UnitLaw({len(self.w)} draws of {self.w.shape[1]} weights, worth {self.effective_sample:.0f})"
