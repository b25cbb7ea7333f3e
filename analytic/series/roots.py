"""Real roots of P at numbers, isolated by exact arithmetic, and which of them is physical."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import mpmath
from sympy import QQ, Poly, Rational

from analytic.scalar.arguments import as_mpf, inverse_width, whole
from analytic.scalar.closures import closure
from analytic.scalar.equation import Equation, Terms
from analytic.scalar.observables import State, state_at
from analytic.scalar.one_over_n_branch import joins_gaussian_process
from analytic.symbols import alpha


@dataclass(frozen=True)
class Root:
    """A real root alpha of the reduced equation.

    Attributes
    ----------
    value : mpmath.mpf
    interval : tuple of Rational
        Isolating interval, found by exact arithmetic: it holds this root and no other.
    physical : bool
    why : str
        The reason for `physical`.
    state : State
        r, chi, kappa, ... at this root.
    """

    value: mpmath.mpf
    interval: tuple[Rational, Rational]
    physical: bool
    why: str
    state: State


def roots(eq: Equation, digits: int, values: Mapping[str, Any]) -> list[Root]:
    """All real roots, isolated by exact arithmetic; the physical one marked."""
    digits = whole("digits", digits, 1)
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
    digits = whole("digits", digits, 1)
    width = inverse_width(values)
    digits += narrowness(width)
    with mpmath.workdps(digits + 15):
        return state_at(eq, root, eq.numbers(digits + 15, values), width)


def narrowness(width: Rational) -> int:
    """Digits that narrow networks cost: r and r_0 follow from alpha by differences that fall like C."""
    return 4 * max(0, math.ceil(mpmath.log10(as_mpf(width)))) if width else 0


def physical(eq: Equation, digits: int, values: Mapping[str, Any]) -> State:
    """The state of the physical root; ValueError where there is none."""
    digits = whole("digits", digits, 1)
    for root in roots(eq, digits + 10, values):
        if root.physical:
            return state(eq, root.value, digits, values)
    raise ValueError(f"closure {eq.closure} has no physical root here: eq.roots(...) says why")


def isolated_roots(
    terms: Terms,
    inverse_width: Rational,
    state_of: Callable[[mpmath.mpf], State],
    joins: Callable[[State], bool],
    digits: int,
) -> list[Root]:
    """All real roots at x = `inverse_width`; the state that belongs to each decides which is physical.

    Isolation is exact for the polynomial whose coefficients are those given, as rational numbers.
    """
    unit = _unit(terms, inverse_width)
    polynomial = Poly(
        sum(as_rational(p * unit**i) * alpha**i * inverse_width**j for (i, j), p in terms.items()),
        alpha,
        domain=QQ,
    )
    found = []
    for low, high in (interval for interval, _ in polynomial.intervals()):
        # Relative width: an interval that touches 0 is refined until it does not.
        while low * high <= 0 or high - low > min(abs(low), abs(high)) / 10:
            low, high = polynomial.refine_root(low, high, eps=(high - low) / 16)
        low, high = polynomial.refine_root(low, high, eps=abs(low) / Rational(10) ** digits)
        value = unit * mpmath.mpf(((low + high) / 2).p) / ((low + high) / 2).q
        found.append((value, (low * as_rational(unit), high * as_rational(unit)), state_of(value)))
    judged = [(*entry, _unphysical(entry[2]) or ("" if joins(entry[2]) else APART)) for entry in found]
    allowed = [entry for entry in judged if not entry[3]]
    # r grows from 1 at C = inf: of several states the branch from there comes first.
    first = min(allowed, key=lambda entry: entry[2].ratio, default=None)
    roots = []
    for value, interval, state, why in judged:
        physical = first is not None and value == first[0]
        reason = why or (PHYSICAL if physical else "further from the Gaussian process than another state")
        roots.append(Root(value, interval, physical, reason, state))
    return roots


APART = "on another branch: continued from here to C = inf, it does not reach the Gaussian process"
PHYSICAL = "the only root with alpha, l_*, l_0 and kappa > 0 that is continuous to the Gaussian process"


def _unit(terms: Terms, inverse_width: Rational) -> mpmath.mpf:
    """A power of two near the geometric scale of the roots, so that exact fractions stay short."""
    position = mpmath.mpf(inverse_width.p) / inverse_width.q
    row: dict[int, mpmath.mpf] = {}
    for (i, j), p in terms.items():
        row[i] = row.get(i, mpmath.mpf(0)) + p * position**j
    powers = sorted(i for i, p in row.items() if p)
    low, high = powers[0], powers[-1]
    size = abs(row[low] / row[high]) ** (mpmath.mpf(1) / (high - low)) if high > low else mpmath.mpf(1)
    return mpmath.mpf(2) ** int(mpmath.floor(mpmath.log(size, 2)))


def _unphysical(state: State) -> str:
    """Why a state is not physical; empty if nothing speaks against it."""
    if state.alpha <= 0:
        return "negative: alpha = eps.y/y.y is positive"
    if state.ratio <= 0:
        return "the variance along w* would be negative (chi >= 1)"
    if state.ridge <= 0:
        return "the effective ridge would be negative"
    if not 0 < state.inert_ratio <= 1:
        return "the variance of the inert directions would be negative or above the prior's"
    return ""


def as_rational(number: mpmath.mpf) -> Rational:
    """The number as it is printed to the working precision."""
    return Rational(mpmath.nstr(number, max(60, mpmath.mp.dps), strip_zeros=False))
