"""Roots of an equation at numbers, the physical one, and the series of alpha and of what follows from it."""

import math
from collections.abc import Mapping
from typing import Any

import mpmath
from sympy import Rational

from analytic.arguments import inverse_width, whole
from analytic.closures import closure
from analytic.equation import Equation
from analytic.observables import OBSERVABLES, State, observable_series, state_at
from analytic.one_over_n_branch import joins_gaussian_process
from analytic.series import algebraic_series
from analytic.singularities import Root, isolated_roots


def roots(eq: Equation, digits: int, values: Mapping[str, Any]) -> list[Root]:
    """All real roots, isolated by exact arithmetic; the physical one marked."""
    whole("digits", digits, 1)
    width = inverse_width(values)
    digits += narrowness(width)
    numbers = eq.numbers(digits + 30, values)
    terms = eq.numeric_terms(digits + 30, values)

    def joins(state: State) -> bool:
        return not closure(eq.closure).first_order or joins_gaussian_process(eq, numbers, state.ratio)

    with mpmath.workdps(digits + 20):
        return isolated_roots(terms, width, lambda root: state_at(eq, root, numbers, width), joins, digits)


def state(eq: Equation, root: Any, digits: int, values: Mapping[str, Any]) -> State:
    """What belongs to a root."""
    width = inverse_width(values)
    digits += narrowness(width)
    with mpmath.workdps(digits + 15):
        return state_at(eq, root, eq.numbers(digits + 15, values), width)


def narrowness(width: Rational) -> int:
    """Digits that narrow networks cost: r and r_0 follow from alpha by differences that fall like C."""
    return 4 * max(0, math.ceil(math.log10(float(width)))) if width else 0


def physical(eq: Equation, digits: int, values: Mapping[str, Any]) -> State:
    """The state of the physical root; ValueError where there is none."""
    for root in roots(eq, digits + 10, values):
        if root.physical:
            return state(eq, root.value, digits, values)
    raise ValueError(f"closure {eq.closure} has no physical root here: eq.roots(...) says why")


def gaussian(eq: Equation, digits: int, values: Mapping[str, Any]) -> mpmath.mpf:
    """alpha at C = inf."""
    at_infinity = {**values, "C": float("inf")}
    with mpmath.workdps(digits):
        return +physical(eq, digits, at_infinity).alpha


def series(eq: Equation, order: int, of: str, digits: int, values: Mapping[str, Any]) -> list[Any]:
    """c_0..c_order of an observable in 1/C, as mpmath numbers."""
    checked(of)
    whole("order", order, 0)
    whole("digits", digits, 1)
    with mpmath.workdps(digits + 10):
        coefficients = eq.numeric_terms(digits + 10, values)
        found = algebraic_series(coefficients, gaussian(eq, digits + 10, values), order)
        return observable_series(eq, of, found, eq.numbers(digits + 10, values))


def checked(of: str) -> str:
    """The name of an observable; ValueError listing what exists."""
    if of not in OBSERVABLES:
        raise ValueError(f"of={of!r} is not one of {', '.join(OBSERVABLES)}")
    return of
