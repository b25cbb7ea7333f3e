"""G = E[relu(h1) relu(h2)] for (h1, h2) ~ N(m, K) with means, and its derivatives, derived.

With relu(h) = h theta(h) everything is an expectation of steps, of their derivatives and of polynomials:

1. Stein's lemma, E[h1 f] = m1 E[f] + K11 E[d1 f] + K12 E[d2 f], takes the polynomials out. What is left
   are P = E[theta theta], A1 = E[delta theta], A2 = E[theta delta], J = E[delta delta] and their slopes.
2. Their slopes in the means (Bonnet) close on themselves: d1 P = A1, d2 A1 = J, and A1, J are elementary.
   P, the probability of the positive quadrant, is the only one without a closed form.
3. Slopes in the covariances are slopes in the means: Price's theorem, the heat equation
   dG/dK12 = d1 d2 G and dG/dK11 = d1^2 G / 2. So `moment(i, j)` = d1^i d2^j G = E[relu^(i) relu^(j)] is
   all that first (i + j <= 2) and second (i + j <= 4) derivatives need.
"""

from functools import cache

from sympy import Expr, Integer, Symbol, cancel, count_ops, diff, div, erf, exp, expand, factor, pi, sqrt

from analytic.symbols import A1, A2, K11, K12, K22, Delta, J, P, m1, m2

STEPS = (P, A1, A2, J)
DETERMINANT = K11 * K22 - K12**2

# First derivatives of G, then its second ones: orders (i, j) of E[relu^(i)(h1) relu^(j)(h2)].
FIRST = ((0, 0), (1, 0), (0, 1), (2, 0), (1, 1), (0, 2))
SECOND = ((3, 0), (2, 1), (1, 2), (0, 3), (4, 0), (3, 1), (2, 2), (1, 3), (0, 4))


def _normal(x: Expr) -> Expr:
    return (1 + erf(x / sqrt(2))) / 2


# E[delta(h1) theta(h2)], E[theta(h1) delta(h2)], E[delta(h1) delta(h2)]: the density of one variable at
# zero times the probability that the other, given that, is positive; the joint density at zero.
EXPLICIT = {
    A1: exp(-(m1**2) / (2 * K11))
    / sqrt(2 * pi * K11)
    * _normal((m2 - K12 * m1 / K11) / sqrt(K22 - K12**2 / K11)),
    A2: exp(-(m2**2) / (2 * K22))
    / sqrt(2 * pi * K22)
    * _normal((m1 - K12 * m2 / K22) / sqrt(K11 - K12**2 / K22)),
    J: exp(-(K22 * m1**2 - 2 * K12 * m1 * m2 + K11 * m2**2) / (2 * DETERMINANT))
    / (2 * pi * sqrt(DETERMINANT)),
}

# Slopes in (m1, m2). Those of A1, A2 and J are checked against `EXPLICIT`; d1 P = A1 and d2 P = A2 are
# Bonnet's theorem, and compatible since d2 A1 = d1 A2.
SLOPES = {
    P: (A1, A2),
    A1: (-(m1 * A1 + K12 * J) / K11, J),
    A2: (J, -(m2 * A2 + K12 * J) / K22),
    J: (-(K22 * m1 - K12 * m2) / DETERMINANT * J, -(K11 * m2 - K12 * m1) / DETERMINANT * J),
}


def slope(expression: Expr, mean: Symbol) -> Expr:
    """d(expression)/d(mean), the expression linear in P, A1, A2, J; mean is m1 or m2."""
    side = (m1, m2).index(mean)
    total = diff(expression, mean)
    for step in STEPS:
        total += diff(expression, step) * SLOPES[step][side]
    return expand(total)


def stein(p1: int, p2: int, i: int = 0, j: int = 0) -> Expr:
    """E[h1^p1 h2^p2 theta^(i)(h1) theta^(j)(h2)] in P, A1, A2, J, by Stein's lemma."""
    if p1 > 0:
        own = (p1 - 1) * stein(p1 - 2, p2, i, j) if p1 > 1 else Integer(0)
        other = p2 * stein(p1 - 1, p2 - 1, i, j) if p2 > 0 else Integer(0)
        return expand(
            m1 * stein(p1 - 1, p2, i, j)
            + K11 * (own + stein(p1 - 1, p2, i + 1, j))
            + K12 * (other + stein(p1 - 1, p2, i, j + 1))
        )
    if p2 > 0:
        own = (p2 - 1) * stein(0, p2 - 2, i, j) if p2 > 1 else Integer(0)
        return expand(
            m2 * stein(0, p2 - 1, i, j)
            + K22 * (own + stein(0, p2 - 1, i, j + 1))
            + K12 * stein(0, p2 - 1, i + 1, j)
        )
    if i > 0:
        return slope(stein(0, 0, i - 1, j), m1)
    if j > 0:
        return slope(stein(0, 0, 0, j - 1), m2)
    return P


@cache
def moment(i: int, j: int) -> Expr:
    """E[relu^(i)(h1) relu^(j)(h2)] = d1^i d2^j G, linear in P, A1, A2, J."""
    if i > 0:
        return _collected(slope(moment(i - 1, j), m1))
    if j > 0:
        return _collected(slope(moment(0, j - 1), m2))
    return _collected(stein(1, 1))


def _collected(expression: Expr) -> Expr:
    """One factored coefficient per step function."""
    expanded = expand(expression)
    return sum((factor(cancel(expanded.coeff(step))) * step for step in STEPS), Integer(0))


def finite_at_coincidence(expression: Expr) -> Expr:
    """The same with Delta = det K J for as much of J as carries the determinant.

    J diverges where h1 = h2, Delta vanishes there: what multiplies J alone is kept apart.
    """
    above, below = cancel(expression.coeff(J)).as_numer_denom()
    divisions = [(s, *div(above, expand(DETERMINANT), s)) for s in (K22, K11)]
    _, quotient, remainder = min(divisions, key=lambda division: count_ops(division[1:]))
    rest = sum((expression.coeff(step) * step for step in (P, A1, A2)), Integer(0))
    return rest + factor(quotient / below) * Delta + factor(remainder / below) * J
