"""The reduced equation for alpha, derived from the reduced free energy; Eq. (9) comes out.

>>> from analytic import reduced_equation
>>> eq = reduced_equation()                                    # the effective ridge
>>> eq.steps, eq.solve(n=1600, C=640), eq.roots(n=1600, C=640)  # doctest: +SKIP
"""

import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import cache
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
    factor,
    limit,
    pi,
    simplify,
    solve,
    sqrt,
)
from sympy import discriminant as sympy_discriminant
from sympy import latex as sympy_latex

from analytic.emit import compile_residual, solver_source
from analytic.fan_in import FanInEquation
from analytic.scalar import closures
from analytic.scalar.arguments import as_mpf, exact_values, whole
from analytic.scalar.closures import DEFAULT
from analytic.scalar.equation import Equation, derived
from analytic.scalar.observables import State
from analytic.series import expansion, roots
from analytic.series.breakdown import breakdown
from analytic.series.power_series import algebraic_series
from analytic.series.roots import Root
from analytic.series.singularities import BranchPoint, branch_points, conjugate
from analytic.symbols import ARGUMENTS, C, T, alpha, lam, n, x

READOUTS = ("mean_field", "finite_fan_in")
PATCHES = ("large", "rayleigh", "eigenvalue")


class ReducedEquation(Equation):
    """P(alpha) = 0 for the train discrepancy alpha = eps.y/y.y, with its derivation and all that follows.

    Its fields are those of `analytic.scalar.equation.Equation`.
    """

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
        found = roots.physical(self, digits, values)
        self._warn_where_not_small(values)
        return found

    def state(self, root: Any, *, digits: int = 30, **values: Any) -> State:
        """r, chi, kappa, ... that belong to a root alpha of P."""
        return roots.state(self, root, digits, values)

    def series(self, order: int, of: str = "alpha", *, digits: int = 50, **values: Any) -> list[Any]:
        """c_0..c_order of sum_k c_k / C^k around the Gaussian-process limit.

        Parameters
        ----------
        order : int
        of : str
            "alpha", "l_star", "chi", "train_error" or "test_error"; the errors are what f_bar lacks of
            the target, (sigma^2 alpha)^2 and (sigma^2 alpha_test)^2, without the scatter over data.
        **values
            n=1600, ...; what is not given has the default of `numerics.reduced.alpha`. With them the
            coefficients are mpmath numbers of `digits` digits. Without, they are symbolic: for alpha,
            where the Gaussian-process limit is rational (not for the ridge closure).
        """
        expansion.checked(of)
        order = whole("order", order, 0)
        if not values:
            return self._symbolic_series(order, of)
        return expansion.series(self, order, of, digits, values)

    def _symbolic_series(self, order: int, of: str) -> list[Expr]:
        if of != "alpha" or closures.closure(self.closure).includes_complexity:
            raise ValueError(
                "the symbolic series is for alpha and closures whose limit C = inf is rational; "
                "give numbers: eq.series(order, n=1600)"
            )
        start = solve(self.compact.subs(C, 1 / x).subs(x, 0), alpha)
        field = QQ.frac_field(*sorted(self.compact.free_symbols - {alpha, C}, key=str))
        coefficients = {key: field.from_sympy(p) for key, p in self.terms}
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

    def derivative(self, by: Symbol | str) -> Expr:
        """d alpha/d argument by implicit differentiation, in alpha and the arguments.

        `by` is the argument's name ("n", "C", "noise_variance", ...) or its symbol, eq.symbols[name].
        """
        symbol = ARGUMENTS.get(by, by) if isinstance(by, str) else by
        if symbol not in ARGUMENTS.values():
            raise ValueError(f"{by!r} is not an argument; give one of the names {', '.join(ARGUMENTS)}")
        return -diff(self.residual, symbol) / diff(self.residual, alpha)

    def _warn_where_not_small(self, values: Mapping[str, Any]) -> None:
        """Warn of numbers at which the closure's first order in 1/n leaves out too much."""
        truncation = closures.closure(self.closure).truncation
        if truncation is None:
            return
        at = {lam: self.eigenvalue, T: self.rest}
        numbers = exact_values(values, self.least_patch)
        growth = float(truncation.growth.subs(at).subs(numbers))
        left_out = float(truncation.left_out.subs(at).subs(numbers)) if growth < 1 else math.inf
        if left_out > truncation.trusted:
            warnings.warn(
                closures.NOT_SMALL.format(
                    closure=self.closure, n=mpmath.nstr(as_mpf(numbers[n]), 6), left_out=left_out
                ),
                closures.NotSmall,
                stacklevel=3,
            )

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
        found = roots.roots(self, digits, values)
        self._warn_where_not_small(values)
        return found

    def branch_points(self, *, digits: int = 30, **values: Any) -> list[BranchPoint]:
        """The complex C at which two roots meet, and whether the physical root is one of them.

        All of the cubic; for the other closures those nearest to 1/C = 0 on the physical sheet.
        """
        digits = whole("digits", digits, 1)
        if self.closure != "equivalent_kernel":
            nearest = breakdown(self, digits=max(60, digits + 30), **values).branch_point
            with mpmath.workdps(digits + 20):
                return [nearest] if mpmath.im(nearest.C) == 0 else [nearest, conjugate(nearest)]
        start = expansion.gaussian(self, digits + 20, values)
        return branch_points(self.numeric_terms(digits + 20, values), start, digits)

    def compile(self) -> Callable[..., tuple[float, ...]]:
        """A Numba kernel f(alpha, n, C, n_patches=20, ...) -> (P, dP/dalpha, dP/dn, ...).

        P and its derivatives with respect to every argument, in the order of the arguments. The
        source is written to the user's cache directory, under a hash of itself and of versions. The
        first call compiles: seconds, but 100 s for the 471 terms of closure "ridge" with complexity.
        """
        self._only_at_large_patches("a compiled residual")
        return compile_residual(self)

    def _only_at_large_patches(self, what: str) -> None:
        if self.patch != "large":
            raise ValueError(f"{what} exists for patch='large', whose lambda is a formula; use eq.solve(...)")

    @property
    def source(self) -> str:
        """The text of the generated solver that `numerics.reduced` runs for this closure."""
        self._only_at_large_patches("a generated solver")
        if self.activation != "erf":
            raise ValueError("solvers are generated for erf; eq.compile() gives a kernel of this equation")
        return solver_source(self.closure)

    def _repr_latex_(self) -> str:
        return f"${self.latex}$"

    def __repr__(self) -> str:
        complexity = ", with complexity" if self.include_complexity else ""
        return f"ReducedEquation(closure={self.closure!r}, activation={self.activation!r}{complexity})"


def _has_positive_ridge(candidate: Expr) -> bool:
    """alpha > 0 and kappa = 1/(n alpha) - lambda > 0 at C = inf.

    The two values of kappa have opposite signs for all positive arguments, so one set of numbers tells.
    """
    some = dict.fromkeys(candidate.free_symbols, 1) | {n: 3}
    value = float(candidate.subs(some))
    return value > 0 and 1 / (3 * value) > 1


@cache
def reduced_equation(
    closure: str = DEFAULT,
    activation: str = "erf",
    include_complexity: bool | None = None,
    patch: str = "large",
    readout: str = "mean_field",
) -> Any:
    """Derive the reduced equation.

    Parameters
    ----------
    closure : str
        "ridge" (effective ridge), "equivalent_kernel" (Eq. (9) with q = 1) or "one_over_n".
    activation : str
        "erf" or "linear".
    include_complexity : bool, optional
        Keep the complexity, (1/2) log det K_f, in the free energy. None: yes for "ridge"; True with
        another closure raises. The KL of the weights is always kept.
    patch : str
        lambda of the numbers: "large" (its limit at large patch size S), or at the given S "rayleigh"
        (the Rayleigh quotient of w.x, which Eq. (9) wants) or "eigenvalue" (of the kernel's top linear
        mode). They differ by 2 % at S = 16 and .5 % at S = 64.
    readout : str
        "mean_field", or "finite_fan_in": then a `FanInEquation`, of the closure "ridge" with complexity and
        with the response and the second moment of a readout of N C weights.

    Returns
    -------
    ReducedEquation or FanInEquation

    Raises
    ------
    ValueError
        For an unknown name; the message lists what exists.
    """
    complexity = closures.include_complexity(closures.closure(closure), include_complexity)
    if readout not in READOUTS:
        raise ValueError(f"readout={readout!r} is unknown; choose one of {READOUTS}")
    if readout == "finite_fan_in":
        if closure != "ridge" or not complexity or patch != "large":
            raise ValueError(
                "readout='finite_fan_in' is for closure='ridge' with the complexity at large patches; leave "
                "closure=, include_complexity= and patch= out"
            )
        return FanInEquation(activation)
    found = derived(closure, activation, complexity)
    if patch not in PATCHES:
        raise ValueError(f"patch={patch!r} is unknown; choose one of {PATCHES}")
    parts = {field.name: getattr(found, field.name) for field in fields(found)}
    return ReducedEquation(**{**parts, "patch": patch})
