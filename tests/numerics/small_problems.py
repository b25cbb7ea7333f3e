"""Problems small enough for the oracle, with non-default variances so that none can hide."""

from __future__ import annotations

import numpy as np
from oracle import Oracle

from numerics import Problem, cnn
from numerics.gaussian.theory import Theory
from numerics.kernels.preactivations import InputKernel
from numerics.readout_laws.mean_field import mean_field


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
    def theory(self):
        return Theory(Problem(self.net(1.0), *self.data), basis=None)

    def Sigma(self, seed=5):
        """A covariance of the prior's size that is far from isotropic."""
        rng = np.random.default_rng(seed)
        L = rng.standard_normal(self.oracle.Sigma_0.shape)
        return self.oracle.Sigma_0[0, 0] * (L @ L.T / len(L) + 0.2 * np.eye(len(L)))


class ReadoutMap:
    """The theory's readout map as functions of Sigma."""

    def __init__(self, small):
        self.theory = small.theory
        self.map = self.theory.readout

    def kernel(self, Sigma):
        return InputKernel.at(self.theory.X, Sigma)

    def value(self, Sigma):
        return self.map.value(self.kernel(Sigma))

    def adjoint(self, Sigma, A):
        return self.map.adjoint(self.kernel(Sigma), A)

    def tangent(self, Sigma, dSigma):
        return self.map.tangent(self.kernel(Sigma), self.kernel(dSigma))

    def adjoint_tangent(self, Sigma, dSigma, A, dA):
        return self.map.adjoint_tangent(self.kernel(Sigma), self.kernel(dSigma), A, dA)

    def cross(self, Sigma, rows, cols):
        rows, cols = (np.ascontiguousarray(X.transpose(1, 0, 2)) for X in (rows, cols))
        return self.map.cross(InputKernel.between(rows, cols, Sigma))

    def data_term(self, Sigma):
        return mean_field(self.value(Sigma), self.theory.problem.targets, self.theory.problem.noise_variance)

    def pull(self, Sigma):
        return self.adjoint(Sigma, self.data_term(Sigma).A)

    def pull_tangent(self, Sigma, dSigma):
        data = self.data_term(Sigma)
        _, dA = data.tangent(self.tangent(Sigma, dSigma))
        return self.adjoint_tangent(Sigma, dSigma, data.A, dA)


def symmetric(rng, size):
    M = rng.standard_normal((size, size))
    return (M + M.T) / 2
