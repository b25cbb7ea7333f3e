"""Linear networks of several hidden layers: a pair p_l, q_l each, against the exact proportional limit."""

import numpy as np
import pytest
from mutants import breaks
from small_problems import symmetric
from states import direction, moved, off_the_solution, theory_of

from numerics import fcn, load, solve
from numerics.readout_laws.fan_in_terms import one_kernel
from numerics.readout_laws.noise_root import NoiseRoot

LAW = "finite_fan_in"
LINEAR = "numerics/readout_laws/linear_layers.py"


def problem(n, d, noise=0.2):
    rng = np.random.default_rng(0)
    return rng.standard_normal((n, d)), 0.5 * rng.standard_normal(n), noise


def net(*widths):
    return fcn(widths, (1.0,) * len(widths), 1.0, activation="linear")


def exact(X, y, noise, widths):
    """alpha, F and u_l where sum_l N_l/2 (u_l - 1 - log u_l) plus the Gaussian process's F of the kernel
    prod u_l K_0 is stationary, by damped iteration."""
    values, U = np.linalg.eigh(X @ X.T / X.shape[1])
    y2 = (U.T @ y) ** 2
    u = np.ones(len(widths))
    for _ in range(5000):
        k = noise + np.prod(u) * values
        s = np.sum(np.prod(u) * values * (y2 / k**2 - 1 / k))
        u = 0.8 * u + 0.2 * (1 + s / np.array(widths))
    k = noise + np.prod(u) * values
    F = np.sum(np.array(widths) / 2 * (u - 1 - np.log(u))) + np.sum(np.log(k) + y2 / k) / 2
    return np.sum(y2 / k) / np.sum(y**2), F, u


@breaks(LINEAR, "p * (1.0 + b / self.widths)", "p * (1.0 + b)", "q_l without the width")
@breaks(LINEAR, "1.0 - a / (self.widths + b)", "1.0 - a / self.widths", "p_l without the data's pull")
def test_two_hidden_layers_against_an_independent_code():
    """alpha and q of two layers; the exact limit is .73 to .18 % off and mean field 36 %."""
    rows = [(40, 60, 60, 1.93162, 0.7290), (80, 120, 120, 2.02420, 0.7459), (80, 120, 40, 2.68321, 0.5322)]
    for n, d, width, alpha, q in rows:
        X, y, noise = problem(n, d)
        sol = solve(net(width, width), X, y, noise, theory=LAW)
        assert sol.alpha == pytest.approx(alpha, abs=6e-6)
        assert sol.fluctuation == pytest.approx(q, abs=6e-5)
        assert sol.point.data.coefficients["fluctuation_0"] == pytest.approx(q, abs=6e-5)


def test_errors_fall_as_one_over_n():
    off = []
    for n in (40, 160):
        X, y, noise = problem(n, 3 * n // 2)
        widths = (3 * n // 2,) * 2
        alpha, F, u = exact(X, y, noise, widths)
        sol = solve(net(*widths), X, y, noise, theory=LAW)
        off.append([sol.alpha / alpha - 1, (sol.free_energy - F) / n, sol.fluctuation - u[1]])
        assert abs(solve(net(*widths), X, y, noise).alpha / alpha - 1) > 0.3
    assert abs(off[0][0]) < 0.01
    np.testing.assert_array_less(3.5, np.divide(*off))


def test_three_hidden_layers_of_unequal_width():
    X, y, noise = problem(60, 90)
    widths = (80, 140, 50)
    alpha, _, u = exact(X, y, noise, widths)
    sol = solve(net(*widths), X, y, noise, theory=LAW)
    assert sol.alpha == pytest.approx(alpha, rel=0.01)
    found = [sol.point.data.coefficients[name] for name in ("fluctuation_0", "fluctuation_1", "fluctuation")]
    np.testing.assert_allclose(found, u, atol=0.01)


def term(Q, y, widths):
    return one_kernel(np.tril(Q), y, NoiseRoot(np.full(len(Q), 0.1), 0.0), widths[-1], 0.0, np.array(widths))


def kernel_and_target():
    rng = np.random.default_rng(0)
    Z = rng.standard_normal((30, 30)) * np.geomspace(1, 0.1, 30)
    return Z @ Z.T / 30, rng.standard_normal((30, 1))


def test_one_layer_is_a_readout_alone():
    Q, y = kernel_and_target()
    noise = NoiseRoot(np.full(30, 0.1), 0.0)
    for P in (3.0, 20.0, 200.0):
        alone = one_kernel(np.tril(Q), y, noise, P)
        chain = term(Q, y, (np.inf, P))
        np.testing.assert_allclose([chain.p, chain.q], [alone.p, alone.q], rtol=1e-11)
        assert chain.value == pytest.approx(alone.value, rel=1e-12)


@breaks(LINEAR, "q_l - q_l / p_l - np.log(p_l)", "q_l - q_l / p_l", "Psi without log p_l")
@breaks(LINEAR, "q * (log_p + float(np.sum(db / over)))", "q * log_p", "dq without db")
@pytest.mark.parametrize("widths", [(5.0, 9.0), (40.0, 25.0, 60.0), (300.0, np.inf)])
def test_pull_and_its_change_by_differences_of_order_two(widths):
    Q, y = kernel_and_target()
    root = np.linalg.cholesky(Q)
    change = root @ symmetric(np.random.default_rng(1), 30) @ root.T
    at = term(Q, y, widths)
    deps, dA = at.tangent(np.tril(change))
    errors = []
    for h in (0.01, 0.005):
        plus, minus = (term(Q + t * change, y, widths) for t in (h, -h))
        errors.append(
            [
                abs((plus.value - minus.value) / (2 * h) + 0.5 * np.sum(at.A * change)),
                np.linalg.norm((plus.summary.eps - minus.summary.eps) / (2 * h) - deps),
                np.linalg.norm((plus.A - minus.A) / (2 * h) - dA),
            ]
        )
    np.testing.assert_allclose(np.divide(*errors), 4, rtol=0.1)


def test_first_order_and_the_whole_gradient(tmp_path):
    X, y, noise = problem(20, 8)
    network = net(15, 20)
    theory, x = theory_of(network, X, y, noise, LAW)
    state = off_the_solution(theory)
    change = [direction(theory, 1)[0], *(layer.times(0.0) for layer in state[1:])]

    def F(t):
        return theory.at(moved(state, change, t), x).F

    slope = np.sum(theory.at(state, x).E[0].theta * change[0].theta) / (2 * x[0])
    errors = [abs((F(h) - F(-h)) / (2 * h) - slope) for h in (0.02, 0.01)]
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.1)
    sol = solve(network, X, y, noise, theory=LAW)
    off = []
    for scale in (1e3, 2e3):
        found = solve(net(15 * scale, 20 * scale), X, y, noise, theory=LAW, tol=1e-12).alpha
        off.append(abs(found - sol.first_order.alpha(20 * scale)))
    assert off[0] / off[1] == pytest.approx(4, rel=0.05)
    sol.save(tmp_path / "sol.npz")
    assert load(tmp_path / "sol.npz").point.data.coefficients == sol.point.data.coefficients
    np.testing.assert_allclose(sol.predict(X), sol.f_bar, atol=1e-9)


def test_other_layers_have_the_readout_s_pair_alone():
    X, y, noise = problem(20, 8)
    for network, target in (
        (fcn((15, 20), bias_variance=0.1, activation="linear"), y),
        (fcn((15, 20)), y),
        (net(15, 20), np.stack([y, y**2], axis=1)),
    ):
        sol = solve(network, X, target, noise, theory=LAW)
        assert sorted(sol.point.data.coefficients) == ["fluctuation", "response"]
