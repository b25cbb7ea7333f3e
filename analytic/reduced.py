"""The reduced equation for alpha, derived from the reduced free energy; Eq. (9) comes out.

>>> from analytic import reduced_equation
>>> eq = reduced_equation(closure="equivalent_kernel")
>>> eq.equation, eq.series(order=2), eq.roots(n=1600, C=640)      # doctest: +SKIP
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from types import MappingProxyType
from typing import Any

import mpmath
from sympy import (
    QQ,
    Eq,
    Expr,
    Poly,
    Rational,
    Symbol,
    acos,
    cos,
    diff,
    expand,
    factor,
    latex,
    numer,
    pi,
    simplify,
    solve,
    sqrt,
    together,
)
from sympy import discriminant as sympy_discriminant

from analytic import free_energy
from analytic.closures import Closure, closure
from analytic.numbers import exact_values, inverse_width
from analytic.series import algebraic_series
from analytic.singularities import BranchPoint, Root, branch_points, isolated_roots
from analytic.symbols import (
    ARGUMENTS,
    C,
    alpha,
    chi,
    g2,
    kappa,
    l_star,
    lam,
    lam_star,
    n,
    sigma2,
    x,
)


@dataclass(frozen=True)
class Step:
    """One step of the derivation: what is said, the expression, and where it is from."""

    title: str
    expression: Expr
    source: str

    def _repr_latex_(self) -> str:
        words = rf"\text{{{self.title} [{self.source}]}}".replace("_", r"\_")
        return rf"$\displaystyle {words}:\quad {latex(self.expression)}$"


@dataclass(frozen=True)
class ReducedEquation:
    """P(alpha) = 0 for the train discrepancy alpha = eps.y/y.y, with its derivation.

    Attributes
    ----------
    closure, activation : str
    steps : tuple of Step
        The derivation.
    compact : Expr
        P in alpha, n, C, sigma^2, g^2 = |a*|^2|w*|^2 and lambda, normalised to P(0) = 1.
    chi : Expr
        The feature-learning scale, in the same symbols.
    eigenvalue : Expr
        lambda in the variances, N and S.
    """

    closure: str
    activation: str
    steps: tuple[Step, ...]
    compact: Expr
    chi: Expr
    eigenvalue: Expr

    @cached_property
    def residual(self) -> Expr:
        """P(alpha) in the arguments of `numerics.reduced.alpha`."""
        return self.compact.subs(lam, self.eigenvalue)

    @property
    def equation(self) -> Eq:
        """P(alpha) = 0."""
        return Eq(self.residual, 0)

    @property
    def symbols(self) -> Mapping[str, Symbol]:
        """Symbols by the argument names of `numerics.reduced.alpha`, and alpha."""
        return MappingProxyType({**ARGUMENTS, "alpha": alpha})

    def series(self, order: int, *, digits: int = 50, **values: Any) -> list[Any]:
        """c_0..c_order of alpha = sum_k c_k / C^k around the Gaussian-process limit.

        Without `values` the coefficients are symbolic. With values (n=1600, ...; what is not given
        has the default of `numerics.reduced.alpha`) they are mpmath numbers of `digits` digits.
        """
        if not values:
            field = QQ.frac_field(n, lam, sigma2, g2)
            coefficients = {key: field.from_sympy(p) for key, p in self._terms(self.compact)}
            start = field.from_sympy(solve(self.compact.subs(C, 1 / x).subs(x, 0), alpha)[0])
            exact = algebraic_series(coefficients, start, order)
            return [factor(field.to_sympy(c)).subs(lam, self.eigenvalue) for c in exact]
        with mpmath.workdps(digits):
            coefficients = self._numeric_terms(digits, values)
            start = -coefficients[0, 0] / coefficients[1, 0]
            return algebraic_series(coefficients, start, order)

    def discriminant(self) -> Expr:
        """Discriminant of P in alpha, factorised; zero where two roots meet."""
        return factor(sympy_discriminant(self.compact, alpha)).subs(lam, self.eigenvalue)

    def closed_form(self) -> Expr:
        """The physical root, by the trigonometric solution of the cubic.

        The three roots are real for C > 0: one negative, the physical one, one above it. The
        physical one is therefore the middle one.
        """
        c3, c2, c1, c0 = Poly(self.compact, alpha).all_coeffs()
        # alpha = centre + w with w^3 + p w + q = 0.
        centre = -c2 / (3 * c3)
        p = factor(c1 / c3 - c2**2 / (3 * c3**2))
        q = factor(c0 / c3 - c1 * c2 / (3 * c3**2) + 2 * c2**3 / (27 * c3**3))
        angle = acos(3 * q / (2 * p) * sqrt(-3 / p)) / 3 - 2 * pi / 3
        return (centre + 2 * sqrt(-p / 3) * cos(angle)).subs(lam, self.eigenvalue)

    def derivative(self, symbol: Symbol) -> Expr:
        """d alpha/d symbol by implicit differentiation, in alpha and the arguments."""
        if symbol not in ARGUMENTS.values():
            raise ValueError(f"{symbol} is not one of eq.symbols: {', '.join(ARGUMENTS)}")
        return -diff(self.residual, symbol) / diff(self.residual, alpha)

    def roots(self, *, digits: int = 30, **values: Any) -> list[Root]:
        """All real roots, isolated by exact arithmetic; the physical one marked, and why."""
        width = inverse_width(values)
        per_alpha2 = (self.chi / alpha**2).subs(C, 1 / x).subs(lam, self.eigenvalue)
        per_alpha2 = per_alpha2.subs(exact_values(values)).subs(x, width).evalf(digits + 20)
        terms = self._numeric_terms(digits + 20, values)
        return isolated_roots(terms, width, Rational(per_alpha2), digits)

    def branch_points(self, *, digits: int = 30, **values: Any) -> list[BranchPoint]:
        """The complex C at which two roots meet, and whether the physical root is one of them."""
        return branch_points(self._numeric_terms(digits + 20, values), digits)

    def compile(self) -> Callable[..., tuple[float, ...]]:
        """A Numba kernel f(alpha, n, C, n_patches=20, ...) -> (P, dP/dalpha, dP/dn, ...).

        P and its derivatives with respect to every argument, in the order of the arguments. The
        source is written to the user's cache directory, under a hash of itself and of versions.
        """
        from analytic.reduced_module import compile_residual  # it imports this module

        return compile_residual(self)

    def _terms(self, polynomial: Expr) -> Sequence[tuple[tuple[int, int], Expr]]:
        """((i, j), p_ij) of P = sum p_ij alpha^i x^j, x = 1/C."""
        return Poly(expand(polynomial.subs(C, 1 / x)), alpha, x).terms()

    def _numeric_terms(self, digits: int, values: Mapping[str, Any]) -> dict[tuple[int, int], mpmath.mpf]:
        numbers = exact_values(values)
        with mpmath.workdps(digits):
            return {
                key: mpmath.mpf(p.subs(lam, self.eigenvalue).subs(numbers).evalf(digits))
                for key, p in self._terms(self.compact)
            }


@cache
def reduced_equation(closure: str, activation: str = "erf") -> ReducedEquation:
    """Derive the reduced equation.

    Parameters
    ----------
    closure : str
        "equivalent_kernel" (Eq. 9 with q = 1).
    activation : str
        "erf" or "linear".

    Raises
    ------
    ValueError
        For an unknown name; the message lists what exists.
    """
    return _derive(_closure(closure), activation)


_closure = closure


def _derive(assumed: Closure, activation: str) -> ReducedEquation:
    response = free_energy.linear_response(activation)
    of_l = free_energy.target_eigenvalue(activation)
    prior = free_energy.prior_variance()
    eigenvalue = simplify(of_l.subs(l_star, prior))
    # The kernel is linear in Sigma here: lambda_* = lambda l_*/(sigma_w^2/S).
    enhanced = simplify(lam * of_l / eigenvalue)
    complexity, data = free_energy.complexity(), free_energy.data_term()
    free = complexity + data
    # alpha = eps.y/y.y = y^T K_f^{-1} y/(n g2).
    discrepancy = 2 * data / (n * g2)
    # d/dl at fixed kappa, by the chain rule through lambda_*; then kappa and lambda_* leave the
    # data term in favour of alpha.
    slope = diff(complexity, l_star) + diff(data, lam_star) * diff(enhanced, l_star)
    (from_alpha,) = solve(alpha - discrepancy, lam_star)
    (variance,) = solve(slope.subs(lam_star, from_alpha), l_star)
    chi_value = simplify(1 - prior / variance)
    ratio = simplify(1 / (1 - chi_value))
    closed = discrepancy.subs({lam_star: enhanced.subs(l_star, prior * ratio), kappa: assumed.ridge})
    relation = alpha / closed - 1
    polynomial = Poly(numer(together(relation)), alpha)
    compact = expand(polynomial.as_expr() / polynomial.eval(0))
    fit = 1 - factor(1 - sigma2 * discrepancy.subs(kappa, assumed.ridge))
    steps = (
        Step("linear response of the kernel at large S", response, "Eq. (7), derived"),
        Step("eigenvalue of the target", Eq(lam_star, of_l), "Eq. (7), derived"),
        Step("at the prior", Eq(lam, eigenvalue), "Eq. (9)"),
        Step("reduced free energy", free, "Eq. (8), derived"),
        Step("stationarity in l_* at fixed kappa", Eq(slope, 0), "Eq. (8), derived"),
        Step("train discrepancy", Eq(alpha, discrepancy), "derived"),
        Step(f"closure: {assumed.statement}", Eq(kappa, assumed.ridge), assumed.source),
        Step("feature-learning scale", Eq(chi, chi_value), "Eq. (9)"),
        Step("variance along w*", Eq(l_star, prior / (1 - chi)), "Eq. (9)"),
        Step("train discrepancy with this kappa", Eq(sigma2 * alpha, fit), assumed.source),
        Step("l_* eliminated", Eq(compact, 0), assumed.source),
    )
    return ReducedEquation(assumed.name, activation, steps, compact, chi_value, eigenvalue)
