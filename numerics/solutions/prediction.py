"""The law of the output, and of every hidden layer, at test inputs.

Test points carry no data, so each hidden block of theirs follows the prior's conditional given the training
block: with g = T/N at the solution,

    K_*t = Q_*t (I + g K_tt),    K_** = Q_** + Q_*t (g + g K_tt g) Q_t*,

which inverts nothing (derived: a joint solve whose test points have infinite noise); a mean is
m_* = Q_*t v with v = t/N. Then
f_bar_* = p Q_f,*t eps and Cov f_* = q Q_f,** - q^2 Q_f,*t H Q_f,t* with H = (q Q_f + sigma^2)^{-1}; in mean
field p = q = 1 and H = K_f^{-1}.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cholesky, solve_triangular

from numerics.free_energy.chain import Blocks, Layer
from numerics.free_energy.problem import Field
from numerics.kernels.preactivations import HiddenKernel, InputKernel, Kernel
from numerics.machine.dense import mirrored

Array = NDArray[np.float64]

CHUNK = 256  # test points at a time when only the diagonal of their covariance is asked for


@dataclass(frozen=True)
class Law:
    """Predictive distribution at m inputs: mean (m, D) and latent covariance (m, m), the same per output."""

    mean: Array
    covariance: Array

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
class TestKernels:
    """A hidden layer's kernels at m test inputs, beside n training inputs.

    Rows and columns run over (pixel, sample), the sample fastest, as in `Solution.kernels`.

    Attributes
    ----------
    K_cross, Q_cross : (P m, P n) arrays
        Between the test inputs and the training inputs: pre-activations, and their prior.
    K, Q : (P m, P m) arrays
        Among the test inputs.
    mean : (P m,) array
        Of the pre-activations at the test inputs; zero where the activation is odd.
    """

    __test__ = False  # the name is no invitation to pytest

    K_cross: Array
    Q_cross: Array
    K: Array
    Q: Array
    mean: Array


class Predictor:
    """A solved chain, ready for test inputs."""

    def __init__(self, field: Field, inverse_widths: Sequence[float], theta: Blocks):
        self.space = field.space
        self.chain = chain = field.chain
        depth = len(chain.maps)
        self.g: list[Array] = []
        self.v: list[Array] = []
        if depth == 1:  # nothing hidden to condition on
            self.layers = chain.layers(theta)
            data = chain.data_term(self.layers, inverse_widths[-1])
        else:
            pull = chain.pull(theta, inverse_widths)
            self.layers, data = pull.layers, pull.data
            self.g = [x * T for x, T in zip(inverse_widths, pull.T[:depth], strict=True)]
            self.v = [x * t for x, t in zip(inverse_widths, pull.T[depth:], strict=not chain.odd)]
        self.weights = data.response * data.eps
        self.fluctuation = data.fluctuation
        self._factor: Array | None = None

    def mean(self, X: Array) -> Array:
        """f_bar at inputs X (P, m, S), shape (m, D)."""
        readout = self.chain.maps[-1]
        chunks = (X[:, low:high] for low, high in _chunks(X.shape[1]))
        return np.concatenate(
            [readout.cross(self._below_readout(chunk)[0]) @ self.weights for chunk in chunks]
        )

    def law(self, X: Array) -> Law:
        """Mean and full covariance."""
        readout = self.chain.maps[-1]
        cross, own = map(readout.cross, self._below_readout(X))
        reduced = self._whitened(cross)
        covariance = self.fluctuation * own - reduced.T @ reduced
        return Law(cross @ self.weights, (covariance + covariance.T) / 2)

    def mean_and_variance(self, X: Array) -> tuple[Array, Array]:
        """Mean (m, D) and latent variance (m,), a chunk of test points at a time."""
        laws = [self.law(X[:, low:high]) for low, high in _chunks(X.shape[1])]
        # a posterior variance is >= 0; rounding may leave -1e-16 of the prior's
        variances = [np.maximum(np.diagonal(law.covariance), 0.0) for law in laws]
        return np.concatenate([law.mean for law in laws]), np.concatenate(variances)

    def hidden(self, X: Array) -> Iterator[TestKernels]:
        """Kernels at inputs X (P, m, S) of the hidden layers above the first, from below."""
        cross, own = self._inputs(X)
        for level, layer in enumerate(self.layers[1:], start=1):
            found = self._through(level, layer, cross, own)
            yield found
            cross, own = self._pre_activations(level, found)

    def _below_readout(self, X: Array) -> tuple[Kernel, Kernel]:
        """What the readout sees: the last layer's kernel between X and the training inputs, and among X."""
        if len(self.layers) == 1:
            return self._inputs(X)
        for found in self.hidden(X):
            last = found
        return self._pre_activations(len(self.layers) - 1, last)

    def _inputs(self, X: Array) -> tuple[Kernel, Kernel]:
        """Test inputs may leave the span of the training inputs: among them all weights count."""
        X = np.ascontiguousarray(X)  # a chunk of test inputs is not
        weights = self.layers[0]
        m_w = None if weights.mean is None else weights.mean.m
        cross = InputKernel.between(self.space.coordinates(X), self.chain.X, weights.covariance, m_w)
        Y = self.space.times_covariance(X, weights.covariance)
        v = np.einsum("pms,pms->pm", Y, X)
        own = InputKernel(Y, X, v, v, cross.m_row, cross.m_row)  # means are within the span
        return replace(cross, v_row=v), own

    def _through(self, level: int, layer: Layer, cross: Kernel, own: Kernel) -> TestKernels:
        """Kernels of hidden layer `level` at the test points, from those of the layer below."""
        lower = self.chain.maps[level - 1]
        Q_cross, Q = lower.cross(cross), lower.cross(own)
        g, K_train = self.g[level], layer.covariance
        response = Q_cross @ g
        K_cross = Q_cross + response @ K_train
        K = Q + Q_cross @ response.T + response @ K_train @ response.T
        mean = np.zeros(len(Q)) if self.chain.odd else Q_cross @ self.v[level]
        return TestKernels(K_cross, Q_cross, K, Q, mean)

    def _pre_activations(self, level: int, found: TestKernels) -> tuple[Kernel, Kernel]:
        """The same layer's K as blocks over its pixels."""
        pixels = self.chain.maps[level - 1].receptive.pixels_out
        layer = self.layers[level]
        own = HiddenKernel.at(found.K, pixels, found.mean if layer.mean else None)
        train = layer.kernel
        return HiddenKernel(found.K_cross, own.v_row, train.v_row, own.m_row, train.m_row), own

    def _whitened(self, cross: Array) -> Array:
        """C^{-1} q Q_f,t* with q Q_f + sigma^2 = C C^T; data of infinite noise left out."""
        heard = np.flatnonzero(np.isfinite(self.chain.noise_variance))
        if self._factor is None:
            K_f = mirrored(self.chain.maps[-1].value(self.layers[-1].kernel))[np.ix_(heard, heard)]
            K_f *= self.fluctuation
            K_f[np.diag_indices(len(heard))] += self.chain.noise_variance[heard]
            self._factor = cholesky(K_f, lower=True, overwrite_a=True, check_finite=False)
        return solve_triangular(
            self._factor, self.fluctuation * cross[:, heard].T, lower=True, check_finite=False
        )


def _chunks(count: int) -> Iterator[tuple[int, int]]:
    for low in range(0, max(count, 1), CHUNK):
        yield low, min(low + CHUNK, count)
