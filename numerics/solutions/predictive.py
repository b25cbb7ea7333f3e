"""What every answer can do at test inputs, whatever it was found with: a theory, or samples."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from numerics import checks
from numerics.machine.precision import LossOfDigits
from numerics.problem import Problem

Array = NDArray[np.float64]

RESOLVED = 10.0  # roundings that a variance must be above to be told from zero


@dataclass(frozen=True)
class Law:
    """Predictive distribution at m inputs.

    Attributes
    ----------
    mean : (m, D) array
    covariance : (m, m) array
        Of the latent output, the same per output.
    """

    mean: Array
    covariance: Array

    @property
    def variances(self) -> Array:
        """(m,)."""
        return np.diagonal(self.covariance)

    def sample(self, count: int, noise: float, rng: np.random.Generator) -> Array:
        """(m, D, count) draws, independent between outputs, of the output plus noise of that variance.

        The root of the covariance is by eigenvalues: it may be singular (an input given twice).
        """
        m, outputs = self.mean.shape
        values, U = np.linalg.eigh(self.covariance)
        root = (U * np.sqrt(np.maximum(values, 0.0) + noise)) @ U.T
        draws = rng.standard_normal((m, outputs * count))
        return self.mean[:, :, None] + (root @ draws).reshape(m, outputs, count)


@dataclass(frozen=True)
class JointLaw:
    """A Gaussian over m inputs and D outputs.

    Attributes
    ----------
    mean : (m, D) array
    joint : (D, m, D, m) array
        Covariance of the latent output: in the field of the data outputs are not independent.
    """

    mean: Array
    joint: Array

    @property
    def covariance(self) -> Array:
        """(m, m), or (D, m, m) of each output."""
        each = np.array([self.joint[d, :, d] for d in range(len(self.joint))])
        return each[0] if len(each) == 1 else each

    @property
    def variances(self) -> Array:
        """(m, D)."""
        return np.einsum("dmdm->md", self.joint)

    def sample(self, count: int, noise: float, rng: np.random.Generator) -> Array:
        """(m, D, count) draws, of the output plus noise of that variance."""
        m, outputs = self.mean.shape
        values, U = np.linalg.eigh(self.joint.reshape(outputs * m, outputs * m))
        std = np.sqrt(noise + np.maximum(values, 0.0))
        root = (U * std) @ U.T
        draws = (root @ rng.standard_normal((outputs * m, count))).reshape(outputs, m, count)
        return self.mean[:, :, None] + draws.transpose(1, 0, 2)


class OutputLaw(Protocol):
    """What `predict` and `sample_y` take: a Gaussian, or a mixture of them."""

    @property
    def mean(self) -> Array: ...
    @property
    def covariance(self) -> Array: ...

    def sample(self, count: int, noise: float, rng: np.random.Generator) -> Array: ...


class Predictive(ABC):
    """Predictions at test inputs, for every problem; a subclass says what the law of the output is.

    Attributes
    ----------
    problem : Problem
    """

    problem: Problem

    @abstractmethod
    def _output_mean(self, X: Array) -> Array:
        """(m, D) at inputs X (m, P, S)."""

    @abstractmethod
    def _output_law(self, X: Array) -> OutputLaw:
        """Mean and full covariance at inputs X (m, P, S)."""

    @abstractmethod
    def _output_variance(self, X: Array) -> tuple[Array, Array]:
        """Mean (m, D) and latent variance, not below 0, at inputs X (m, P, S): (m,), or (m, D) where the
        outputs differ in it."""

    def predict(
        self,
        X_test: ArrayLike,
        return_std: bool = False,
        return_cov: bool = False,
        include_noise: bool = False,
    ) -> Any:
        """Mean and uncertainty of the network's output at test inputs (derived).

        f_bar_* = Q_*t eps and Cov f_* = Q_** - Q_*t K_f^{-1} Q_t*, with the solution's kernels in every Q.

        Parameters
        ----------
        X_test : (m, pixels, features) array, or (m, d) for a fully connected network
        return_std, return_cov : bool
            Also return the standard deviation, in the shape of the mean, or the covariance of the latent
            output: (m, m), the same for every output, or (D, m, m) of sampled networks with several.
        include_noise : bool
            Add sigma^2 to the variances: the law of a new observation instead of the latent output.

        Returns
        -------
        mean : (m,) or (m, D) array, alone or in a pair with the standard deviation or the covariance

        Warns
        -----
        LossOfDigits
            Where a variance is too small to be told from rounding.
        """
        if return_std and return_cov:
            raise ValueError("return_std and return_cov exclude each other; the covariance has both")
        X = self._test_inputs(X_test)
        noise = self._observation_noise() if include_noise else 0.0
        if return_cov:
            law = self._output_law(X)
            return self._like_y(law.mean), law.covariance + noise * np.eye(len(law.mean))
        if not return_std:
            return self._like_y(self._output_mean(X))
        mean, variance = self._output_variance(X)
        each = variance[:, None] if variance.ndim == 1 else variance
        std = np.sqrt(np.broadcast_to(each, mean.shape) + noise)
        return self._like_y(mean), self._like_y(std)

    def alpha_test(self, X_test: ArrayLike, y_test: ArrayLike) -> float:
        """alpha on new inputs: sum (y_* - f_bar_*) y_* / (sigma^2 sum y_*^2), y_* noiseless (derived).

        Parameters
        ----------
        X_test : (m, pixels, features) array, or (m, d) for a fully connected network
        y_test : (m,) or (m, D) array
            Like the training targets.
        """
        noise = self._observation_noise()
        mean = self.predict(X_test).reshape(-1, self.problem.outputs)
        y = checks.targets(y_test, samples=len(mean), name="y_test")
        if y.shape != mean.shape:
            raise ValueError(f"y_test has {y.shape[1]} outputs, the training targets {mean.shape[1]}")
        return float(np.sum((y - mean) * y) / (noise * np.sum(y**2)))

    def sample_y(
        self,
        X_test: ArrayLike,
        n_samples: int = 1,
        random_state: int | np.random.Generator | None = 0,
        include_noise: bool = False,
    ) -> Array:
        """Draws of the network's output at test inputs, jointly over the inputs.

        Given the kernels the outputs are independent Gaussians with the law of `predict`.

        Parameters
        ----------
        n_samples : int
        random_state : int, Generator or None
            Seed of the draws, or where they come from; None draws anew each time.
        X_test, include_noise
            As in `predict`.

        Returns
        -------
        (m, n_samples) or (m, D, n_samples) array
            As in scikit-learn.
        """
        count = checks.count(n_samples, "n_samples")
        rng = checks.generator(random_state, "random_state")
        law = self._output_law(self._test_inputs(X_test))
        noise = self._observation_noise() if include_noise else 0.0
        return self._like_y(law.sample(count, noise, rng))

    def _test_inputs(self, X_test: ArrayLike) -> Array:
        return checks.inputs_like(X_test, self.problem.input_shape, self.problem.net.flat)

    def _observation_noise(self) -> float:
        noise = self.problem.common_noise
        if noise is None:
            raise ValueError(
                "the noise differs from datum to datum, so that of a new one is unknown; work with the "
                "latent mean and std and add the noise yourself"
            )
        return noise

    def _like_y(self, values: Array) -> Array:
        return values[:, 0] if self.problem.one_output else values


def warn_of_lost_variances(variance: Array, rounding: Array) -> None:
    """Say it where latent variances (m,) are not told from what rounding leaves of them (m,)."""
    lost = variance < RESOLVED * rounding
    if lost.any():
        std = float(np.sqrt(np.max(np.maximum(variance, rounding), where=lost, initial=0.0)))
        warnings.warn(
            f"the std at {np.count_nonzero(lost)} of {len(variance)} inputs is lost in rounding: all that is "
            f"known is that it is at most about {std:.1g}; raise noise_variance, or rescale X, if it matters",
            LossOfDigits,
            stacklevel=4,
        )
