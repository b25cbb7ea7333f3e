"""Generated kernels: accuracy, agreement of the two back ends, and drift."""

import math

import mpmath
import numpy as np
import pytest
import sympy
from sympy import Integral, asin, besselj, cosh, exp, sinh, sqrt

from analytic.__main__ import main
from analytic.expectations.activations import ACTIVATIONS, activation
from analytic.expectations.kernels import kernel
from analytic.files import generated_files
from analytic.generator.kernels import FIRST, SECOND
from analytic.generator.primitives import NUMPY
from analytic.generator.printer import assembled, function, module
from analytic.symbols import D1, D2, K12, K22, h
from numerics._generated import HOLOMORPHIC, load, load_numpy

rng = np.random.default_rng(5)
# At D1 = D2 = 1, u = K12 exactly: random points, both ends of asin's branches, and the edge.
CORRELATIONS = np.concatenate(
    [
        rng.uniform(-1, 1, 300),
        10.0 ** rng.uniform(-9, 0, 40),
        [0.0, 0.5, np.nextafter(0.5, 0), 1 - 1e-12, -1 + 1e-12, 1 - 1e-9],
    ]
)
POINTS = [(0.31, 0.9, 1.1), (-0.7, 0.45, 0.8), (1e-3, 1.3, 0.2), (2.5, 0.6, 0.55)]


def reference(name, point, orders):
    """Exact derivatives of G at a point in (K12, D1, D2), 40 digits."""
    derived = kernel(name)
    values = dict(zip((K12, D1, D2), map(sympy.Float, point, (40,) * 3), strict=True))
    return [mpmath.mpf(str(derived.derivative(*entries).evalf(40, subs=values))) for entries in orders]


def ulps(found, expected):
    return float(abs(mpmath.mpf(float(found)) - expected) / np.spacing(abs(float(expected))))


@pytest.mark.parametrize("name", HOLOMORPHIC)
def test_value_and_slope_within_4_ulp_given_u(name):
    """At given u. Through K12, D1, D2 an ulp of u moves dG/dK12 by 1/(1 - u^2) ulp: conditioning."""
    module = load(name)
    derived = kernel(name)
    value = sympy.lambdify((K12, D1, D2), derived.G_statistic, "mpmath")
    slope = sympy.lambdify((K12, D1, D2), derived.derivative(K12), "mpmath")
    with mpmath.workdps(40):
        for u in CORRELATIONS:
            exact = mpmath.mpf(float(u))
            found, slope_found = module.first(u, 1.0, 1.0)[:2]
            assert found == module.value(u, 1.0, 1.0)
            assert ulps(found, value(exact, 1, 1)) <= 4
            assert ulps(slope_found, slope(exact, 1, 1)) <= 4


@pytest.mark.parametrize("name", HOLOMORPHIC)
@pytest.mark.parametrize("point", POINTS)
def test_all_derivatives_at_random_points(name, point):
    """Conditioning through u is 1/(1 - u^2)^(3/2) < 100 here: 100 x 20 operations x 1.1e-16."""
    module = load(name)
    with mpmath.workdps(40):
        for found, expected in zip(
            [*module.first(*point), *module.second(*point)],
            reference(name, point, [(), *FIRST, *FIRST, *SECOND]),
            strict=True,
        ):
            assert abs(found - expected) <= 2e-13 * abs(expected)


@pytest.mark.parametrize("name", HOLOMORPHIC)
def test_statistic(name):
    for variance in (0.0, 1e-9, 0.5, 3.7, 1e6):
        expected = kernel(name).statistic.subs(next(iter(kernel(name).statistic.free_symbols), 0), variance)
        assert load(name).statistic(variance) == pytest.approx(float(expected), rel=5e-16)


@pytest.mark.parametrize("name", HOLOMORPHIC)
def test_numpy_back_end_agrees_and_is_holomorphic(name):
    module, arrays = load(name), load_numpy(name)
    K, E1, E2 = np.array(POINTS).T
    scalar = np.array([module.first(*point) for point in POINTS]).T
    for row, found in zip(scalar, arrays.first(K, E1, E2), strict=True):
        # Two arcsines, each within 2 ulp.
        np.testing.assert_allclose(np.broadcast_to(found, row.shape), row, rtol=1e-15)
    # Complex step: exact to rounding if and only if the function is holomorphic.
    step = 1e-20
    slope = np.broadcast_to(np.imag(arrays.value(K + 1j * step, E1, E2)) / step, K.shape)
    np.testing.assert_allclose(slope, scalar[1], rtol=1e-13)


def test_asin_against_mpmath():
    asin = load("erf").asin
    with mpmath.workdps(40):
        assert max(ulps(asin(x), mpmath.asin(mpmath.mpf(float(x)))) for x in CORRELATIONS if x) <= 2
    assert asin(1.0) == np.pi / 2
    assert asin(-1.0) == -np.pi / 2
    assert np.isnan(asin(1.0000001))


def test_tanh_against_mpmath():
    tanh = load("tanh").tanh
    points = np.concatenate([CORRELATIONS, 30 * CORRELATIONS[:300], [0.625, np.nextafter(0.625, 0), 400.0]])
    with mpmath.workdps(40):
        assert max(ulps(tanh(x), mpmath.tanh(mpmath.mpf(float(x)))) for x in points if x) <= 2
    assert (tanh(0.0), tanh(1e300), tanh(-np.inf)) == (0.0, 1.0, -1.0)
    assert np.isnan(tanh(np.nan))


def test_tile_loops_agree_with_the_scalar_kernels():
    """`add_value` (the vectorised loop) gives the scalar kernel's numbers."""
    module = load("erf")
    A = rng.standard_normal((37, 9))
    K = A @ A.T / 9
    D = np.empty(37)
    module.statistics(np.diag(K).copy(), D)
    out = np.zeros_like(K)
    module.add_value(K, D, D, out)
    expected = load_numpy("erf").value(K, D[:, None], D)
    np.testing.assert_allclose(out, expected, rtol=1e-15, atol=1e-16)


def test_committed_files_are_what_is_derived(tmp_path, capsys):
    assert main(["--check"]) == 0
    assert main(["--target", str(tmp_path)]) == 0
    stale = tmp_path / "erf.py"
    stale.write_text(stale.read_text().replace("1.0 + u", "1.0 + 2.0 * u"))
    (tmp_path / "left_over.py").write_text("")
    capsys.readouterr()
    assert main(["--check", "--target", str(tmp_path)]) == 1
    complaint = capsys.readouterr().err
    assert "erf.py" in complaint
    assert "left_over.py" in complaint
    assert "python -m analytic" in complaint
    assert main(["--target", str(tmp_path)]) == 0
    assert main(["--check", "--target", str(tmp_path)]) == 0


def test_text_is_the_same_on_every_run():
    assert generated_files() == generated_files()


def test_printer_uses_no_power():
    text = function("f", (K22,), [K22 ** sympy.Rational(3, 2), 1 / K22**2, -sympy.pi / sympy.sqrt(K22)])
    assert "**" not in text
    assert "sqrt(K22)" in text
    with pytest.raises(NotImplementedError, match="power"):
        function("f", (K22,), [K22 ** sympy.Rational(1, 3)])


def test_products_with_exponentials_are_printed():
    text = function("f", (K12, K22), [K22**2 * exp(-K12) / sqrt(K22), 1 / (1 + exp(K12)), exp(-(K12**2) / 2)])
    scope = {"sqrt": math.sqrt, "exp": math.exp, "njit": lambda **_: lambda f: f}
    exec(text, scope)
    assert scope["f"](0.7, 1.9) == pytest.approx(
        (1.9**1.5 * math.exp(-0.7), 1 / (1 + math.exp(0.7)), math.exp(-0.245)), rel=1e-15
    )
    assert "**" not in text


def test_growing_times_falling_is_one_function():
    G = exp(-D1 / 2) * (sinh(K12) * K22 + 3 * cosh(K12))
    text = function("f", (K12, D1, K22), [G, sinh(K12)])
    assert "cosh_exp(K12, " in text
    assert "sinh_exp(K12, " in text
    assert ", sinh(K12)" in text  # alone it is itself


def test_imports_and_primitives_are_what_the_text_asks_for():
    text = assembled("title", [function("f", (K12,), [asin(K12) + exp(K12)])])
    assert "from math import exp, sqrt\n\nfrom numba import njit\n\n\n@njit" in text  # sqrt: asin's
    assert "def asin(x)" in text
    arrays = assembled("title", [function("f", (K12,), [asin(K12) + exp(K12)], decorator="")], NUMPY)
    assert "from numpy import arcsin as asin\nfrom numpy import exp\n" in arrays
    assert "njit" not in arrays


def test_what_nothing_provides_is_an_error_at_emission():
    blocks = [function("f", (K12,), [besselj(0, K12)]), "def g(x):\n    return mean(x)\n"]
    with pytest.raises(NameError, match=r"^title: nothing provides besselj, mean$"):
        assembled("title\nmore", blocks)
    with pytest.raises(NameError, match="nothing provides sqrt"):
        module("title", "", "def f(x):\n    return sqrt(x)\n")
    with pytest.raises(NotImplementedError, match="Integral"):
        function("f", (K12,), [Integral(exp(K12) / K12, K12)])


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_forward_maps_and_their_slopes_within_a_few_ulp(name):
    """Compiled and on arrays, against 40 digits of the expression; 1 - tanh^2 to an ulp of 1."""
    entry = activation(name)
    points = [-31.0, -7.5, -1.2, -0.3, -1e-8, 1e-5, 0.4, 2.9, 11.0]
    phi, dphi = np.empty((2, len(points)))
    load(name).activate(np.array(points), phi, dphi)
    arrays = load_numpy(name)
    with mpmath.workdps(40):
        value, slope = (sympy.lambdify(h, e, "mpmath") for e in (entry.phi, entry.phi.diff(h)))
        expected = [[float(f(mpmath.mpf(x))) for x in points] for f in (value, slope)]
    for found, again, exact in zip((phi, dphi), (arrays.phi, arrays.dphi), expected, strict=True):
        np.testing.assert_allclose(found, exact, rtol=4e-15, atol=3e-16)
        np.testing.assert_allclose(again(np.array(points)), exact, rtol=4e-15, atol=3e-16)
