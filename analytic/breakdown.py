"""Where the series of alpha in 1/C ends, when a truncation is off, and what Pade makes of it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import mpmath

from analytic import expansion
from analytic.arguments import whole
from analytic.equation import Equation, Terms
from analytic.singularities import (
    BranchPoint,
    all_double_roots,
    candidates_near,
    classify_nearest,
    conjugate,
    darboux_points,
)
from analytic.symbols import C as C_SYMBOL
from analytic.symbols import alpha as ALPHA

ORDERS = (1, 2, 4)
THRESHOLDS = (0.05, 0.5)
TERMS = 120  # of the series: a square-root singularity is then located to 1e-4 by its ratios
SEARCHED_TO = 1.0  # the narrowest network that is looked at


@dataclass(frozen=True)
class Crossing:
    """The C below which the series of `order` is off by more than `threshold` of alpha; NaN: nowhere."""

    order: int
    threshold: float
    width: float


@dataclass(frozen=True)
class Breakdown:
    """What the expansion of alpha in 1/C is worth (derived).

    Attributes
    ----------
    alpha_gp : mpmath.mpf
    naive_pole : mpmath.mpf
        n^2 alpha_GP^2 lambda |a*|^2|w*|^2, the C at which 1/(1 - chi) with alpha = alpha_GP diverges,
        with alpha_GP of the same closure.
    branch_point : BranchPoint
        The nearest singularity of alpha in 1/C, of a pair the one above the real axis of C.
    radius : mpmath.mpf
        |C| there: the series converges for larger C and diverges for smaller.
    ratio_estimate : mpmath.mpf
        The same from the ratios of high-order coefficients, corrected for the square root.
    coefficients : tuple
    crossings : tuple of Crossing
    """

    alpha_gp: Any
    naive_pole: Any
    branch_point: BranchPoint
    radius: Any
    ratio_estimate: Any
    coefficients: tuple[Any, ...]
    crossings: tuple[Crossing, ...]

    def series(self, C: float, order: int) -> Any:
        """The series to `order` at C > 0."""
        self._check(C, order, order)
        return mpmath.polyval(list(reversed(self.coefficients[: order + 1])), mpmath.mpf(1) / C)

    def pade(self, C: float, order: int) -> Any:
        """The [order/order] Pade approximant at C > 0."""
        self._check(C, order, 2 * order)
        if order == 0:
            return self.alpha_gp
        scaled = [c / self.radius**k for k, c in enumerate(self.coefficients[: 2 * order + 1])]
        above, below = mpmath.pade(scaled, order, order)
        point = self.radius / C
        return mpmath.polyval(above[::-1], point) / mpmath.polyval(below[::-1], point)

    def _check(self, C: float, order: int, needed: int) -> None:
        whole("order", order, 0)
        if needed >= len(self.coefficients):
            raise ValueError(f"order={order} needs {needed + 1} coefficients, not {len(self.coefficients)}")
        if not C > 0:
            raise ValueError(f"C={C!r} must be above 0")


class Follower:
    """The physical root along real 1/C > 0, by Newton from its neighbour; remembers where it was."""

    STEP = 1.2  # in 1/C; the root moves by less than that

    def __init__(self, terms: Terms, start: Any, slope: Any):
        self.terms = terms
        first = abs(start / slope) / 1000
        self.known = {mpmath.mpf(0): start, first: start + slope * first}
        self.known[first] = self._newton(first, self.known[first])

    def __call__(self, C: float) -> Any:
        """alpha(C); NaN where the branch cannot be followed."""
        goal = 1 / mpmath.mpf(C)
        x = max(p for p in self.known if p <= goal)
        if x == 0:
            return self._newton(goal, self.known[x])
        while x < goal:
            after = min(goal, x * self.STEP)
            self.known[after] = self._newton(after, self.known[x])
            x = after
        return self.known[goal]

    def _newton(self, x: Any, root: Any) -> Any:
        degree = max(i for i, _ in self.terms)
        row = [mpmath.mpf(0)] * (degree + 1)
        for (i, j), p in self.terms.items():
            row[degree - i] += p * x**j
        for _ in range(60):
            value, slope = mpmath.polyval(row, root, derivative=True)
            step = value / slope
            root -= step
            if abs(step) < abs(root) * mpmath.eps * 1e6:
                return root
        return mpmath.nan


def breakdown(eq: Equation, *, digits: int = 60, **values: Any) -> Breakdown:
    """Everything above for one set of arguments (n=1600, ...)."""
    coefficients = expansion.series(eq, TERMS, "alpha", digits, values)
    with mpmath.workdps(digits):
        terms = eq.numeric_terms(digits, values)
        start = coefficients[0]
        try:
            nearest = classify_nearest(terms, start, candidates_near(terms, coefficients), digits=20)
        except ArithmeticError:
            nearest = classify_nearest(terms, start, all_double_roots(terms, start), digits=20)
        nearest = conjugate(nearest) if mpmath.im(nearest.C) < 0 else nearest
        numbers = eq.numbers(digits, values)
        per_width = eq.chi.subs(ALPHA, start).subs(C_SYMBOL, 1).subs(numbers)
        follow = Follower(terms, start, coefficients[1])
        crossings = tuple(
            Crossing(order, threshold, _crossing(follow, coefficients, order, threshold))
            for order in ORDERS
            for threshold in THRESHOLDS
        )
        return Breakdown(
            alpha_gp=start,
            naive_pole=mpmath.mpf(per_width.evalf(digits)),
            branch_point=nearest,
            radius=abs(nearest.C),
            ratio_estimate=abs(darboux_points(coefficients)[0]),
            coefficients=tuple(coefficients),
            crossings=crossings,
        )


def _crossing(follow: Follower, coefficients: Sequence[Any], order: int, threshold: float) -> float:
    """From large C down, then bisection in log C to 4 digits."""

    def excess(C: float) -> float:
        exact = follow(C)
        partial = mpmath.polyval(list(reversed(coefficients[: order + 1])), mpmath.mpf(1) / C)
        return float(abs(partial - exact) / abs(exact) - threshold)

    width = float(abs(coefficients[1] / coefficients[0])) * 1e4
    while width > SEARCHED_TO and not excess(width) > 0:
        width /= 1.1
    if width <= SEARCHED_TO:
        return math.nan
    low, high = width, width * 1.1
    while high / low > 1 + 1e-5:
        middle = math.sqrt(low * high)
        low, high = (middle, high) if excess(middle) > 0 else (low, middle)
    return low
