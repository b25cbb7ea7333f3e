"""p and q over several outputs of one pixel (or of pixels that are all pooled): one eigendecomposition of Q.

H is diagonal over the eigenvectors of Q and a function of q over the outputs, so that p = (I + T/C)^{-1} is
one too: q decides a basis of outputs in which p, q and H are diagonal together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from numerics.readout_laws.coupled import Change, Coupled
from numerics.readout_laws.spectrum import Spectrum

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Outputs(Coupled):
    """Attributes
    ----------
    values : (k,) array
        Eigenvalues of Q in units of the noise.
    y : (k, D) array
        Targets in these units, in its eigenvectors.
    channels : float
    """

    values: Array
    y: Array
    channels: float

    @property
    def size(self) -> int:  # type: ignore[override]
        return self.y.shape[1]

    def fluctuation(self, q: Array) -> tuple[Array, float]:
        each, V = np.linalg.eigh(q)
        scale = 1.0 + np.multiply.outer(self.values, each)
        T = (V * np.sum(self.values[:, None] / scale, axis=0)) @ V.T
        return T, float(np.log(scale).sum())

    def response(self, p: Array) -> tuple[Array, float]:
        eps = self.eps(p)
        return eps.T @ (self.values[:, None] * eps), 0.5 * float(np.sum(self.y * eps))

    def solve(self, several: bool) -> tuple[Array, Array]:
        if self.size > 1:
            return super().solve(several)
        one = Spectrum(self.values, self.y[:, 0] ** 2, 1.0, self.channels)
        roots = [np.array([[root]]) for root in one.roots()]
        return min(((self.p(q), q) for q in roots), key=lambda found: sum(self.psi(*found)))

    def eps(self, p: Array) -> Array:
        """(k, D), in the eigenvectors of Q."""
        return self.resolved(p, self.y)

    def resolved(self, w: Array, rows: Array) -> Array:
        """(1 + w x Q)^{-1} rows."""
        each, V = np.linalg.eigh(w)
        return ((rows @ V) / (1.0 + np.multiply.outer(self.values, each))) @ V.T


@dataclass(frozen=True)
class OutputChange(Change):
    """Along a change of Q, at a solution.

    Attributes
    ----------
    at : Outputs
    p, q : (D, D) arrays
    eps : (k, D) array
    dQ : (k, k) array
        In the eigenvectors of Q.
    """

    at: Outputs
    p: Array
    q: Array
    eps: Array
    dQ: Array

    def T(self, dq: Array, fixed: bool) -> Array:
        each, V = np.linalg.eigh(self.q)
        values = self.at.values
        h = 1.0 / (1.0 + np.multiply.outer(values, each))
        D = V.T @ dq @ V
        T = -np.einsum("k,ka,ab,kb->ab", values**2, h, D, h)
        if fixed:
            moved = np.diagonal(self.dQ)  # d tr[Q H]: H is a function of Q
            T += np.diag(np.sum(moved[:, None] * h * (1.0 - values[:, None] * each * h), axis=0))
        return V @ T @ V.T

    def M(self, dp: Array, fixed: bool) -> Array:
        across = self.deps(dp, fixed).T @ (self.at.values[:, None] * self.eps)
        M = across + across.T
        return M + self.eps.T @ self.dQ @ self.eps if fixed else M

    def deps(self, dp: Array, fixed: bool) -> Array:
        moved = self.at.values[:, None] * (self.eps @ dp)
        if fixed:
            moved = moved + self.dQ @ self.eps @ self.p
        return -self.at.resolved(self.p, moved)
