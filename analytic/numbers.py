"""Numbers for the symbols of the reduced theory: checked, exact, with the defaults in one place."""

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import mpmath
from sympy import Integer, Rational, Symbol

from analytic.symbols import ARGUMENTS, DEFAULTS


def exact_values(values: Mapping[str, Any]) -> dict[Symbol, Rational]:
    """Exact numbers for all symbols but C, from values by argument name.

    n must be given; the others have the defaults of `numerics.reduced.alpha`.
    """
    unknown = set(values) - set(ARGUMENTS)
    if unknown:
        raise ValueError(f"unknown {', '.join(sorted(unknown))}; arguments are {', '.join(ARGUMENTS)}")
    if "n" not in values:
        raise ValueError("n is missing: give the number of samples, n=...")
    given = {**DEFAULTS, **{key: value for key, value in values.items() if key != "C"}}
    return {ARGUMENTS[key]: _positive(key, value) for key, value in given.items()}


def inverse_width(values: Mapping[str, Any]) -> Rational:
    """1/C, exactly; 0 for C = math.inf."""
    if "C" not in values:
        raise ValueError("C is missing: give the number of channels, C=... (or math.inf)")
    if isinstance(values["C"], float) and math.isinf(values["C"]) and values["C"] > 0:
        return Integer(0)
    return 1 / _positive("C", values["C"])


def as_mpf(value: Any) -> Any:
    """An exact or SymPy number in the working precision of mpmath."""
    return mpmath.mpf(value.p) / value.q if getattr(value, "is_Rational", False) else mpmath.mpf(value)


def _positive(name: str, value: Any) -> Rational:
    """A positive rational; a float is read as the decimal it prints as."""
    try:
        exact = Rational(value if isinstance(value, Fraction | int | Rational) else str(value))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be a number, not {value!r}") from error
    if not exact.is_finite or exact <= 0:
        raise ValueError(f"{name} must be positive and finite, not {value}")
    return exact
