"""The series in 1/C of alpha and of what follows from it."""

from collections.abc import Mapping
from typing import Any

import mpmath

from analytic.scalar.arguments import whole
from analytic.scalar.equation import Equation
from analytic.scalar.observables import OBSERVABLES, functions
from analytic.series.power_series import PowerSeries, algebraic_series
from analytic.series.roots import physical


def gaussian(eq: Equation, digits: int, values: Mapping[str, Any]) -> mpmath.mpf:
    """alpha at C = inf."""
    at_infinity = {**values, "C": float("inf")}
    with mpmath.workdps(digits):
        return +physical(eq, digits, at_infinity).alpha


def series(eq: Equation, order: int, of: str, digits: int, values: Mapping[str, Any]) -> list[Any]:
    """c_0..c_order of an observable in 1/C, as mpmath numbers."""
    checked(of)
    order, digits = whole("order", order, 0), whole("digits", digits, 1)
    with mpmath.workdps(digits + 10):
        coefficients = eq.numeric_terms(digits + 10, values)
        found = algebraic_series(coefficients, gaussian(eq, digits + 10, values), order)
        if of == "alpha":
            return list(found)
        one_over_C = PowerSeries([mpmath.mpf(k == 1) for k in range(len(found))])
        return functions(eq)[of](PowerSeries(found), one_over_C, eq.numbers(digits + 10, values)).c


def checked(of: str) -> str:
    """The name of an observable; ValueError listing what exists."""
    if of not in OBSERVABLES:
        raise ValueError(f"of={of!r} is not one of {', '.join(OBSERVABLES)}")
    return of
