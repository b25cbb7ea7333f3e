"""First order in 1/C of the matrix theory about the Gaussian process, by implicit differentiation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from numerics.problem import Field

Array = NDArray[np.float64]


@dataclass(frozen=True)
class FirstOrder:
    """alpha(C) = alpha_gp + alpha_slope / C + O(1/C^2), and the same for Sigma.

    Attributes
    ----------
    alpha_gp, alpha_slope : float
    Sigma_gp, Sigma_slope : (S, S) arrays
    """

    alpha_gp: float
    alpha_slope: float
    Sigma_gp: Array
    Sigma_slope: Array

    def alpha(self, width: float) -> float:
        """The tangent of alpha at 1/C = 0, evaluated at C."""
        return self.alpha_gp + self.alpha_slope / width


def first_order(field: Field) -> FirstOrder:
    """Exact first order in 1/C (derived).

    Eq. (8) at 1/C = 0 gives Sigma_slope = Sigma_0 Tr{A dQ_f/dSigma} Sigma_0; then
    d alpha = -eps^T dQ_f eps / y.y, where eps^T dQ_f eps = tr(Tr{eps eps^T dQ_f/dSigma} dSigma).
    """
    Sigma = field.prior_Sigma
    at_prior = field.at_prior
    slope = field.prior_variance**2 * at_prior.T
    eps = at_prior.data.eps
    along_eps = field.map.adjoint(Sigma, np.multiply.outer(eps, eps))
    y2 = float(field.y @ field.y)
    return FirstOrder(
        alpha_gp=float(eps @ field.y) / y2,
        alpha_slope=-float(np.sum(along_eps * slope)) / y2,
        Sigma_gp=Sigma,
        Sigma_slope=slope,
    )
