"""The vectorised reduced solver against exact root counts, 50 digits, series and limits."""

import inspect
import math
import warnings
from fractions import Fraction

import mpmath
import numpy as np
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st
from mutants import breaks

from analytic import reduced_equation
from analytic.symbols import ARGUMENTS, DEFAULTS
from numerics import reduced

CLOSURE = "equivalent_kernel"
# n = 1600 and the defaults N = 20, S = 64, sigma^2 = 0.1, variances 2; from an independent solver.
TABLE = {1280: 0.47704110131, 640: 0.38977603926, 320: 0.30637784065, 160: 0.23369108814, 80: 0.17434949836}
# Six decades of every argument, around the values above.
CENTRES = (1600.0, 640.0, 20.0, 64.0, 0.1, 2.0, 2.0, 1.0)


def draw(count, seed):
    rng = np.random.default_rng(seed)
    return np.array([centre * 10 ** rng.uniform(-3, 3, count) for centre in CENTRES])


def cubic(n, C, N, S, noise, weight, readout, norm2):
    """Coefficients of the cubic in alpha, highest first, written out by hand, 60 digits."""
    lam = 4 * readout * weight / (mpmath.pi * (1 + 2 * weight) * N * S)
    b = n**2 * lam * norm2 / C
    return [noise * b, -b, -(n * lam + noise), mpmath.mpf(1)]


def test_table():
    found = reduced.alpha(1600, list(TABLE), closure=CLOSURE)
    np.testing.assert_allclose(found, list(TABLE.values()), rtol=2e-11)  # digits printed


@breaks(
    "analytic/templates/scalar_loops.py",
    "low = z if value > 0.0",
    "low = z if value < 0.0",
    "wrong side of the bracket",
    case="1000",
)
@breaks(
    "analytic/templates/scalar_equivalent_kernel.py",
    "min(1.0, 1.0 / sqrt(t))",
    "min(1.0, 0.5 / sqrt(t))",
    "upper end of the bracket",
    case="1000",
)
@pytest.mark.parametrize("count", [1000, pytest.param(100_000, marks=pytest.mark.certify)])
def test_roots_over_six_decades_by_sign_change_and_exact_count(count):
    """The polynomial changes sign within 1e-12 of the root, and Sturm counts one with chi < 1."""
    parameters = draw(count, seed=11)
    solution = reduced.solve(*parameters, closure=CLOSURE)
    assert not solution.status.any()
    with mpmath.workdps(60):
        for row, found in zip(parameters.T, solution.alpha, strict=True):
            coefficients = cubic(*map(mpmath.mpf, row))
            below, above = (
                mpmath.polyval(coefficients, mpmath.mpf(found) * (1 + sign * mpmath.mpf("1e-12")))
                for sign in (-1, 1)
            )
            assert below > 0 > above
            # Scaled by the bound 1/sqrt(b) of chi < 1, so that exact fractions stay short.
            bound = 1 / mpmath.sqrt(-coefficients[1])
            scaled = [c * bound**power for c, power in zip(coefficients, (3, 2, 1, 0), strict=True)]
            exact = [sympy.Rational(mpmath.nstr(c, 60)) for c in scaled]
            assert sympy.Poly(exact, sympy.Symbol("x"), domain="QQ").count_roots(0, 1) == 1
            assert mpmath.mpf(found) < bound


@breaks(
    "analytic/templates/scalar_equivalent_kernel.py",
    "inert, t * a * a",
    "inert, t * a",
    "chi linear in alpha",
)
@breaks("analytic/templates/scalar_equivalent_kernel.py", "gap / (mu * a)", "gap / a", "l_* without mu")
def test_ratio_and_chi_over_six_decades():
    """r from its own equation, sigma^2 alpha = 1 - lambda r/(lambda r + sigma^2/n), 40 digits."""
    parameters = draw(300, seed=12)
    solution = reduced.solve(*parameters, closure=CLOSURE)
    with mpmath.workdps(40):
        for i, row in enumerate(parameters.T):
            n, C, N, S, noise, weight, readout, norm2 = map(mpmath.mpf, row)
            lam = 4 * readout * weight / (mpmath.pi * (1 + 2 * weight) * N * S)
            exact = mpmath.findroot(
                lambda z: mpmath.polyval(cubic(n, C, N, S, noise, weight, readout, norm2), z),  # noqa: B023
                mpmath.mpf(solution.alpha[i]),
            )
            assert abs(solution.overlap_ratio[i] / ((1 / (n * exact) - noise / n) / lam) - 1) < 1e-12
            assert abs(solution.chi[i] / (exact**2 * n**2 * lam * norm2 / C) - 1) < 1e-12


@breaks(
    "analytic/scalar/free_energy.py", "sigma_a2 / N", "2 * sigma_a2 / N", "twice the prior of the readout"
)
def test_infinite_width_is_the_gaussian_process():
    n, *others = draw(200, seed=13)
    _, N, S, noise, weight, readout, norm2 = others
    solution = reduced.solve(n, math.inf, N, S, noise, weight, readout, norm2, closure=CLOSURE)
    lam = 4 * readout * weight / (np.pi * (1 + 2 * weight) * N * S)
    np.testing.assert_allclose(solution.alpha, 1 / (n * lam + noise), rtol=1e-14)
    np.testing.assert_array_equal(solution.overlap_ratio, 1.0)
    np.testing.assert_array_equal(solution.chi, 0.0)


@given(st.floats(1e-3, 1e6), st.floats(1e-3, 1e6), st.floats(1e-4, 1e3))
def test_learning_grows_as_the_width_falls(n, C, noise):
    wide = reduced.solve(n, 2 * C, noise_variance=noise, closure=CLOSURE)
    narrow = reduced.solve(n, C, noise_variance=noise, closure=CLOSURE)
    assert 0 < narrow.alpha <= wide.alpha < 1 / noise
    assert 0 <= wide.chi <= narrow.chi < 1
    assert narrow.overlap_ratio >= 1
    assert narrow.overlap_ratio * (1 - narrow.chi) == pytest.approx(1, rel=1e-9 * narrow.overlap_ratio)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_error_of_the_truncated_series_has_slope_order_plus_one(order):
    """|alpha(C) - series of order k| falls as C^-(k+1) over a decade (C_b = 3658 sets the scale)."""
    widths = np.logspace(5, 6, 6)
    coefficients = reduced_equation(closure=CLOSURE).series(order, n=1600)
    exact = reduced.alpha(1600, widths, closure=CLOSURE)
    series = sum(float(c) / widths**k for k, c in enumerate(coefficients))
    slope = np.polyfit(np.log(widths), np.log(abs(exact - series)), 1)[0]
    assert -slope == pytest.approx(order + 1, abs=0.1)


@breaks(
    "analytic/emit/equivalent_kernel.py",
    "slope_in_1_C = _ALPHA_GP * t",
    "slope_in_1_C = t",
    "slope at the process not in units of alpha",
)
def test_first_order_is_the_slope_at_infinite_width():
    n, _, *others = draw(100, seed=14)
    found = reduced.first_order(n, *others, closure=CLOSURE)
    # A width at which chi_GP = 1e-5 makes the second order 1e-5 of the first.
    gaussian = reduced.solve(n, 1.0, *others, closure=CLOSURE)
    scale = gaussian.chi * (reduced.alpha(n, math.inf, *others, closure=CLOSURE) / gaussian.alpha) ** 2
    C = 1e5 * scale
    change = reduced.alpha(n, C, *others, closure=CLOSURE) - reduced.alpha(
        n, math.inf, *others, closure=CLOSURE
    )
    mu = -found / scale / reduced.alpha(n, math.inf, *others, closure=CLOSURE)  # lambda/(lambda + s)
    visible = mu > 1e-4  # elsewhere the change drowns in the rounding of alpha
    assert visible.sum() > 30
    np.testing.assert_allclose((change * C / found)[visible], 1, rtol=1e-4)
    exact = reduced_equation(closure=CLOSURE).series(1, n=1600)[1]
    assert reduced.first_order(1600, closure=CLOSURE) == pytest.approx(float(exact), rel=1e-14)


@breaks(
    "analytic/templates/scalar_equivalent_kernel.py", "-(c1 + size)", "-(c1 - size)", "the other branch point"
)
def test_branch_points_agree_with_continuation_in_the_complex_plane():
    """Closed forms and their sheets against roots followed numerically, on both sides of lambda = 8 s."""
    eq = reduced_equation(closure=CLOSURE)
    for n in (3, 16, 400, 1000, 1600, 50000):
        physical, other = reduced.branch_points(n, closure=CLOSURE)
        followed = eq.branch_points(n=n)
        for found, is_physical in ((physical, True), (other, physical.imag != 0)):
            nearest = min(followed, key=lambda point: abs(complex(point.C) - found))
            assert abs(complex(nearest.C) - found) < 1e-12 * abs(found)
            assert nearest.physical is is_physical
    radius = reduced.convergence_radius([3.0, 1600.0], closure=CLOSURE)
    np.testing.assert_allclose(radius[1], 3658.27, atol=5e-3)


def test_branch_points_of_the_paper_case():
    physical, other = reduced.branch_points(1600, closure=CLOSURE)
    assert physical == pytest.approx(-3658.27, abs=5e-3)
    assert other == pytest.approx(-4380.72, abs=5e-3)
    assert reduced.convergence_radius(1600, closure=CLOSURE) == abs(physical)


def test_broadcasting_and_types():
    grid = reduced.alpha(np.array([[800], [1600]]), [80, 640, math.inf], closure=CLOSURE)
    assert grid.shape == (2, 3)
    assert grid[1, 1] == reduced.alpha(1600, 640, closure=CLOSURE)
    assert isinstance(reduced.alpha(1600, 640, closure=CLOSURE), float)
    assert isinstance(reduced.alpha(np.float32(1600), np.int64(640), closure=CLOSURE), float)
    read_only = np.broadcast_to(np.float64(640), (4,))
    assert reduced.alpha(1600, read_only, closure=CLOSURE).shape == (4,)
    assert reduced.alpha(1600, np.empty(0), closure=CLOSURE).shape == (0,)


def test_a_bad_entry_of_an_array_is_nan_with_one_warning():
    with pytest.warns(RuntimeWarning, match="3 of 5 entries") as caught:
        solution = reduced.solve(1600, [640, -1, math.nan, 0, math.inf], closure=CLOSURE)
    assert len(caught) == 1
    bad, good = reduced.ReducedStatus.BAD_ARGUMENT, reduced.ReducedStatus.SOLVED
    np.testing.assert_array_equal(solution.status, [good, bad, bad, bad, good])
    np.testing.assert_array_equal(np.isnan(solution.alpha), solution.status == bad)
    np.testing.assert_array_equal(np.isnan(solution.chi), solution.status == bad)
    np.testing.assert_array_equal(np.isnan(solution.overlap_ratio), solution.status == bad)
    np.testing.assert_array_equal(np.isnan(solution.alpha_test), solution.status == bad)
    np.testing.assert_array_equal(np.isnan(solution.inert_ratio), solution.status == bad)
    with pytest.warns(RuntimeWarning, match="1 of 2 entries") as caught:
        slopes = reduced.first_order([1600, -3], closure=CLOSURE)
    assert len(caught) == 1
    assert np.isnan(slopes[1])
    with pytest.warns(RuntimeWarning, match="1 of 2 entries") as caught:
        radius = reduced.convergence_radius([1600, math.inf], closure=CLOSURE)
    assert len(caught) == 1
    assert np.isnan(radius[1])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"C": 0}, "C=0 must be above 0"),
        ({"C": -math.inf}, "C=-inf"),
        ({"n": math.inf}, "n=inf must be finite"),
        ({"noise_variance": 0.0}, "noise_variance=0.0 must be finite and above 0"),
        ({"weight_variance": math.nan}, "weight_variance=nan"),
        ({"target_norm2": "1"}, "target_norm2 must be a real number"),
        ({"patch_size": 1j}, "patch_size must be a real number"),
        ({"n": True}, "n must be a real number"),
        ({"n": [1, 2], "C": [1, 2, 3]}, r"n \(2,\), C \(3,\)"),
        ({"n": 10**400}, "n is an integer too large for a float"),
        ({"n": [10**400, 1]}, "n is an integer too large for a float"),
        ({"n": ["many"] * 10**5}, "n must be a real number or an array of them, not .{1,200}$"),
        ({"n": [None, 1]}, "n must be a real number"),
        ({"n": [[1, 2], [3]]}, "n is ragged"),
        ({"closure": "kriging"}, "available: equivalent_kernel, one_over_n, ridge"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        reduced.alpha(**({"n": 1600, "C": 640, "closure": CLOSURE} | arguments))


def test_good_arguments_warn_of_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        reduced.solve([1, 1e9], [1e-9, math.inf], closure=CLOSURE)


def test_out_of_the_range_of_doubles_is_said():
    # Large n alone is no trouble: n alpha tends to a constant.
    scaled = reduced.alpha(1e15, 640, closure=CLOSURE) * 1e15
    assert reduced.alpha(1e150, 640, closure=CLOSURE) * 1e150 == pytest.approx(scaled, rel=1e-11)
    with pytest.raises(ArithmeticError, match="rescale"):
        reduced.alpha(1e-200, 1e-300, closure=CLOSURE)


def test_float_argument_means_its_decimal_to_double_precision():
    exact = reduced_equation(closure=CLOSURE).roots(n=1600, C=640, noise_variance=Fraction(1, 10))
    (root,) = [float(r.value) for r in exact if r.physical]
    assert reduced.alpha(1600, 640, closure=CLOSURE) == pytest.approx(root, rel=1e-14)


def test_numbers_of_any_type_are_taken():
    """Integers beyond 64 bits, fractions, arrays of objects and NumPy's own: each means its float."""
    expected = reduced.alpha(1600.0, 640.0, closure=CLOSURE)
    for n in (1600, np.int8(16) * np.int16(100), np.uint64(1600), Fraction(1600), np.float32(1600)):
        assert reduced.alpha(n, 640, closure=CLOSURE) == expected
    assert reduced.alpha(10**30, 640) == reduced.alpha(1e30, 640)
    mixed = np.array([10**30, Fraction(3200, 2), 1600.0], dtype=object)
    np.testing.assert_array_equal(
        reduced.alpha(mixed, 640, closure=CLOSURE), reduced.alpha([1e30, 1600, 1600], 640, closure=CLOSURE)
    )


def test_every_function_has_the_arguments_and_defaults_of_the_setting():
    names = list(ARGUMENTS)
    for function, expected in (
        (reduced.solve, names),
        (reduced.alpha, names),
        (reduced.first_order, [name for name in names if name != "C"]),
        (reduced.branch_points, [name for name in names if name != "C"]),
    ):
        found = inspect.signature(function).parameters
        assert [name for name, p in found.items() if p.kind is p.POSITIONAL_OR_KEYWORD] == expected
        for name, value in DEFAULTS.items():
            assert found[name].default == float(value)
    with pytest.raises(TypeError, match=r"alpha: .*'width'; the arguments are n, C, n_patches=20"):
        reduced.alpha(1600, 640, width=3)
    with pytest.raises(TypeError, match="first_order: missing a required argument: 'n'"):
        reduced.first_order()


def test_masked_entries_are_refused():
    channels = np.ma.masked_array([80.0, 160.0], [False, True])
    with pytest.raises(ValueError, match=r"C has masked entries; give C\.compressed\(\)"):
        reduced.alpha(n=1600, C=channels)
    assert reduced.alpha(n=1600, C=np.ma.masked_array([80.0])).shape == (1,)
