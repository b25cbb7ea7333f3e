"""Mean field, the paper's law: the readout's kernel is taken for its mean, Eq. (7).

Psi = 1/2 sum_c y_c^T K_f^{-1} y_c + (D/2) log det K_f over D outputs, with K_f = Q_f + diag(sigma_mu^2),
which is the negative log evidence of a Gaussian process with kernel Q_f, without (n D/2) log 2 pi. A datum of
infinite noise says nothing: it drops out of every sum.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cholesky, lapack
from scipy.linalg.blas import dsymm, dsyrk

from numerics.kernels.kernel_maps import KernelMap
from numerics.kernels.preactivations import Kernel
from numerics.machine import parallel
from numerics.machine.dense import congruence, mirrored, symmetric_product
from numerics.problem import Problem
from numerics.readout_laws.law import (
    DataSummary,
    DataTerm,
    NotPositiveDefinite,
    OutputLaw,
    ReadoutLaw,
    conditional,
)

Array = NDArray[np.float64]


class MeanField(ReadoutLaw):
    """Sharp readout kernel."""

    name = "mean_field"

    def squares(self, pixels: int, outputs: int) -> tuple[float, float]:
        return 2.0, 2.0

    def cubes(self, pixels: int, outputs: int) -> float:
        return 0.45

    def at(
        self,
        readout: KernelMap,
        kernel: Kernel,
        problem: Problem,
        inverse_widths: Sequence[float],
        basis: Array | None = None,
    ) -> MeanFieldTerm:
        Q = readout.value(kernel)
        if basis is not None:
            return within_range(Q, problem.targets, problem.noise_variance, basis)
        return mean_field(Q, problem.targets, problem.noise_variance)

    def alpha_slope(
        self,
        term: DataSummary,
        readout: KernelMap,
        kernel: Kernel,
        problem: Problem,
        dQ: Array,
        ratios: Sequence[float],
    ) -> float:
        """-tr(eps^T dQ eps) / y.y."""
        return -quadratic_form(dQ, term.eps) / problem.target_norm2


@dataclass(frozen=True)
class MeanFieldTerm(DataTerm):
    """Psi with H = K_f^{-1}.

    Attributes
    ----------
    H : (n, n) array
        In Fortran order with a valid upper triangle (the lower one of its transpose).
    within : (n, D) array or None
        eps within the range of a singular Q_f, where H is given too; None where Q_f is regular.
    """

    summary: DataSummary
    H: Array
    within: Array | None = None

    @property
    def pulling(self) -> Array:
        """(n, D): the part of eps that the kernel can answer to."""
        return self.summary.eps if self.within is None else self.within

    @cached_property
    def A(self) -> Array:
        """A = -2 dPsi/dQ_f = sum_c eps_c eps_c^T - D K_f^{-1}, Eq. (5); lower triangle valid."""
        outputs = self.summary.eps.shape[1]
        return dsyrk(1.0, self.pulling, beta=-outputs, c=self.H, lower=0).T

    def tangent(self, dQ: Array) -> tuple[Array, Array]:
        """deps = -K_f^{-1} dQ eps and dA = deps eps^T + eps deps^T + D K_f^{-1} dQ K_f^{-1}."""
        full, eps = mirrored(dQ), self.pulling
        left = dsymm(float(eps.shape[1]), self.H, full.T, side=0, lower=0)  # D K_f^{-1} dQ
        deps = -dsymm(1.0, self.H, full @ eps, side=0, lower=0)
        del full
        dA = symmetric_product(left, mirrored(self.H.T))
        outer = deps @ eps.T
        dA += outer
        dA += outer.T
        return deps, dA

    def slopes(self, readout: KernelMap, kernel: Kernel) -> tuple[Array, Array]:
        return readout.adjoints(kernel, self.A)

    def slope_tangents(self, readout: KernelMap, kernel: Kernel, moving: Kernel) -> tuple[Array, Array]:
        dA = self.tangent(readout.tangent(kernel, moving))[1]
        return readout.adjoint_tangents(kernel, moving, self.A, dA)

    def noise_slope(self, problem: Problem) -> float:
        """tr[N K_f^{-1}] is what the degrees of freedom leave of the data."""
        noise, eps = problem.noise_variance[problem.observed], self.summary.eps[problem.observed]
        left = eps.shape[1] * (len(noise) - self.summary.degrees_of_freedom)
        return 0.5 * (left - float(noise @ np.sum(eps**2, axis=1)))

    def bias_slope(self, problem: Problem) -> float:
        """The bias is part of Q_f, and its direction of the range of that."""
        ones = np.ones((len(self.H), 1))
        return -0.5 * problem.net.bias_variance * quadratic_form(self.A, ones)

    def output_law(self, readout: KernelMap, kernel: Kernel, problem: Problem) -> MeanFieldOutput:
        observed = np.flatnonzero(problem.observed)
        K_f = mirrored(readout.value(kernel))[np.ix_(observed, observed)]
        K_f[np.diag_indices(len(observed))] += problem.noise_variance[observed]
        factor = cholesky(K_f, lower=True, overwrite_a=True, check_finite=False)
        return MeanFieldOutput(self.summary.eps, factor, observed)


@dataclass(frozen=True)
class MeanFieldOutput(OutputLaw):
    """f_bar_* = Q_*t eps and Cov f_* = Q_** - Q_*t K_f^{-1} Q_t*.

    Attributes
    ----------
    eps : (n, D) array
    factor : (k, k) array
        Lower Cholesky factor of K_f, over the data that are observed.
    observed : array of int
        Their positions.
    """

    eps: Array
    factor: Array
    observed: NDArray[np.intp]

    def mean(self, readout: KernelMap, cross: Kernel) -> Array:
        return readout.cross(cross) @ self.eps

    def covariance(self, readout: KernelMap, cross: Kernel, own: Kernel) -> tuple[Array, Array]:
        return conditional(self.factor, readout.cross(cross)[:, self.observed], readout.cross(own))


def mean_field(Q: Array, y: Array, noise_variance: Array) -> MeanFieldTerm:
    """Psi at Q_f = Q (n, n), whose lower triangle is read and overwritten.

    Parameters
    ----------
    y : (n, D) array
    noise_variance : (n,) array
        sigma_mu^2 > 0; `inf` takes a datum out.

    Raises
    ------
    NotPositiveDefinite
        When rounding makes K_f indefinite (noise far below 1e-16 of the kernel's scale).
    """
    observed = np.isfinite(noise_variance)
    if observed.all():
        return _all_observed(Q, y, noise_variance)
    some = np.flatnonzero(observed)
    part = _all_observed(Q[np.ix_(some, some)].copy(), y[some], noise_variance[some])
    eps = np.zeros_like(y)
    eps[some] = part.summary.eps
    H = np.zeros(Q.shape, order="F")
    H[np.ix_(some, some)] = part.H
    return MeanFieldTerm(replace(part.summary, eps=eps), H)


def within_range(Q: Array, y: Array, noise_variance: Array, basis: Array) -> MeanFieldTerm:
    """Psi at a singular Q_f = Q (n, n), whose lower triangle is read; all data are observed.

    In units of each datum's noise, K_f is the identity across the range of Q: what y has there adds |y|^2/2
    to the fit and nothing to the pull. Left in, it would be up to 1/noise times as large as the rest of eps,
    and A, in which it cancels, would keep that many digits less.

    Parameters
    ----------
    basis : (n, r) array
        Orthonormal columns V that span Q_(mu nu) / (sigma_mu sigma_nu), at every state.
    """
    std = np.sqrt(noise_variance)[:, None]
    scaled = y / std
    q = congruence(basis.T, mirrored(Q) / (std * std.T))
    inside = basis.T @ scaled
    outside = scaled - basis @ inside
    part = _all_observed(q, inside, np.ones(len(q)))
    parts = {
        "fit": part.summary.parts["fit"] + 0.5 * float(np.sum(outside**2)),
        "complexity": part.summary.parts["complexity"] + y.shape[1] * float(np.log(std).sum()),
    }
    within = basis @ part.summary.eps
    H = congruence(basis, mirrored(part.H.T)) / (std * std.T)
    summary = replace(part.summary, eps=(within + outside) / std, parts=parts)
    return MeanFieldTerm(summary, np.asfortranarray(H), within=within / std)


def _all_observed(Q: Array, y: Array, noise_variance: Array) -> MeanFieldTerm:
    n, outputs = y.shape
    Q[np.diag_indices(n)] += noise_variance
    diagonal = np.diagonal(Q).copy()
    with parallel.for_factorisation(n):
        factor, info = lapack.dpotrf(Q.T, lower=0, overwrite_a=1, clean=0)
        if info != 0:
            raise NotPositiveDefinite
        eps = np.ascontiguousarray(lapack.dpotrs(factor, y, lower=0)[0])
        log_det = 2.0 * float(np.log(np.diagonal(factor)).sum())
        inverse, _ = lapack.dpotri(factor, lower=0, overwrite_c=1)
    fit = 0.5 * float(np.sum(y * eps))
    summary = DataSummary(
        eps=eps,
        parts={"fit": fit, "complexity": 0.5 * outputs * log_det},
        degrees_of_freedom=n - float(noise_variance @ np.diagonal(inverse)),
        rounding=rounding(diagonal, eps, fit),
        coefficients={},
    )
    return MeanFieldTerm(summary, inverse)


def rounding(diagonal: Array, eps: Array, fit: float) -> float:
    """Relative error of alpha when K_f, of this diagonal, is known to a unit of rounding.

    d alpha = -eps.dK eps / y.y, where a Cholesky factor stands for dK_ij of a unit times sqrt(K_ii K_jj), of
    either sign.
    """
    lost = float(np.finfo(float).eps) * float(diagonal @ np.sum(eps**2, axis=1))
    return lost / (2.0 * fit) if fit > 0 else np.inf


def quadratic_form(dQ: Array, eps: Array) -> float:
    """tr(eps^T dQ eps) of a symmetric dQ whose lower triangle is read."""
    off_diagonal = 2.0 * np.sum(eps * (np.tril(dQ, -1) @ eps))
    return float(off_diagonal + np.diagonal(dQ) @ np.sum(eps**2, axis=1))
