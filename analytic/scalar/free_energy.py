"""The free energy of the two-layer CNN, reduced to the weights' variances.

Teacher y = sum_i a*_i (w* . x_i), inputs x_i ~ N(0, 1_S), student weights N(0, Sigma) with prior
variance sigma_w^2/S. w*.Sigma.w* = l_* |w*|^2; the other S - 1 directions have the common variance
l_0, which is the prior's unless the determinant of K_f is kept.
"""

from sympy import Expr, Integer, log, simplify

from analytic.expectations.kernels import kernel
from analytic.symbols import (
    K11,
    K12,
    K22,
    C,
    N,
    S,
    g2,
    kappa,
    l_star,
    lam_inert,
    lam_star,
    sigma_a2,
    sigma_w2,
)


def linear_response(activation: str) -> Expr:
    """dG/dK12 at K12 = 0 and K11 = K22 = sigma_w^2 (Eq. (7); large S).

    For S large two different inputs are nearly orthogonal, x.Sigma.x' = O(S^{-1/2}), while
    x.Sigma.x -> Tr Sigma = sigma_w^2: the kernel acts on linear functions through the linear
    coefficient of G in K12.
    """
    at_prior = {K11: sigma_w2, K22: sigma_w2}
    return kernel(activation).G.diff(K12).subs(K12, 0).subs(at_prior)


def target_eigenvalue(activation: str) -> Expr:
    """lambda_*(l_*): eigenvalue of Q_f for the functions w*.x_i, i = 1..N (Eq. (7), large S).

    Q_f(x, x') = (sigma_a^2/N) sum_i G(x_i.Sigma.x_i'), and E_x'[(x_i.Sigma.x_i') (w*.x_i')] =
    w*.Sigma.x_i = l_* w*.x_i.
    """
    return sigma_a2 / N * linear_response(activation) * l_star


def prior_variance() -> Expr:
    """l_* of the prior, sigma_w^2/S."""
    return sigma_w2 / S


def rest_of_trace(activation: str) -> Expr:
    """T: the trace of Q_f that the linear functions do not hold (Eq. (7), derived).

    Per datum Q_f(x, x) = sigma_a^2 G(K12 = K11 = K22 = sigma_w^2); the N S linear functions hold
    lambda each. What is left is spread over so many functions that each has an eigenvalue far below
    sigma^2/n: it acts as noise.
    """
    whole = sigma_a2 * kernel(activation).G.subs({K12: sigma_w2, K11: sigma_w2, K22: sigma_w2})
    linear = N * S * target_eigenvalue(activation).subs(l_star, prior_variance())
    return simplify(whole) - simplify(linear)


def weight_kl(variance: Expr = l_star) -> Expr:
    """C KL( N(0, variance) || N(0, sigma_w^2/S) ): C channels, one direction each (derived)."""
    ratio = variance / prior_variance()
    return C * (ratio - 1 - log(ratio)) / 2


def data_term() -> Expr:
    """(1/2) y^T K_f^{-1} y = (1/2) |a*|^2 |w*|^2 / (lambda_* + kappa) (derived).

    The target is an eigenfunction: n lambda_* + n kappa is what K_f multiplies it with, and
    y.y = n |a*|^2 |w*|^2.
    """
    return g2 / (lam_star + kappa) / Integer(2)


def complexity_term() -> Expr:
    """(1/2) log det K_f as far as it depends on l_* and l_0, at fixed kappa (derived).

    This is the complexity of `include_complexity`, and nothing else is: what the data cost however they
    are fitted. The KL of the weights, `weight_kl`, is always part of the free energy.

    Per patch one linear function along w* and S - 1 along the inert directions.
    """
    return N * (log(lam_star + kappa) + (S - 1) * log(lam_inert + kappa)) / 2
