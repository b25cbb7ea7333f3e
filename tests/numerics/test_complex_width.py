"""Complex widths: the real axis against the solver, the plane and the series against the dense oracle."""

import numpy as np
import pytest

from numerics import Problem, alpha_series, cnn, solve
from numerics.series.complex_width import ComplexWidth


@pytest.fixture
def plane(small):
    return ComplexWidth(Problem(small.net(10.0), *small.data))


def test_equal_on_the_real_axis(small, plane):
    for C in (200.0, 10.0):  # from the Gaussian process; where much is learned, near the solution
        sol = solve(small.net(C), *small.data, tol=1e-12)
        start = None if C > 100 else sol.overlap_ratio + 1e-4
        alpha, R = plane.solve(1 / C, start)
        assert alpha.imag == pytest.approx(0, abs=1e-14)
        assert alpha.real == pytest.approx(sol.alpha, rel=1e-10)
        np.testing.assert_allclose(R.real, sol.overlap_ratio, rtol=0, atol=1e-9)


def test_equation_of_state_at_a_complex_width(small, plane):
    C = 40 * np.exp(0.8j)
    alpha, R = plane.solve(1 / C)
    Sigma = R / small.oracle.prior_precision
    assert small.oracle.residual(Sigma, C) < 1e-10
    assert alpha == pytest.approx(small.oracle.alpha(Sigma), rel=1e-10)


def test_series_against_the_oracle_and_the_tangent(small):
    found = alpha_series(small.net(10.0), *small.data, order=4)
    tangent = solve(small.net(10.0), *small.data).first_order
    assert found.errors[0] < 1e-8  # what the solves on the circle leave; most with the sine
    assert found.coefficients[0] == pytest.approx(tangent.alpha_gp, abs=1e-11 + found.errors[0])
    assert found.coefficients[1] == pytest.approx(tangent.alpha_slope, rel=1e-7)
    # another circle and other code: aliasing is at most 1e-6 of each term on a circle this small
    other = small.oracle.series(4, found.circle / 2, points=32)
    np.testing.assert_array_less(abs(found.coefficients - other), 5 * found.errors + 1e-6 * abs(other))


def test_error_of_the_truncated_series_has_its_order(small):
    found = alpha_series(small.net(10.0), *small.data, order=3)
    for order in (1, 2, 3):
        errors = []
        for C in (800.0, 1600.0):
            partial = np.polynomial.polynomial.polyval(1 / C, found.coefficients[: order + 1])
            errors.append(abs(partial - solve(small.net(C), *small.data, tol=1e-13).alpha))
        assert np.log2(errors[0] / errors[1]) == pytest.approx(order + 1, abs=0.25)
    assert found.alpha(1600.0) == pytest.approx(partial, rel=1e-15)


def test_what_it_cannot_do_is_refused(small):
    with pytest.raises(ValueError, match="two layers"):
        alpha_series(cnn(10.0, bias_variance=0.1), *small.data)
    with pytest.raises(ValueError, match="points"):
        alpha_series(small.net(10.0), *small.data, order=6, points=5)
    with pytest.raises(ArithmeticError, match="smaller circle"):
        alpha_series(small.net(10.0), *small.data, circle=1e4)


def test_units_with_means_are_refused():
    X = np.random.default_rng(0).standard_normal((9, 2, 3))
    with pytest.raises(ValueError, match="not 'relu'"):
        alpha_series(cnn(30, activation="relu"), X, X[:, 0, 0], 0.1)
