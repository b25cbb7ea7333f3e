"""G = E[gelu(h1) gelu(h2)] for (h1, h2) ~ N(m, K) with means, and its derivatives, derived.

gelu(h) = h Phi(h) = E_z[h theta(g)], g = h + z with z ~ N(0, 1) independent: a ReLU with a noisy step. So in
(g1, g2) ~ N(m, V), V = K + 1, everything is an expectation of steps, their derivatives and polynomials:

1. Phi'(h) = E_z[delta(g)], and Phi'' = -h Phi': gelu^(i)(h) = E_z of a polynomial in h times theta(g) or
   delta(g) (`polynomials`).
2. delta(g) conditions on g = 0, which leaves (h1, h2) normal, with a mean and a variance of that h (`LAWS`)
   of order one where K is large: no large terms cancel. A variance is written 1 - 1/V11 (and so on), so that
   what vanishes for wide h, as the mean of the fourth derivative does, is small term by term.
3. Stein's lemma, E[h1 f] = E[h1] E[f] + sum_k Cov(h1, h_k) E[d_k f], takes the polynomials out; a slope of
   theta(g) is one more condition. What is left are P = E[theta theta], A1 = E[delta theta],
   A2 = E[theta delta] and J = E[delta delta] at V.

So `moment(i, j)` = E[gelu^(i) gelu^(j)] is one polynomial per step, for i + j <= 4.
"""

from functools import cache

from sympy import Expr, Integer, Poly, cancel, diff, exp, expand, pi, sqrt

from analytic.symbols import A1, A2, K11, K12, K22, V11, V22, J, P, detK, detV, h, m1, m2, n1, n2, ncdf

Law = tuple[tuple[Expr, Expr], tuple[tuple[Expr, Expr], tuple[Expr, Expr]]]

# Means and covariances of (h1, h2), by which of g1, g2 are known to be zero; the probability, or density, of
# what the other steps ask.
LAWS: dict[tuple[bool, bool], Law] = {
    (False, False): ((m1, m2), ((K11, K12), (K12, K22))),
    (True, False): ((m1 / V11, n2 / V11), ((1 - 1 / V11, K12 / V11), (K12 / V11, (detK + K22) / V11))),
    (False, True): ((n1 / V22, m2 / V22), (((detK + K11) / V22, K12 / V22), (K12 / V22, 1 - 1 / V22))),
    (True, True): (
        (n1 / detV, n2 / detV),
        ((1 - V22 / detV, K12 / detV), (K12 / detV, 1 - V11 / detV)),
    ),
}
STEPS = {(False, False): P, (True, False): A1, (False, True): A2, (True, True): J}

# The names above, in the entries of m and K.
NAMES = {
    n1: V22 * m1 - K12 * m2,
    n2: V11 * m2 - K12 * m1,
    detK: K11 * K22 - K12**2,
    detV: V11 * V22 - K12**2,
}


@cache
def polynomials(order: int) -> tuple[Expr, Expr]:
    """(p, q) with gelu^(order)(h) = p(h) Phi(h) + q(h) Phi'(h), Phi'(h) the normal density."""
    density = exp(-(h**2) / 2) / sqrt(2 * pi)
    slope = diff(h * ncdf(h), h, order)
    p = slope.coeff(ncdf(h))
    return p, expand(cancel((slope - p * ncdf(h)) / density))


def stein(powers: tuple[int, int], known: tuple[bool, bool]) -> Expr:
    """E[h1^p1 h2^p2 s(g1) s(g2)] in the steps, s = delta for g known to be zero and theta for others."""
    means, covariances = LAWS[known]
    side = 0 if powers[0] > 0 else 1
    if powers[side] == 0:
        return STEPS[known]
    less = _less(powers, side)
    total = means[side] * stein(less, known)
    for other in (0, 1):
        if less[other] > 0:
            total += covariances[side][other] * less[other] * stein(_less(less, other), known)
        if not known[other]:  # the slope of theta(g)
            total += covariances[side][other] * stein(less, (known[0] or other == 0, known[1] or other == 1))
    return expand(total)


def _less(powers: tuple[int, int], side: int) -> tuple[int, int]:
    return powers[0] - (side == 0), powers[1] - (side == 1)


@cache
def moment(i: int, j: int) -> Expr:
    """E[gelu^(i)(h1) gelu^(j)(h2)], linear in P, A1, A2, J, one factor each."""
    total: Expr = Integer(0)
    for first_known, first in enumerate(polynomials(i)):
        for second_known, second in enumerate(polynomials(j)):
            for (p1,), c1 in Poly(first, h).terms():
                for (p2,), c2 in Poly(second, h).terms():
                    total += c1 * c2 * stein((p1, p2), (bool(first_known), bool(second_known)))
    expanded = expand(total)
    return sum((expanded.coeff(step) * step for step in STEPS.values()), Integer(0))
