"""Digits that rounding takes: estimated against 60-digit arithmetic, kept where they can be, else said."""

import math
import warnings

import mpmath
import numpy as np
import pytest
from deep_problems import small

from numerics import LossOfDigits, fcn, solve


def alpha_in_sixty_digits(X, y, noise):
    """eps.y/y.y of the arcsine kernel at infinite width, both variances 2."""
    with mpmath.workdps(60):
        rows = [[mpmath.mpf(float(x)) for x in row] for row in X]
        K = [[2 * sum(a * b for a, b in zip(u, v, strict=True)) / X.shape[1] for v in rows] for u in rows]
        Q = mpmath.matrix(len(X), len(X))
        for i, j in np.ndindex(Q.rows, Q.cols):
            scale = mpmath.sqrt((1 + 2 * K[i][i]) * (1 + 2 * K[j][j]))
            Q[i, j] = 4 / mpmath.pi * mpmath.asin(2 * K[i][j] / scale) + (noise if i == j else 0)
        target = mpmath.matrix([float(value) for value in y])
        eps = mpmath.lu_solve(Q, target)
        return (eps.T * target)[0] / (target.T * target)[0]


@pytest.mark.parametrize(("gap", "noise"), [(1e-6, 1e-13), (1e-5, 1e-12), (1e-4, 1e-8), (1.0, 1e-12)])
def test_lost_digits_of_alpha_are_estimated(gap, noise):
    """Two rows this near, little noise: the residual is zero, and the digits that are lost are said."""
    errors, estimates = [], []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        X, y = rng.standard_normal((8, 5)), rng.standard_normal(8)
        X[1] = X[0] + gap * rng.standard_normal(5)
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            sol = solve(fcn(math.inf), X, y, noise)
        assert sol.residual == 0.0
        exact = alpha_in_sixty_digits(X, y, noise)
        errors.append(float(abs(sol.alpha / exact - 1)))
        estimates.append(sol.rounding)
        heard = [str(warning.message) for warning in said if warning.category is LossOfDigits]
        assert bool(heard) == (sol.rounding > 1e-6)
        assert all(f"{sol.rounding:.0e}" in text and "raise noise_variance" in text for text in heard)
        assert ("alpha is known to about" in str(sol)) == (sol.rounding > 1e-7)
    # an error is a sum of roundings of either sign: half an order of magnitude about its size, in the mean
    size = math.exp(np.mean(np.log(np.maximum(errors, 1e-17))))
    guess = math.exp(np.mean(np.log(estimates)))
    assert size < 2 * guess
    assert guess < 20 * size
    assert max(errors) < 10 * max(estimates)


def tiny_last_kernel():
    """A linear network whose last hidden layer learns to be far below its prior, for targets of order ten."""
    rng = np.random.default_rng(2)
    X, y = rng.standard_normal((8, 7)), 3 * rng.standard_normal((8, 3))
    net = fcn((4e5, 1e5, 2.3), (23.0, 66.0, 0.13), 2.0, activation="linear")
    return net, X, y, 0.005, rng.standard_normal((6, 7))


def test_predictive_covariance_is_positive_where_a_kernel_is_far_below_its_prior():
    """And it is that of the joint solve, test points without data."""
    net, X, y, noise, X_test = tiny_last_kernel()
    sol = solve(net, X, y, noise)
    K, Q = sol.kernels[-1].K, sol.kernels[-1].Q
    assert np.trace(K) < 0.1 * np.trace(Q)
    mean, covariance = sol.predict(X_test, return_cov=True)
    values = np.linalg.eigvalsh(covariance)
    assert values[0] > 0
    both = np.concatenate([X, X_test])
    targets, noises = np.zeros((14, 3)), np.full(14, math.inf)
    targets[:8], noises[:8] = y, noise
    joint = solve(net, both, targets, noises)
    Q_f = joint.Q_f
    K_f = Q_f[:8, :8] + noise * np.eye(8)
    given = Q_f[8:, 8:] - Q_f[8:, :8] @ np.linalg.solve(K_f, Q_f[:8, 8:])
    np.testing.assert_allclose(covariance, given, rtol=0, atol=1e-8 * np.abs(given).max())
    np.testing.assert_allclose(mean, joint.f_bar[8:], rtol=0, atol=1e-7 * np.abs(mean).max())
    _, std = sol.predict(X_test, return_std=True)
    np.testing.assert_allclose(std[:, 0], np.sqrt(np.diagonal(covariance)), rtol=1e-9)


def test_a_variance_that_rounding_hides_is_said_and_is_not_zero():
    """At a training input without noise to speak of, the posterior variance is the noise's."""
    X, y = small(True, outputs=1)
    sol = solve(fcn(50), X, y[:, 0], 1e-15, raise_on_failure=False)
    with pytest.warns(LossOfDigits, match=r"std at 14 of 14 inputs is lost in rounding.* at most about"):
        _, std = sol.predict(X, return_std=True)
    assert (std > 0).all()
    assert (std < 1e-5).all()
    _, elsewhere = sol.predict(X + 1, return_std=True)  # nothing to say there
    assert (elsewhere > 1e-2).all()
