"""What tanh and GELU are made of where they are wide: each rule against what it is made from."""

import mpmath
import pytest
import sympy
from mutants import breaks
from sympy import Rational, diff, simplify

from analytic.expectations import tanh
from analytic.expectations.gelu import NAMES, moment, polynomials
from analytic.expectations.relu import EXPLICIT, FIRST, SLOPES, STEPS
from analytic.symbols import D1, D2, K11, K12, K22, V11, V22, detK, detV, h, m1, m2, n1, n2, ncdf, r

OF_V = {K11: V11, K22: V22}  # the steps of the ReLU are those of GELU at V
EXACT = {n1: NAMES[n1], n2: NAMES[n2], detV: NAMES[detV], detK: NAMES[detK]}


def written_out(expression):
    """In m, K and the steps."""
    return expression.subs(EXACT).subs({V11: K11 + 1, V22: K22 + 1})


def slope(expression, mean):
    """d(expression)/d(mean), the steps by their rules (`tests/analytic/test_relu.py`) at V."""
    side = (m1, m2).index(mean)
    total = diff(written_out(expression), mean)
    for step in STEPS:
        rule = SLOPES[step][side].subs(OF_V, simultaneous=True)
        total += diff(expression, step).subs(EXACT) * rule
    return total.subs({V11: K11 + 1, V22: K22 + 1})


def steps_vanish(expression):
    """Every coefficient of a step, at a point of exact rational numbers."""
    point = {
        K12: Rational(-3, 7),
        K11: Rational(5, 4),
        K22: Rational(9, 11),
        m1: Rational(2, 3),
        m2: Rational(-7, 9),
    }
    return all(sympy.expand(expression.subs(point)).coeff(step) == 0 for step in STEPS)


@breaks(
    "analytic/expectations/gelu.py",
    "total += covariances[side][other] * stein(less",
    "total += covariances[side][side] * stein(less",
    "Stein with a variance for a covariance",
    case="orders0",
)
@pytest.mark.parametrize("orders", [*FIRST, (3, 0), (2, 1)])
def test_the_slope_of_a_moment_in_a_mean_is_the_next_one(orders):
    """Bonnet, from laws given steps and from slopes of the steps: two ways to one moment."""
    i, j = orders
    assert steps_vanish(slope(moment(i, j), m1) - written_out(moment(i + 1, j)))
    assert steps_vanish(slope(moment(i, j), m2) - written_out(moment(i, j + 1)))


def test_the_steps_of_the_relu_are_known_at_any_covariance():
    """Nothing in them says that V is K, so that their rules hold at V = K + 1."""
    assert all(not expression.has(V11, V22) for expression in EXPLICIT.values())


@pytest.mark.parametrize("order", range(5))
def test_slopes_of_gelu(order):
    p, q = polynomials(order)
    density = sympy.exp(-(h**2) / 2) / sympy.sqrt(2 * sympy.pi)
    assert simplify(diff(h * ncdf(h), h, order) - p * ncdf(h) - q * density) == 0


def test_the_law_of_the_noise():
    """Mass one, mean pi^2/12, and the characteristic function of the density sech^2(h)/2."""
    with mpmath.workdps(40):
        marks = [0.02, 0.1, 0.3, 1, 3, 10, 60]
        assert abs(mpmath.quad(tanh.density, marks) - 1) < 1e-15
        assert abs(mpmath.quad(lambda kappa: kappa * tanh.density(kappa), marks) - mpmath.pi**2 / 12) < 1e-15
        for t in (0.3, 2, 7):
            product = mpmath.pi * t / 2 / mpmath.sinh(mpmath.pi * t / 2)
            noisy = mpmath.quad(lambda k, t=t: mpmath.exp(-t * t * k / 2) * tanh.density(k), marks)
            whole = mpmath.quad(lambda x, t=t: mpmath.cos(t * x) * mpmath.sech(x) ** 2 / 2, range(-50, 51, 5))
            assert abs(noisy - product) < 1e-15
            assert abs(whole - product) < 1e-15


def test_thirteen_signs_are_a_hyperbolic_tangent():
    """To 3e-10 as functions of h, whatever h is: kernels, which are smoother, need less."""
    nodes = tanh.rule()
    assert len(nodes) == 13
    for x in (1e-3, 0.2, 0.9, 2.5, 7):
        found = sum(weight * mpmath.erf(x / mpmath.sqrt(2 * kappa)) for kappa, weight in nodes)
        assert abs(found - mpmath.tanh(x)) < 3e-10


def test_gauss_s_rule_is_exact_for_polynomials():
    points, masses = [mpmath.mpf(i) for i in range(9)], [mpmath.mpf(1 + i % 3) for i in range(9)]
    nodes = tanh.gauss(points, masses, 4)
    for power in range(8):
        expected = sum(mass * x**power for x, mass in zip(points, masses, strict=True))
        assert abs(sum(weight * x**power for x, weight in nodes) / expected - 1) < 1e-11


@pytest.mark.parametrize("orders", [(2, 0), (1, 1), (0, 2), (4, 0), (3, 1), (2, 2), (1, 3), (0, 4)])
def test_slopes_of_signs_are_those_of_the_arcsine(orders):
    """Two slopes in a mean are twice one in a variance (heat equation): by differences of 30 digits."""
    i, j = orders
    mixed = min(i, j)
    at = {V11: 1.7, V22: 0.9, K12: -0.6}
    D = {D1: V11 ** Rational(-1, 2), D2: V22 ** Rational(-1, 2), r: (V11 * V22 - K12**2) ** Rational(-1, 2)}

    def arcsine(k12, v11, v22):
        return 2 / mpmath.pi * mpmath.asin(k12 / mpmath.sqrt(v11 * v22))

    with mpmath.workdps(30):
        counts = (mixed, (i - mixed) // 2, (j - mixed) // 2)
        expected = mpmath.diff(arcsine, (at[K12], at[V11], at[V22]), counts) * 2 ** (counts[1] + counts[2])
        assert abs(tanh.moment(i, j).subs(D).subs(at).evalf(20) - expected) < 1e-10
    assert tanh.moment(1, 2) == 0
