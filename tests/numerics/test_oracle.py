"""The oracle is trusted elsewhere: here its kernel is a quadrature and its T the derivative of its F."""

import numpy as np
import pytest
from oracle import Oracle, erf_G
from scipy.special import erf
from small_problems import symmetric


def test_arcsine_kernel_is_the_gaussian_expectation_of_erf_erf():
    k11, k22, k12 = 0.8, 1.7, -0.6
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    weights = weights / np.sqrt(2 * np.pi)
    h1 = np.sqrt(k11) * nodes[:, None]
    h2 = k12 / np.sqrt(k11) * nodes[:, None] + np.sqrt(k22 - k12**2 / k11) * nodes[None, :]
    expectation = weights @ (erf(h1) * erf(h2)) @ weights
    # 80 Gauss nodes: erf is analytic, the rule converges geometrically, to 1e-12 here
    assert erf_G(k12, k11, k22) == pytest.approx(expectation, abs=1e-11)


def test_free_energy_divergence_vanishes_at_the_prior_and_is_the_entropy_difference(small):
    oracle = small.oracle
    assert oracle.kl(oracle.Sigma_0) == pytest.approx(0, abs=1e-13)
    # tr P Sigma - S = 0 leaves minus half the log of the volume ratio
    Sigma = oracle.Sigma_0 * np.diag([0.5, 1.5, 1.2, 0.8])
    assert oracle.kl(Sigma) == pytest.approx(-0.5 * np.log(0.5 * 1.5 * 1.2 * 0.8), rel=1e-12)


def test_gradient_is_the_derivative_of_the_free_energy(small):
    oracle, Sigma, C, h = small.oracle, small.Sigma(), 37.0, 1e-20
    direction = symmetric(np.random.default_rng(2), oracle.S)
    slope = oracle.free_energy(Sigma + 1j * h * direction, C).imag / h
    # complex step: exact to rounding
    assert np.sum(oracle.gradient(Sigma, C) * direction) == pytest.approx(slope, rel=1e-12)


def test_newton_reaches_rounding_also_where_learning_is_strong(small):
    for C in (300.0, 30.0, 10.0):
        assert small.oracle.residual(small.oracle.solve(C), C) < 1e-13


def test_series_does_not_depend_on_the_circle(small):
    near, far = (small.oracle.series(2, radius) for radius in (1 / 2000, 1 / 1000))
    # rounding 1e-15 over radius^2 is 4e-9 of alpha, a2 is about 1e3 alpha
    np.testing.assert_allclose(near, far, rtol=1e-8)
    assert near[1] == pytest.approx(small.oracle.first_order()[1], rel=1e-9)


def test_one_pixel_one_patch_linear_network_by_hand():
    X, y = np.array([[[1.0]], [[2.0]], [[-1.5]]]), np.array([1.1, 2.5, -1.0])
    oracle = Oracle(X, y, 0.3, 1.0, 2.0, "linear")
    x = X[:, 0, 0]
    s, g = 0.7, 2.0 * x @ x
    # T by Sherman-Morrison
    T = 2.0 * ((x @ y) ** 2 / (0.3 + g * s) ** 2 - x @ x / (0.3 + g * s))
    assert oracle.T(np.array([[s]]))[0, 0] == pytest.approx(T, rel=1e-12)
