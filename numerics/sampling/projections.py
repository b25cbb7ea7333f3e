"""The law of one unit along a direction, from all units, draws and chains."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from numerics.sampling.estimate import Estimate

Array = NDArray[np.float64]

BLOCKS = 20  # of a chain's draws: a jackknife leaves out one after the other


@dataclass(frozen=True, eq=False, repr=False)
class Projections:
    """Projections of units on a direction.

    Attributes
    ----------
    values : (chains, draws, units) array
    independent : bool
        Draws are no Markov chain but independent networks, or, of a single one, its units.
    """

    values: Array
    independent: bool = False

    @property
    def variance(self) -> Estimate:
        """Second moment."""
        return self._estimate(np.mean(self.values**2, axis=2), "variance")

    @property
    def excess_kurtosis(self) -> Estimate:
        """<v^4>/<v^2>^2 - 3: zero for a Gaussian. The series are the draws' linearised contributions."""
        second, fourth = (np.mean(self.values**power, axis=2) for power in (2, 4))
        m2, m4 = float(second.mean()), float(fourth.mean())
        ratio = m4 / m2**2
        linear = ratio * (1.0 + (fourth - m4) / m4 - 2.0 * (second - m2) / m2)
        return self._estimate(linear - 3.0, "excess kurtosis")

    def histogram(self, bins: int | Array = 60) -> tuple[Array, Array, Array]:
        """Density, its error, and the edges of the bins; errors from the spread between draws' blocks."""
        flat = self.values.ravel()
        density, edges = np.histogram(flat, bins=bins, density=True)
        each = np.array([np.histogram(block, bins=edges, density=True)[0] for block in self._blocks()])
        return density, each.std(axis=0, ddof=1) / np.sqrt(len(each)), edges

    def qq(self, points: int = 99) -> tuple[Array, Array, Array]:
        """Quantiles of a Gaussian of this variance, those of the units, and the errors of these."""
        levels = np.arange(1, points + 1) / (points + 1)
        std = float(np.sqrt(np.mean(self.values**2)))
        each = np.array([np.quantile(block, levels) for block in self._blocks()])
        quantiles = np.quantile(self.values.ravel(), levels)
        return std * ndtri(levels), quantiles, each.std(axis=0, ddof=1) / np.sqrt(len(each))

    @property
    def pair_correlation(self) -> Estimate:
        """Mean product of two different units over the variance: zero for independent units."""
        return self._pairs(self.values, "correlation of two units")

    @property
    def square_correlation(self) -> Estimate:
        """The same of their squares, less their mean: how far units share a scale."""
        squares = self.values**2
        return self._pairs(squares - squares.mean(), "correlation of the squares of two units")

    def square_covariance(self, other: Projections) -> Array:
        """(chains, draws): contributions to the correlation of the squares of a unit here and one there."""
        here, there = self.values**2, other.values**2
        spread = float(here.std() * there.std())
        return (here.mean(axis=2) - here.mean()) * (there.mean(axis=2) - there.mean()) / spread

    def _pairs(self, values: Array, name: str) -> Estimate:
        units = values.shape[2]
        if units < 2:
            raise ValueError("a layer of one unit has no pairs of units")
        total, own = values.sum(axis=2) ** 2, np.sum(values**2, axis=2)
        return self._estimate((total - own) / (units - 1) / float(own.mean()), name)

    def _estimate(self, series: Array, name: str) -> Estimate:
        return Estimate.of_independent(series, name) if self.independent else Estimate.of(series, name)

    def _blocks(self) -> list[Array]:
        _, draws, _ = self.values.shape
        count = max(2, min(BLOCKS, draws))
        parts = [np.array_split(chain, count) for chain in self.values]
        return [block.ravel() for chain in parts for block in chain if block.size]
