"""The smallest eigenvalue of the Hessian, and the branches that several starts find."""

import math

import numpy as np
import pytest
from deep_problems import NETWORKS, RELU_NETWORKS, cubic_teacher, small
from mutants import breaks

from numerics import ConvergenceError, fcn, load, solve, solve_branches
from numerics.gaussian.hessian import Hessian
from numerics.gaussian.state import LayerState
from numerics.solutions import stability
from numerics.solving import newton

NOISE = 0.05


def hessian_of(sol):
    return Hessian.at(sol.equations, sol.state, sol.problem.inverse_widths)


@breaks(
    "numerics/solutions/stability.py",
    'which="SA"',
    'which="LA"',
    "largest for smallest eigenvalue",
    case="two convolutions",
)
@pytest.mark.parametrize("name", [*NETWORKS, *(f"{name}, relu" for name in RELU_NETWORKS)])
def test_iteration_finds_the_least_eigenvalue_of_the_dense_matrix(name, monkeypatch):
    net, flat = RELU_NETWORKS[name[:-6]] if name.endswith(", relu") else NETWORKS[name]
    sol = solve(net, *small(flat, n=8), NOISE)
    values = np.linalg.eigvalsh(hessian_of(sol).dense())
    monkeypatch.setattr(stability, "DENSE", 0)
    # ACCURACY squared, times the spread of the spectrum
    assert sol.stability == pytest.approx(values[0], rel=1e-5)
    assert 0 < values[0] < 1


def test_a_narrow_network_is_a_minimum_whose_stiffness_is_of_order_one():
    """Another code, in other coordinates, found .15 to 8, all positive and most within .2 of 1."""
    X, y = small(True, n=10)
    spectra = []
    for width in (30, 10, 3, 1):
        sol = solve(fcn((width, width), 2.0, 2.0), X, y[:, 0], 0.005)
        spectra.append(np.linalg.eigvalsh(hessian_of(sol).dense()))
        assert sol.stability == spectra[-1][0] > 0
        assert np.median(np.abs(spectra[-1] - 1)) < 0.2
    assert [values[0] for values in spectra] == sorted((values[0] for values in spectra), reverse=True)
    assert 0.05 < spectra[-1][0] < 0.2
    assert 5 < spectra[-1][-1] < 12


def test_infinite_width_has_the_identity():
    net, flat = NETWORKS["three dense layers"]
    sol = solve(net, *small(flat), NOISE)
    assert sol.gp.stability == 1.0
    half = solve(net.with_widths([20, math.inf]), *small(flat), NOISE)
    assert 0 < half.stability <= 1


def test_stability_hardly_depends_on_the_order_of_the_data():
    """Not at all for one hidden layer; through the Cholesky factor of Q for more."""
    X, y = small(True)
    order = np.random.default_rng(0).permutation(len(X))
    net = fcn((20, 30), (1.5, 2.0), 0.7)
    one, other = solve(net, X, y, NOISE, tol=1e-10), solve(net, X[order], y[order], NOISE, tol=1e-10)
    assert other.free_energy == pytest.approx(one.free_energy, rel=1e-10)
    assert other.stability == pytest.approx(one.stability, rel=0.05)
    single = fcn(20, 1.5, 0.7)
    one, other = solve(single, X, y, NOISE, tol=1e-10), solve(single, X[order], y[order], NOISE, tol=1e-10)
    assert other.stability == pytest.approx(one.stability, rel=1e-6)


TWO_VALLEYS = cubic_teacher(n=60, neurons=5, noise_variance=0.01, linear=0.1)


@pytest.fixture(scope="module")
def valleys():
    return solve_branches(*TWO_VALLEYS, starts=8)


@breaks(
    "numerics/solutions/branches.py",
    "key=lambda branch: branch",
    "key=lambda branch: -branch",
    "highest free energy first",
)
@breaks("numerics/solutions/branches.py", "SAME = 1e-4", "SAME = 1e4", "everything is one branch")
def test_several_starts_find_a_lower_minimum_than_the_branch_that_joins_the_process(valleys):
    assert len(valleys) == 2
    low, high = valleys
    assert low.free_energy < high.free_energy - 20
    assert valleys.lowest is low.solution
    assert valleys.joins_gp is high.solution
    assert high.starts[0] == "gp"
    assert sorted(map(str, (*low.starts, *high.starts))) == sorted(["gp", *map(str, range(8))])
    for branch in valleys:
        assert branch.stability > 0
        assert branch.solution.residual <= 1e-8
    assert not valleys.failed
    table = str(valleys).splitlines()
    assert len(table) == 3
    assert f"{low.alpha:.6g}" in table[1]
    assert "416.76" in repr(valleys)


@breaks("numerics/solutions/stability.py", "hessian.dense())[0]", "hessian.dense())[1]", "second eigenvalue")
def test_between_two_minima_lies_a_pass_with_one_direction_down(valleys):
    """The whitened Hessian of the saddle that plain Newton steps reach from the top of the straight path."""
    low, high = (branch.solution for branch in valleys)
    theory, x = low.equations, low.problem.inverse_widths
    steps = np.linspace(0, 1, 41)
    path = [
        tuple(a.times(1 - t).plus(b.times(t)) for a, b in zip(low.state, high.state, strict=True))
        for t in steps
    ]
    energies = [theory.at(state, x).F for state in path]
    state = path[int(np.argmax(energies))]
    for _ in range(100):
        hessian = Hessian.at(theory, state, x)
        g = hessian.metric.vector(hessian.gradient.E)
        if np.abs(g).max() < 1e-10:
            break
        step = -np.linalg.solve(hessian.dense(), g)
        step /= max(1.0, 4 * np.linalg.norm(step))
        state = newton.moved(hessian.gradient.layers, hessian.metric.state(step))
    assert np.abs(g).max() < 1e-10
    values = np.linalg.eigvalsh(hessian.dense())
    assert stability.smallest_eigenvalue(hessian) == values[0] < 0 < values[1]
    assert high.free_energy < theory.at(state, x).F
    # Newton steps with a trusted region do not stay there
    left = newton.solve(theory, x, tuple(LayerState(layer.theta + 1e-3) for layer in state), 1e-8, 300)
    assert left.curvature < 0
    assert min(abs(left.point.F - sol.free_energy) for sol in (low, high)) < 1e-6


def test_starts_may_be_solutions_and_covariances(valleys, tmp_path):
    found = solve_branches(*TWO_VALLEYS, starts=[valleys.joins_gp, valleys.lowest.Sigma])
    assert found.lowest.free_energy == pytest.approx(valleys.lowest.free_energy, rel=1e-10)
    assert [branch.starts for branch in found] == [(1,), ("gp", 0)]
    found.lowest.save(tmp_path / "lowest.npz")
    assert load(tmp_path / "lowest.npz").free_energy == found.lowest.free_energy


def test_the_seed_makes_the_random_starts():
    one, same, other = (
        [branch.starts for branch in solve_branches(*TWO_VALLEYS, starts=3, seed=seed)] for seed in (5, 5, 6)
    )
    assert one == same != other


def test_one_branch_where_all_starts_agree_and_at_infinite_width():
    net, flat = NETWORKS["three dense layers"]
    found = solve_branches(net, *small(flat), NOISE, starts=3)
    assert [branch.starts for branch in found] == [("gp", 0, 1, 2)]
    at_infinity = solve_branches(net.with_widths(math.inf), *small(flat), NOISE, starts=3)
    assert [branch.starts for branch in at_infinity] == [("gp",)]
    assert at_infinity[0].stability == 1.0


def test_starts_that_lead_nowhere_are_named_and_none_at_all_is_an_error():
    net, flat = NETWORKS["three dense layers"]
    solution = solve(net, *small(flat), NOISE)
    found = solve_branches(net, *small(flat), NOISE, starts=[solution, np.eye(3)], max_iter=1, tol=1e-7)
    assert [branch.starts for branch in found] == [(0,)]
    assert found.failed == ("gp", 1)
    assert found.joins_gp is None
    hopeless = {"starts": [np.eye(3)], "max_iter": 1}
    with pytest.raises(ConvergenceError, match="max_iter"):
        solve_branches(net, *small(flat), NOISE, **hopeless)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"starts": "many"}, "starts='many' must be one real number"),
        ({"starts": -1}, "at least 0"),
        ({"starts": [np.eye(2)]}, r"symmetric \(3, 3\)"),
        ({"starts": 2, "seed": "x"}, "seed='x'"),
    ],
)
def test_bad_starts_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        solve_branches(*TWO_VALLEYS, **arguments)
