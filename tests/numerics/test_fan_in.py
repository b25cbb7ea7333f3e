"""A readout of finite fan-in that sees one kernel: p and q over outputs, gradient, limits."""

import math

import numpy as np
import pytest
from deep_problems import NETWORKS, small
from mutants import breaks
from small_problems import symmetric
from states import direction, moved, off_the_solution, theory_of

from numerics import cnn, datasets, fcn, load, solve, solve_path
from numerics.readout_laws.fan_in_terms import one_kernel
from numerics.readout_laws.mean_field import mean_field
from numerics.readout_laws.noise_root import NoiseRoot
from numerics.readout_laws.spectrum import Spectrum

LAW = "finite_fan_in"
FAN_IN, OUTPUTS = "numerics/readout_laws/fan_in_terms.py", "numerics/readout_laws/outputs.py"
COUPLED = "numerics/readout_laws/coupled.py"


def kernel_and_target(n=30, rank=30, seed=0, outputs=1):
    rng = np.random.default_rng(seed)
    Z = rng.standard_normal((n, rank)) * np.geomspace(1, 0.1, rank)
    return Z @ Z.T / rank, rng.standard_normal((n, outputs))


def term_of(Q, y, P, noise=0.1, bias=0.0):
    """Psi of a readout whose kernel is Q + bias."""
    return one_kernel(np.tril(Q + bias), y, NoiseRoot(np.full(len(Q), noise), bias), P, bias)


def numbers(term):
    """p and q of one output."""
    return term.p[0, 0], term.q[0, 0]


def test_the_two_scalars_and_the_learned_variance_of_a_small_cnn():
    """Numbers by an independent code: one pair for all pixels."""
    data = datasets.make_linear_cnn(200, 4, 16)
    path = solve_path(cnn(1), data.X, data.y, 0.1, widths=[320, 160, 80, 40], theory="scalar_fan_in")
    np.testing.assert_allclose(path.alpha, [0.3061, 0.3124, 0.3287, 0.3671], atol=5e-5)
    learned = [data.w_star @ sol.overlap_ratio @ data.w_star for sol in path]
    np.testing.assert_allclose(learned, [1.1145, 1.2282, 1.4562, 1.9092], atol=5e-5)
    np.testing.assert_allclose([sol.readout_load for sol in path], [0.108, 0.216, 0.430, 0.849], atol=5e-4)
    np.testing.assert_allclose(
        [1 / sol.response - 1 for sol in path], [0.114, 0.237, 0.512, 1.144], atol=5e-4
    )


@breaks(
    "numerics/readout_laws/coupled.py",
    "0.5 * self.channels * paid",
    "0.25 * self.channels * paid",
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
    term = term_of(Q, y, P)

    def psi(p, q):
        fit = 0.5 * y[:, 0] @ np.linalg.solve(0.1 * np.eye(30) + p * Q, y[:, 0])
        complexity = 0.5 * np.linalg.slogdet(0.1 * np.eye(30) + q * Q)[1]
        return fit + complexity + P / 2 * (q - q / p - np.log(p))

    (p, q), h = numbers(term), 1e-5
    assert 0 < p < 1
    assert q > p
    assert term.value == pytest.approx(psi(p, q), rel=1e-12)
    # central differences: h^2 times third derivatives, and rounding / h
    assert (psi(p + h * p, q) - psi(p - h * p, q)) / (2 * h) == pytest.approx(0, abs=1e-6 * P)
    assert (psi(p, q + h * q) - psi(p, q - h * q)) / (2 * h) == pytest.approx(0, abs=1e-6 * P)


@breaks(
    FAN_IN, "eps @ self.p @ eps.T - gram", "eps @ eps.T - gram", "pull of the fit without p", case="20.0-1"
)
@breaks(FAN_IN, "np.sum(each / (1.0", "np.sum(1.0 / (1.0", "fluctuations without q", case="20.0-1")
@breaks(
    FAN_IN,
    "eps = noise.up(U @ coupled.eps(p))",
    "eps = noise.up(U @ coupled.eps(q))",
    "eps by q",
    case="20.0-1",
)
@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("P", [3.0, 20.0, 200.0])
def test_pull_on_the_kernel_by_differences_of_order_two(P, outputs):
    Q, y = kernel_and_target(outputs=outputs)
    root = np.linalg.cholesky(Q)
    direction = root @ symmetric(np.random.default_rng(1), 30) @ root.T  # Q + h direction stays positive
    slope = -0.5 * np.sum(term_of(Q, y, P).A * direction)

    def value(h):
        return term_of(Q + h * direction, y, P).value

    errors = [abs((value(h) - value(-h)) / (2 * h) - slope) for h in (0.02, 0.01)]
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.1)
    # eps is what alpha and the pull are made of, by the response
    term = term_of(Q, y, P)
    gap = y - 0.1 * term.summary.eps - Q @ term.summary.eps @ term.p
    assert np.abs(gap).max() < 1e-10


@breaks(OUTPUTS, "h * (1.0 - values[:, None] * each * h)", "h", "T without H's answer", case="20.0-1")
@breaks(
    OUTPUTS,
    "moved + self.dQ @ self.eps @ self.p",
    "moved + self.dQ @ self.eps",
    "deps without p",
    case="20.0-1",
)
@breaks(COUPLED, "half + half.T + p @ dM @ p", "half + half.T", "q without dM", case="20.0-1")
@breaks(FAN_IN, "+ eps @ dp @ eps.T", "", "the pull without dp", case="20.0-1")
@breaks(FAN_IN, "turned * h * (1.0", "turned * (1.0", "the change of q H", case="20.0-1")
@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("P", [3.0, 20.0, 200.0])
def test_change_of_the_pull_by_differences_of_order_two(P, outputs):
    """p and q answer too; a bias and unequal noise are in it."""
    Q, y = kernel_and_target(outputs=outputs)
    root = np.linalg.cholesky(Q)
    direction = root @ symmetric(np.random.default_rng(1), 30) @ root.T

    def term(h):
        noise = NoiseRoot(np.linspace(0.05, 0.2, 30), 0.3)
        return one_kernel(np.tril(Q + 0.3 + h * direction), y, noise, P, 0.3)

    deps, dA = term(0).tangent(np.tril(direction))
    errors = []
    for h in (0.02, 0.01):
        plus, minus = term(h), term(-h)
        errors.append(
            [
                np.linalg.norm((plus.summary.eps - minus.summary.eps) / (2 * h) - deps),
                np.linalg.norm((plus.A - minus.A) / (2 * h) - dA),
            ]
        )
    np.testing.assert_allclose(np.divide(*errors), 4, rtol=0.1)


@breaks(
    "numerics/readout_laws/noise_root.py",
    "return float(np.log(diagonal).sum())",
    "return 2.0 * float(np.log(diagonal).sum())",
    "log det of the noise twice",
)
def test_infinite_fan_in_is_mean_field():
    Q, y = kernel_and_target()
    sharp = mean_field(Q + 0.5, y, np.full(30, 0.1))
    errors = []
    for P in (1e4, 2e4):
        term = term_of(Q, y, P, bias=0.5)
        errors.append([np.abs(term.summary.eps - sharp.summary.eps).max(), abs(term.value - sharp.value)])
        assert numbers(term)[0] == pytest.approx(1, abs=30 / P)
    np.testing.assert_allclose(np.divide(*errors), 2, rtol=0.02)  # first order in 1/P


def test_three_outputs_are_those_of_an_independent_code():
    """p, q, Psi and alpha; they commute, so that one basis of outputs decouples them."""
    rng = np.random.default_rng(0)
    B = rng.standard_normal((60, 100))
    Y = rng.standard_normal((60, 1)) * [[1, 0.7, 0.2]] + 0.5 * rng.standard_normal((60, 3))
    term = term_of(B @ B.T / 100, Y, 40.0)
    q = [
        [2.60463265, 1.51783119, 0.60461506],
        [1.51783119, 1.54379762, 0.41954261],
        [0.60461506, 0.41954261, 0.83961835],
    ]
    p = [
        [0.57424685, 0.19363775, 0.07066486],
        [0.19363775, 0.43963129, 0.04722493],
        [0.07066486, 0.04722493, 0.38377080],
    ]
    np.testing.assert_allclose(term.q, q, atol=1e-8)
    np.testing.assert_allclose(term.p, p, atol=1e-8)
    assert term.value == pytest.approx(147.956247795, abs=1e-8)
    assert np.sum(term.summary.eps * Y) / np.sum(Y**2) == pytest.approx(2.370486112, abs=1e-9)
    np.testing.assert_allclose(term.p @ term.q, term.q @ term.p, atol=1e-12)


def test_an_output_alone_is_the_scalar():
    """Of two outputs of which one is zero, the other is what it is alone, but for what they share."""
    Q, y = kernel_and_target()
    both = term_of(Q, np.concatenate([y, np.zeros_like(y)], axis=1), 20.0)
    alone = term_of(Q, y, 20.0)
    np.testing.assert_allclose([both.p[0, 0], both.q[0, 0]], numbers(alone), rtol=1e-9)
    np.testing.assert_allclose(both.q[0, 1], 0, atol=1e-12)
    assert both.q[1, 1] == pytest.approx(both.p[1, 1], rel=1e-9)  # no target: q = p


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


@pytest.mark.parametrize("name", NETWORKS)
def test_gradient_of_the_whole_chain_by_differences_of_order_two(name):
    net, flat = NETWORKS[name]
    X, y = small(flat)
    theory, x = theory_of(net, X, y, 0.05, LAW)
    state = off_the_solution(theory)
    change = [direction(theory, 1)[0], *(layer.times(0.0) for layer in state[1:])]

    def F(t):
        return theory.at(moved(state, change, t), x).F

    slope = np.sum(theory.at(state, x).E[0].theta * change[0].theta) / (2 * x[0])
    errors = [abs((F(h) - F(-h)) / (2 * h) - slope) for h in (0.02, 0.01)]
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.1)


@pytest.mark.parametrize("name", NETWORKS)
def test_first_order_includes_the_fan_in(name):
    net, flat = NETWORKS[name]
    X, y = small(flat)
    sol = solve(net, X, y, 0.05, theory=LAW)
    errors = []
    for scale in (1e3, 2e3):
        wide = net.with_widths([scale * width for width in net.widths])
        found = solve(wide, X, y, 0.05, theory=LAW, tol=1e-12).alpha
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
    sol = solve(cnn(10), data.X, data.y, 0.1, theory="scalar_fan_in")
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
    assert sol.theory == "scalar_fan_in"
    sol.save(tmp_path / "sol.npz")
    np.testing.assert_array_equal(load(tmp_path / "sol.npz").predict(data.X_test), sol.predict(data.X_test))


def test_what_one_pair_for_all_pixels_cannot_say_is_refused():
    X, y = small(False)
    pooled = cnn(11, readout="global_pooling")
    for net, noise in ((pooled, 0.1), (cnn(11), np.linspace(0.1, 0.2, 14))):
        with pytest.raises(ValueError, match="theory='finite_fan_in'"):
            solve(net, X, y, noise, theory="scalar_fan_in")
    with pytest.raises(ValueError, match="theory"):
        solve(cnn(11), X, y, 0.1, theory="sharp")
