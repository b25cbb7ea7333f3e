"""Units with means: exact gradients, stationarity, limits, test points; nothing of it for odd activations."""

import math

import numpy as np
import pytest
from deep_problems import NETWORKS, RELU_NETWORKS, first_order_error_ratio, recursion, small
from mutants import breaks
from scipy.integrate import quad
from scipy.special import ndtr
from states import direction, inner, moved, off_the_solution, theory_of

from numerics import cnn, fcn, from_sigma, load, solve, solve_branches
from numerics.gaussian.state import LayerState

NOISE = 0.05


@pytest.fixture(params=RELU_NETWORKS, ids=str)
def network(request):
    net, flat = RELU_NETWORKS[request.param]
    return net, *small(flat)


def check_gradient(net, X, y):
    """dF = N/2 tr(E H) + N e.w against central differences, whose error falls by 4, layer by layer: of the
    covariance alone and of the mean alone."""
    theory, x = theory_of(net, X, y, NOISE)
    state = off_the_solution(theory)
    start = theory.at(state, x)
    still = [change.times(0.0) for change in state]
    for level, H in enumerate(direction(theory, 1)):
        alone = [H] if H.mu is None else [LayerState(H.theta, 0 * H.mu), LayerState(0 * H.theta, H.mu)]
        for step in alone:
            change = [*still[:level], step, *still[level + 1 :]]
            slope = inner([1.0], [start.E[level]], [step])
            errors = []
            for h in (0.04, 0.02):
                ends = [theory.at(moved(state, change, t), x).F for t in (h, -h)]
                errors.append(abs((ends[0] - ends[1]) / (2 * h) - slope / x[level]))
            assert errors[0] / errors[1] == pytest.approx(4, rel=0.1)
            assert errors[1] < 1e-2 * max(abs(slope) / x[level], 1.0)


@breaks(
    "numerics/gaussian/theory.py",
    "backward(slopes[0], slopes[1] / 2",
    "backward(slopes[0], slopes[1]",
    "slope of a mean twice",
    case="three dense layers",
)
@breaks(
    "numerics/gaussian/layer.py",
    "below += x * np.multiply",
    "below += 0 * np.multiply",
    "v v^T dropped from dKL/dQ",
    case="three dense layers",
)
@breaks(
    "numerics/gaussian/layer.py",
    "Z += np.multiply.outer(s, e)",
    "Z += np.multiply.outer(e, s)",
    "means' part of the Cholesky gauge",
    case="three dense layers",
)
@breaks(
    "numerics/gaussian/layer.py",
    "self.state.mu - x * s",
    "self.state.mu + x * s",
    "sign of v",
    case="three dense layers",
)
def test_gradient_of_the_free_energy_by_differences_of_order_two(network):
    check_gradient(*network)


@breaks("numerics/gaussian/layer.py", "float(mu @ mu) / 2", "float(mu @ mu)", "a mean's KL twice")
@breaks(
    "analytic/templates/quadrant.py",
    "sign * (0.25 - owen(y, x))",
    "sign * (0.25 + owen(y, x))",
    "wedge of the wrong side",
)
def test_free_energy_is_that_of_the_definition():
    """KL with inverses and E[relu relu] by quadrature, at a state of the two-layer network."""
    X, y = small(True, n=5)
    net = fcn(7.0, 1.5, 0.8, "relu", bias_variance=0.2)
    theory, x = theory_of(net, X, y, NOISE)
    state = off_the_solution(theory)
    got = theory.at(state, x)
    P = np.diag(theory.prior_variance)
    m, Sigma = np.sqrt(P) @ state[0].mu, got.Sigma
    KL = np.trace(np.linalg.solve(P, Sigma + np.outer(m, m))) - len(P)
    KL += np.linalg.slogdet(P)[1] - np.linalg.slogdet(Sigma)[1]
    Z = np.append(X, np.ones((5, 1)), axis=1)
    K_f = 0.8 * relu_kernel(Z @ m, Z @ Sigma @ Z.T) + 0.2 + NOISE * np.eye(5)
    data = np.trace(y.T @ np.linalg.solve(K_f, y)) + 2 * np.linalg.slogdet(K_f)[1]
    free_energy = got.F
    assert free_energy == pytest.approx(7 * KL / 2 + data / 2, rel=1e-10)


def relu_kernel(m, K):
    """E[relu(h_i) relu(h_j)] entry by entry: over h_i by quadrature, over h_j given h_i in closed form."""

    def entry(i, j):
        if i == j:
            s = math.sqrt(K[i, i])
            a = m[i] / s
            return (m[i] ** 2 + K[i, i]) * ndtr(a) + m[i] * s * math.exp(-a * a / 2) / math.sqrt(2 * math.pi)
        s, rest = math.sqrt(K[i, i]), math.sqrt(K[j, j] - K[i, j] ** 2 / K[i, i])

        def integrand(h):
            given = m[j] + K[i, j] / K[i, i] * (h - m[i])
            z, z_i = given / rest, (h - m[i]) / s
            inner = given * ndtr(z) + rest * math.exp(-z * z / 2) / math.sqrt(2 * math.pi)
            return h * inner * math.exp(-z_i * z_i / 2) / (s * math.sqrt(2 * math.pi))

        return quad(integrand, 0, max(m[i], 0) + 12 * s, epsabs=1e-13, epsrel=1e-13, limit=200)[0]

    return np.array([[entry(i, j) for j in range(len(m))] for i in range(len(m))])


def test_solutions_obey_the_equations_written_with_inverses(network):
    """Q^{-1} m = t/N and the covariances' equations with explicit inverses: another arithmetic."""
    net, X, y = network
    X, y = X[:8], y[:8]  # well-conditioned Q
    sol = solve(net, X, y, NOISE, tol=1e-10)
    theory = sol.equations
    layers = theory.layers(sol.state)
    adjoint = theory.data_term(layers).A
    for level in range(len(layers) - 1, 0, -1):
        T, u = theory.maps[level].adjoints(layers[level].kernel, adjoint)
        K, m, L = layers[level].covariance, layers[level].mean, layers[level].root.dense
        Q, N = L @ L.T, net.widths[level]
        inverse = np.linalg.inv(Q)
        # 1e-10 of the solve, through two inverses
        assert np.abs(K @ (np.linalg.inv(K) - inverse + T / N) @ K).max() < 1e-7 * np.abs(K).max()
        assert np.abs(m - Q @ u / (2 * N)).max() < 1e-8 * np.abs(m).max()
        assert np.abs(m).max() > 1e-3 * np.sqrt(np.diag(Q).max())  # not zero
        adjoint = N * inverse @ (K + np.outer(m, m) - Q) @ inverse  # -2 N dKL/dQ
        np.testing.assert_array_equal(sol.kernels[level - 1].mean, m)
    T, u = theory.maps[0].adjoints(layers[0].kernel, adjoint)
    prior, N = np.diag(1 / theory.prior_variance), net.widths[0]
    assert np.abs(sol.input_covariance @ (prior - T / N) - np.eye(len(prior))).max() < 1e-7
    m_w = layers[0].mean
    assert np.abs(m_w - theory.prior_variance * u / (2 * N)).max() < 1e-8 * np.abs(m_w).max()
    np.testing.assert_array_equal(sol.weight_mean, m_w[: X.shape[-1]])


@breaks(
    "numerics/gaussian/layer.py",
    "np.abs(self.mean - x * self",
    "np.abs(self.mean - self",
    "residual of a mean without 1/N",
)
def test_residual_is_that_of_the_worst_mean():
    net, X, y = *RELU_NETWORKS["three dense layers"][:1], *small(True)
    theory, x = theory_of(net, X, y, NOISE)
    state = solve(net, X, y, NOISE, tol=1e-11).state
    for level in (0, 1):
        off = list(state)
        off[level] = LayerState(state[level].theta, state[level].mu + 1e-3)
        gradient = theory.gradient(tuple(off), x)
        layer = gradient.layers[level]
        Q = np.diag(theory.prior_variance) if level == 0 else layer.root.dense @ layer.root.dense.T
        expected = np.abs(layer.mean - x[level] * Q @ gradient.T[level].mu).max()
        expected /= max(np.abs(layer.mean).max(), np.sqrt(np.diag(Q).max()))
        assert gradient.residuals[level] == pytest.approx(expected, rel=1e-9)
        assert expected > 1e-4


def test_means_lower_the_free_energy():
    """Against the best covariances of all networks whose means are zero."""
    for name in ("three dense layers", "global pooling"):
        net, flat = RELU_NETWORKS[name]
        X, y = small(flat)
        sol = solve(net, X, y, NOISE)
        theory, x = sol.equations, sol.problem.inverse_widths
        state = tuple(LayerState(layer.theta, 0 * layer.mu) for layer in sol.state)
        for _ in range(200):
            E = theory.at(state, x).E
            state = tuple(
                LayerState(layer.theta - 0.5 * e.theta, layer.mu) for layer, e in zip(state, E, strict=True)
            )
        forced = theory.at(state, x)
        assert max(np.abs(e.theta).max() for e in forced.E) < 1e-8  # the best there
        assert max(np.abs(e.mu).max() for e in forced.E) > 1e-3  # zero means are not stationary
        assert sol.free_energy < forced.F - 1e-2


def test_odd_activations_have_no_means_to_track():
    for name in ("three dense layers", "linear units"):
        net, flat = NETWORKS[name]
        sol = solve(net, *small(flat), NOISE)
        assert all(layer.mu is None for layer in sol.state)
        assert not sol.weight_mean.any()
        assert not any(layer.mean.any() for layer in sol.kernels)


def test_infinite_width_is_the_arccosine_recursion_and_regression_with_it(network):
    net, X, y = network
    X, X_test, y = X[:10], X[10:], y[:10]
    sol = solve(net, X, y, NOISE).gp
    both = recursion(net, np.concatenate([X, X_test]))
    Q, cross, own = both[:10, :10], both[10:, :10], both[10:, 10:]
    K_f = Q + NOISE * np.eye(10)
    np.testing.assert_allclose(sol.Q_f, Q, atol=1e-10)
    np.testing.assert_allclose(sol.eps, np.linalg.solve(K_f, y), rtol=1e-10, atol=1e-10)
    mean, cov = sol.predict(X_test, return_cov=True)
    np.testing.assert_allclose(mean, cross @ np.linalg.solve(K_f, y), atol=1e-10)
    np.testing.assert_allclose(cov, own - cross @ np.linalg.solve(K_f, cross.T), atol=1e-10)


@breaks(
    "numerics/solutions/prediction.py",
    "else B.T @ layer.state.mu",
    "else 0 * B.T @ layer.state.mu",
    "test points without means",
    case="three dense layers",
)
def test_test_points_are_training_points_of_infinite_noise(network):
    net, X, y = network
    X, y, X_test = X[:10], y[:10], X[10:]
    sol = solve(net, X, y, NOISE, tol=1e-10)
    mean, cov = sol.predict(X_test, return_cov=True)
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
    np.testing.assert_allclose(cov, Q[n:, n:] - Q[n:, :n] @ np.linalg.solve(K_f, Q[:n, n:]), atol=1e-8)
    assert joint.free_energy == pytest.approx(sol.free_energy, abs=1e-8)


@breaks(
    "numerics/series/perturbation.py",
    "else layer.root.times(slope.mu)",
    "else 0 * layer.root.times(slope.mu)",
    "hidden means stay at first order",
    case="three dense layers",
)
def test_first_order_is_the_limit_of_differences(network):
    """Means are of first order and enter alpha at first order."""
    assert first_order_error_ratio(*network, NOISE) == pytest.approx(4, rel=0.05)


def test_each_sample_twice_with_twice_the_noise_is_the_same_information():
    """Correlations of one off the diagonal, and a singular hidden Q."""
    net, X, y = *RELU_NETWORKS["three dense layers"][:1], *small(True, n=8)
    once = solve(net, X, y, NOISE, tol=1e-10)
    order = np.tile(np.arange(8), 2)
    twice = solve(net, X[order], y[order], 2 * NOISE, tol=1e-10)
    np.testing.assert_allclose(twice.Sigma, once.Sigma, atol=1e-8)
    np.testing.assert_allclose(twice.weight_mean, once.weight_mean, atol=1e-8)
    np.testing.assert_allclose(twice.kernels[0].mean, np.tile(once.kernels[0].mean, 2), atol=1e-8)
    np.testing.assert_allclose(twice.predict(X + 0.1), once.predict(X + 0.1), atol=1e-8)


def test_a_start_may_have_means_and_a_sigma_alone_has_none():
    net, X, y = *RELU_NETWORKS["three dense layers"][:1], *small(True)
    sol = solve(net, X, y, NOISE)
    again = solve(net, X, y, NOISE, start=sol)
    assert again.gradients == 1
    np.testing.assert_array_equal(again.weight_mean, sol.weight_mean)
    assert solve(net, X, y, NOISE, start=sol.Sigma).alpha == pytest.approx(sol.alpha, rel=1e-6)
    with pytest.raises(ValueError, match="another network"):
        solve(NETWORKS["three dense layers"][0], X, y, NOISE, start=sol)


def test_given_covariance_and_mean_of_the_weights():
    net, (X, y) = fcn(12.0, activation="relu"), small(True)
    sol = solve(net, X, y, NOISE)
    back = from_sigma(net, X, y, sol.Sigma, NOISE, weight_mean=sol.weight_mean)
    assert back.alpha == pytest.approx(sol.alpha, rel=1e-12)
    assert back.residual < 1e-7
    assert from_sigma(net, X, y, sol.Sigma, NOISE).residual > 1e-3
    with pytest.raises(ValueError, match="weight_mean has shape"):
        from_sigma(net, X, y, sol.Sigma, NOISE, weight_mean=[1.0])
    with pytest.raises(ValueError, match="odd"):
        from_sigma(fcn(12.0), X, y, sol.Sigma, NOISE, weight_mean=sol.weight_mean)


def test_a_loaded_solution_has_the_saved_means(network, tmp_path):
    net, X, y = network
    sol = solve(net, X, y, NOISE)
    sol.save(tmp_path / "sol.npz")
    back = load(tmp_path / "sol.npz")
    np.testing.assert_array_equal(back.weight_mean, sol.weight_mean)
    for one, other in zip(back.kernels, sol.kernels, strict=True):
        np.testing.assert_array_equal(one.mean, other.mean)
    np.testing.assert_array_equal(back.predict(X), sol.predict(X))


def test_random_starts_have_means_and_lead_to_the_same_solution():
    X, y = small(True)
    found = solve_branches(fcn((30.0, 25.0), activation="relu"), X, y, NOISE, starts=2)
    assert not found.failed
    assert found.lowest.free_energy <= found.joins_gp.free_energy + 1e-9


def test_units_of_the_inputs_go_into_the_weights():
    X, y = small(False)
    one = solve(cnn(20.0, 1.5, activation="relu"), X, y, NOISE, tol=1e-10)
    two = solve(cnn(20.0, 1.5 / 9, activation="relu"), 3 * X, y, NOISE, tol=1e-10)
    np.testing.assert_allclose(3 * two.weight_mean, one.weight_mean, atol=1e-9)
