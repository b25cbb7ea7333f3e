"""P(alpha) = 0 as derived from the reduced free energy, and its numbers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import mpmath
from sympy import Expr, Float, Poly, Symbol, expand, lambdify, simplify

from analytic import closures, derivation, free_energy
from analytic.arguments import as_mpf, exact_values
from analytic.derivation import Discrepancy, Step
from analytic.finite_patch import finite_patch
from analytic.symbols import ARGUMENTS, C, N, S, T, alpha, l_star, lam, sigma_w2, x

Terms = dict[tuple[int, int], mpmath.mpf]


@dataclass(frozen=True)
class Equation:
    """P(alpha) = 0 of one closure, with its derivation.

    Attributes
    ----------
    closure, activation : str
    include_complexity : bool
        Whether (1/2) log det K_f is part of the free energy.
    steps : tuple of Step
        The derivation.
    chi, ratio, ridge, inert : Expr
        chi, r = l_*/l_GP, kappa and r_0 = l_0/l_GP, rational functions of alpha.
    condition, inert_condition : Expr
        The closure's equation for kappa, and the quadratic of r_0; both zero at a solution.
    discrepancy : Discrepancy
        alpha and sigma^2 alpha_test in lambda_*, kappa.
    eigenvalue, rest : Expr
        lambda and T in the variances, N and S, at large S.
    patch : str
        Which lambda the numbers use: "large" (S), "rayleigh" or "eigenvalue" (finite S).
    """

    closure: str
    activation: str
    include_complexity: bool
    steps: tuple[Step, ...]
    chi: Expr
    ratio: Expr
    ridge: Expr
    inert: Expr
    condition: Expr
    inert_condition: Expr
    discrepancy: Discrepancy
    eigenvalue: Expr
    rest: Expr
    patch: str = "large"

    @cached_property
    def compact(self) -> Expr:
        """P in alpha, n, C, N, S, sigma^2, g^2 = |a*|^2|w*|^2, lambda and T; a polynomial in alpha, 1/C."""
        found = derivation.Stationary(self.chi, self.ratio, self.inert_condition, ())
        return derivation.eliminated(closures.closure(self.closure), found, self.include_complexity)

    @cached_property
    def residual(self) -> Expr:
        """P(alpha) in the arguments of `numerics.reduced.alpha`."""
        return self.compact.subs({lam: self.eigenvalue, T: self.rest})

    @cached_property
    def terms(self) -> Sequence[tuple[tuple[int, int], Expr]]:
        """((i, j), p_ij) of P = sum p_ij alpha^i x^j, x = 1/C."""
        return Poly(expand(self.compact.subs(C, 1 / x)), alpha, x).terms()

    @property
    def least_patch(self) -> int:
        """The smallest patch size S that the closure can count with."""
        return closures.closure(self.closure).least_patch

    def numbers(self, digits: int, values: Mapping[str, Any]) -> dict[Symbol, Any]:
        """Exact arguments by symbol (all but C), and lambda and T to `digits` digits."""
        numbers: dict[Symbol, Any] = dict(exact_values(values, self.least_patch))
        large, rest = (e.subs(numbers).evalf(digits) for e in (self.eigenvalue, self.rest))
        lambda_ = large
        if self.patch != "large":
            found = finite_patch(numbers[S], numbers[sigma_w2], self.activation)
            lambda_ = large * Float(getattr(found, self.patch), digits)
        # the trace N S lambda + T is the kernel's at any S
        return numbers | {lam: lambda_, T: rest + numbers[N] * numbers[S] * (large - lambda_)}

    def numeric_terms(self, digits: int, values: Mapping[str, Any]) -> Terms:
        """P's coefficients {(i, j): p_ij} of alpha^i / C^j, as mpmath numbers of `digits` digits."""
        numbers = self.numbers(digits, values)
        with mpmath.workdps(digits):
            point = [as_mpf(numbers[symbol]) for symbol in self._term_values[0]]
            found = self._term_values[1](*point)
            return {key: mpmath.mpf(p) for (key, _), p in zip(self.terms, found, strict=True)}

    @cached_property
    def _term_values(self) -> tuple[list[Symbol], Callable[..., list[Any]]]:
        """The symbols of P's coefficients, and a function of them that returns all coefficients."""
        symbols = [symbol for symbol in ARGUMENTS.values() if symbol != C] + [lam, T]
        return symbols, lambdify(symbols, [p for _, p in self.terms], modules="mpmath", cse=True)


@cache
def derived(name: str, activation: str, complexity: bool) -> Equation:
    """The equation of the closure called `name`."""
    assumed = closures.closure(name)
    of_l = free_energy.target_eigenvalue(activation)
    eigenvalue = simplify(of_l.subs(l_star, free_energy.prior_variance()))
    found = derivation.stationary(eigenvalue, of_l, complexity)
    return Equation(
        closure=name,
        activation=activation,
        include_complexity=complexity,
        steps=derivation.steps(assumed, activation, found, eigenvalue, complexity),
        chi=found.chi,
        ratio=found.ratio,
        ridge=derivation.ridge_of(found),
        inert=derivation.inert_of(assumed, found, complexity),
        condition=assumed.condition,
        inert_condition=found.inert,
        discrepancy=derivation.discrepancy(assumed.first_order, assumed.condition),
        eigenvalue=eigenvalue,
        rest=free_energy.rest_of_trace(activation),
    )
