"""The reduced free energy of a two-layer CNN whose readout has a finite fan-in, and its stationarity.

The Gaussian closure of the readout (docs/derivations-fan-in.md) for Gaussian inputs and a linear teacher: a
channel's N readout weights have response p and second moment q, one pair along the teacher's a* and one
across it. The data see the kernel Q_p in the mean and Q_q in the fluctuations, and each leaves a ridge of its
own, as in the closure "ridge". Everything follows from one function by differentiation.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from sympy import Add, Expr, Symbol, diff, expand_mul, log, simplify

from analytic.scalar.free_energy import prior_variance, rest_of_trace, target_eigenvalue
from analytic.symbols import (
    N,
    S,
    T,
    copies,
    g2,
    kappa,
    kappa_p,
    kappa_q,
    l_star,
    lam,
    n,
    p_across,
    p_along,
    q_across,
    q_along,
    r_inert,
    ratio,
    sigma2,
    x,
)

UNKNOWNS = (ratio, r_inert, p_along, q_along, p_across, q_across, kappa_p, kappa_q)


def modes(along: Expr, across: Expr) -> tuple[tuple[Expr, Expr], ...]:
    """(multiplicity, eigenvalue) of the linear functions of the patches under Q_w (derived).

    Along a* one is the target's and S - 1 are inert; across it there are N - 1 of each.
    """
    return (
        (1, along * lam * ratio),
        (S - 1, along * lam * r_inert),
        (N - 1, across * lam * ratio),
        ((N - 1) * (S - 1), across * lam * r_inert),
    )


def noise_and_rest(along: Expr, across: Expr) -> Expr:
    """sigma^2, and what of the trace of Q_w acts as noise too (derived)."""
    return sigma2 + T * along / N + (N - 1) * T * across / N


def ridge_condition(along: Expr, across: Expr, ridge: Symbol) -> Expr:
    """n kappa = sigma^2 + T_w + kappa sum m v/(v + kappa), as an expression that vanishes (derived)."""
    learned = Add(*(m * v / (v + ridge) for m, v in modes(along, across)))
    return n * ridge - noise_and_rest(along, across) - ridge * learned


def fit_term() -> Expr:
    """y^T (S + Q_p)^{-1} y / 2."""
    return g2 / (p_along * lam * ratio + kappa_p) / 2


def complexity_term() -> Expr:
    """log det(S + Q_q) / 2, stationary in kappa_q where its condition holds."""
    each = Add(*(m * log(1 + v / kappa_q) for m, v in modes(q_along, q_across)))
    return (each + n * log(kappa_q) + noise_and_rest(q_along, q_across) / kappa_q) / 2


def payment(p: Symbol, q: Symbol) -> Expr:
    """Of one readout weight per channel, over C."""
    return (q - q / p - log(p)) / 2


def weight_term() -> Expr:
    """KL of the input weights from their prior, over C, without its constant."""
    return (ratio - log(ratio) + (S - 1) * (r_inert - log(r_inert))) / 2


def free_energy() -> Expr:
    """F / C, in x = 1/C."""
    readout = payment(p_along, q_along) + (N - 1) * payment(p_across, q_across)
    return weight_term() + readout + x * (fit_term() + complexity_term())


@dataclass(frozen=True)
class FanInSystem:
    """Eight equations for `UNKNOWNS`.

    Attributes
    ----------
    free_energy : Expr
        F / C in the unknowns, x = 1/C, n, N, S, sigma^2, g^2, lambda and T.
    residuals : tuple of Expr
        Zero at a solution: dF/d log of r, r_0, p's and q's, over multiplicities, and the two conditions of
        the ridges over n kappa.
    alpha, alpha_test : Expr
        In the unknowns.
    """

    free_energy: Expr
    residuals: tuple[Expr, ...]
    alpha: Expr
    alpha_test: Expr


@cache
def system() -> FanInSystem:
    """The stationarity of the free energy, by differentiation; kappa_p is a function of the others."""
    F = free_energy()
    of_p = ridge_condition(p_along, p_across, kappa_p)
    of_q = ridge_condition(q_along, q_across, kappa_q)
    lift = diff(F, kappa_p) / diff(of_p, kappa_p)

    def slope(by: Symbol, count: Symbol | None = None) -> Expr:
        """2 dF/d log by, over C and over how many there are, kappa_p answering."""
        direct, answer = (_over_one_less(diff(e, by), count) for e in (F, of_p))
        return 2 * by * (direct - lift * answer)

    residuals = (
        slope(ratio),
        slope(r_inert, S),
        slope(p_along),
        slope(q_along),
        slope(p_across, N),
        slope(q_across, N),
        of_p / (n * kappa_p),
        of_q / (n * kappa_q),
    )
    target = p_along * lam * ratio
    return FanInSystem(
        free_energy=F,
        residuals=residuals,
        alpha=1 / (n * (target + kappa_p)),
        alpha_test=kappa_p / (target + kappa_p) / sigma2,
    )


def eigenvalue_and_rest(activation: str) -> tuple[Expr, Expr]:
    """lambda and T in the variances, N and S, at large S."""
    of_l = target_eigenvalue(activation)
    return simplify(of_l.subs(l_star, prior_variance())), rest_of_trace(activation)


def gaussian_condition() -> Expr:
    """kappa at infinite width, where every other unknown is 1."""
    return ridge_condition(1, 1, kappa).subs({ratio: 1, r_inert: 1})


def jacobian(residuals: Sequence[Expr]) -> list[list[Expr]]:
    """d residual / d log unknown."""
    return [[symbol * diff(residual, symbol) for symbol in UNKNOWNS] for residual in residuals]


def _over_one_less(total: Expr, count: Symbol | None) -> Expr:
    """A sum whose every term has the factor count - 1, without it; at count = 1 too."""
    if count is None:
        return total
    terms = Add.make_args(expand_mul(total.subs(count, copies + 1)))
    return Add(*(term / copies for term in terms)).subs(copies, count - 1)
