"""Chains of layers: published-style references, exact gradients, joint solves with test points, limits."""

import math

import numpy as np
import pytest
from deep_problems import (
    NETWORKS,
    arcsine_kernel,
    first_order_error_ratio,
    recursion,
    reference_cnn,
    reference_fcn,
    small,
)
from mutants import breaks
from states import direction, moved, off_the_solution, theory_of

from numerics import cnn, fcn, solve, solve_path

NOISE = 0.05


@pytest.fixture(params=NETWORKS, ids=str)
def network(request):
    net, flat = NETWORKS[request.param]
    return net, *small(flat)


def test_three_layer_fcn_reference():
    """Values by two independent codes that invert Q and minimise F; recipe in `deep_problems`."""
    X, y, w = reference_fcn()
    path = solve_path(fcn((1, 1), 2.0, 2 / 256), X, y, 0.001, widths=[10000, 2000, 500, 200, 100])
    np.testing.assert_allclose(
        path.alpha, [91.9446216, 75.7444843, 48.2744037, 28.7086441, 18.1580770], rtol=1e-8
    )
    overlaps = [w @ sol.Sigma @ w * 8 for sol in path]
    np.testing.assert_allclose(overlaps, [1.052269, 1.229661, 1.727719, 2.386539, 2.974092], rtol=5e-7)
    traces = [np.trace(sol.kernels[0].K) / 128 for sol in path]
    np.testing.assert_allclose(traces, [1.150077, 1.152719, 1.170295, 1.221489, 1.297620], rtol=5e-7)
    energies = [160.250901, 106.380473, -4.816444, -106.859681, -182.337040]
    np.testing.assert_allclose([sol.free_energy for sol in path], energies, rtol=2e-7)  # digits printed
    gp = path[-1].gp
    assert gp.alpha == pytest.approx(97.8656426, rel=1e-8)
    assert gp.chi_paper * 100 == pytest.approx(200363.600, rel=1e-8)
    assert gp.chi_response * 100 == pytest.approx(723.571443, rel=1e-8)
    assert max(sol.residual for sol in path) <= 1e-8


def test_three_layer_cnn_reference():
    X, y = reference_cnn()
    path = solve_path(cnn((1, 1), 2.0, 15.0, windows=(6,)), X, y, 0.005, widths=[1000, 200, 100, 50])
    np.testing.assert_allclose(path.alpha, [0.14956411, 0.14478318, 0.13944214, 0.13037870], rtol=1e-7)
    assert path[2].free_energy == pytest.approx(94.05784, rel=1e-7)
    assert path[0].gp.alpha == pytest.approx(0.1508417960, rel=1e-9)


@breaks(
    "numerics/gaussian/layer.py",
    "E *= -x",
    "E *= x",
    "sign of g in a hidden layer",
    case="three dense layers",
)
@breaks(
    "numerics/gaussian/layer.py",
    "below *= x",
    "below *= 0 * x",
    "g K g dropped from dKL/dQ",
    case="three dense layers",
)
@breaks(
    "numerics/gaussian/layer.py",
    "below += root.pull_back(",
    "root.pull_back(",
    "gradient inexact off the solution",
    case="three dense layers",
)
@breaks(
    "numerics/gaussian/layer.py",
    "(mirror(Z))",
    "(mirror(Z.T.copy()))",
    "upper for lower in the Cholesky gauge",
    case="three dense layers",
)
@breaks(
    "numerics/gaussian/theory.py",
    "slopes[1] / 2, inverse_widths[level]",
    "slopes[1] / 2, inverse_widths[0]",
    "1/N_1 in every layer",
    case="three dense layers",
)
@breaks(
    "numerics/machine/dense.py",
    "block /= 2",
    "block /= 1",
    "sum for the symmetric part",
    case="three dense layers",
)
@breaks(
    "numerics/machine/dense.py",
    "trans=1 - turned",
    "trans=turned",
    "the other Gram matrix",
    case="three dense layers",
)
@breaks(
    "numerics/kernels/preactivations.py",
    "] += diagonal.ravel()",
    "] += 0 * diagonal.ravel()",
    "hidden variances' derivative dropped",
    case="three dense layers",
)
@breaks(
    "numerics/readout_laws/mean_field.py",
    "beta=-outputs",
    "beta=-1",
    "one K_f^{-1} for several outputs",
    case="three dense layers",
)
def test_gradient_of_the_free_energy_by_differences_of_order_two(network):
    """At a state far from any solution: every layer, in the coordinates of `numerics.gaussian.theory`."""
    net, X, y = network
    theory, x = theory_of(net, X, y, NOISE)
    state = off_the_solution(theory)
    start = theory.at(state, x)
    for level, H in enumerate(direction(theory, 1)):

        def F(t, level=level, H=H):
            alone = [change.times(0.0) for change in state]
            alone[level] = H
            return theory.at(moved(state, alone, t), x).F

        slope = np.sum(start.E[level].theta * H.theta) / (2 * x[level])
        errors = [abs((F(h) - F(-h)) / (2 * h) - slope) for h in (0.02, 0.01)]
        # fourth-order terms change the ratio 4 by O(h^2); a wrong slope gives the ratio 1
        assert errors[0] / errors[1] == pytest.approx(4, rel=0.1)
        assert errors[1] < 1e-2 * max(abs(slope), 1.0)


def test_solutions_obey_the_equations_written_with_inverses(network):
    """Eq. (5), (8), (13) with explicit Q^{-1}: another arithmetic than the solver's."""
    net, X, y = network
    if net.activation == "linear":
        X = X[:3]  # full-rank Q
        y = y[:3]
    sol = solve(net, X, y, NOISE, tol=1e-10)
    theory = sol.equations
    layers = theory.layers(sol.state)
    adjoint = theory.data_term(layers).A
    for level in range(len(layers) - 1, 0, -1):
        T = theory.maps[level].adjoint(layers[level].kernel, adjoint)
        K, L = layers[level].covariance, layers[level].root.dense
        Q_inverse = np.linalg.inv(L @ L.T)
        N = net.widths[level]
        off = np.linalg.inv(K) - (Q_inverse - T / N)
        # 1e-10 of the solve, through two inverses
        assert np.abs(K @ off @ K).max() < 1e-7 * np.abs(K).max()
        adjoint = N * Q_inverse @ (K - L @ L.T) @ Q_inverse  # -2 N dKL/dQ
    T = theory.maps[0].adjoint(layers[0].kernel, adjoint)
    prior = np.diag(1 / theory.prior_variance)
    off = sol.input_covariance @ (prior - T / net.widths[0]) - np.eye(len(prior))
    assert np.abs(off).max() < 1e-7


@breaks(
    "numerics/gaussian/root.py",
    "values > RANK_TOLERANCE",
    "values > 0.5 * values[-1] + RANK_TOLERANCE",
    "range of Q too small",
    case="linear units",
)
@breaks(
    "numerics/readout_laws/mean_field.py",
    "return readout.cross(cross) @ self.eps",
    "return readout.cross(cross) @ -self.eps",
    "sign of the mean",
    case="three dense layers",
)
@breaks(
    "numerics/solutions/prediction.py",
    "TestKernels(root.product(MB).T, Q_cross",
    "TestKernels(Q_cross, Q_cross",
    "test points see the prior's hidden kernel",
    case="three dense layers",
)
def test_test_points_are_training_points_of_infinite_noise(network):
    net, X, y = network
    X, y, X_test = X[:10], y[:10], X[10:]
    sol = solve(net, X, y, NOISE, tol=1e-10)
    mean, cov = sol.predict(X_test, return_cov=True)
    np.testing.assert_allclose(sol.predict(X_test), mean, atol=1e-12)
    joint = solve(
        net,
        np.concatenate([X, X_test]),
        np.concatenate([y, np.zeros((len(X_test), 2))]),
        np.concatenate([np.full(len(X), NOISE), np.full(len(X_test), math.inf)]),
        tol=1e-10,
    )
    n = len(X)
    np.testing.assert_allclose(joint.f_bar[n:], mean, atol=1e-8)
    Q = joint.Q_f
    K_f = Q[:n, :n] + NOISE * np.eye(n)
    expected = Q[n:, n:] - Q[n:, :n] @ np.linalg.solve(K_f, Q[:n, n:])
    np.testing.assert_allclose(cov, expected, atol=1e-8)
    np.testing.assert_allclose(mean, Q[n:, :n] @ np.linalg.solve(K_f, y), atol=1e-8)
    assert joint.free_energy == pytest.approx(sol.free_energy, abs=1e-8)
    assert joint.alpha == pytest.approx(sol.alpha, rel=1e-8)


@breaks(
    "numerics/series/perturbation.py",
    "dK += mirrored(dQ)",
    "dK = mirrored(dQ)",
    "K_2 moves with Q_2 alone",
    case="three dense layers",
)
def test_first_order_is_the_limit_of_differences(network):
    # the second-order term: a factor 4 for twice the widths
    assert first_order_error_ratio(*network, NOISE) == pytest.approx(4, rel=0.05)


@breaks(
    "numerics/pixels.py",
    "np.arange(pixels).reshape(-1, window)",
    "np.arange(pixels).reshape(window, -1).T",
    "window runs the other way",
)
def test_window_of_equation_14_is_over_neighbours():
    """Pixel i + j S_1 sits in slot i of hidden pixel j: written with the input cut into (j, i)."""
    X, y = small(False, pixels=6)
    sol = solve(cnn((5, 5), (1.5, 2.0), 0.9, windows=(3,)), X, y, NOISE).gp
    cut = X.reshape(len(X), 2, 3, -1)
    K_1 = 1.5 / cut.shape[3] * np.einsum("mjis,nkis->imjnk", cut, cut)
    Q_2 = 2.0 / 3 * sum(arcsine_kernel(K) for K in K_1)
    np.testing.assert_allclose(
        sol.Q_f, 0.9 / 2 * np.einsum("mjnj->mn", arcsine_kernel(Q_2)), rtol=0, atol=1e-12
    )


@breaks(
    "numerics/pixels.py",
    "len(pool_k) * self.fan_in)",
    "len(pool_k))",
    "mean over the window lost",
    case="two convolutions",
)
@breaks("numerics/pixels.py", "1.0 / (len(pool_j) * ", "1.0 / (", "pooling is a sum", case="global pooling")
@breaks(
    "numerics/pixels.py",
    "slot_j < 0 or slot_k < 0",
    "slot_j < -1",
    "padding seen",
    case="overlap and padding",
)
@breaks(
    "numerics/gaussian/input_space.py",
    "np.append(prior, net.bias_variance)",
    "np.append(prior, prior[0])",
    "bias of the first layer is one of all weights",
    case="four dense layers with biases",
)
@breaks(
    "numerics/kernels/kernel_maps.py",
    "total.fill(self.bias_variance)",
    "total.fill(0 * self.bias_variance)",
    "biases of the units above dropped",
    case="four dense layers with biases",
)
def test_infinite_width_is_the_kernel_recursion(network):
    net, X, y = network
    sol = solve(net, X, y, NOISE).gp
    Q = recursion(net, X)
    K_f = Q + NOISE * np.eye(len(X))
    np.testing.assert_allclose(sol.Q_f, Q, atol=1e-10)
    np.testing.assert_allclose(sol.eps, np.linalg.solve(K_f, y), rtol=1e-9, atol=1e-9)


def test_outputs_share_the_kernels_but_not_the_targets():
    net, X, y = NETWORKS["three dense layers"][0], *small(True)
    one = solve(net, X, y[:, 0], NOISE)
    column = solve(net, X, y[:, :1], NOISE)
    assert one.alpha == column.alpha
    assert one.predict(X).shape == (14,)
    assert column.predict(X).shape == (14, 1)
    both = solve(net, X, y, NOISE)
    mean, std = both.predict(X, return_std=True)
    assert mean.shape == std.shape == (14, 2)
    # the same target twice: twice the pull of one at half the width
    twice = solve(net, X, y[:, [0, 0]], NOISE, tol=1e-10)
    half = solve(net.with_widths([10, 15]), X, y[:, 0], NOISE, tol=1e-10)
    np.testing.assert_allclose(twice.Sigma, half.Sigma, atol=1e-8)


def test_noise_of_each_datum_is_its_own():
    net, X, y = NETWORKS["three dense layers"][0], *small(True)
    noise = np.full(14, NOISE)
    assert solve(net, X, y, noise).alpha == solve(net, X, y, NOISE).alpha
    noise[3] = 1e9  # as good as infinite
    loud = solve(net, X, y, noise)
    noise[3] = math.inf
    silent = solve(net, X, y, noise)
    np.testing.assert_allclose(loud.f_bar, silent.f_bar, atol=1e-7)
    with pytest.raises(ValueError, match="differs from datum to datum"):
        loud.predict(X, return_std=True, include_noise=True)
    # those that are heard share one noise
    _, latent = silent.predict(X, return_std=True)
    _, observed = silent.predict(X, return_std=True, include_noise=True)
    np.testing.assert_allclose(observed**2 - latent**2, NOISE, rtol=1e-12)


@breaks(
    "numerics/gaussian/root.py",
    "vectors[:, kept][:, ::-1]",
    "vectors[:, kept]",
    "small eigenvalues first",
    case="10",
)
@pytest.mark.parametrize("width", [20, 10])
def test_kernel_of_small_numerical_rank_is_solved_to_the_default_tolerance(width):
    """One-dimensional inputs: forty of them, and hardly more than a dozen directions above rounding."""
    X = np.linspace(-2, 2, 40)[:, None]
    y = np.sin(2 * X[:, 0])
    sol = solve(fcn((width, width), 2.0, 2.0), X, y, 0.01, max_iter=40)
    assert len(sol.state[1].theta) < 20
    # noise as a further, independent set of directions makes Q regular and moves little
    lifted = np.hstack([X, 1e-3 * np.random.default_rng(0).standard_normal((40, 1))]) * np.sqrt(2)
    regular = solve(fcn((width, width), 2.0, 2.0), lifted, y, 0.01)
    assert sol.alpha == pytest.approx(regular.alpha, rel=1e-3)


@pytest.mark.parametrize("widths", [(40.0, math.inf), (math.inf, 40.0), (math.inf, 40.0, math.inf)])
def test_first_order_is_in_the_width_of_the_last_layer_that_has_one(widths):
    X, y = small(True)
    net = fcn(widths, 1.5, 0.7)
    tangent = solve(net, X, y, NOISE).first_order
    assert math.isfinite(widths[tangent.layer])
    errors = []
    for width in (4e4, 8e4):
        wide = net.with_widths([width if math.isfinite(w) else w for w in widths])
        errors.append(abs(solve(wide, X, y, NOISE, tol=1e-12).alpha - tangent.alpha(width)))
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.05)
    assert abs(tangent.alpha_slope) > 0.1
    assert np.isfinite(tangent.Sigma_slope).all()


def test_first_order_of_a_gaussian_process_is_that_of_equal_widths():
    X, y = small(True)
    at_infinity, finite = (solve(fcn((w, w), 1.5, 0.7), X, y, NOISE).first_order for w in (math.inf, 30.0))
    assert at_infinity.alpha_slope == finite.alpha_slope
