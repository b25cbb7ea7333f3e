"""The readout integrated out: against quadrature over it, from both sides, and drawn back."""

import math

import numpy as np
import pytest
from mutants import breaks
from naive_networks import SCALAR, Naive, one_unit

from numerics import Problem, fcn
from numerics.sampling.energies import Collapsed, Posterior
from numerics.sampling.readout import NotPositiveDefinite, integrate_out

READOUT = "numerics/sampling/readout.py"


def case(n, P, outputs=2, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, P)), rng.standard_normal((n, outputs))


def minus_log_integral(problem, W):
    """Over one or two raw readout weights on a grid, whose sums are exact to rounding for such functions."""
    naive = Naive(problem.net, True, [([[0]], [[0]])], (2.0, 2.0))
    Phi = naive.all_features(problem.X, [W], "erf")
    grid = np.linspace(-12, 12, 1201)
    axes = np.meshgrid(*[grid] * Phi.shape[1], indexing="ij")
    a = np.stack([axis.ravel() for axis in axes])
    misfit = np.sum((problem.y[:, None] - Phi @ a) ** 2, axis=0) / problem.noise_variance[0]
    total = np.sum(np.exp(-0.5 * np.sum(a**2, axis=0) - 0.5 * misfit))
    return -math.log(total * (grid[1] - grid[0]) ** len(a) / (2 * math.pi) ** (len(a) / 2))


@breaks(READOUT, "0.5 * float(np.sum(Y * E))", "float(np.sum(Y * E))", "fit without the half", case="3-1")
@pytest.mark.parametrize(("n", "width"), [(3, 1), (1, 2), (2, 2)])
def test_it_is_the_integral_over_the_readout(n, width):
    whole = one_unit()
    net = whole.net.with_widths(width)
    problem = Problem(net, whole.X[:n], whole.y[:n], 0.1)
    energy = Collapsed(Posterior(problem))
    values = []
    for seed in range(3):
        W = np.random.default_rng(seed).standard_normal((1, width))
        values.append(energy(W.ravel()).value - 0.5 * np.sum(W**2) - minus_log_integral(problem, W))
    np.testing.assert_allclose(
        values, 0.0, atol=1e-9
    )  # the constant is that of y's own Gaussian of the noise


@breaks(READOUT, "spent = width - float(", "spent = samples - float(", "trace of the other side")
@breaks(READOUT, "E = Y - Phi @ (inverse @ (Phi.T @ Y))", "E = Y - Phi @ (Phi.T @ Y)", "no inverse in eps")
def test_both_sides_say_the_same():
    """Features of columns that are zero do not matter, and turn the readout's side into the samples'."""
    Phi, Y = case(7, 4)
    padded = np.concatenate([Phi, np.zeros((7, 5))], axis=1)
    narrow, wide = integrate_out(Phi, Y), integrate_out(padded, Y)
    assert (narrow.by_samples, wide.by_samples) == (False, True)
    K = np.eye(7) + Phi @ Phi.T
    for marginal, features in ((narrow, Phi), (wide, padded)):
        np.testing.assert_allclose(marginal.E, np.linalg.solve(K, Y), rtol=1e-12)
        expected = 0.5 * np.sum(Y * np.linalg.solve(K, Y)) + np.linalg.slogdet(K)[1]
        assert marginal.value == pytest.approx(expected, rel=1e-12)
        load = np.trace(Phi @ Phi.T @ np.linalg.inv(K))
        assert marginal.degrees_of_freedom == pytest.approx(load, rel=1e-12)
        slope = (2 * np.linalg.inv(K) - marginal.E @ marginal.E.T) @ features
        np.testing.assert_allclose(marginal.slope(features), slope, rtol=1e-11, atol=1e-12)


@breaks(
    READOUT,
    "return there @ there.T - cross",
    "return there @ there.T + cross",
    "data add variance",
    case="3-8",
)
@breaks(READOUT, "cross @ self.inverse, cross)", "cross, cross)", "variances without the inverse", case="3-8")
@pytest.mark.parametrize(("n", "P"), [(3, 8), (8, 3), (5, 5)])
def test_variances_are_those_of_dense_regression(n, P):
    Phi, Y = case(n, P)
    there = np.random.default_rng(3).standard_normal((4, P))
    marginal = integrate_out(Phi, Y)
    posterior = np.linalg.inv(np.eye(P) + Phi.T @ Phi)
    np.testing.assert_allclose(marginal.covariance(Phi, there), there @ posterior @ there.T, rtol=1e-11)
    np.testing.assert_allclose(
        marginal.variances(Phi, there), np.diag(there @ posterior @ there.T), rtol=1e-11
    )
    np.testing.assert_allclose(marginal.readout_mean(Phi), posterior @ Phi.T @ Y, rtol=1e-10, atol=1e-13)


@breaks(
    READOUT, "gap = Y - Phi @ a - rng", "gap = Y - Phi @ a - 0.0 * rng", "no noise in the draw", case="3-6"
)
@breaks(
    READOUT,
    "root = np.linalg.cholesky(self.inverse)",
    "root = self.inverse",
    "no root in the draw",
    case="6-3",
)
@pytest.mark.parametrize(("n", "P"), [(3, 6), (6, 3)])
def test_draws_have_the_mean_and_the_covariance(n, P):
    """As many outputs with the same targets are as many independent draws."""
    count = 40_000
    Phi, Y = case(n, P, outputs=1)
    many = np.repeat(Y, count, axis=1)
    draws = integrate_out(Phi, Y).draw(Phi, many, np.random.default_rng(2))
    if n > P:  # that side takes the mean from its own targets
        draws = integrate_out(Phi, many).draw(Phi, many, np.random.default_rng(2))
    covariance = np.linalg.inv(np.eye(P) + Phi.T @ Phi)
    z = (draws.mean(axis=1) - (covariance @ Phi.T @ Y)[:, 0]) / np.sqrt(np.diag(covariance) / count)
    assert np.max(np.abs(z)) < 4
    variances = np.diag(covariance)
    error = np.sqrt((covariance**2 + np.outer(variances, variances)) / count)
    assert np.max(np.abs(np.cov(draws) - covariance) / error) < 4


def test_hopeless_features_are_said_to_be():
    for bad in (np.full((3, 2), 1e200), np.full((3, 2), np.nan), np.full((2, 3), np.inf)):
        with np.errstate(all="ignore"), pytest.raises(NotPositiveDefinite):
            integrate_out(bad, np.ones((len(bad), 1)))


def test_one_unit_is_a_network_of_loops():
    problem = one_unit()
    naive = Naive(problem.net, True, [([[0]], [[0]])], (2.0, 2.0))
    W = np.array([[0.4]])
    row, _ = naive.features(problem.X[0], [W], SCALAR["erf"])
    assert row[0] == pytest.approx(math.sqrt(2) * math.erf(math.sqrt(2) * 0.7 * 0.4))
    assert fcn(1, 2.0, 2.0) == problem.net
