"""p and q over pixels, and over pixels and outputs: T and M from the blocks of the kernel."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve, lapack

from numerics.machine.dense import mirror
from numerics.readout_laws.blocks import Blocks
from numerics.readout_laws.coupled import Change, Coupled
from numerics.readout_laws.law import NotPositiveDefinite

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Pixels(Coupled):
    """Attributes
    ----------
    blocks : Blocks
    y : (D k,) array
        Targets in units of the noise, output by output.
    channels : float
    """

    blocks: Blocks
    y: Array
    channels: float

    @property
    def size(self) -> int:  # type: ignore[override]
        return self.blocks.pixels * self.blocks.outputs

    def fluctuation(self, q: Array) -> tuple[Array, float]:
        H, log_det = resolvent(self.blocks.combined(q))
        return self.blocks.traces(H), log_det

    def response(self, p: Array) -> tuple[Array, float]:
        eps = self.eps(p)
        return self.blocks.traces(np.multiply.outer(eps, eps)), 0.5 * float(self.y @ eps)

    def eps(self, p: Array) -> Array:
        return np.asarray(cho_solve(_factor(self.blocks.combined(p)), self.y, check_finite=False))


@dataclass(frozen=True)
class PixelChange(Change):
    """Along a change of the blocks, at a solution.

    Attributes
    ----------
    blocks, moving : Blocks
    p, q : (N D, N D) arrays
    H : (D k, D k) array
    eps : (D k,) array
    """

    blocks: Blocks
    moving: Blocks
    p: Array
    q: Array
    H: Array
    eps: Array

    def T(self, dq: Array, fixed: bool) -> Array:
        T = self.blocks.traces(self.dH(dq, fixed))
        return T + self.moving.traces(self.H) if fixed else T

    def M(self, dp: Array, fixed: bool) -> Array:
        across = np.multiply.outer(self.deps(dp, fixed), self.eps)
        M = self.blocks.traces(across + across.T)
        return M + self.moving.traces(np.multiply.outer(self.eps, self.eps)) if fixed else M

    def dH(self, dq: Array, fixed: bool) -> Array:
        dQ = self.blocks.combined(dq)
        if fixed:
            dQ += self.moving.combined(self.q)
        dH = self.H @ dQ @ self.H
        return -(dH + dH.T) / 2

    def deps(self, dp: Array, fixed: bool) -> Array:
        dQ = self.blocks.combined(dp)
        if fixed:
            dQ += self.moving.combined(self.p)
        return -np.asarray(cho_solve(self._responding, dQ @ self.eps, check_finite=False))

    @cached_property
    def _responding(self) -> tuple[Array, bool]:
        """Cholesky factor of 1 + Q_p."""
        return _factor(self.blocks.combined(self.p))


def resolvent(Q: Array) -> tuple[Array, float]:
    """(1 + Q)^{-1} and log det(1 + Q); Q is overwritten."""
    factor, _ = _factor(Q)
    log_det = 2.0 * float(np.log(np.diagonal(factor)).sum())
    inverse, _ = lapack.dpotri(factor, lower=0, overwrite_c=1)
    return mirror(inverse.T), log_det


def _factor(Q: Array) -> tuple[Array, bool]:
    """Cholesky factor of 1 + Q, as `cho_solve` takes it; Q is overwritten."""
    Q[np.diag_indices(len(Q))] += 1.0
    try:
        factor, lower = cho_factor(Q.T, lower=False, overwrite_a=True, check_finite=False)
    except np.linalg.LinAlgError:
        raise NotPositiveDefinite from None
    return factor, bool(lower)
