"""Predictions against dense regression formulas and against the evidence, which knows none of them."""

import math

import numpy as np
import pytest
from mutants import breaks
from oracle import Oracle

from numerics import solve

WIDTHS = (math.inf, 100.0, 10.0)
TOLERANCE = 1e-10  # of quantities of order one, through matrices of condition number below 1e4


@pytest.fixture(scope="module", params=WIDTHS)
def sol(small, request):
    return solve(small.net(request.param), *small.data)


@breaks(
    "numerics/readout_laws/law.py",
    "own - whitened.T",
    "own + whitened.T",
    "covariance grows by what is learned",
    case="erf-100.0",
)
def test_mean_std_and_covariance_are_those_of_dense_regression(small, sol):
    mean, cov = small.oracle.predict(sol.Sigma, small.X_test)
    got_mean, got_std = sol.predict(small.X_test, return_std=True)
    np.testing.assert_allclose(got_mean, mean, rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(got_std, np.sqrt(np.diag(cov)), rtol=0, atol=TOLERANCE)
    got_mean, got_cov = sol.predict(small.X_test, return_cov=True)
    np.testing.assert_allclose(got_mean, mean, rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(got_cov, cov, rtol=0, atol=TOLERANCE)
    np.testing.assert_array_equal(got_cov, got_cov.T)
    np.testing.assert_array_equal(sol.predict(small.X_test), got_mean)


def test_infinite_width_is_the_neural_network_gaussian_process(small):
    oracle = small.oracle
    mean, cov = oracle.predict(oracle.Sigma_0, small.X_test)
    got = solve(small.net(math.inf), *small.data).predict(small.X_test, return_cov=True)
    np.testing.assert_allclose(got[0], mean, rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(got[1], cov, rtol=0, atol=TOLERANCE)
    # the same through the Gaussian process of a finite network
    again = solve(small.net(30.0), *small.data).gp.predict(small.X_test, return_cov=True)
    np.testing.assert_allclose(again[0], mean, rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(again[1], cov, rtol=0, atol=TOLERANCE)


def test_noise_is_added_to_the_variance_of_observations_only(small, sol):
    std, noisy_std = (sol.predict(small.X_test, True, include_noise=noise)[1] for noise in (False, True))
    np.testing.assert_allclose(noisy_std**2, std**2 + small.noise_variance, rtol=1e-12)
    cov, noisy_cov = (
        sol.predict(small.X_test, return_cov=True, include_noise=noise)[1] for noise in (False, True)
    )
    np.testing.assert_allclose(noisy_cov - cov, small.noise_variance * np.eye(len(cov)), atol=1e-14)


@breaks(
    "numerics/problem.py",
    "return float(noise[0]) if",
    "return float(noise[0])**0.5 if",
    "sigma for sigma^2 of an observation",
    case="erf-100.0",
)
@breaks(
    "numerics/readout_laws/mean_field.py",
    "] += problem.noise_variance[observed]",
    "] += 1e-6",
    "variance without training noise",
    case="erf-100.0",
)
def test_mean_and_noisy_std_are_the_law_of_the_next_observation_by_the_evidence(small, sol):
    # -log p(y_*|y) = Psi(train + test) - Psi(train) is a parabola in y_*; no predictive formula is used
    x = small.X_test[:1]
    means, stds = sol.predict(x, return_std=True, include_noise=True)

    def joint(y_star):
        oracle = small.oracle
        X, y = np.concatenate([oracle.X, x]), np.append(oracle.y, y_star)
        bigger = Oracle(X, y, small.noise_variance, 1.5, 0.7, small.activation)
        return bigger.data_term(sol.Sigma) - oracle.data_term(sol.Sigma)

    low, middle, high = joint(-1.0), joint(0.0), joint(1.0)
    curvature, slope = high + low - 2 * middle, (high - low) / 2
    # differences of numbers of order ten
    assert means[0] == pytest.approx(-slope / curvature, abs=1e-9)
    assert stds[0] == pytest.approx(curvature**-0.5, rel=1e-9)
    assert 0.5 * (means[0] / stds[0]) ** 2 + math.log(stds[0]) == pytest.approx(middle, rel=1e-8)


@breaks(
    "numerics/solutions/observables.py",
    "problem.targets - problem.noise",
    "problem.targets + problem.noise",
    "sign of eps in f_bar",
    case="erf-100.0",
)
def test_training_inputs_are_fitted_as_f_bar_says(small, sol):
    mean, std = sol.predict(small.X, return_std=True)
    np.testing.assert_allclose(mean, sol.f_bar, rtol=0, atol=TOLERANCE)
    # a datum seen with noise sigma^2 has a posterior variance below sigma^2
    assert np.all(std**2 < small.noise_variance)
    assert np.all(std > 0)


def test_inputs_without_signal_have_the_prior_s_spread(small, sol):
    mean, std = sol.predict(np.zeros((1, *small.X.shape[1:])), return_std=True)
    # odd activation: f(0) = 0 exactly
    np.testing.assert_allclose([mean[0], std[0]], 0, atol=1e-12)


def test_asking_for_both_std_and_covariance_is_refused(small, sol):
    with pytest.raises(ValueError, match="return_std and return_cov"):
        sol.predict(small.X_test, return_std=True, return_cov=True)


def test_alpha_on_new_inputs(small, sol):
    mean, _ = small.oracle.predict(sol.Sigma, small.X_test)
    y = np.cos(np.arange(len(mean)))
    by_hand = (y - mean) @ y / (small.noise_variance * y @ y)
    assert sol.alpha_test(small.X_test, y) == pytest.approx(by_hand, rel=1e-10)
    # on the training inputs it is alpha itself
    assert sol.alpha_test(small.X, small.y) == pytest.approx(sol.alpha, rel=1e-9)
    with pytest.raises(ValueError, match="y_test has 2 outputs"):
        sol.alpha_test(small.X_test, np.ones((len(mean), 2)))
