"""Numbers for the symbols of the reduced theory: checked, exact, with the defaults in one place."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import mpmath
from sympy import Integer, Rational, Symbol, nan, oo

from analytic.symbols import ARGUMENTS, DEFAULTS, S


def exact_values(values: Mapping[str, Any], least_patch: int = 0) -> dict[Symbol, Rational]:
    """Exact numbers for all symbols but C, from values by argument name.

    n must be given; the others have the defaults of `numerics.reduced.alpha`. Closures that count the
    S - 1 directions across w* need `least_patch` = 1.
    """
    unknown = set(values) - set(ARGUMENTS)
    if unknown:
        raise ValueError(f"unknown {', '.join(sorted(unknown))}; arguments are {', '.join(ARGUMENTS)}")
    if "n" not in values:
        raise ValueError("n is missing: give the number of samples, n=...")
    given = {**DEFAULTS, **{key: value for key, value in values.items() if key != "C"}}
    exact = {ARGUMENTS[key]: _positive(key, value) for key, value in given.items()}
    if exact[S] < least_patch:
        raise ValueError(
            f"patch_size={given['patch_size']!r} must be at least 1: the closure counts S - 1 directions"
        )
    return exact


def whole(name: str, value: Any, least: int) -> int:
    """A whole number of at least `least`; ValueError otherwise."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"{name}={value!r} must be a whole number of at least {least}")
    return value


def inverse_width(values: Mapping[str, Any]) -> Rational:
    """1/C, exactly; 0 for C = math.inf."""
    if "C" not in values:
        raise ValueError("C is missing: give the number of channels, C=... (or math.inf)")
    if values["C"] in (oo, mpmath.inf):
        return Integer(0)
    return 1 / _positive("C", values["C"])


def as_mpf(value: Any) -> Any:
    """An exact or SymPy number in the working precision of mpmath."""
    return mpmath.mpf(value.p) / value.q if getattr(value, "is_Rational", False) else mpmath.mpf(value)


def _positive(name: str, value: Any) -> Rational:
    """A positive rational; a float is read as the decimal it prints as."""
    if isinstance(value, bool) or value is nan or value != value:
        raise ValueError(f"{name} must be a number, not {value!r}")
    try:
        exact = Rational(value if isinstance(value, Fraction | int | Rational) else str(value))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be a number, not {value!r}") from error
    if not exact.is_finite or exact <= 0:
        limit = "above 0 (math.inf is the Gaussian process)" if name == "C" else "positive and finite"
        raise ValueError(f"{name} must be {limit}, not {value}")
    return exact
