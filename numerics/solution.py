"""What a solve gives: the state of the network at one width, and its predictions."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import cholesky, solve_triangular

from numerics import checks
from numerics.fixed_point import State, Status
from numerics.perturbation import FirstOrder, first_order
from numerics.problem import Problem

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Solution:
    """A solution of the equations of state, Eq. (7) and (8).

    Keeps the (S, S) covariance and n-vectors; n x n quantities are made again on access.

    Attributes
    ----------
    problem : Problem
        Network, data and noise.
    Sigma : (S, S) array
        Posterior covariance of the input weights of one channel, units of weight^2; the prior's is
        (sigma_w^2 / S) I.
    eps : (n,) array
        Scaled discrepancy (y - f_bar) / sigma^2 = K_f^{-1} y.
    free_energy_terms : dict
        `"KL"` = C KL(Sigma || prior), `"fit"` = 1/2 y^T K_f^{-1} y, `"complexity"` = 1/2 log det K_f.
    degrees_of_freedom : float
        tr[Q_f K_f^{-1}].
    residual : float
        max |Sigma (S/sigma_w^2 I - T/C) - I| with T = Tr{A dQ_f/dSigma}, Eq. (8) at the returned state.
    status : Status
        How the solve ended; `status.value` is advice.
    gradients : int
        Gradients of F that it took.
    chi_width : float
        The width that chi is quoted for: the network's own, and for `sol.gp` that of `sol`.
    """

    problem: Problem
    Sigma: Array
    eps: Array
    free_energy_terms: dict[str, float]
    degrees_of_freedom: float
    residual: float
    status: Status
    gradients: int
    chi_width: float

    @classmethod
    def from_state(cls, problem: Problem, state: State, status: Status, gradients: int) -> Solution:
        return cls(
            problem=problem,
            Sigma=problem.field.prior_variance * state.R,
            eps=state.data.eps,
            free_energy_terms={
                "KL": state.KL_term,
                "fit": state.data.fit,
                "complexity": state.data.complexity,
            },
            degrees_of_freedom=state.data.degrees_of_freedom,
            residual=state.residual,
            status=status,
            gradients=gradients,
            chi_width=problem.net.width,
        )

    @property
    def converged(self) -> bool:
        return self.status is Status.CONVERGED

    @property
    def width(self) -> float:
        """Number of channels C."""
        return self.problem.net.width

    @property
    def alpha(self) -> float:
        """Overlap of discrepancy and target, eps.y / y.y; sigma^2 alpha is the relative train discrepancy."""
        y = self.problem.field.y
        return float(self.eps @ y / (y @ y))

    @property
    def f_bar(self) -> Array:
        """Mean network output on the training inputs, y - sigma^2 eps, shape (n,)."""
        return self.problem.field.y - self.problem.field.noise_variance * self.eps

    @property
    def Q_f(self) -> Array:
        """Readout kernel of Eq. (7) on the training inputs, shape (n, n); made again on each access."""
        return self.problem.field.Q_f(self.Sigma)

    @property
    def free_energy(self) -> float:
        """F = C KL + 1/2 y^T K_f^{-1} y + 1/2 log det K_f, without (n/2) log 2 pi (derived)."""
        return sum(self.free_energy_terms.values())

    @property
    def chi_paper(self) -> float:
        """(1/(C N)) sum_i eps^T (sigma_w^2/S) X_i X_i^T eps: chi as in the text after Eq. (6)."""
        overlaps = np.tensordot(self.eps, self.problem.field.X, axes=1)  # (N, S)
        total = self.problem.field.prior_variance * float((overlaps**2).sum())
        return total / (self.chi_width * len(overlaps))

    @property
    def chi_response(self) -> float:
        """(1/C) eps^T Q_f eps: the first-order response of the readout kernel along eps (derived)."""
        return float(self.eps @ self.f_bar) / self.chi_width

    @property
    def readout_load(self) -> float:
        """tr[Q_f K_f^{-1}] / (N C): effective degrees of freedom per readout weight (derived).

        Mean field treats the readout kernel as sharp; it is low by about half the load in alpha and in
        l_* - 1. Above .1 that is a visible error.
        """
        return self.degrees_of_freedom / self.problem.readout_fan_in

    @property
    def overlap_ratio(self) -> Any:
        """Sigma in units of its prior variance, (S, S): w.overlap_ratio.w is l_*/l_GP along a unit w."""
        return self.Sigma / self.problem.field.prior_variance

    @cached_property
    def gp(self) -> Solution:
        """The same fields at C = infinity (chi: the Gaussian process's eps at this network's C)."""
        field = self.problem.field
        data = field.at_prior.data
        return Solution(
            problem=self.problem.at_width(math.inf),
            Sigma=field.prior_Sigma,
            eps=data.eps,
            free_energy_terms={"KL": 0.0, "fit": data.fit, "complexity": data.complexity},
            degrees_of_freedom=data.degrees_of_freedom,
            residual=0.0,
            status=Status.CONVERGED,
            gradients=1,
            chi_width=self.chi_width,
        )

    @property
    def first_order(self) -> FirstOrder:
        """First order in 1/C of the matrix theory about the Gaussian process (derived)."""
        return first_order(self.problem.field)

    def predict(
        self,
        X_test: ArrayLike,
        return_std: bool = False,
        return_cov: bool = False,
        include_noise: bool = False,
    ) -> Any:
        """Mean and uncertainty of the network's output at test inputs (derived from Eq. 7).

        f_bar_* = Q_*t eps and Cov f_* = Q_** - Q_*t K_f^{-1} Q_t*, with the solution's Sigma in every Q.

        Parameters
        ----------
        X_test : (m, N, S) array
        return_std, return_cov : bool
            Also return the standard deviation (m,) or the covariance (m, m) of the latent output.
        include_noise : bool
            Add sigma^2 to the variances: the law of a new observation instead of the latent output.

        Returns
        -------
        mean : (m,) array, alone or in a pair with the standard deviation or the covariance
        """
        if return_std and return_cov:
            raise ValueError("return_std and return_cov exclude each other; the covariance has both")
        field = self.problem.field
        X = checks.patches_like(X_test, field.X)
        cross = field.map.cross(self.Sigma, X)
        mean = cross @ self.eps
        if not (return_std or return_cov):
            return mean
        K_f = self.Q_f
        K_f[np.diag_indices(len(K_f))] += field.noise_variance
        factor = cholesky(K_f, lower=True, overwrite_a=True, check_finite=False)
        reduced = solve_triangular(factor, cross.T, lower=True, check_finite=False)
        noise = field.noise_variance if include_noise else 0.0
        if return_std:
            variance = field.map.diagonal(self.Sigma, X) - np.einsum("nm,nm->m", reduced, reduced)
            # a posterior variance is >= 0; rounding may leave -1e-16 of the prior's
            return mean, np.sqrt(np.maximum(variance, 0.0) + noise)
        cov = field.map.cross(self.Sigma, X, X) - reduced.T @ reduced
        return mean, (cov + cov.T) / 2 + noise * np.eye(len(cov))

    def __repr__(self) -> str:
        return (
            f"Solution(C={self.width:g}, alpha={self.alpha:.6g}, alpha_gp={self.gp.alpha:.6g}, "
            f"free_energy={self.free_energy:.6g}, readout_load={self.readout_load:.3g}, "
            f"residual={self.residual:.1e}, {self.status.name.lower()})"
        )
