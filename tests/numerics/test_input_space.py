"""Inputs with more channels than there are inputs: solved in the coordinates that the data see, exactly."""

import tracemalloc

import numpy as np
import pytest
from deep_problems import NETWORKS, RELU_NETWORKS, small
from mutants import breaks
from scipy.linalg import expm

from numerics import Problem, cnn, fcn, from_sigma, load, solve
from numerics.gaussian.hessian import Hessian
from numerics.gaussian.theory import Theory
from numerics.solutions.solution import Solution
from numerics.solutions.starts import state_of
from numerics.solving.continuation import Curve

NOISE, TOL = 0.05, 1e-11
MIXED = {f"{name}, erf": value for name, value in NETWORKS.items()} | {
    f"{name}, relu": value for name, value in RELU_NETWORKS.items()
}


def wide(flat):
    """5 samples (of 4 pixels) with 30 channels."""
    return small(flat, n=5, size=30)


def solved_for_all_weights(net, X, y, tol=TOL):
    problem = Problem(net, X, y, NOISE)
    equations = Theory(problem, basis=None)
    return Solution.of(problem, equations, Curve(equations, tol).solve(problem.inverse_widths, 500))


@breaks(
    "numerics/gaussian/input_space.py",
    "+= self.prior_variance",
    "+= 2 * self.prior_variance",
    "prior across the data twice",
    case="four dense layers with biases, erf",
)
@breaks(
    "numerics/gaussian/input_space.py",
    "self.spread(inside - np.diag(self.span_variance))",
    "self.spread(inside)",
    "prior within the span kept too",
    case="four dense layers with biases, erf",
)
@breaks(
    "numerics/gaussian/input_space.py",
    "np.eye(biases)",
    "2 * np.eye(biases)",
    "the bias's coordinate twice as long",
    case="four dense layers with biases, erf",
)
@pytest.mark.parametrize("name", MIXED)
def test_it_is_the_solution_for_all_weights(name):
    net, flat = MIXED[name]
    X, y = wide(flat)
    sol, whole = solve(net, X, y, NOISE, tol=TOL), solved_for_all_weights(net, X, y)
    biases = net.bias_variance > 0
    assert len(sol.state[0].theta) == (5 if flat else 20) + biases
    assert len(whole.state[0].theta) == 30 + biases
    # two iterations to a residual of 1e-11
    assert sol.free_energy == pytest.approx(whole.free_energy, rel=1e-11)
    np.testing.assert_allclose(sol.eps, whole.eps, rtol=1e-8, atol=1e-9)
    scale = np.abs(whole.Sigma).max()
    eigenvalues = np.linalg.eigvalsh(whole.overlap_ratio)[::-1]
    np.testing.assert_allclose(sol.overlap_eigenvalues, eigenvalues, rtol=1e-9)
    np.testing.assert_allclose(whole.overlap_eigenvalues, eigenvalues, rtol=1e-13)
    np.testing.assert_allclose(sol.input_covariance, whole.input_covariance, rtol=0, atol=1e-9 * scale)
    np.testing.assert_allclose(sol.weight_mean, whole.weight_mean, rtol=0, atol=1e-9)
    assert sol.chi_paper == pytest.approx(whole.chi_paper, rel=1e-8)
    np.testing.assert_allclose(
        sol.feature_load(0).values[:3], whole.feature_load(0).values[:3], rtol=1e-7, atol=1e-9 * scale
    )
    np.testing.assert_allclose(
        sol.first_order.Sigma_slope, whole.first_order.Sigma_slope, rtol=0, atol=1e-12 * scale * 30
    )
    np.testing.assert_array_equal(sol.first_order.Sigma_gp, whole.first_order.Sigma_gp)


@breaks(
    "numerics/solutions/prediction.py",
    "replace(cross, v_row=v)",
    "cross",
    "test variance of the span alone",
    case="three dense layers, relu",
)
@pytest.mark.parametrize("name", MIXED)
def test_test_inputs_may_leave_the_span(name):
    net, flat = MIXED[name]
    X, y = wide(flat)
    X_test = np.random.default_rng(9).standard_normal((3, *X.shape[1:]))
    sol, whole = solve(net, X, y, NOISE, tol=TOL), solved_for_all_weights(net, X, y)
    for got, want in zip(
        sol.predict(X_test, return_cov=True), whole.predict(X_test, return_cov=True), strict=True
    ):
        np.testing.assert_allclose(got, want, rtol=1e-8, atol=1e-9)
    for got, want in zip(sol.kernels_at(X_test), whole.kernels_at(X_test), strict=True):
        for field in ("K", "K_cross", "mean"):
            np.testing.assert_allclose(getattr(got, field), getattr(want, field), rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize(
    "net", [cnn(11, 1.5, 0.9), fcn(8, 1.5, 0.9), fcn(8, 1.5, 0.9, activation="relu", bias_variance=0.3)]
)
def test_all_weights_are_stationary(net):
    """`from_sigma` knows of no coordinates: Eq. (8) holds for all weights, and F is the same."""
    X, y = wide(net.flat)
    sol = solve(net, X, y, NOISE, tol=TOL)
    size = len(sol.input_covariance)
    mean = None if net.activation == "erf" else sol.input_mean
    given = from_sigma(net, X, y, sol.input_covariance, NOISE, mean)
    assert len(given.state[0].theta) == size
    assert given.residual < 10 * TOL  # the largest entry in another basis
    assert given.free_energy == pytest.approx(sol.free_energy, rel=1e-13)


def test_across_the_data_weights_keep_their_prior():
    X, y = wide(flat=True)
    sol = solve(fcn(8, 1.5, 0.9), X, y, NOISE)
    across = np.linalg.svd(X)[2][len(X) :]
    np.testing.assert_allclose(sol.overlap_ratio @ across.T, across.T, atol=1e-14)
    assert sol.overlap_eigenvalues[0] > 1.1  # and learn along them


def test_starts_are_read_in_these_coordinates():
    X, y = wide(flat=True)
    net = fcn(8, 1.5, 0.9, activation="relu", bias_variance=0.2)
    sol, whole = solve(net, X, y, NOISE), solved_for_all_weights(net, X, y, tol=1e-8)
    assert solve(net, X, y, NOISE, start=whole).gradients <= 2
    given = from_sigma(Problem(net, X, y, NOISE), sol.input_covariance, weight_mean=sol.input_mean)
    assert solve(net, X, y, NOISE, start=given).gradients <= 2
    wider = fcn(8, 0.2, 0.9, activation="relu", bias_variance=0.2)  # Sigma less the new prior is indefinite
    assert solve(wider, X, y, NOISE, start=whole).converged
    erf = fcn(8, 1.5, 0.9)
    assert solve(erf, X, y, NOISE, start=solve(erf, X, y, NOISE).Sigma).gradients <= 2


@breaks(
    "numerics/gaussian/input_space.py",
    "np.eye(len(turned)) + congruence",
    "congruence",
    "start counts across the span",
)
def test_a_start_of_other_data_counts_where_the_spans_meet():
    """Sigma of the start, restricted to the span of the new data."""
    X, y = small(True, n=9, size=30)
    net = fcn(8, 1.5, 0.9)
    start = solve(net, X[:6], y[:6], NOISE)
    theory = Theory(Problem(net, X, y, NOISE))
    V = theory.space.basis
    np.testing.assert_allclose(
        expm(state_of(start, theory)[0].theta), V.T @ start.overlap_ratio @ V, atol=1e-12
    )


def test_starts_of_other_weights_are_refused():
    """Also where the coordinates are as many."""
    X, y = small(True, n=6, size=14)
    start = solve(fcn(8), X, y, NOISE)
    others = [
        (fcn(8), *small(True, n=6, size=20)),
        (fcn(8, bias_variance=0.4), X[:5], y[:5]),
        (fcn((8, 8)), X, y),
    ]
    for net, *data in others:
        with pytest.raises(ValueError, match="start is a solution of another network or data set"):
            solve(net, *data, NOISE, start=start)


def test_stability_counts_the_weights_across_the_data():
    """Whose eigenvalues are 1, where that of the one that is seen is larger."""
    X = np.random.default_rng(0).standard_normal((1, 14))
    y = np.array([2.0])
    net = fcn(8, 1.5, 2.0)
    sol = solve(net, X, y, NOISE)
    assert Hessian.at(sol.equations, sol.state, (1 / 8,)).dense() > 1.1
    assert sol.stability == 1.0
    assert solved_for_all_weights(net, X, y).stability == pytest.approx(1.0, abs=10 * TOL)


def test_nothing_of_the_size_of_all_weights_squared_is_made():
    """Predictions, first order and starts of 12 inputs with 3000 channels: in a tenth of one such matrix."""
    X, y = small(True, n=12, size=3000)
    net = fcn(20)
    start = solve(net, X[:8], y[:8], NOISE)
    solve(net, X, y, NOISE).predict(X[:2], return_std=True)  # imports
    tracemalloc.start()
    sol = solve(net, X, y, NOISE, start=start)
    sol.predict(X[:2] + 1, return_std=True)
    assert sol.first_order.alpha_slope < 0
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * 3000**2 / 10


@breaks(
    "numerics/solutions/archive.py",
    'Theory(problem, header["theory"], arrays.get("basis"))',
    'Theory(problem, header["theory"], "span")',
    "basis of a file made again",
    case="three dense layers",
)
@pytest.mark.parametrize("name", ["three dense layers", "four dense layers with biases"])
def test_saved_and_loaded(name, tmp_path):
    net, flat = NETWORKS[name]
    X, y = wide(flat)
    sol = solve(net, X, y, NOISE)
    sol.save(tmp_path / "sol.npz")
    back = load(tmp_path / "sol.npz")
    np.testing.assert_array_equal(back.predict(X + 1), sol.predict(X + 1))
    np.testing.assert_array_equal(back.Sigma, sol.Sigma)
    with np.load(tmp_path / "sol.npz") as file:  # of degenerate data a basis made again may be another
        turned = dict(file) | {"basis": file["basis"][:, ::-1]}
    np.savez(tmp_path / "turned.npz", **turned)
    assert np.abs(load(tmp_path / "turned.npz").Sigma - sol.Sigma).max() > 1e-3 * np.abs(sol.Sigma).max()


def test_as_many_inputs_as_channels_are_left_alone():
    """Then there is nothing to gain, and nothing is copied."""
    X, y = small(flat=True, n=6, size=6)
    theory = Theory(Problem(fcn(8), X, y, NOISE))
    assert theory.space.basis is None
    assert np.shares_memory(theory.X, theory.problem.X)
    assert Theory(Problem(fcn(8), X[:5], y[:5], NOISE)).space.basis.shape == (6, 5)
