"""A given kernel is proved or refused; the sine's against its printed form and where floats run out."""

import mpmath
import numpy as np
import pytest
import sympy
from mutants import breaks
from sympy import cos, cosh, exp, sin, sinh

from analytic.expectations import proof
from analytic.expectations.activations import ACTIVATIONS, Activation
from analytic.expectations.kernels import kernel
from analytic.expectations.proof import NotProved, prove
from analytic.symbols import K11, K12, K22, h, m1, m2, v
from numerics._generated import load, load_numpy

GIVEN = {name: entry for name, entry in ACTIVATIONS.items() if entry.G is not None}
WAVES = exp(K12 - (K11 + K22) / 2) * cos(m1 - m2) + exp(-K12 - (K11 + K22) / 2) * sin(m1 + m2)  # of sin + cos


@breaks(
    "analytic/expectations/activations.py",
    "/ 2) * sinh(K12)",
    "/ 2) * sinh(K12) / 2",
    "half the sine's kernel",
    case="sin",
)
@breaks(
    "analytic/expectations/proof.py",
    "((2, 0), K11, 2)",
    "((2, 0), K11, 1)",
    "dG/dK11 without 1/2 (proof)",
    case="sin",
)
@breaks(
    "analytic/expectations/proof.py",
    "c22 - c12**2 / c11",
    "c22 - c12 / c11",
    "a correlation without its square",
    case="sin",
)
@pytest.mark.parametrize("name", GIVEN)
def test_what_is_given_is_proved(name):
    prove(name, GIVEN[name].phi, GIVEN[name].G)


def test_a_kernel_with_means_is_proved_with_its_slopes_in_them():
    prove("cas", sin(h) + cos(h), WAVES)
    with pytest.raises(NotProved, match=r"m1 = 0.4, m2 = -0.7: the given G is"):
        prove("cas", sin(h) + cos(h), WAVES.subs(m1, -m1))


@pytest.mark.parametrize(
    "wrong",
    [
        exp(-(K11 + K22) / 2) * sinh(K12) / 2,
        exp(-(K11 + K22) / 2) * sinh(2 * K12) / 2,
        exp(-K11) * sinh(K12),
        exp(-(K11 + K22) / 2) * cosh(K12),
    ],
    ids=["half", "twice the covariance", "one variance for both", "the cosine's"],
)
def test_wrong_factors_are_refused(wrong):
    with pytest.raises(NotProved, match=r"activation 'sin' at K12 = 0.3, .*: the given G is"):
        prove("sin", sin(h), wrong)


def test_a_value_that_is_right_at_every_point_does_not_hide_a_wrong_slope(monkeypatch):
    """Something that vanishes at the points, but not its slope there."""
    monkeypatch.setattr(proof, "POINTS", proof.POINTS[:1])
    right = exp(-(K11 + K22) / 2) * sinh(K12)
    tenth = sympy.Rational(1, 10)
    for entry, value, what in ((K12, 3, "1 dG/dK12"), (K11, 8, "2 dG/dK11"), (K22, 17, "2 dG/dK22")):
        with pytest.raises(NotProved, match=f"the given {what} is"):
            prove(f"sin {entry}", sin(h), right + (entry - value * tenth) * tenth)


def test_what_is_too_steep_to_be_proved_is_refused(monkeypatch):
    monkeypatch.setattr(proof, "FINEST", 4)
    with pytest.raises(NotProved, match="too steep"):
        prove("steep", sympy.tanh(50 * h), K12)


def test_a_function_that_is_not_odd_needs_means():
    assert Activation(sin(h) + cos(h), G=WAVES).kernel == "given with means"
    assert Activation(sin(h) + cos(h)).kernel == "series"
    for arguments in ({"G": exp(-(K11 + K22) / 2) * cosh(K12)}, {"statistic": sympy.Integer(1)}):
        with pytest.raises(ValueError, match="is not odd: its units have means"):
            _ = Activation(cos(h), **arguments).kernel
    with pytest.raises(ValueError, match="has a kink"):
        _ = Activation(sympy.Max(h, h / 10)).kernel
    with pytest.raises(ValueError, match="not both"):
        _ = Activation(sin(h), G=sinh(K12), statistic=exp(-v / 2)).kernel


def test_oddness_is_found_out():
    assert Activation(sin(h) * cos(h) ** 2).odd
    assert Activation(sympy.log(sqrt_sum := h + sympy.sqrt(1 + h**2))).odd, sqrt_sum  # arsinh in disguise
    assert not Activation(sin(h + sympy.Rational(1, 10**9))).odd


def test_kernels_without_a_closed_form_say_so():
    for name in ("tanh", "relu"):
        with pytest.raises(ValueError, match="no closed form at zero means; choose one of erf, linear, sin"):
            kernel(name)


def exact(c12, c11, c22):
    """G of the sine and its slopes in K12, K11, 60 digits."""
    c12, c11, c22 = map(mpmath.mpf, (c12, c11, c22))
    scale = mpmath.exp(-(c11 + c22) / 2)
    G = scale * mpmath.sinh(c12)
    return G, scale * mpmath.cosh(c12), -G / 2


@pytest.mark.parametrize(
    "point",
    [(1e-12, 3e-6, 2e-6), (-1e-7, 0.4, 0.9), (1e-3, 0.002, 0.003), (0.7, 0.9, 1.1), (-30.0, 40.0, 25.0)],
    ids=str,
)
def test_the_sine_keeps_its_digits_where_the_covariance_is_small(point):
    with mpmath.workdps(60):
        expected = [float(value) for value in exact(*point)]
    # the exponent is rounded: K times 1e-16
    tolerance = 1e-15 * (1 + point[1] + point[2])
    np.testing.assert_allclose(load("sin").first(*point)[:3], expected, rtol=tolerance)
    np.testing.assert_allclose(load_numpy("sin").first(*map(np.array, point))[:3], expected, rtol=tolerance)


@pytest.mark.parametrize("variance", [300.0, 800.0, 1e6])
def test_the_sine_is_finite_where_sinh_is_not(variance):
    """One unit with itself: E[sin^2] = (1 - exp(-2 K))/2."""
    for module in (load("sin"), load_numpy("sin")):
        value, slope, _, _ = module.first(variance, variance, variance)
        assert (value, slope) == (0.5, 0.5)
        assert module.value(-variance, variance, variance) == -0.5
        assert module.value(0.5 * variance, variance, variance) >= 0
