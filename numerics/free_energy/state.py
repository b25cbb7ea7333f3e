"""A state with all that the data say there, once the n x n arrays that told it are gone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from numerics.free_energy.chain import Blocks, Chain, Pull
from numerics.free_energy.data_terms import DataTerm


@dataclass(frozen=True)
class State:
    """One state (theta, mu) with all that the data say there.

    Attributes
    ----------
    theta, E, T : tuple of arrays
        As in `numerics.free_energy.chain`; E is zero at a solution.
    covariances : tuple of arrays
        Sigma, K_2, ...
    residual : float
        The largest of the layers' equations.
    KL_terms : tuple of float
        N_l KL_l.
    data : DataTerm
        Without its n x n arrays.
    """

    theta: Blocks
    E: Blocks
    T: Blocks
    covariances: Blocks
    residual: float
    KL_terms: tuple[float, ...]
    data: DataTerm

    @property
    def F(self) -> float:
        return sum(self.KL_terms) + self.data.value


def evaluate(chain: Chain, inverse_widths: Sequence[float], theta: Blocks) -> State:
    """F and its natural gradient: one gradient's worth of work.

    Raises
    ------
    NotPositiveDefinite
        From a kernel's factorisation.
    """
    return state_of(chain.pull(theta, inverse_widths), theta, inverse_widths)


def state_of(pull: Pull, theta: Blocks, inverse_widths: Sequence[float]) -> State:
    """What stays of a pull at theta once its n x n arrays are gone."""
    KL_terms = tuple(
        layer.KL / x if x > 0 else 0.0 for layer, x in zip(pull.layers, inverse_widths, strict=True)
    )
    return State(
        theta=theta,
        E=pull.E,
        T=pull.T,
        covariances=tuple(layer.covariance for layer in pull.layers),
        residual=max(pull.residuals),
        KL_terms=KL_terms,
        data=pull.data.without_matrices(),
    )
