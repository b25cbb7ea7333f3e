"""Radius of convergence, Pade and truncation errors against routes that do not share their steps."""

import math

import mpmath
import pytest

from analytic import breakdown, reduced_equation
from numerics import reduced

N, S = 20, 64
RIDGE = [False, True]


@pytest.fixture(scope="module")
def results():
    return {
        (name, complexity): breakdown(reduced_equation(name, include_complexity=complexity), n=1600)
        for name, complexity in (
            ("equivalent_kernel", False),
            ("one_over_n", False),
            ("ridge", False),
            ("ridge", True),
        )
    }


def ridge_alpha(x, complexity, guess):
    """alpha at complex x = 1/C: one equation in w = lambda_* + kappa, by hand, r_0 by its quadratic."""
    lam = 16 / (5 * mpmath.pi * N * S)
    T = 4 / mpmath.pi * (mpmath.asin(mpmath.mpf(4) / 5) - mpmath.mpf(4) / 5)

    def excess(w):
        r = 1 / (1 - lam * x / w**2 + (N * x * lam / w if complexity else 0))
        kappa = w - lam * r
        b = (kappa / lam - 1 + N * x) / 2
        r0 = mpmath.sqrt(b * b + kappa / lam) - b if complexity else mpmath.mpf(1)
        inert = N * (S - 1) * lam * r0 / (lam * r0 + kappa)
        return 1600 * kappa - mpmath.mpf(1) / 10 - T - kappa * (N * lam * r / w + inert)

    return 1 / (1600 * mpmath.findroot(excess, 1 / (1600 * guess), tol=1e-120))


@pytest.mark.parametrize("complexity", RIDGE)
def test_coefficients_1_to_40_of_ridge_by_cauchy_integrals(results, complexity):
    """From the polynomial by undetermined coefficients, and from the equation in w on a circle."""
    found = results["ridge", complexity]
    points = 160
    with mpmath.workdps(80):
        circle = mpmath.mpf(3) / 10 / found.radius  # aliasing: 0.3^120 = 1e-63 for the last of 40
        values = []
        guess = found.alpha_gp
        for step in range(points):
            x = circle * mpmath.expjpi(mpmath.mpf(2 * step) / points)
            guess = ridge_alpha(x, complexity, guess if step else found.series(1 / circle, 20))
            values.append(guess)
        for k in range(1, 41):
            phases = [mpmath.expjpi(-mpmath.mpf(2 * k * step) / points) for step in range(points)]
            cauchy = mpmath.re(mpmath.fdot(values, phases)) / points / circle**k
            assert abs(cauchy / found.coefficients[k] - 1) < 1e-40


def test_coefficients_1_to_40_of_the_cubic_by_lagrange_inversion(results):
    """The cubic is linear in x = 1/C: x = f(alpha) with a simple zero at alpha_GP, inverted by residues.

    c_k = (1/k) [d^(k-1)] (d / f(alpha_GP + d))^k: the residue of 1/(k f^k), which has no other pole.
    """
    found = results["equivalent_kernel", False]
    with mpmath.workdps(80):
        n, sigma2 = 1600, mpmath.mpf(1) / 10
        lam = 16 / (5 * mpmath.pi * N * S)
        gp = 1 / (n * lam + sigma2)
        # sigma^2 alpha = 1 - lambda r/(lambda r + sigma^2/n), r = 1/(1 - x n^2 lambda alpha^2), solved for x:
        # x = (1 - alpha/gp) / (n^2 lambda alpha^2 (1 - sigma^2 alpha)); d/x is a polynomial in d
        square = [-gp * n**2 * lam * c for c in (gp**2, 2 * gp, 1)]  # times (1 - sigma^2 (gp + d))
        linear = [1 - sigma2 * gp, -sigma2]
        ratio = [sum(square[i] * linear[k - i] for i in range(3) if 0 <= k - i < 2) for k in range(4)]
        power = [mpmath.mpf(1)]
        for k in range(1, 41):
            power = [
                sum(power[i] * ratio[m - i] for i in range(len(power)) if 0 <= m - i < 4)
                for m in range(len(power) + 3)
            ]
            assert abs(power[k - 1] / k / found.coefficients[k] - 1) < 1e-40


def test_radius_by_ratios_and_by_continuation(results):
    """Two routes: high orders of the series, and a double root that the physical root reaches."""
    for found in results.values():
        assert found.branch_point.physical
        assert abs(found.ratio_estimate / found.radius - 1) < 1e-3


def test_nearest_singularities_at_the_paper_point(results):
    assert float(results["equivalent_kernel", False].radius) == pytest.approx(3658.27, abs=5e-3)
    for complexity in RIDGE:
        assert float(results["ridge", complexity].radius) == pytest.approx(1.05e3, rel=0.01)
        assert mpmath.im(results["ridge", complexity].branch_point.C) != 0


def test_naive_pole_belongs_to_its_own_closure(results):
    """n^2 alpha_GP^2 lambda: like with like."""
    lam = 16 / (5 * math.pi * N * S)
    for (name, complexity), found in results.items():
        gp = reduced.alpha(1600, math.inf, closure=name, include_complexity=complexity)
        assert float(found.naive_pole) == pytest.approx(1600**2 * gp**2 * lam, rel=1e-12)
    assert float(results["equivalent_kernel", False].naive_pole) == pytest.approx(1080, abs=0.5)
    assert float(results["ridge", True].naive_pole) == pytest.approx(592, abs=0.5)


def test_pade_resums_what_the_series_cannot(results):
    """C = 640 lies far inside the circle where the series diverges."""
    found = results["equivalent_kernel", False]
    exact = reduced.alpha(1600, 640, closure="equivalent_kernel")
    errors = [abs(float(found.pade(640, m)) / exact - 1) for m in (2, 3, 4)]
    assert errors == pytest.approx([0.026, 0.005, 0.001], rel=0.05)
    assert abs(found.series(640, 6) / exact - 1) > 100
    with pytest.raises(ValueError, match="order=90"):
        found.pade(640, 90)


@pytest.mark.parametrize("name", ["equivalent_kernel", "ridge"])
def test_a_truncation_is_off_by_its_threshold_at_the_crossing(results, name):
    found = results[name, name == "ridge"]
    assert len(found.crossings) == 6
    for crossing in found.crossings:
        exact = reduced.alpha(1600, crossing.width, closure=name)
        off = abs(float(found.series(crossing.width, crossing.order)) / exact - 1)
        # The crossing is known to 1e-5 of C, and the error of order 4 falls as C^-5.
        assert off == pytest.approx(crossing.threshold, rel=2e-4)
        outside = abs(float(found.series(2 * crossing.width, crossing.order)))
        assert abs(outside / reduced.alpha(1600, 2 * crossing.width, closure=name) - 1) < crossing.threshold


def test_branch_points_of_the_equation_object():
    pair = reduced_equation("ridge", include_complexity=False).branch_points(n=1600)
    assert len(pair) == 2
    with mpmath.workdps(30):
        assert abs(pair[0].C - mpmath.conj(pair[1].C)) < 1e-20


def test_a_nearly_confluent_pair_is_found_by_the_discriminant():
    """Two branch points .4 % apart, which no square root describes: the root is single valued inside only."""
    given = {
        "n": 900,
        "n_patches": 7,
        "patch_size": 33,
        "noise_variance": 0.37,
        "weight_variance": 0.6,
        "readout_variance": 3.1,
        "target_norm2": 2.7,
    }
    eq = reduced_equation("one_over_n")
    found = breakdown(eq, **given)
    assert complex(found.branch_point.C) == pytest.approx(-1354.27 + 5.592j, abs=5e-3)
    # two roots meet there: P and its slope in alpha vanish at the double root
    with mpmath.workdps(40):
        terms = eq.numeric_terms(40, given)
        x, a = 1 / found.branch_point.C, found.branch_point.alpha
        sizes = [abs(p * a**i * x**j) for (i, j), p in terms.items()]
        assert abs(sum(p * a**i * x**j for (i, j), p in terms.items())) < 1e-15 * max(sizes)
        assert abs(sum(i * p * a**i * x**j for (i, j), p in terms.items())) < 1e-15 * max(sizes)
    with pytest.raises(ValueError, match="above 0"):
        found.pade(-1, 2)
    assert found.pade(640, 0) == found.alpha_gp
