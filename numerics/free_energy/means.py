"""The means of a chain whose activation is not odd.

In the coordinates of `numerics.free_energy.chain`, m_l = L_l mu_l (input weights: m_w = P^{1/2} mu_1), a KL
gains |mu_l|^2/2. With t_l = -d(rest of F)/dm_l the natural gradient is

    e_l = mu_l - (1/N_l) L_l^T t_l,        dF = N_l e_l . dmu_l,

so m_l = Q_l t_l / N_l at a solution. To the layer below a mean adds t_l t_l^T / N_l to -2 dF/dQ_l and, off
the solution, s_l e_l^T with s_l = L_l^T t_l to what the Cholesky gauge makes of it (derived).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from numerics.free_energy.factors import Factor

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Mean:
    """mu (rank,) and the mean itself: m_w (S,) of the input weights or m_l (P n,) of pre-activations."""

    mu: Array
    m: Array

    @property
    def KL(self) -> float:
        """What it adds to a unit's KL."""
        return float(self.mu @ self.mu) / 2


@dataclass(frozen=True)
class MeanPull:
    """The slope of F in one layer's mean.

    Attributes
    ----------
    t : array
        -d(rest of F)/dm.
    s, e : (rank,) arrays
        L^T t, and the natural gradient.
    residual : float
        max |m - Q t/N| / max(|m|, sqrt(max diag Q)).
    """

    t: Array
    s: Array
    e: Array
    residual: float

    @classmethod
    def of(cls, mean: Mean, t: Array, L: Factor | None, std: Array, x: float) -> MeanPull:
        """At width 1/x; without an L the prior is the input weights', diagonal with roots `std`."""
        s = std * t if L is None else L.transposed(t)
        scale = max(float(np.abs(mean.m).max()), float(std.max()) if L is None else _root_of_diagonal(L))
        off = mean.m - x * (std * s if L is None else L.times(s))
        return cls(t, s, mean.mu - x * s, float(np.abs(off).max()) / scale)


def _root_of_diagonal(L: Factor) -> float:
    return float(np.sqrt(np.einsum("mk,mk->m", L.dense, L.dense).max()))
