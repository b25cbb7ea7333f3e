"""The law of the output at test inputs.

Test points carry no data, so each hidden block of theirs follows the prior's conditional given the training
block: with g = T/N at the solution,

    K_*t = Q_*t (I + g K_tt),    K_** = Q_** + Q_*t (g + g K_tt g) Q_t*,

which inverts nothing (derived: a joint solve whose test points have infinite noise). Then
f_bar_* = p Q_f,*t eps and Cov f_* = q Q_f,** - q^2 Q_f,*t H Q_f,t* with H = (q Q_f + sigma^2)^{-1}; in mean
field p = q = 1 and H = K_f^{-1}.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cholesky, solve_triangular

from numerics.chain import Blocks, Chain, Layer
from numerics.data_terms import mirrored
from numerics.preactivations import HiddenKernel, InputKernel, Kernel

Array = NDArray[np.float64]

CHUNK = 256  # test points at a time when only the diagonal of their covariance is asked for


@dataclass(frozen=True)
class Law:
    """Predictive distribution at m inputs: mean (m, D) and latent covariance (m, m), the same per output."""

    mean: Array
    covariance: Array


class Predictor:
    """A solved chain, ready for test inputs."""

    def __init__(self, chain: Chain, inverse_widths: Sequence[float], theta: Blocks):
        self.chain = chain
        if len(theta) == 1:  # nothing hidden to condition on
            self.layers, self.g = chain.layers(theta), [np.empty(0)]
            data = chain.data_term(self.layers, inverse_widths[-1])
        else:
            pull = chain.pull(theta, inverse_widths)
            self.layers, data = pull.layers, pull.data
            self.g = [x * T for x, T in zip(inverse_widths, pull.T, strict=True)]
        self.weights = data.response * data.eps
        self.fluctuation = data.fluctuation
        self._factor: Array | None = None

    def mean(self, X: Array) -> Array:
        """f_bar at inputs X (P, m, S), shape (m, D)."""
        means = [self._kernels(X[:, low:high])[0] @ self.weights for low, high in _chunks(X.shape[1])]
        return np.concatenate(means)

    def law(self, X: Array) -> Law:
        """Mean and full covariance."""
        cross, own = self._kernels(X)
        reduced = self._whitened(cross)
        covariance = self.fluctuation * own - reduced.T @ reduced
        return Law(cross @ self.weights, (covariance + covariance.T) / 2)

    def mean_and_variance(self, X: Array) -> tuple[Array, Array]:
        """Mean (m, D) and latent variance (m,), a chunk of test points at a time."""
        laws = [self.law(X[:, low:high]) for low, high in _chunks(X.shape[1])]
        # a posterior variance is >= 0; rounding may leave -1e-16 of the prior's
        variances = [np.maximum(np.diagonal(law.covariance), 0.0) for law in laws]
        return np.concatenate([law.mean for law in laws]), np.concatenate(variances)

    def _kernels(self, X: Array) -> tuple[Array, Array]:
        """(Q_f between X and the training inputs, Q_f among X)."""
        Sigma = self.layers[0].covariance
        cross: Kernel = InputKernel.between(X, self.chain.X, Sigma)
        own: Kernel = InputKernel.at(X, Sigma)
        for level, layer in enumerate(self.layers[1:], start=1):
            cross, own = self._through(level, layer, cross, own)
        readout = self.chain.maps[-1]
        return readout.cross(cross), readout.cross(own)

    def _through(self, level: int, layer: Layer, cross: Kernel, own: Kernel) -> tuple[Kernel, Kernel]:
        """Kernels of hidden layer `level` at the test points, from those of the layer below."""
        lower = self.chain.maps[level - 1]
        pixels = lower.receptive.pixels_out
        Q_cross, Q_own = lower.cross(cross), lower.cross(own)
        g, K = self.g[level], layer.covariance
        response = Q_cross @ g
        K_cross = Q_cross + response @ K
        K_own = Q_own + Q_cross @ response.T + response @ K @ response.T
        v_own = np.ascontiguousarray(np.diagonal(K_own)).reshape(pixels, -1)
        v_train = np.ascontiguousarray(np.diagonal(K)).reshape(pixels, -1)
        return HiddenKernel(K_cross, v_own, v_train), HiddenKernel(K_own, v_own, v_own)

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
