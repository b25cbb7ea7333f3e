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

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.blas import dsymm

from numerics.activations import named
from numerics.kernels.kernel_maps import KernelMap
from numerics.kernels.preactivations import Kernel
from numerics.machine.dense import eigh, gram, mirrored, product
from numerics.network import Network
from numerics.problem import Problem
from numerics.readout_laws import pixel_correlation
from numerics.readout_laws.law import DataSummary, KernelTerm, ReadoutLaw
from numerics.readout_laws.mean_field import MeanField, rounding
from numerics.readout_laws.spectrum import Spectrum

Array = NDArray[np.float64]


class FiniteFanIn(ReadoutLaw):
    """Response and second moment of a readout weight, as two scalars."""

    name = "finite_fan_in"
    squares = (6, 5)
    cubes = 7.0

    def at(
        self,
        readout: KernelMap,
        kernel: Kernel,
        problem: Problem,
        inverse_width: float,
        basis: Array | None = None,
    ) -> KernelTerm:
        if inverse_width == 0.0:
            return MeanField().at(readout, kernel, problem, inverse_width, basis)
        P = readout.receptive.fan_in / inverse_width
        noise = float(problem.noise_variance[0])
        return finite_fan_in(readout.value(kernel), problem.targets, noise, P)

    def alpha_slope(self, term: DataSummary, readout: KernelMap, problem: Problem, dQ: Array) -> float:
        """Mean field's, and p = 1 - tr[Q_f K_f^{-1}]/P + ..., to which eps answers through p Q_f."""
        eps, noise = term.eps, problem.noise_variance[:, None]
        load = term.degrees_of_freedom / readout.receptive.fan_in
        along = load * float(np.sum(eps * (problem.targets - noise * eps))) / problem.target_norm2
        return MeanField().alpha_slope(term, readout, problem, dQ) + along

    def refuse(self, problem: Problem) -> None:
        _refuse_what_two_scalars_cannot_say(problem)

    def samples_looked_at(self, samples: int, pixels: int) -> int:
        return pixel_correlation.samples_looked_at(samples, pixels)

    def refuse_kernel(
        self, readout: KernelMap, kernel: Kernel, problem: Problem, width: float, share: float
    ) -> None:
        noise = float(problem.noise_variance[0])
        pixel_correlation.refuse_correlated_pixels(readout, kernel, noise, width, share)


def _refuse_what_two_scalars_cannot_say(problem: Problem) -> None:
    """p and q are scalars for one output, one noise, and pixels that are alike and do not share weights."""
    net: Network = problem.net
    last = net.receptive_windows(problem.input_shape[0])[-1]
    if any(a != b for group in last.groups[0, 0] for a, b in group.pairs):
        raise ValueError(
            "theory='finite_fan_in' needs a readout with a weight per pixel; pooling makes p and q matrices "
            "over pixels, which are not there: use theory='mean_field'"
        )
    if not named(net.activation).odd:
        raise ValueError(
            f"theory='finite_fan_in' is for odd activations, not {str(net.activation)!r}: what a mean of the "
            "features does to p and q is not there; use theory='mean_field'"
        )
    if problem.outputs != 1:
        raise ValueError(
            "theory='finite_fan_in' is for one output; give one column of y, or use theory='mean_field'"
        )
    if not problem.observed.all() or problem.common_noise is None:
        raise ValueError(
            "theory='finite_fan_in' is for one noise_variance; give one number, or use theory='mean_field'"
        )


@dataclass(frozen=True)
class FanInTerm(KernelTerm):
    """The data term with its eigenvectors, Q_f = U diag(values) U^T; made by `finite_fan_in`."""

    spectrum: Spectrum = field(kw_only=True)
    vectors: Array = field(kw_only=True)

    def tangent(self, dQ: Array) -> tuple[Array, Array]:
        """(deps, dA) when Q_f moves along the symmetric dQ, whose lower triangle is read.

        p and q answer through their two equations, differentiated (derived: docs/derivations-hessian.md).
        """
        values, noise, P = self.spectrum.values, self.spectrum.noise, self.spectrum.P
        p, q, U, H = self.response, self.fluctuation, self.vectors, self.H.T
        full, eps = mirrored(dQ), self.eps[:, 0]
        along = U.T @ eps  # eps, and H_p Q eps, in the eigenbasis
        toward = values / (noise + p * values) * along
        moved = U.T @ (full @ eps)
        # 1/p = 1 + tr[Q H]/P:  dp = p_fixed + p_slope dq
        left = dsymm(1.0, self.H, full.T, side=0, lower=0)  # H dQ
        p_fixed = -(p**2) / P * noise * float(np.sum(left * H))
        p_slope = p**2 / P * float(np.sum((values / (noise + q * values)) ** 2))
        # q = p + p^2 eps.Q eps/P:  dq = q_fixed + q_slope dp
        q_fixed = p**2 / P * float(along @ moved - 2 * p * toward @ moved)
        energy, response = float(values @ along**2), float(values @ (toward * along))
        q_slope = 1 + (2 * p * energy - 2 * p**2 * response) / P
        dq = (q_fixed + q_slope * p_fixed) / (1 - q_slope * p_slope)
        dp = p_fixed + p_slope * dq
        deps = -(U @ ((dp * values * along + p * moved) / (noise + p * values)))[:, None]
        dA = q * q * dsymm(1.0, self.H, left, side=1, lower=0)
        dA += product(U * (dq * (q * values / (noise + q * values) - 1) / (noise + q * values)), U.T)
        outer = p * deps @ self.eps.T
        dA += outer + outer.T + dp * self.eps @ self.eps.T
        return deps, dA


def finite_fan_in(Q: Array, y: Array, noise: float, P: float) -> FanInTerm:
    """Psi with p and q at Q_f = Q (n, n), whose lower triangle is read; one output, one noise variance.

    Costs an eigendecomposition of Q.
    """
    values, U = eigh(mirrored(Q))
    values = np.maximum(values, 0.0)
    projected = U.T @ y[:, 0]
    spectrum = Spectrum(values, projected**2, noise, P)
    q = min(spectrum.roots(), key=lambda root: sum(spectrum.psi(root)))
    p = spectrum.p(q)
    fit, complexity, fan_in = spectrum.psi(q)
    eps = (U @ (projected / (noise + p * values)))[:, None]
    summary = DataSummary(
        eps=eps,
        parts={"fit": fit, "complexity": complexity, "fan_in": fan_in},
        degrees_of_freedom=float(np.sum(values / (noise + values))),
        rounding=rounding(p * np.diagonal(Q) + noise, eps, fit),
        coefficients={"response": p, "fluctuation": q},
    )
    H = gram(U / np.sqrt(noise + q * values)).T
    return FanInTerm(summary, H, p, q, spectrum=spectrum, vectors=U)
