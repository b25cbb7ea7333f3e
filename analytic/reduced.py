"""The reduced equation for alpha, derived from the reduced free energy; Eq. (9) comes out.

>>> from analytic import reduced_equation
>>> eq = reduced_equation()                                    # the effective ridge
>>> eq.steps, eq.solve(n=1600, C=640), eq.roots(n=1600, C=640)  # doctest: +SKIP
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
    Symbol,
    acos,
    cos,
    diff,
    expand,
    factor,
    lambdify,
    limit,
    pi,
    simplify,
    solve,
    sqrt,
)
from sympy import discriminant as sympy_discriminant
from sympy import latex as sympy_latex

from analytic import derivation, free_energy
from analytic.closures import DEFAULT, closure, include_complexity
from analytic.derivation import Discrepancy, Step
from analytic.numbers import exact_values, inverse_width
from analytic.observables import OBSERVABLES, State, as_mpf, observable_series, state_at
from analytic.series import algebraic_series
from analytic.singularities import BranchPoint, Root, branch_points, conjugate, isolated_roots
from analytic.symbols import ARGUMENTS, C, T, alpha, l_star, lam, n, x

Terms = dict[tuple[int, int], mpmath.mpf]


@dataclass(frozen=True)
class ReducedEquation:
    """P(alpha) = 0 for the train discrepancy alpha = eps.y/y.y, with its derivation.

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
        lambda and T in the variances, N and S.
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

    @cached_property
    def compact(self) -> Expr:
        """P in alpha, n, C, N, S, sigma^2, g^2 = |a*|^2|w*|^2, lambda and T; a polynomial in alpha, 1/C."""
        found = derivation.Stationary(self.chi, self.ratio, self.inert_condition, ())
        return derivation.eliminated(closure(self.closure), found, self.include_complexity)

    @cached_property
    def residual(self) -> Expr:
        """P(alpha) in the arguments of `numerics.reduced.alpha`."""
        return self.compact.subs({lam: self.eigenvalue, T: self.rest})

    @property
    def equation(self) -> Eq:
        """P(alpha) = 0."""
        return Eq(self.residual, 0)

    @property
    def latex(self) -> str:
        """LaTeX of P(alpha) = 0 in lambda and T."""
        return sympy_latex(Eq(self.compact, 0))

    @property
    def symbols(self) -> Mapping[str, Symbol]:
        """Symbols by the argument names of `numerics.reduced.alpha`, and alpha."""
        return MappingProxyType({**ARGUMENTS, "alpha": alpha})

    def solve(self, *, digits: int = 30, **values: Any) -> State:
        """The physical root and what follows from it, to `digits` digits.

        Raises
        ------
        ValueError
            Where the closure has no physical root.
        """
        for root in self.roots(digits=digits + 10, **values):
            if root.physical:
                return self.state(root.value, digits=digits, **values)
        raise ValueError(f"closure {self.closure} has no physical root here: eq.roots(...) says why")

    def state(self, root: Any, *, digits: int = 30, **values: Any) -> State:
        """r, chi, kappa, ... that belong to a root alpha of P."""
        with mpmath.workdps(digits + 15):
            return state_at(self, root, self.numbers(digits + 15, values), inverse_width(values))

    def series(self, order: int, of: str = "alpha", *, digits: int = 50, **values: Any) -> list[Any]:
        """c_0..c_order of sum_k c_k / C^k around the Gaussian-process limit.

        Parameters
        ----------
        order : int
        of : str
            "alpha", "l_star", "chi", "train_error" or "test_error".
        **values
            n=1600, ...; what is not given has the default of `numerics.reduced.alpha`. With them the
            coefficients are mpmath numbers of `digits` digits. Without, they are symbolic: for alpha,
            where the Gaussian-process limit is rational (not for the ridge closure).
        """
        if of not in OBSERVABLES:
            raise ValueError(f"of={of!r} is not one of {', '.join(OBSERVABLES)}")
        if not values:
            return self._symbolic_series(order, of)
        with mpmath.workdps(digits + 10):
            coefficients = self.numeric_terms(digits + 10, values)
            found = algebraic_series(coefficients, self._gaussian(digits + 10, values), order)
            return observable_series(self, of, found, self.numbers(digits + 10, values))

    def _symbolic_series(self, order: int, of: str) -> list[Expr]:
        if of != "alpha" or closure(self.closure).includes_complexity:
            raise ValueError(
                "the symbolic series is for alpha and closures whose limit C = inf is rational; "
                "give numbers: eq.series(order, n=1600)"
            )
        start = solve(self.compact.subs(C, 1 / x).subs(x, 0), alpha)
        field = QQ.frac_field(*sorted(self.compact.free_symbols - {alpha, C}, key=str))
        coefficients = {key: field.from_sympy(p) for key, p in self._terms}
        exact = algebraic_series(coefficients, field.from_sympy(start[0]), order)
        return [factor(field.to_sympy(c)).subs({lam: self.eigenvalue, T: self.rest}) for c in exact]

    def _only_for_the_cubic(self, what: str) -> None:
        if self.closure != "equivalent_kernel":
            raise ValueError(f"{what} exists for closure='equivalent_kernel', whose equation is a cubic")

    def discriminant(self) -> Expr:
        """Discriminant of the cubic in alpha, factorised; zero where two roots meet."""
        self._only_for_the_cubic("the symbolic discriminant")
        return factor(sympy_discriminant(self.compact, alpha)).subs(lam, self.eigenvalue)

    def closed_form(self) -> Expr:
        """The physical root, by the trigonometric solution of the cubic.

        The three roots are real for C > 0: one negative, the physical one, one above it. The
        physical one is therefore the middle one.
        """
        self._only_for_the_cubic("a closed form")
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

    def limits(self) -> dict[str, Expr]:
        """alpha at C = inf, and what alpha sqrt(1/C) -> as C -> 0 (frozen: chi = 1)."""
        # At C = inf the complexity plays no part.
        plain = reduced_equation(self.closure, self.activation, False) if self.include_complexity else self
        gaussian = solve(plain.compact.subs(C, 1 / x).subs(x, 0), alpha)
        frozen = solve(self.chi - 1, alpha)
        inner = {"C -> inf": next(e for e in gaussian if len(gaussian) == 1 or _has_positive_ridge(e))}
        if not self.include_complexity:
            inner["alpha/sqrt(C), C -> 0"] = limit(frozen[-1] / sqrt(C), C, 0)
        return {key: simplify(e).subs({lam: self.eigenvalue, T: self.rest}) for key, e in inner.items()}

    def roots(self, *, digits: int = 30, **values: Any) -> list[Root]:
        """All real roots, isolated by exact arithmetic; the physical one marked, and why."""
        width = inverse_width(values)
        numbers = self.numbers(digits + 30, values)
        terms = self.numeric_terms(digits + 30, values)
        with mpmath.workdps(digits + 20):
            return isolated_roots(terms, width, lambda root: state_at(self, root, numbers, width), digits)

    def branch_points(self, *, digits: int = 30, **values: Any) -> list[BranchPoint]:
        """The complex C at which two roots meet, and whether the physical root is one of them.

        All of the cubic; for the other closures those nearest to 1/C = 0 on the physical sheet.
        """
        if self.closure != "equivalent_kernel":
            from analytic.breakdown import breakdown  # it imports this module

            nearest = breakdown(self, **values).branch_point
            with mpmath.workdps(digits + 20):
                return [nearest] if mpmath.im(nearest.C) == 0 else [nearest, conjugate(nearest)]
        start = self._gaussian(digits + 20, values)
        return branch_points(self.numeric_terms(digits + 20, values), start, digits)

    def compile(self) -> Callable[..., tuple[float, ...]]:
        """A Numba kernel f(alpha, n, C, n_patches=20, ...) -> (P, dP/dalpha, dP/dn, ...).

        P and its derivatives with respect to every argument, in the order of the arguments. The
        source is written to the user's cache directory, under a hash of itself and of versions. The
        first call compiles: seconds, but 100 s for the 471 terms of closure "ridge" with complexity.
        """
        from analytic.reduced_module import compile_residual  # it imports this module

        return compile_residual(self)

    @property
    def source(self) -> str:
        """The text of the generated solver that `numerics.reduced` runs for this closure."""
        from analytic.modules import reduced_module  # it imports this module

        return reduced_module(self.closure)

    @cached_property
    def _terms(self) -> Sequence[tuple[tuple[int, int], Expr]]:
        """((i, j), p_ij) of P = sum p_ij alpha^i x^j, x = 1/C."""
        return Poly(expand(self.compact.subs(C, 1 / x)), alpha, x).terms()

    def numbers(self, digits: int, values: Mapping[str, Any]) -> dict[Symbol, Any]:
        """Exact arguments by symbol (all but C), and lambda and T to `digits` digits."""
        numbers: dict[Symbol, Any] = dict(exact_values(values))
        return numbers | {
            lam: self.eigenvalue.subs(numbers).evalf(digits),
            T: self.rest.subs(numbers).evalf(digits),
        }

    def numeric_terms(self, digits: int, values: Mapping[str, Any]) -> Terms:
        """P's coefficients {(i, j): p_ij} of alpha^i / C^j, as mpmath numbers of `digits` digits."""
        numbers = self.numbers(digits, values)
        with mpmath.workdps(digits):
            point = [as_mpf(numbers[symbol]) for symbol in self._term_values[0]]
            found = self._term_values[1](*point)
            return {key: mpmath.mpf(p) for (key, _), p in zip(self._terms, found, strict=True)}

    @cached_property
    def _term_values(self) -> tuple[list[Symbol], Callable[..., list[Any]]]:
        """The symbols of P's coefficients, and a function of them that returns all coefficients."""
        symbols = [symbol for symbol in ARGUMENTS.values() if symbol != C] + [lam, T]
        return symbols, lambdify(symbols, [p for _, p in self._terms], modules="mpmath", cse=True)

    def _gaussian(self, digits: int, values: Mapping[str, Any]) -> mpmath.mpf:
        """alpha at C = inf."""
        at_infinity = {**values, "C": float("inf")}
        with mpmath.workdps(digits):
            return +self.solve(digits=digits, **at_infinity).alpha


def _has_positive_ridge(candidate: Expr) -> bool:
    """alpha > 0 and kappa = 1/(n alpha) - lambda > 0 at C = inf.

    The two values of kappa have opposite signs for all positive arguments, so one set of numbers tells.
    """
    some = dict.fromkeys(candidate.free_symbols, 1) | {n: 3}
    value = float(candidate.subs(some))
    return value > 0 and 1 / (3 * value) > 1


@cache
def reduced_equation(
    closure: str = DEFAULT, activation: str = "erf", include_complexity: bool | None = None
) -> ReducedEquation:
    """Derive the reduced equation.

    Parameters
    ----------
    closure : str
        "ridge" (effective ridge), "equivalent_kernel" (Eq. 9 with q = 1) or "one_over_n".
    activation : str
        "erf" or "linear".
    include_complexity : bool, optional
        Keep (1/2) log det K_f in the free energy. None: yes for "ridge"; True with another closure
        raises.

    Raises
    ------
    ValueError
        For an unknown name; the message lists what exists.
    """
    assumed = _closure(closure)
    return _derive(closure, activation, _complexity(assumed, include_complexity))


_closure, _complexity = closure, include_complexity


@cache
def _derive(name: str, activation: str, complexity: bool) -> ReducedEquation:
    assumed = _closure(name)
    of_l = free_energy.target_eigenvalue(activation)
    eigenvalue = simplify(of_l.subs(l_star, free_energy.prior_variance()))
    found = derivation.stationary(eigenvalue, of_l, complexity)
    return ReducedEquation(
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
