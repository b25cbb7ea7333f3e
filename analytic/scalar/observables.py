"""From a root alpha to the state it stands for."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from sympy import Expr, Rational, Symbol, fraction, lambdify, together

from analytic.scalar.arguments import as_mpf
from analytic.scalar.equation import Equation
from analytic.symbols import (
    ARGUMENTS,
    C,
    S,
    T,
    alpha,
    kappa,
    lam,
    lam_inert,
    lam_star,
    sigma2,
    sigma_w2,
    x,
)

OBSERVABLES = ("alpha", "l_star", "chi", "train_error", "test_error")


@dataclass(frozen=True)
class State:
    """A stationary state of the reduced free energy; mpmath numbers.

    Attributes
    ----------
    alpha, chi, ratio, l_star
        ratio = l_* S/sigma_w^2.
    ridge
        kappa = 1/(n alpha) - lambda_*.
    inert_ratio
        r_0, one without the complexity.
    train_error, test_error
        (sigma^2 alpha)^2 and (sigma^2 alpha_test)^2: mean squares along the target over <y^2>.
    """

    alpha: Any
    chi: Any
    ratio: Any
    l_star: Any
    ridge: Any
    inert_ratio: Any
    train_error: Any
    test_error: Any


_GIVEN = [*(symbol for symbol in ARGUMENTS.values() if symbol != C), lam, T]


def expressions(eq: Equation) -> dict[str, Expr]:
    """The fields of `State` in alpha, x = 1/C and the arguments."""
    learned = {lam_star: lam * eq.ratio, lam_inert: lam * eq.inert, kappa: eq.ridge}
    fields = {
        "alpha": alpha,
        "chi": eq.chi,
        "ratio": eq.ratio,
        "l_star": sigma_w2 / S * eq.ratio,
        "ridge": eq.ridge,
        "inert_ratio": eq.inert,
        "train_error": (sigma2 * alpha) ** 2,
        "test_error": eq.discrepancy.unlearned.subs(learned, simultaneous=True) ** 2,
    }
    return {name: _in_inverse_width(e) for name, e in fields.items()}


def _in_inverse_width(e: Expr) -> Expr:
    """In x = 1/C, finite at x = 0: one fraction, cleared of 1/x."""
    above, below = fraction(together(e.subs(C, 1 / x)))
    return above / below


def state_at(eq: Equation, root: Any, numbers: Mapping[Symbol, Any], inverse_width: Rational) -> State:
    """The state of a root, in the working precision of mpmath."""
    width = as_mpf(inverse_width)
    return State(**{name: f(root, width, numbers) for name, f in functions(eq).items()})


@cache
def functions(eq: Equation) -> dict[str, Callable[[Any, Any, Mapping[Symbol, Any]], Any]]:
    """The fields of `State` as functions of alpha, 1/C (numbers or power series) and the other numbers."""

    def of_numbers(expression: Expr) -> Callable[[Any, Any, Mapping[Symbol, Any]], Any]:
        of_all = lambdify([alpha, x, *_GIVEN], expression, modules="mpmath")
        return lambda root, width, numbers: of_all(root, width, *(as_mpf(numbers[s]) for s in _GIVEN))

    return {name: of_numbers(e) for name, e in expressions(eq).items()}
