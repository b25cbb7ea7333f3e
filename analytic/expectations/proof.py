"""A kernel that is given, proved: its value and slopes are the expectations that they stand for.

    G = E[phi(h1) phi(h2)],    dG/dK12 = E[phi'(h1) phi'(h2)],    dG/dK11 = E[phi''(h1) phi(h2)]/2    (Price)

and, where units have means, dG/dm1 = E[phi'(h1) phi(h2)] (Bonnet); the mirror images too. The right sides by
the trapezoidal rule in two standard normals with 40 digits, whose spacing is halved until 30 digits stay: for
analytic phi the error falls exponentially with the spacing's inverse.
"""

from functools import cache
from typing import Any

import mpmath
from sympy import Expr, Symbol, diff, lambdify

from analytic.symbols import K11, K12, K22, h, m1, m2

ENTRIES = (K12, K11, K22, m1, m2)
# Orders (i, j) of E[phi^(i)(h1) phi^(j)(h2)], and what they are of G: its slope in an entry, times a factor.
IDENTITIES: tuple[tuple[tuple[int, int], Symbol | None, int], ...] = (
    ((0, 0), None, 1),
    ((1, 1), K12, 1),
    ((2, 0), K11, 2),
    ((0, 2), K22, 2),
    ((1, 0), m1, 1),
    ((0, 1), m2, 1),
)
# K12, K11, K22, m1, m2: correlations of .26, -.8, .9998, -.9998; means are for those who have them.
POINTS = (
    ("0.3", "0.8", "1.7", "0.4", "-0.7"),
    ("-0.9", "0.6", "2.1", "-1.1", "0.2"),
    ("0.9998", "0.8", "1.25", "0.3", "0.5"),
    ("-0.9998", "0.5", "2", "0", "0.6"),
)
DIGITS, AGREED = 40, 30
REACH = 13  # of a standard normal, whose density there is 1e-37
COARSEST, FINEST = 2, 32  # nodes per unit


class NotProved(ArithmeticError):
    """A given kernel is not the expectation that it stands for, or no quadrature shows it."""


@cache
def prove(name: str, phi: Expr, G: Expr) -> None:
    """Raise NotProved unless G and its slopes are the expectations, at every one of `POINTS`."""
    means = G.has(m1, m2)
    entries = ENTRIES if means else ENTRIES[:3]
    with mpmath.workdps(DIGITS):
        for point in (point[: len(entries)] for point in POINTS):
            at = [mpmath.mpf(text) for text in point]
            expected = _moments(name, phi, at)
            for (i, j), slope, factor in IDENTITIES if means else IDENTITIES[:4]:
                formula = factor * (diff(G, slope) if slope else G)
                found = lambdify(entries, formula, "mpmath")(*at)
                if abs(found - expected[i, j]) > mpmath.mpf(10) ** (2 - AGREED) * (1 + abs(found)):
                    where = ", ".join(
                        f"{symbol} = {text}" for symbol, text in zip(entries, point, strict=True)
                    )
                    what = f"{factor} dG/d{slope}" if slope else "G"
                    raise NotProved(
                        f"activation {name!r} at {where}: the given {what} is {mpmath.nstr(found, 20)}, but "
                        f"E[phi^({i})(h1) phi^({j})(h2)] is {mpmath.nstr(expected[i, j], 20)}"
                    )


def _moments(name: str, phi: Expr, at: list[Any]) -> dict[tuple[int, int], Any]:
    """E[phi^(i)(h1) phi^(j)(h2)] for i, j < 3."""
    functions = lambdify([h], [diff(phi, h, order) for order in range(3)], "mpmath", cse=True)
    coarse: dict[tuple[int, int], Any] = {}
    density = COARSEST
    while density <= FINEST:
        fine = _trapezoidal(functions, at, density)
        if coarse and all(abs(fine[o] - coarse[o]) < mpmath.mpf(10) ** -AGREED for o in fine):
            return fine
        coarse, density = fine, 2 * density
    raise NotProved(
        f"activation {name!r}: {phi} is too steep for quadrature to prove G; leave it to the series"
    )


def _trapezoidal(functions: Any, at: list[Any], density: int) -> dict[tuple[int, int], Any]:
    """h1 = m1 + sqrt(K11) x and h2 = m2 + K12/sqrt(K11) x + sqrt(K22 - K12^2/K11) y."""
    (c12, c11, c22), (mean, other) = at[:3], at[3:] or (0, 0)
    s = mpmath.sqrt(c11)
    rest = mpmath.sqrt(c22 - c12**2 / c11)
    nodes = [mpmath.mpf(i) / density for i in range(-REACH * density, REACH * density + 1)]
    weights = [mpmath.npdf(node) / density for node in nodes]
    total = {(i, j): mpmath.mpf(0) for i in range(3) for j in range(3)}
    for x, outer in zip(nodes, weights, strict=True):
        first = functions(mean + s * x)
        centre = other + c12 / s * x
        inner = [mpmath.mpf(0)] * 3
        for y, weight in zip(nodes, weights, strict=True):
            if outer * weight > mpmath.mpf(10) ** (-DIGITS + 4):
                inner = [a + weight * b for a, b in zip(inner, functions(centre + rest * y), strict=True)]
        for i, j in total:
            total[i, j] += outer * first[i] * inner[j]
    return total
