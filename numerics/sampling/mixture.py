"""Predictions of sampled networks: an average over draws of a Gaussian given the hidden weights each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numerics.machine import parallel
from numerics.sampling.energies import Posterior
from numerics.sampling.forward import Forward
from numerics.sampling.readout import integrate_out

Array = NDArray[np.float64]

COMPONENTS = 200  # draws, evenly spaced, whose covariances are averaged: a factorisation each


@dataclass(frozen=True)
class Mixture:
    """The law of the output at m inputs, given draws of the hidden weights.

    Attributes
    ----------
    posterior : Posterior
        In the prior's own coordinates.
    weights : (draws, size) array
        Whitened by their prior.
    eps : (draws, n, D) array
    X : (m, P, S) array
    """

    posterior: Posterior
    weights: Array
    eps: Array
    X: Array

    def means(self) -> Array:
        """(draws, m, D): the mean output given each draw."""
        there = self._there()

        def given(draw: int) -> Array:
            parts = self._split(self.weights[draw])
            scaled = (self.posterior.noise_std[:, None] * self.eps[draw]).astype(there.dtype)
            readout = self.posterior.forward(parts).features.T @ scaled
            return np.asarray(there(parts).features @ readout, dtype=np.float64)

        draws = range(len(self.weights))
        rows = len(self.X) + len(self.posterior.Y)
        return np.array(list(parallel.in_order(given, draws, len(draws) * rows * self.weights.shape[1])))

    @property
    def mean(self) -> Array:
        """(m, D)."""
        return self.means().mean(axis=0)

    @property
    def covariance(self) -> Array:
        """(m, m), or (D, m, m) where the outputs differ in it: of the latent output."""
        means = self.means()
        moved = means - means.mean(axis=0)
        between = np.einsum("tmd,tkd->dmk", moved, moved) / len(means)
        with self._blas():
            within = np.mean(list(self._covariances()), axis=0)
        total = between + within
        return total[0] if len(total) == 1 else total

    def variance(self) -> tuple[Array, Array]:
        """Mean (m, D) and latent variance (m, D)."""
        means = self.means()
        there = self._there()
        within = np.zeros(len(self.X))
        picked = self._picked()
        with self._blas():
            for k in picked:
                parts = self._split(self.weights[k])
                Phi = self._features(parts)
                marginal = integrate_out(Phi, self.posterior.Y)
                within += marginal.variances(Phi, _double(there(parts).features))
        return means.mean(axis=0), means.var(axis=0) + (within / len(picked))[:, None]

    def sample(self, count: int, noise: float, rng: np.random.Generator) -> Array:
        """(m, D, count) outputs of networks drawn at random, readouts included, plus so much noise."""
        there = self._there()
        outputs = self.eps.shape[2]
        out = np.empty((len(self.X), outputs, count))
        with self._blas():
            for k, chosen in enumerate(rng.integers(len(self.weights), size=count)):
                parts = self._split(self.weights[chosen])
                Phi = self._features(parts)
                a = integrate_out(Phi, self.posterior.Y).draw(Phi, self.posterior.Y, rng)
                out[:, :, k] = _double(there(parts).features) @ a
        return out + np.sqrt(noise) * rng.standard_normal(out.shape)

    def _covariances(self) -> Iterator[Array]:
        there = self._there()
        for k in self._picked():
            parts = self._split(self.weights[k])
            Phi = self._features(parts)
            yield integrate_out(Phi, self.posterior.Y).covariance(Phi, _double(there(parts).features))

    def _there(self) -> Forward:
        """The network at X, in the precision that the draws were made with."""
        return Forward(self.posterior.problem.net, self.X, self.posterior.single)

    def _blas(self) -> AbstractContextManager[Any]:
        return parallel.for_factorisation(len(self.posterior.Y))

    def _picked(self) -> NDArray[np.intp]:
        count = min(COMPONENTS, len(self.weights))
        return np.linspace(0, len(self.weights) - 1, count).round().astype(np.intp)

    def _split(self, weights: Array) -> list[Array]:
        return self.posterior.coordinates.split(weights)

    def _features(self, parts: list[Array]) -> Array:
        return _double(self.posterior.forward(parts).features)


def _double(features: Any) -> Array:
    return np.asarray(features, dtype=np.float64)
