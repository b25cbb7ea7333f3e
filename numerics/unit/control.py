"""A control variate: the average of a unit's features over a Gaussian is known in closed form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numerics.unit.population import Population

Array = NDArray[np.float64]
Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False)
class Control:
    """What the draws miss of that average, of which a share is added to Q_p and another to Q_q.

    Attributes
    ----------
    p, q : float
        The shares: mean diagonals of the readout's covariance and of its second moment.
    drawn : (n, n) array
        The average of sum_i phi_i phi_i^T over the draws as they are, without weights.
    missed : (n, n) array
        The one over the Gaussian that they were drawn from, less `drawn`.
    """

    p: float
    q: float
    drawn: Array
    missed: Array

    @classmethod
    def of(cls, population: Population, exact: Array, p: float, q: float) -> Control:
        """From the average in closed form over the Gaussian that the draws are from."""
        drawn = mean_square(population)
        return cls(p, q, drawn, exact - drawn)


def mean_square(population: Population) -> Array:
    """(n, n): the average of sum_i phi_i phi_i^T over the draws as they are, without weights."""
    n = population.hidden.samples

    def work(_: slice, phi: Floats) -> Floats:
        rows = phi.reshape(-1, n)
        return rows.T @ rows

    return population.total(work) / len(population)
