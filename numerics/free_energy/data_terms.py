"""The data term Psi(Q_f): its value, its pull A = -2 dPsi/dQ_f on the kernel, and the predictive law.

Mean field (the paper): Psi = 1/2 sum_c y_c^T K_f^{-1} y_c + (D/2) log det K_f over D outputs, with
K_f = Q_f + diag(sigma_mu^2), which is the negative log evidence of a Gaussian process with kernel Q_f,
without (n D/2) log 2 pi. A datum of infinite noise says nothing: it drops out of every sum.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack
from scipy.linalg.blas import dsymm, dsyrk

from numerics.machine import parallel
from numerics.machine.dense import mirrored, symmetric_product

Array = NDArray[np.float64]


class NotPositiveDefinite(ArithmeticError):
    """Q_f + sigma^2 I has no Cholesky factor in float64."""


@dataclass(frozen=True)
class DataTerm:
    """Psi at one Q_f.

    Attributes
    ----------
    eps : (n, D) array
        K_f^{-1} y = (y - f_bar) / sigma^2, the scaled discrepancy; zero where the noise is infinite.
    fit, complexity : float
        1/2 sum_c y_c^T K_f^{-1} y_c and (D/2) log det K_f; Psi is their sum.
    degrees_of_freedom : float
        tr[Q_f K_f^{-1}], between 0 and n.
    fan_in : float
        What a readout of finite fan-in adds to Psi; 0 in mean field.
    response, fluctuation : float
        p and q of `numerics.free_energy.fan_in`; 1 in mean field, where H = (q Q_f + sigma^2)^{-1} is
        K_f^{-1}.
    """

    eps: Array
    fit: float
    complexity: float
    degrees_of_freedom: float
    _inverse: Array | None  # H, Fortran order, upper triangle (the lower one of its transpose)
    fan_in: float = 0.0
    response: float = 1.0
    fluctuation: float = 1.0

    @property
    def value(self) -> float:
        return self.fit + self.complexity + self.fan_in

    @cached_property
    def A(self) -> Array:
        """A = p sum_c eps_c eps_c^T - D q H, (n, n), lower triangle valid; mean field: Eq. (5)."""
        weight = -self.fluctuation * self.eps.shape[1]
        return dsyrk(self.response, self.eps, beta=weight, c=self._matrix, lower=0).T

    def tangent(self, dQ: Array) -> tuple[Array, Array]:
        """(deps, dA) when Q_f moves along the symmetric dQ, whose lower triangle is read.

        deps = -K_f^{-1} dQ eps and dA = deps eps^T + eps deps^T + D K_f^{-1} dQ K_f^{-1},
        the lower triangle of which is valid.
        """
        full = mirrored(dQ)
        left = dsymm(float(self.eps.shape[1]), self._matrix, full.T, side=0, lower=0)  # D K_f^{-1} dQ
        deps = -dsymm(1.0, self._matrix, full @ self.eps, side=0, lower=0)
        del full
        dA = symmetric_product(left, mirrored(self._matrix.T))
        outer = deps @ self.eps.T
        dA += outer
        dA += outer.T
        return deps, dA

    def without_matrices(self) -> DataTerm:
        """The same scalars and eps, without the n x n arrays."""
        return replace(self, _inverse=None)

    @property
    def _matrix(self) -> Array:
        if self._inverse is None:
            raise RuntimeError("this data term was stripped of its matrices; evaluate it again")
        return self._inverse


def mean_field(Q: Array, y: Array, noise_variance: Array) -> DataTerm:
    """Psi of the paper at Q_f = Q (n, n), whose lower triangle is read and overwritten.

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
    heard = np.isfinite(noise_variance)
    if heard.all():
        return _all_heard(Q, y, noise_variance)
    some = np.flatnonzero(heard)
    part = _all_heard(Q[np.ix_(some, some)].copy(), y[some], noise_variance[some])
    eps = np.zeros_like(y)
    eps[some] = part.eps
    inverse = np.zeros(Q.shape, order="F")
    inverse[np.ix_(some, some)] = part._matrix
    return replace(part, eps=eps, _inverse=inverse)


def _all_heard(Q: Array, y: Array, noise_variance: Array) -> DataTerm:
    n, outputs = y.shape
    Q[np.diag_indices(n)] += noise_variance
    with parallel.for_factorisation(n):
        factor, info = lapack.dpotrf(Q.T, lower=0, overwrite_a=1, clean=0)
        if info != 0:
            raise NotPositiveDefinite
        eps = np.ascontiguousarray(lapack.dpotrs(factor, y, lower=0)[0])
        log_det = 2.0 * float(np.log(np.diagonal(factor)).sum())
        inverse, _ = lapack.dpotri(factor, lower=0, overwrite_c=1)
    return DataTerm(
        eps=eps,
        fit=0.5 * float(np.sum(y * eps)),
        complexity=0.5 * outputs * log_det,
        degrees_of_freedom=n - float(noise_variance @ np.diagonal(inverse)),
        _inverse=inverse,
    )
