"""`solve_path`: order, agreement with `solve`, what continuation saves, failures, threads."""

import math
from dataclasses import replace

import numpy as np
import pytest
from mutants import breaks

from numerics import ConvergenceError, Problem, cnn, datasets, solve, solve_path
from numerics.gaussian.state import LayerState
from numerics.gaussian.theory import Theory
from numerics.machine import parallel
from numerics.solving import fixed_point
from numerics.solving.continuation import Curve


def test_solutions_come_in_the_order_asked_for_duplicates_and_infinity_included(small):
    widths = [30, math.inf, 300, 30, 10.0]
    path = solve_path(small.net(7.0), *small.data, widths=widths)
    assert len(path) == 5
    np.testing.assert_array_equal(path.widths, widths)
    np.testing.assert_array_equal(path.alpha, [sol.alpha for sol in path])
    assert [sol.width for sol in path] == widths
    # both are the same equation to its tolerance
    assert path[0].alpha == pytest.approx(path[3].alpha, rel=1e-7)
    assert path[1].alpha == path[1].gp.alpha == pytest.approx(path[0].gp.alpha, rel=1e-15)
    assert list(path[1:3].widths) == widths[1:3]
    assert path[-1] is path[4]


def test_every_point_is_what_solve_gives_there(small):
    widths = [1000.0, 100.0, 20.0]
    path = solve_path(small.net(7.0), *small.data, widths=widths, tol=1e-11)
    for sol in path:
        alone = solve(small.net(sol.width), *small.data, tol=1e-11)
        np.testing.assert_allclose(sol.Sigma, alone.Sigma, rtol=0, atol=1e-9)
        assert sol.free_energy == pytest.approx(alone.free_energy, rel=1e-11)
        assert sol.problem.net == alone.problem.net


def test_continuation_takes_fewer_gradients_than_starting_over(small):
    widths = np.geomspace(1000, 20, 10)
    path = solve_path(small.net(7.0), *small.data, widths=widths)
    alone = [solve(small.net(C), *small.data) for C in widths]
    assert sum(sol.gradients for sol in path) < 0.8 * sum(sol.gradients for sol in alone)


@breaks(
    "numerics/continuation.py",
    "targets[k].inverse_widths)",
    "[-x for x in targets[k].inverse_widths])",
    "narrow widths first",
    case="erf",
)
def test_callback_sees_each_solution_large_widths_first(small):
    seen = []
    solve_path(small.net(7.0), *small.data, widths=[50, 500, math.inf], callback=seen.append)
    assert [sol.width for sol in seen] == [math.inf, 500, 50]


@pytest.mark.parametrize(
    "first", [(), (1e6,), (1e6, 1e5), (1e5, 1e4), (20000.0, 19999.0, 19998.0), (1e12, 1e11, 1e10)]
)
def test_wide_networks_on_the_path_do_not_spoil_a_narrow_one(first):
    data = datasets.make_linear_cnn(n=100, n_patches=4, patch_size=8)
    alone = solve(cnn(10), data.X, data.y, 0.1)
    path = solve_path(cnn(10), data.X, data.y, 0.1, widths=[*first, 10])
    assert path[-1].alpha == pytest.approx(alone.alpha, rel=1e-7)
    # a predictor may help or not; it must not cost several times the direct solve
    assert path[-1].gradients <= 3 * alone.gradients


def test_too_few_iterations_raise_with_the_state_reached_and_the_path_solved(small):
    with pytest.raises(ConvergenceError, match=r"max_iter") as caught:
        solve_path(small.net(7.0), *small.data, widths=[0.5, math.inf, 1e5], max_iter=3)
    error = caught.value
    assert [sol.width for sol in error.path] == [math.inf, 1e5]
    assert error.solution.width == 0.5
    assert not error.solution.converged
    assert error.solution.residual > 1e-8
    assert error.solution.residual == pytest.approx(
        small.oracle.residual(error.solution.Sigma, 0.5), rel=1e-9
    )
    with pytest.raises(ConvergenceError) as caught:
        solve(small.net(1.0), *small.data, max_iter=2)
    assert caught.value.solution.gradients <= 2
    assert caught.value.path is None


def test_failure_can_be_returned_instead_of_raised(small):
    sol = solve(small.net(1.0), *small.data, max_iter=2, raise_on_failure=False)
    assert not sol.converged
    assert "max_iter" in sol.status.value
    path = solve_path(small.net(1.0), *small.data, widths=[1.0, 1e5, 0.5], max_iter=3, raise_on_failure=False)
    # the path ends at the failure: 0.5 was never tried
    assert list(path.widths) == [1.0, 1e5]
    assert [sol.converged for sol in path] == [False, True]


def test_one_thread_and_two_agree():
    data = datasets.make_linear_cnn(n=150, n_patches=3, patch_size=8)
    runs = []
    for count in (1, 2):
        with parallel.threads(count):
            runs.append(solve(cnn(50), data.X, data.y, 0.1, tol=1e-11))
    one, two = runs
    # three row panels: the sums over them are taken in another order
    assert two.free_energy == pytest.approx(one.free_energy, rel=1e-12)
    np.testing.assert_allclose(two.Sigma, one.Sigma, rtol=0, atol=1e-12)
    theory, state = one.equations, one.state
    with parallel.threads(1):
        T_1 = theory.gradient(state, (1 / 50,)).T[0].theta
    with parallel.threads(2):
        T_2 = theory.gradient(state, (1 / 50,)).T[0].theta
    np.testing.assert_allclose(T_2, T_1, rtol=0, atol=1e-12 * np.abs(T_1).max())


@pytest.mark.parametrize("count", [1, 2])
def test_repeated_runs_are_bitwise_the_same(count):
    data = datasets.make_linear_cnn(n=150, n_patches=3, patch_size=8)
    with parallel.threads(count):
        first, second = (solve(cnn(50), data.X, data.y, 0.1) for _ in range(2))
    np.testing.assert_array_equal(first.Sigma, second.Sigma)
    np.testing.assert_array_equal(first.eps, second.eps)
    assert first.free_energy == second.free_energy


def test_a_failed_direct_solve_is_followed_in_smaller_steps(small, monkeypatch):
    """Starts farther than .5 in log(1 + chi) from the last solved point are made to fail."""
    problem = Problem(small.net(2.0), *small.data)
    expected = solve(small.net(2.0), *small.data).alpha
    curve = Curve(Theory(problem), tol=1e-8, method="anderson")
    real, tried = fixed_point.solve, []

    def short_sighted(theory, inverse_widths, start, tol, max_iter, secants):
        (x,) = inverse_widths
        s = math.log1p(x * curve.tops[0])
        tried.append(s)
        reached = max(
            [math.log1p(node.inverse_widths[0] * curve.tops[0]) for node in curve._solved], default=0
        )
        budget = max_iter if s - reached < 0.5 else 1
        return real(theory, inverse_widths, start, tol, budget, secants)

    monkeypatch.setattr(fixed_point, "solve", short_sighted)
    outcome = curve.solve(problem.inverse_widths, max_iter=300)
    assert outcome.status is fixed_point.Status.CONVERGED
    assert len(tried) > 2
    assert tried[-1] == tried[0]
    alpha = np.sum(outcome.point.data.eps[:, 0] * small.y) / (small.y @ small.y)
    assert alpha == pytest.approx(expected, rel=1e-7)


def test_a_trial_that_is_not_finite_is_refused_and_forgotten(small, monkeypatch):
    expected = solve(small.net(5.0), *small.data).alpha
    real, tried = fixed_point._try, []

    def third_overflows(theory, inverse_widths, state):
        point = real(theory, inverse_widths, state)
        tried.append(state)
        if len(tried) != 3:
            return point
        nan = replace(point.data, parts={"fit": np.nan})
        return replace(point, E=tuple(LayerState(np.full_like(E.theta, np.nan)) for E in point.E), data=nan)

    monkeypatch.setattr(fixed_point, "_try", third_overflows)
    sol = solve(small.net(5.0), *small.data, method="anderson")
    assert len(tried) > 3
    assert sol.alpha == pytest.approx(expected, rel=1e-7)
