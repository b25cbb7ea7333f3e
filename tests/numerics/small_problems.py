"""Problems small enough for the oracle, with non-default variances so that none can hide."""

from __future__ import annotations

import numpy as np
from oracle import Oracle

from numerics import cnn
from numerics.problem import problem


class Small:
    """Variances 1.5 and 0.7, sigma^2 = .03, a linear teacher with |a*| |w*| = 1.4."""

    def __init__(self, activation, n=24, N=3, S=4, noise_variance=0.03, seed=1):
        rng = np.random.default_rng(seed)
        self.X = rng.standard_normal((n, N, S))
        a, w = rng.standard_normal(N), rng.standard_normal(S)
        self.w_star = w / np.linalg.norm(w)
        self.y = 1.4 * np.einsum("nis,i,s->n", self.X, a / np.linalg.norm(a), self.w_star)
        self.X_test = rng.standard_normal((7, N, S))
        self.noise_variance = noise_variance
        self.activation = activation
        self.oracle = Oracle(self.X, self.y, noise_variance, 1.5, 0.7, activation)

    @property
    def data(self):
        return self.X, self.y, self.noise_variance

    def net(self, channels):
        return cnn(channels, weight_variance=1.5, readout_variance=0.7, activation=self.activation)

    @property
    def field(self):
        return problem(self.net(1.0), *self.data).field

    def Sigma(self, seed=5):
        """A covariance of the prior's size that is far from isotropic."""
        rng = np.random.default_rng(seed)
        L = rng.standard_normal(self.oracle.Sigma_0.shape)
        return self.oracle.Sigma_0[0, 0] * (L @ L.T / len(L) + 0.2 * np.eye(len(L)))


def symmetric(rng, size):
    M = rng.standard_normal((size, size))
    return (M + M.T) / 2
