"""A point of the free energy: a state with all that the data say there, without n x n arrays of the data."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from numerics.gaussian.state import State
from numerics.readout_laws.law import DataSummary

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Point:
    """Attributes
    ----------
    state : State
    Sigma : (r, r) array
        Covariance of the input weights of one unit, in the coordinates that the data see.
    residual : float
        The largest of the layers' equations.
    KL_terms : tuple of float
        N_l KL_l.
    data : DataSummary
    E : State
        The natural gradient, zero at a solution; empty in a point that is kept.
    """

    state: State
    Sigma: Array
    residual: float
    KL_terms: tuple[float, ...]
    data: DataSummary
    E: State = ()

    @property
    def F(self) -> float:
        return sum(self.KL_terms) + self.data.value

    def kept(self) -> Point:
        """Without what a solver alone needs."""
        return replace(self, E=())
