"""The ReLU with means: each rule of the derivation against what it is made from, and known limits."""

import mpmath
import pytest
import sympy
from mutants import breaks
from sympy import Rational, acos, asin, cos, diff, exp, integrate, oo, pi, simplify, sin, sqrt, symbols

from analytic.expectations.relu import (
    DETERMINANT,
    EXPLICIT,
    FIRST,
    SECOND,
    SLOPES,
    STEPS,
    finite_at_coincidence,
    moment,
    slope,
    stein,
)
from analytic.symbols import A1, A2, K11, K12, K22, Delta, J, P, h, m1, m2

MEANS = (m1, m2)


def vanishes(expression):
    """At a point of exact rational numbers, to 40 digits: for expressions that simplify too slowly."""
    point = {
        K12: Rational(-3, 7),
        K11: Rational(5, 4),
        K22: Rational(9, 11),
        m1: Rational(2, 3),
        m2: Rational(-7, 9),
    }
    return abs(expression.subs(point).evalf(40)) < sympy.Float("1e-35")


@pytest.mark.parametrize("step", [A1, A2, J], ids=str)
@pytest.mark.parametrize("mean", MEANS, ids=str)
def test_slopes_of_the_elementary_steps_are_their_derivatives(step, mean):
    rule = SLOPES[step][MEANS.index(mean)].subs(EXPLICIT)
    assert vanishes(diff(EXPLICIT[step], mean) - rule)


@pytest.mark.parametrize("step", [A1, A2, J], ids=str)
def test_the_elementary_steps_obey_the_heat_equation(step):
    """Price's theorem for them; it passes on to P, which vanishes with its slopes at m1 = -infinity."""
    twice = slope(slope(step, m1), m1).subs(EXPLICIT)
    assert vanishes(diff(EXPLICIT[step], K11) - twice / 2)
    assert vanishes(diff(EXPLICIT[step], K12) - slope(slope(step, m1), m2).subs(EXPLICIT))


def test_the_slopes_of_the_quadrant_are_compatible():
    assert slope(A1, m2) == slope(A2, m1) == J


def test_the_densities_are_those_of_the_normal_law():
    K = sympy.Matrix([[K11, K12], [K12, K22]])
    m = sympy.Matrix(MEANS)
    density = exp(-(m.T * K.inv() * m)[0] / 2) / (2 * pi * sqrt(K.det()))
    assert vanishes(density - EXPLICIT[J])
    x = symbols("x", real=True)
    point = {K12: 0.4, K11: 1.3, K22: 0.9, m1: 0.3, m2: -0.2}
    with mpmath.workdps(25):
        # E[delta(h1) theta(h2)]: the joint density at h1 = 0, h2 = x is that at zero with the mean m2 - x
        line = sympy.lambdify(x, EXPLICIT[J].subs(m2, m2 - x).subs(point), "mpmath")
        assert abs(mpmath.quad(line, [0, 2, 5, 12]) - EXPLICIT[A1].subs(point).evalf(25)) < 1e-15


def in_covariance(expression, entry):
    """d(expression)/d(entry), the steps by the heat equation."""
    second = {K12: (m1, m2), K11: (m1, m1), K22: (m2, m2)}[entry]
    factor = 1 if entry == K12 else Rational(1, 2)
    by_steps = sum(diff(expression, s) * factor * slope(slope(s, second[0]), second[1]) for s in STEPS)
    return diff(expression, entry) + by_steps


@breaks(
    "analytic/expectations/relu.py",
    "-(m1 * A1 + K12 * J) / K11, J",
    "-(m1 * A1) / K11, J",
    "slope of A1 without J",
    case="entry0-1-1-(1, 0)",
)
@breaks(
    "analytic/expectations/relu.py",
    "+ K12 * (other + stein",
    "+ 0 * (other + stein",
    "Stein without K12",
    case="entry0-1-1-(0, 0)",
)
@pytest.mark.parametrize("orders", [(0, 0), (1, 0), (2, 0)], ids=str)
@pytest.mark.parametrize(("entry", "i", "j"), [(K12, 1, 1), (K11, 2, 0), (K22, 0, 2)])
def test_derivatives_in_the_covariance_are_moments(orders, entry, i, j):
    """Price: the explicit dependence of the closed form on K, against two more derivatives of the ReLUs."""
    expected = moment(orders[0] + i, orders[1] + j) / (1 if entry == K12 else 2)
    difference = in_covariance(moment(*orders), entry) - expected
    assert all(simplify(sympy.expand(difference).coeff(step)) == 0 for step in STEPS)


def test_price_and_the_uncorrelated_pair_fix_the_kernel():
    """dG/dK12 = P, and G is a product of two one-dimensional expectations at K12 = 0."""
    assert moment(1, 1) == P

    def one(mean, variance, power):
        return integrate(h**power * exp(-((h - mean) ** 2) / (2 * variance)), (h, 0, oo)) / sqrt(
            2 * pi * variance
        )

    apart = {P: one(m1, K11, 0) * one(m2, K22, 0), **EXPLICIT}
    found = moment(0, 0).subs(apart).subs(K12, 0)
    assert vanishes(found - one(m1, K11, 1) * one(m2, K22, 1))


def test_stein_gives_moments_of_whole_gaussians():
    """theta replaced by one: P = 1 and no other step, E[h1^2 h2] and E[h1^2 h2^2] by Isserlis."""
    gauss = {P: 1, A1: 0, A2: 0, J: 0}
    assert sympy.expand(stein(2, 1).subs(gauss) - (m2 * (m1**2 + K11) + 2 * m1 * K12)) == 0
    central = {m1: 0, m2: 0}
    assert sympy.expand(stein(2, 2).subs(gauss).subs(central) - (K11 * K22 + 2 * K12**2)) == 0


def test_zero_means_give_the_arccosine_kernel():
    """Cho and Saul (2009), with P = 1/4 + asin(correlation)/(2 pi) (Sheppard 1899)."""
    t = symbols("t", positive=True)
    angle = {K12: sqrt(K11 * K22) * cos(t)}
    quadrant = Rational(1, 4) + (pi / 2 - t) / (2 * pi)  # asin(cos t) = pi/2 - t on (0, pi)
    found = moment(0, 0).subs({P: quadrant, **EXPLICIT}).subs({m1: 0, m2: 0}).subs(angle)
    printed = sqrt(K11 * K22) * (sin(t) + (pi - t) * cos(t)) / (2 * pi)
    at = {K11: Rational(3, 2), K22: Rational(4, 5)}
    for value in (Rational(1, 5), 1, Rational(5, 2)):
        assert abs((found - printed).subs(at).subs(t, value).evalf(30)) < 1e-25
    assert acos(0) == asin(1)  # the convention of the angle


@pytest.mark.parametrize("orders", [*FIRST, *SECOND], ids=str)
def test_what_is_printed_is_what_was_derived(orders):
    """Delta = det K J put back; only fourth derivatives keep a J that diverges at coincidence."""
    printed = finite_at_coincidence(moment(*orders))
    assert simplify(printed.subs(Delta, DETERMINANT * J) - moment(*orders)) == 0
    assert printed.has(J) == (sum(orders) == 4)
