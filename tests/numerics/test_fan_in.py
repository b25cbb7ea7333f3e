"""A readout of finite fan-in: its two scalars, its gradient, its limits, and what it refuses."""

import math

import numpy as np
import pytest
from deep_problems import NETWORKS, small
from mutants import breaks
from small_problems import symmetric
from states import direction, moved, off_the_solution, theory_of

from numerics import cnn, datasets, fcn, load, solve, solve_path
from numerics.readout_laws.finite_fan_in import finite_fan_in
from numerics.readout_laws.mean_field import mean_field
from numerics.readout_laws.spectrum import Spectrum

LAW = "finite_fan_in"
ALIKE = [name for name in NETWORKS if "pool" not in name]


def kernel_and_target(n=30, rank=30, seed=0):
    rng = np.random.default_rng(seed)
    Z = rng.standard_normal((n, rank)) * np.geomspace(1, 0.1, rank)
    return Z @ Z.T / rank, rng.standard_normal((n, 1))


def test_the_two_scalars_and_the_learned_variance_of_a_small_cnn():
    """Numbers by an independent code, within 1 to 5 % of exact posterior sampling at these loads."""
    data = datasets.make_linear_cnn(200, 4, 16)
    path = solve_path(cnn(1), data.X, data.y, 0.1, widths=[320, 160, 80, 40], theory=LAW)
    np.testing.assert_allclose(path.alpha, [0.3061, 0.3124, 0.3287, 0.3671], atol=5e-5)
    learned = [data.w_star @ sol.overlap_ratio @ data.w_star for sol in path]
    np.testing.assert_allclose(learned, [1.1145, 1.2282, 1.4562, 1.9092], atol=5e-5)
    np.testing.assert_allclose([sol.readout_load for sol in path], [0.108, 0.216, 0.430, 0.849], atol=5e-4)
    np.testing.assert_allclose(
        [1 / sol.response - 1 for sol in path], [0.114, 0.237, 0.512, 1.144], atol=5e-4
    )


@breaks(
    "numerics/readout_laws/spectrum.py",
    "0.5 * self.P * (q",
    "0.25 * self.P * (q",
    "half the fan-in's part of Psi",
    case="20.0",
)
@breaks(
    "numerics/readout_laws/spectrum.py",
    "self.noise + q * self.values))) / self.P",
    "self.noise + self.values))) / self.P",
    "response to p instead of q",
    case="20.0",
)
@breaks(
    "numerics/readout_laws/spectrum.py",
    "return p + p * p * energy",
    "return p + p * energy",
    "second moment linear in p",
    case="20.0",
)
@pytest.mark.parametrize("P", [3.0, 20.0, 200.0])
def test_psi_is_a_saddle_in_p_and_q(P):
    """Its first derivatives in p and q, by differences of the printed expression, vanish."""
    Q, y = kernel_and_target()
    term = finite_fan_in(np.tril(Q), y, 0.1, P)

    def psi(p, q):
        fit = 0.5 * y[:, 0] @ np.linalg.solve(0.1 * np.eye(30) + p * Q, y[:, 0])
        complexity = 0.5 * np.linalg.slogdet(0.1 * np.eye(30) + q * Q)[1]
        return fit + complexity + P / 2 * (q - q / p - np.log(p))

    p, q, h = term.response, term.fluctuation, 1e-5
    assert 0 < p < 1
    assert q > p
    assert term.value == pytest.approx(psi(p, q), rel=1e-12)
    # central differences: h^2 times third derivatives, and rounding / h
    assert (psi(p + h * p, q) - psi(p - h * p, q)) / (2 * h) == pytest.approx(0, abs=1e-6 * P)
    assert (psi(p, q + h * q) - psi(p, q - h * q)) / (2 * h) == pytest.approx(0, abs=1e-6 * P)


@breaks(
    "numerics/readout_laws/finite_fan_in.py",
    "np.sqrt(noise + q * values)",
    "np.sqrt(noise + p * values)",
    "fluctuations with kernel p Q",
    case="20.0",
)
@breaks(
    "numerics/readout_laws/finite_fan_in.py",
    "(projected / (noise + p *",
    "(projected / (noise + q *",
    "discrepancy with kernel q Q",
    case="20.0",
)
@pytest.mark.parametrize("P", [3.0, 20.0, 200.0])
def test_pull_on_the_kernel_by_differences_of_order_two(P):
    Q, y = kernel_and_target()
    root = np.linalg.cholesky(Q)
    direction = root @ symmetric(np.random.default_rng(1), 30) @ root.T  # Q + h direction stays positive
    lower = np.tril(finite_fan_in(np.tril(Q), y, 0.1, P).A)
    A = lower + np.tril(lower, -1).T
    slope = -0.5 * np.sum(A * direction)

    def value(h):
        return finite_fan_in(np.tril(Q + h * direction), y, 0.1, P).value

    errors = [abs((value(h) - value(-h)) / (2 * h) - slope) for h in (0.02, 0.01)]
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.1)


@breaks(
    "numerics/readout_laws/finite_fan_in.py",
    "/ P * noise * float(",
    "/ P * float(",
    "dp without sigma^2",
    case="20.0",
)
@breaks(
    "numerics/readout_laws/finite_fan_in.py",
    "q_fixed + q_slope * p_fixed",
    "q_fixed",
    "dq without its response to dp",
    case="20.0",
)
@pytest.mark.parametrize("P", [3.0, 20.0, 200.0])
def test_change_of_the_pull_by_differences_of_order_two(P):
    """p and q answer too."""
    Q, y = kernel_and_target()
    root = np.linalg.cholesky(Q)
    direction = root @ symmetric(np.random.default_rng(1), 30) @ root.T

    def term(h):
        return finite_fan_in(np.tril(Q + h * direction), y, 0.1, P)

    deps, dA = term(0).tangent(np.tril(direction))
    errors = []
    for h in (0.02, 0.01):
        plus, minus = term(h), term(-h)
        errors.append(
            [
                np.linalg.norm((plus.eps - minus.eps) / (2 * h) - deps),
                np.linalg.norm(np.tril((plus.A - minus.A) / (2 * h) - dA)),
            ]
        )
    np.testing.assert_allclose(np.divide(*errors), 4, rtol=0.1)


def test_infinite_fan_in_is_mean_field():
    Q, y = kernel_and_target()
    sharp = mean_field(Q.copy(), y, np.full(30, 0.1))
    errors = []
    for P in (1e4, 2e4):
        term = finite_fan_in(np.tril(Q), y, 0.1, P)
        errors.append(np.abs(term.eps - sharp.eps).max())
        assert term.response == pytest.approx(1, abs=30 / P)
    assert errors[0] / errors[1] == pytest.approx(2, rel=0.02)  # first order in 1/P


@pytest.mark.parametrize("scale", [0.1, 1.0, 30.0])
@pytest.mark.parametrize("P", [2.0, 10.0, 100.0])
def test_roots_from_both_ends_are_roots_and_unique_at_large_fan_in(scale, P):
    Q, y = kernel_and_target()
    values, U = np.linalg.eigh(Q)
    spectrum = Spectrum(np.maximum(values, 0), scale * (U.T @ y[:, 0]) ** 2, 1e-3, P)
    roots = spectrum.roots()
    for q in roots:
        assert spectrum.R(q) == pytest.approx(q, rel=1e-12)
    if P >= 30:
        assert len(roots) == 1


@pytest.mark.parametrize("name", ALIKE)
def test_gradient_of_the_whole_chain_by_differences_of_order_two(name):
    net, flat = NETWORKS[name]
    X, y = small(flat)
    theory, x = theory_of(net, X, y[:, 0], 0.05, LAW)
    state = off_the_solution(theory)
    change = [direction(theory, 1)[0], *(layer.times(0.0) for layer in state[1:])]

    def F(t):
        return theory.at(moved(state, change, t), x).F

    slope = np.sum(theory.at(state, x).E[0].theta * change[0].theta) / (2 * x[0])
    errors = [abs((F(h) - F(-h)) / (2 * h) - slope) for h in (0.02, 0.01)]
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.1)


@pytest.mark.parametrize("name", ALIKE)
def test_first_order_includes_the_fan_in(name):
    net, flat = NETWORKS[name]
    X, y = small(flat)
    sol = solve(net, X, y[:, 0], 0.05, theory=LAW)
    errors = []
    for scale in (1e3, 2e3):
        wide = net.with_widths([scale * width for width in net.widths])
        found = solve(wide, X, y[:, 0], 0.05, theory=LAW, tol=1e-12).alpha
        errors.append(abs(found - sol.first_order.alpha(scale * net.width)))
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.05)


def test_one_hidden_linear_layer_is_renormalised_by_a_scalar():
    """Li and Sompolinsky (2021): Qbar Q_0 with one number Qbar; the difference falls as 1/n."""
    differences = []
    for n in (30, 120):
        rng = np.random.default_rng(n)
        X = rng.standard_normal((n, n + n // 3))
        y = X @ rng.standard_normal(X.shape[1]) / np.sqrt(X.shape[1]) + 0.1 * rng.standard_normal(n)
        P = 4 * n // 3
        sol = solve(fcn(P, 1.0, 1.0, activation="linear"), X, y, 0.1, theory=LAW)
        Q_0 = X @ X.T / X.shape[1]
        eps = renormalised(Q_0, y, 0.1, P)
        differences.append(np.linalg.norm(sol.eps - eps) / np.linalg.norm(eps))
        sharp = solve(fcn(P, 1.0, 1.0, activation="linear"), X, y, 0.1).eps
        assert np.linalg.norm(sharp - eps) > 10 * np.linalg.norm(sol.eps - eps)
    assert differences[0] < 0.02
    assert differences[0] / differences[1] > 2.5  # 4 but for the draw


def renormalised(Q_0, y, noise, P):
    """eps with 1/Qbar = 1 + tr[Q_0 H]/P - eps^T Q_0 eps/P, by bisection."""
    low, high = 1e-3, 1e3
    for _ in range(200):
        scale = math.sqrt(low * high)
        K = noise * np.eye(len(y)) + scale * Q_0
        eps = np.linalg.solve(K, y)
        gap = 1 + np.trace(np.linalg.solve(K, Q_0)) / P - eps @ Q_0 @ eps / P - 1 / scale
        low, high = (low, scale) if gap > 0 else (scale, high)
    return eps


def test_predictions_are_those_of_the_two_kernels(tmp_path):
    data = datasets.make_linear_cnn(40, 3, 5, n_test=6)
    sol = solve(cnn(10), data.X, data.y, 0.1, theory=LAW)
    p, q = sol.response, sol.fluctuation
    both = np.concatenate([data.X, data.X_test])
    joint, _ = theory_of(cnn(10), both, np.ones(46), 0.1)
    Q = joint.readout.cross(joint.layers(sol.state)[-1].kernel)
    K, cross = Q[:40, :40], Q[40:, :40]
    mean, cov = sol.predict(data.X_test, return_cov=True)
    eps = np.linalg.solve(0.1 * np.eye(40) + p * K, data.y)
    np.testing.assert_allclose(mean, p * cross @ eps, atol=1e-10)
    H = np.linalg.inv(0.1 * np.eye(40) + q * K)
    np.testing.assert_allclose(cov, q * Q[40:, 40:] - q**2 * cross @ H @ cross.T, atol=1e-10)
    np.testing.assert_allclose(sol.predict(data.X), sol.f_bar, atol=1e-9)
    assert sol.theory == LAW
    sol.save(tmp_path / "sol.npz")
    np.testing.assert_array_equal(load(tmp_path / "sol.npz").predict(data.X_test), sol.predict(data.X_test))


def test_what_two_scalars_cannot_say_is_refused():
    X, y = small(False)
    pooled = cnn(11, readout="global_pooling")
    for net, target, noise in (
        (pooled, y[:, 0], 0.1),
        (cnn(11), y, 0.1),
        (cnn(11), y[:, 0], np.linspace(0.1, 0.2, 14)),
    ):
        with pytest.raises(ValueError, match="finite_fan_in"):
            solve(net, X, target, noise, theory=LAW)
    with pytest.raises(ValueError, match="theory"):
        solve(cnn(11), X, y, 0.1, theory="sharp")
