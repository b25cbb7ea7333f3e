"""Newton steps: the fixed point's solutions by another algorithm, its failures, and negative curvature."""

import math

import numpy as np
import pytest
from deep_problems import NETWORKS, RELU_NETWORKS, cubic_teacher, small
from mutants import breaks
from states import arrays, direction, theory_of

from numerics import ConvergenceError, NegativeCurvature, fcn, load, solve, solve_path
from numerics.gaussian.hessian import Hessian
from numerics.solving import fixed_point, newton
from numerics.solving.outcome import Status

NOISE = 0.05


CASES = [(net, flat, "mean_field") for net, flat in (*NETWORKS.values(), *RELU_NETWORKS.values())]
CASES += [(*network, "finite_fan_in") for network in (*NETWORKS.values(), *RELU_NETWORKS.values())]


@pytest.mark.parametrize(("net", "flat", "law"), CASES)
def test_newton_finds_what_the_fixed_point_finds(net, flat, law):
    X, y = small(flat)
    one, other = (
        solve(net, X, y, NOISE, theory=law, method=method, tol=1e-10) for method in ("anderson", "newton")
    )
    assert (one.method, other.method) == ("anderson", "newton")
    assert other.residual <= 1e-10
    for a, b in zip(arrays(one.state), arrays(other.state), strict=True):
        # residuals of 1e-10 over the least eigenvalue of the Hessian, through a singular Q's basis
        np.testing.assert_allclose(a, b, atol=1e-7)
    assert other.free_energy == pytest.approx(one.free_energy, rel=1e-12, abs=1e-10)


def test_a_path_by_newton_steps():
    X, y = small(True)
    net = fcn((1, 1), (1.5, 2.0), 0.7)
    one, other = (
        solve_path(net, X, y, NOISE, widths=[math.inf, 300, 30, 10], method=method)
        for method in ("anderson", "newton")
    )
    np.testing.assert_allclose(other.alpha, one.alpha, rtol=1e-8)
    assert [sol.method for sol in other] == ["direct", "newton", "newton", "newton"]


@breaks("numerics/solving/newton.py", "np.exp(h / 2)", "np.exp(h / 4)", "half a geodesic", case="erf")
@pytest.mark.parametrize("networks", [NETWORKS, RELU_NETWORKS], ids=["erf", "relu"])
def test_one_step_squares_the_distance(networks):
    """A wrong product would leave a distance in proportion."""
    theory, x = theory_of(networks["three dense layers"][0], *small(True), NOISE)
    solution = newton.solve(theory, x, theory.prior, 1e-12, 300).point.state
    away = direction(theory, 1, 0.3)

    def gradient_after(t):
        start = tuple(layer.plus(change.times(t)) for layer, change in zip(solution, away, strict=True))
        hessian = Hessian.at(theory, start, x)
        g = hessian.metric.vector(hessian.gradient.E)
        step = newton.truncated_cg(hessian.times, g, 1e3, 1e-12, 1000)
        there = newton.moved(hessian.gradient.layers, hessian.metric.state(step.vector))
        return np.linalg.norm(hessian.metric.vector(theory.at(there, x).E)) / np.linalg.norm(g)

    assert gradient_after(0.02) < 0.1
    assert gradient_after(0.02) / gradient_after(0.01) == pytest.approx(2, rel=0.1)


def test_layers_of_infinite_width_stay_at_their_prior():
    X, y = small(True)
    net = fcn((20, math.inf, 15), (1.5, 2.0, 1.2), 0.7)
    one, other = (solve(net, X, y, NOISE, method=method, tol=1e-10) for method in ("anderson", "newton"))
    np.testing.assert_array_equal(other.state[1].theta, 0.0)
    np.testing.assert_allclose(other.Sigma, one.Sigma, atol=1e-9)


def test_auto_takes_other_steps_where_the_fixed_point_runs_out_of_its_budget():
    problem = cubic_teacher(n=150, neurons=3, noise_variance=0.001, linear=0.5)
    with pytest.raises(ConvergenceError, match="max_iter"):
        solve(*problem, method="anderson", max_iter=300)
    sol = solve(*problem)
    assert sol.method == "bfgs"
    assert sol.residual <= 1e-8
    assert sol.gradients < 100  # the fixed point was left long before its budget was spent


def test_negative_curvature_on_the_way_is_said_aloud():
    problem = cubic_teacher(n=150, neurons=3, noise_variance=0.001, linear=0.5)
    with pytest.warns(NegativeCurvature, match="another branch"):
        sol = solve(*problem, method="newton")
    assert sol.free_energy == pytest.approx(solve(*problem).free_energy, rel=1e-10)


def test_auto_goes_on_where_the_fixed_point_stalled(monkeypatch, tmp_path):
    net, X, y = NETWORKS["three dense layers"][0], *small(True)
    expected = solve(net, X, y, NOISE)
    monkeypatch.setattr(fixed_point, "REFUSALS", -1)
    sol = solve(net, X, y, NOISE)
    assert (expected.method, sol.method) == ("anderson", "bfgs")
    assert sol.alpha == pytest.approx(expected.alpha, rel=1e-8)
    sol.save(tmp_path / "solution.npz")
    assert load(tmp_path / "solution.npz").method == "bfgs"
    with pytest.raises(ConvergenceError, match="no step lowers"):
        solve(net, X, y, NOISE, method="anderson")


@breaks(
    "numerics/solving/newton.py",
    "gradients += PRODUCT * search.products",
    "gradients += 1",
    "products are free",
)
def test_the_budget_holds_and_a_failure_keeps_its_best_state():
    net, X, y = NETWORKS["three dense layers"][0], *small(True)
    energies = []
    for budget in range(1, 12):
        sol = solve(net, X, y, NOISE, method="newton", max_iter=budget, raise_on_failure=False)
        assert sol.gradients <= budget
        assert sol.status is Status.MAX_ITERATIONS
        energies.append(sol.free_energy)
    assert energies == sorted(energies, reverse=True)
    assert energies[-1] < energies[0]


def test_unknown_method_is_refused_with_those_that_exist():
    net, X, y = NETWORKS["three dense layers"][0], *small(True)
    with pytest.raises(ValueError, match="'auto', 'anderson', 'newton'"):
        solve(net, X, y, NOISE, method="lbfgs")


@breaks(
    "numerics/solving/conjugate_gradients.py",
    "(rz / before) * direction",
    "0 * direction",
    "steepest descent for conjugate gradients",
)
@breaks(
    "numerics/solving/conjugate_gradients.py",
    "(-b + np.sqrt(",
    "(-b - np.sqrt(",
    "the other end of the trusted region",
)
def test_conjugate_gradients_minimise_the_model_inside_and_stop_at_the_edge():
    rng = np.random.default_rng(0)
    Z = rng.standard_normal((12, 12))
    D, g = Z @ Z.T + np.eye(12), rng.standard_normal(12)
    exact = -np.linalg.solve(D, g)
    inside = newton.truncated_cg(lambda v: D @ v, g, 1e3, 1e-12, 100)
    np.testing.assert_allclose(inside.vector, exact, rtol=1e-9)
    assert not inside.at_edge
    assert inside.curvature >= np.linalg.eigvalsh(D)[0]
    short = newton.truncated_cg(lambda v: D @ v, g, np.linalg.norm(exact) / 2, 1e-12, 100)
    assert short.at_edge
    assert np.linalg.norm(short.vector) == pytest.approx(np.linalg.norm(exact) / 2)
    model = [g @ v + v @ D @ v / 2 for v in (short.vector, -0.1 * g, -0.01 * g)]
    assert model[0] < min(model[1:]) < 0
    # one direction bends down: to the edge, lower than every point before
    down = np.diag([1.0, 2.0, -0.5])
    step = newton.truncated_cg(lambda v: down @ v, np.array([0.3, 0.2, 0.1]), 5.0, 1e-12, 100)
    assert step.at_edge
    assert step.curvature < 0
    assert np.array([0.3, 0.2, 0.1]) @ step.vector + step.vector @ down @ step.vector / 2 < -1
