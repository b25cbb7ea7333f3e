"""Where roots meet: the discriminant and its zeros against SymPy, products and an equation by hand."""

import math
import random
from fractions import Fraction

import mpmath
import pytest
import sympy
from mutants import breaks

from analytic import breakdown, reduced_equation
from analytic.series.discriminant import discriminant, zeros
from analytic.series.expansion import gaussian
from analytic.series.singularities import all_double_roots, classify_nearest
from analytic.symbols import alpha, x


def terms_of(expression):
    """The coefficients {(i, j): p_ij} of a polynomial in alpha and x."""
    return {key: mpmath.mpf(p.p) / p.q for key, p in sympy.Poly(expression, alpha, x).terms()}


@breaks("analytic/series/discriminant.py", "before = bezout[i - 1]", "before = -bezout[i - 1]", "Bezout", "5")
@breaks(
    "analytic/series/discriminant.py", "(first + k) * high for", "first * high for", "Newton's points", "2"
)
@pytest.mark.parametrize("degree", [1, 2, 3, 5])
def test_discriminant_is_that_of_sympy(degree):
    """Up to the constant d^(d-2) and a sign; coefficients are eighths."""
    dice = random.Random(degree)
    given = {(i, j): Fraction(dice.randint(-99, 99), 8) for i in range(degree + 1) for j in range(4)}
    expression = sum(sympy.Rational(p) * alpha**i * x**j for (i, j), p in given.items())
    expected = sympy.Poly(sympy.discriminant(expression, alpha), x).all_coeffs()[::-1]
    found = discriminant(terms_of(expression))
    assert len(found) == len(expected)
    assert len({sympy.Rational(c) / e for c, e in zip(found, expected, strict=True)}) == 1


@pytest.mark.parametrize("spread", [1, 40])
def test_zeros_of_very_different_size(spread):
    """A product of known factors: a double zero, a conjugate pair, sizes over 2 spread decades."""
    small, large = Fraction(1, 10**spread), Fraction(10**spread)
    factors = [[0, 1], [-small, 1], [-3 * small, 1], [1, 0, 1], [2, 1], [2, 1], [large, 1], [large**2, 0, 1]]
    product = [Fraction(1)]
    for factor in factors:
        terms = [(i + j, a * b) for i, a in enumerate(product) for j, b in enumerate(factor)]
        product = [sum(c for k, c in terms if k == power) for power in range(len(product) + len(factor) - 1)]
    common = math.lcm(*(c.denominator for c in product))
    with mpmath.workdps(40):
        low, high = mpmath.mpf(10) ** -spread, mpmath.mpf(10) ** spread
        expected = [low, 3 * low, mpmath.mpc(0, 1), mpmath.mpc(0, -1), -2, -2, -high]
        expected += [mpmath.mpc(0, high), mpmath.mpc(0, -high)]
        found = zeros([int(c * common) for c in product], 40)
        assert len(found) == len(expected)
        for known in expected:
            nearest = min(found, key=lambda z, known=known: abs(z - known))
            assert abs(nearest - known) < 1e-30 * abs(known)
            found.remove(nearest)


@breaks(
    "analytic/series/singularities.py", "key=lambda root: _rest(terms, root, point)", "key=abs", "not double"
)
@breaks(
    "analytic/series/singularities.py",
    "_rest(along_x, double, point) > ",
    "1 > ",
    "a crossing is no branching",
)
def test_small_roots_nearby_do_not_hide_the_pair_that_meets():
    """alpha = -1 + 2 sqrt(1 - x) branches at x = 1; on the way it crosses two roots next to zero."""
    with mpmath.workdps(60):
        given = terms_of(((alpha + 1) ** 2 - 4 * (1 - x)) * (alpha**2 + sympy.Rational(1, 10**8)))
        start = mpmath.mpf(1)
        points = all_double_roots(given, start)
        assert len(points) > 1  # the crossings are among the zeros of the discriminant
        found = classify_nearest(given, start, points, digits=20)
        assert found.physical
        assert abs(found.C - 1) < 1e-30
        assert abs(found.alpha + 1) < 1e-30


def test_the_line_leads_through_a_crossing_but_not_through_a_branch_point():
    """alpha = -1 + 2 sqrt(1 - x) crosses 1/2 on its way to x = 1, and cannot be followed to x = 2."""
    with mpmath.workdps(40):
        given = terms_of(((alpha + 1) ** 2 - 4 * (1 - x)) * (2 * alpha - 1))
        found = classify_nearest(given, mpmath.mpf(1), [mpmath.mpc(1)], digits=20)
        assert found.physical
        assert abs(found.alpha + 1) < 1e-30
        given = terms_of((alpha + 1) ** 2 - 4 * (1 - x))
        with pytest.raises(ArithmeticError, match="cannot be followed"):
            classify_nearest(given, mpmath.mpf(1), [mpmath.mpc(2)], digits=20)


def test_a_neighbour_that_stays_close_does_not_make_the_steps_short():
    """Another root that runs 1e-3 beside; steps of a quarter of that would be 8,000."""
    with mpmath.workdps(40):
        given = terms_of(
            ((alpha + 1) ** 2 - 4 * (1 - x)) * ((alpha + 1) ** 2 - 4 * (1 - x) - sympy.Rational(1, 250))
        )
        found = classify_nearest(given, mpmath.mpf(1), [mpmath.mpc(1)], digits=20)
        assert found.physical
        assert len(found.path) < 400


def double_root_by_hand(samples, complexity, point):
    """(C, alpha) where the ridge's condition and its slope in w = lambda_* + kappa = 1/(n alpha) vanish."""
    N, S = 20, 64
    lam = 16 / (5 * mpmath.pi * N * S)
    T = 4 / mpmath.pi * (mpmath.asin(mpmath.mpf(4) / 5) - mpmath.mpf(4) / 5)

    def excess(w, x, sign):
        r = 1 / (1 - lam * x / w**2 + (N * x * lam / w if complexity else 0))
        kappa = w - lam * r
        b = (kappa / lam - 1 + N * x) / 2
        r0 = sign * mpmath.sqrt(b * b + kappa / lam) - b if complexity else mpmath.mpf(1)
        inert = N * (S - 1) * lam * r0 / (lam * r0 + kappa)
        return samples * kappa - mpmath.mpf(1) / 10 - T - kappa * (N * lam * r / w + inert)

    w, x = 1 / (samples * point.alpha), 1 / point.C
    sign = min((1, -1), key=lambda sign: abs(excess(w, x, sign)))
    step = mpmath.mpf("1e-25") * abs(w)

    def both(u, v):
        up, down = (excess(w * u + h, x * v, sign) for h in (step, -step))
        return [excess(w * u, x * v, sign), (up - down) / (2 * step) * w]

    start = [1 + mpmath.mpf("1e-6"), 1 - mpmath.mpf("1e-6")]
    u, v = mpmath.findroot(both, start, tol=1e-40, maxsteps=50)
    return 1 / (x * v), 1 / (samples * w * u)


@pytest.mark.parametrize(("samples", "complexity"), [(1, True), (2, False), (5, True)])
def test_few_samples(samples, complexity):
    """The radius by ratios, the double root by the equation in w, and the discriminant's own list."""
    eq = reduced_equation("ridge", include_complexity=complexity)
    found = breakdown(eq, n=samples)
    assert abs(found.ratio_estimate / found.radius - 1) < 1e-3
    with mpmath.workdps(80):
        C, root = double_root_by_hand(samples, complexity, found.branch_point)
        assert abs(C / found.branch_point.C - 1) < 1e-25
        assert abs(root / found.branch_point.alpha - 1) < 1e-25
        points = all_double_roots(eq.numeric_terms(80, {"n": samples}), gaussian(eq, 80, {"n": samples}))
        assert min(abs(abs(x * found.branch_point.C) - 1) for x in points) < 1e-25
