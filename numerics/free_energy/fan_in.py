"""The data term of a readout of finite fan-in P, beyond mean field (derived: docs/derivations-fan-in.md).

Mean field takes the kernel of P random features for its mean. The cavity argument for one feature gives two
scalars instead, the response p of the readout and the second moment q of its weights (in prior units):

    Psi = min_q max_p  1/2 y^T (sigma^2 + p Q)^{-1} y + 1/2 log det(sigma^2 + q Q) + P/2 (q - q/p - log p)
    1/p = 1 + tr[Q H]/P, H = (sigma^2 + q Q)^{-1};   q = p + p^2 eps^T Q eps/P, eps = (sigma^2 + p Q)^{-1} y
    -2 dPsi/dQ = A = p eps eps^T - q H

With p(q) = 1/(1 + tr[Q H]/P) and E(p) = eps^T Q eps, q is a root of q = R(q) = p(q) + p(q)^2 E(p(q))/P. R is
increasing and every root lies in [p(0), 1 + E(1)/P]; for P >= rank Q there is one. For P < rank Q there may
be three, a first-order transition: the outer two are found and the one of lower Psi is taken.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.blas import dsymm

from numerics.free_energy.data_terms import DataTerm
from numerics.machine.dense import eigh, gram, mirrored, product

Array = NDArray[np.float64]

SWEEPS = 1000  # far more than Aitken's extrapolation needs; at a fold it bounds the time


@dataclass(frozen=True)
class Spectrum:
    """Eigenvalues of Q_f, the squared components of y, sigma^2 and P."""

    values: Array
    y2: Array
    noise: float
    P: float

    def p(self, q: float) -> float:
        return 1.0 / (1.0 + float(np.sum(self.values / (self.noise + q * self.values))) / self.P)

    def R(self, q: float) -> float:
        p = self.p(q)
        energy = float(np.sum(self.values * self.y2 / (self.noise + p * self.values) ** 2))
        return p + p * p * energy / self.P

    def psi(self, q: float) -> tuple[float, float, float]:
        """The three parts of Psi: fit, complexity, fan-in."""
        p = self.p(q)
        fit = 0.5 * float(np.sum(self.y2 / (self.noise + p * self.values)))
        complexity = 0.5 * float(np.sum(np.log(self.noise + q * self.values)))
        return fit, complexity, 0.5 * self.P * (q - q / p - np.log(p))

    def roots(self) -> list[float]:
        """The smallest and the largest root of q = R(q), once if they agree."""
        # p < 1, E falls and p^2 E grows with p: R stays between its values at p(0) and at p = 1
        energy = float(np.sum(self.values * self.y2 / (self.noise + self.values) ** 2))
        low, high = self._from_end(self.p(0.0)), self._from_end(1.0 + energy / self.P)
        return [low] if abs(high - low) <= 1e-9 * high else [low, high]

    def _from_end(self, q: float) -> float:
        """The root that q <- R(q) tends to from an end: monotonically, since R increases.

        Aitken's extrapolation is taken as long as it stays on the same side of the root.
        """
        for _ in range(SWEEPS):
            one = self.R(q)
            two = self.R(one)
            if abs(two - one) <= 2e-15 * one:
                return two
            bend = two - 2 * one + q
            ahead = q - (one - q) ** 2 / bend if bend else two
            same_side = (ahead - two) * (one - q) > 0 and (self.R(ahead) - ahead) * (one - q) > 0
            q = ahead if same_side else two
        return q


@dataclass(frozen=True)
class FanInTerm(DataTerm):
    """The data term with its eigenvectors, Q_f = U diag(values) U^T."""

    spectrum: Spectrum | None = None
    vectors: Array | None = None

    def tangent(self, dQ: Array) -> tuple[Array, Array]:
        """(deps, dA) when Q_f moves along the symmetric dQ, whose lower triangle is read.

        p and q answer through their two equations, differentiated (derived: docs/derivations-hessian.md).
        """
        if self.spectrum is None or self.vectors is None:
            raise RuntimeError("this data term was stripped of its matrices; evaluate it again")
        values, noise, P = self.spectrum.values, self.spectrum.noise, self.spectrum.P
        p, q, U, H = self.response, self.fluctuation, self.vectors, self._matrix.T
        full, eps = mirrored(dQ), self.eps[:, 0]
        along = U.T @ eps  # eps, and H_p Q eps, in the eigenbasis
        toward = values / (noise + p * values) * along
        moved = U.T @ (full @ eps)
        # 1/p = 1 + tr[Q H]/P:  dp = p_fixed + p_slope dq
        left = dsymm(1.0, self._matrix, full.T, side=0, lower=0)  # H dQ
        p_fixed = -(p**2) / P * noise * float(np.sum(left * H))
        p_slope = p**2 / P * float(np.sum((values / (noise + q * values)) ** 2))
        # q = p + p^2 eps.Q eps/P:  dq = q_fixed + q_slope dp
        q_fixed = p**2 / P * float(along @ moved - 2 * p * toward @ moved)
        energy, response = float(values @ along**2), float(values @ (toward * along))
        q_slope = 1 + (2 * p * energy - 2 * p**2 * response) / P
        dq = (q_fixed + q_slope * p_fixed) / (1 - q_slope * p_slope)
        dp = p_fixed + p_slope * dq
        deps = -(U @ ((dp * values * along + p * moved) / (noise + p * values)))[:, None]
        dA = q * q * dsymm(1.0, self._matrix, left, side=1, lower=0)
        dA += product(U * (dq * (q * values / (noise + q * values) - 1) / (noise + q * values)), U.T)
        outer = p * deps @ self.eps.T
        dA += outer + outer.T + dp * self.eps @ self.eps.T
        return deps, dA

    def without_matrices(self) -> FanInTerm:
        return replace(self, _inverse=None, spectrum=None, vectors=None)


def finite_fan_in(Q: Array, y: Array, noise_variance: float, P: float) -> FanInTerm:
    """Psi with p and q at Q_f = Q (n, n), whose lower triangle is read; one output, one noise variance.

    Costs an eigendecomposition of Q.
    """
    values, U = eigh(mirrored(Q))
    values = np.maximum(values, 0.0)
    projected = U.T @ y[:, 0]
    spectrum = Spectrum(values, projected**2, noise_variance, P)
    q = min(spectrum.roots(), key=lambda root: sum(spectrum.psi(root)))
    p = spectrum.p(q)
    fit, complexity, fan_in = spectrum.psi(q)
    return FanInTerm(
        eps=(U @ (projected / (noise_variance + p * values)))[:, None],
        fit=fit,
        complexity=complexity,
        degrees_of_freedom=float(np.sum(values / (noise_variance + values))),
        _inverse=gram(U / np.sqrt(noise_variance + q * values)).T,
        fan_in=fan_in,
        response=p,
        fluctuation=q,
        spectrum=spectrum,
        vectors=U,
    )
