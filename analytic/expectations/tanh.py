"""E[tanh(h1) tanh(h2)] for centred (h1, h2) ~ N(0, K), as a short sum of arcsines.

The density sech^2(h)/2 has the characteristic function (pi t/2)/sinh(pi t/2), Euler's product of
1/(1 + t^2/(4 k^2)) over k = 1, 2, ...: that of a normal variable whose variance is itself random,

    kappa = sum_k epsilon_k/(2 k^2),    epsilon_k independent exponential variables of mean one,

so that tanh(h) = E[sign(h + sqrt(kappa) z)], z ~ N(0, 1). The sum has partial fractions for its density,

    4 sum_k (-1)^(k - 1) k^2 exp(-2 k^2 kappa)    (the law of Kolmogorov's statistic squared),

and two signs make an arcsine (the derived kernel of erf, scaled):

    E[tanh tanh] = E[(2/pi) asin(K12/sqrt((K11 + kappa_1) (K22 + kappa_2)))].

As functions of log kappa arcsine and derivatives are analytic for |Im| < pi whatever K is, and smooth where K
is large: Gauss's rule of NODES nodes for the law of log kappa is exact to 1e-14 from variances of four up.
"""

from functools import cache
from typing import Any

import mpmath
from sympy import Expr, Integer, Pow, cancel, diff, expand, limit

from analytic.expectations.kernels import kernel
from analytic.symbols import D1, D2, K11, K12, K22, V11, V22, noise, r

NODES = 13
DIGITS = 130  # of which exp(-pi^2/(8 SMALLEST)) cancels
SMALLEST, LARGEST = "0.01", "60"  # the law beyond has less than 1e-50
FINE = 500  # trapezoidal nodes in log kappa: 1e-50, since the law has all derivatives at both ends


@cache
def rule() -> list[tuple[Any, Any]]:
    """NODES pairs (kappa, weight)."""
    with mpmath.workdps(DIGITS):
        low, high = (mpmath.log(mpmath.mpf(end)) for end in (SMALLEST, LARGEST))
        points = [low + (high - low) * i / FINE for i in range(FINE + 1)]
        masses = [density(mpmath.exp(x)) * mpmath.exp(x) * (high - low) / FINE for x in points]
    with mpmath.workdps(50):
        return [(mpmath.exp(x), weight) for x, weight in gauss(points, masses, NODES)]


def density(kappa: Any) -> Any:
    """Of kappa, at the working precision."""
    last = int(mpmath.sqrt(mpmath.mp.dps * mpmath.log(10) / (2 * kappa))) + 3
    terms = ((-1) ** (k - 1) * k * k * mpmath.exp(-2 * k * k * kappa) for k in range(1, last))
    return 4 * mpmath.fsum(terms)


def gauss(points: list[Any], masses: list[Any], size: int) -> list[tuple[Any, Any]]:
    """Nodes and weights of Gauss's rule for masses at points: eigenpairs of the Jacobi matrix (Stieltjes)."""
    before, now = [mpmath.mpf(0)] * len(points), [mpmath.mpf(1)] * len(points)
    jacobi, last = mpmath.matrix(size), mpmath.mpf(1)
    for k in range(size):
        weighted = [mass * p * p for mass, p in zip(masses, now, strict=True)]
        norm = mpmath.fsum(weighted)
        centre = mpmath.fdot(weighted, points) / norm
        jacobi[k, k] = centre
        if k > 0:
            jacobi[k, k - 1] = jacobi[k - 1, k] = mpmath.sqrt(norm / last)
        ratio = norm / last if k > 0 else 0
        following = [(x - centre) * p - ratio * q for x, p, q in zip(points, now, before, strict=True)]
        before, now, last = now, following, norm
    values, vectors = mpmath.eigsy(jacobi)
    return [(values[i], mpmath.fsum(masses) * vectors[0, i] ** 2) for i in range(size)]


@cache
def of_signs() -> Expr:
    """E[sign(g1) sign(g2)], g ~ N(0, V): of erf(h/sqrt(noise)), derived, as noise vanishes."""
    scaled = {K12: K12 / noise, K11: V11 / noise, K22: V22 / noise}
    return limit(kernel("erf").G.subs(scaled, simultaneous=True), noise, 0, "+")


@cache
def moment(i: int, j: int) -> Expr:
    """E of the i-th slope of sign(g1) and the j-th of sign(g2), i + j even and positive, by Price's theorem.

    In K12, D = V^(-1/2) and r = (V11 V22 - K12^2)^(-1/2); no terms of opposite signs.
    """
    if (i + j) % 2 == 1:
        return Integer(0)
    mixed = min(i, j)
    entries = [K12] * mixed + [V11] * ((i - mixed) // 2) + [V22] * ((j - mixed) // 2)
    slope = 2 ** (len(entries) - mixed) * diff(of_signs(), *entries)
    return expand(slope.replace(_of_determinant, _in_r).subs({V11: D1**-2, V22: D2**-2}))


def _of_determinant(part: Expr) -> bool:
    return isinstance(part, Pow) and part.base.has(K12) and not cancel(part.base / DETERMINANT).has(K12)


def _in_r(part: Expr) -> Expr:
    return cancel(part.base / DETERMINANT) ** part.exp * r ** (-2 * part.exp)


DETERMINANT = V11 * V22 - K12**2
