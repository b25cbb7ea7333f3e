"""Branches of the cavity theory: where starts lead, and what is one solution."""

import math

import numpy as np
import pytest
from mutants import breaks

from numerics import ConvergenceError, Problem, fcn, solve, solve_branches
from numerics.cavity.branches import fields_of, same_branch
from numerics.cavity.scaled import Scaled

BRANCHES = "numerics/cavity/branches.py"
DRAWS = 2048


@pytest.fixture(scope="module")
def problem():
    """40 data along one direction, relu units with means: a load of .6."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((40, 5))
    t = X @ np.array([0.6, 0.8, 0, 0, 0])
    return Problem(fcn(30, activation="relu"), X, np.maximum(t, 0) - 0.4, 0.1)


@pytest.fixture(scope="module")
def from_process(problem):
    return solve(problem, theory="cavity", draws=DRAWS)


@breaks(BRANCHES, "ERRORS = 5.0", "ERRORS = 0.05", "every run a branch of its own")
def test_all_starts_lead_to_the_solution_that_joins_the_process(problem, from_process):
    """Solutions of three theories, at other widths too, a covariance, and states at random."""
    wide = solve(problem.with_widths(300.0), theory="cavity", draws=DRAWS)
    mean_field = solve(problem)
    given = [mean_field, wide, 3 * np.eye(5) * mean_field.equations.prior_variance[0]]
    for starts, names in ((given, ("gp", 0, 1, 2)), (2, ("gp", 0, 1))):
        found = solve_branches(problem, theory="cavity", draws=DRAWS, starts=starts)
        assert [branch.starts for branch in found] == [names]
        assert not found.failed
        assert found.lowest is found.joins_gp
        assert found.lowest.alpha == from_process.alpha
        assert found[0].free_energy_error == from_process.errors["free_energy"] > 0
        assert math.isnan(found[0].stability)
        assert "error of F" in str(found)


@breaks(BRANCHES, "moment = moment + np.multiply", "moment = np.multiply", "a mean without its spread")
def test_a_start_s_fields_are_those_of_its_gaussian(problem):
    """Mean field's own kernel and discrepancy, means included, at its solution."""
    mean_field = solve(problem)
    scaled = Scaled(problem)
    ((K, eps, moment),) = fields_of(scaled, [mean_field], 0)
    std = np.sqrt(mean_field.equations.prior_variance)
    mean = mean_field.weight_mean / std[:5]
    covariance = mean_field.Sigma / np.outer(std, std)
    np.testing.assert_allclose(moment, covariance + np.outer(mean, mean), atol=1e-8)
    assert K.shape == (40, 40)
    np.testing.assert_allclose(K @ eps[0], scaled.y[0], atol=1e-10)


@breaks(BRANCHES, "abs(here - there) <=", "0.0 <=", "all solutions are one")
def test_what_is_one_solution(problem, from_process):
    """Other draws are; another width, or another noise, is not."""
    assert same_branch(from_process, solve(problem, theory="cavity", draws=DRAWS, seed=5))
    assert not same_branch(from_process, solve(problem.with_widths(36.0), theory="cavity", draws=DRAWS))
    noisy = Problem(problem.net, problem.X, problem.y, 0.11)
    assert not same_branch(from_process, solve(noisy, theory="cavity", draws=DRAWS))


def test_the_process_itself_has_one_branch(problem):
    found = solve_branches(problem.with_widths(math.inf), theory="cavity", draws=512, starts=3)
    assert [branch.starts for branch in found] == [("gp",)]


def test_bad_starts_are_refused_before_anything_is_solved(problem, monkeypatch):
    def solved(*_):
        raise AssertionError("work that a bad start throws away")

    monkeypatch.setattr("numerics.cavity.door.CavitySolution.of", solved)
    with pytest.raises(ValueError, match=r"symmetric \(5, 5\)"):
        solve_branches(problem, theory="cavity", draws=512, starts=[np.eye(3)])


def test_bad_starts_and_failures(problem):
    other = Problem(problem.net, problem.X[:20], problem.y[:20], 0.1)
    foreign = solve(other, theory="cavity", draws=512)
    for start, message in ((foreign, "another network or data"), (np.eye(3), r"symmetric \(5, 5\)")):
        with pytest.raises(ValueError, match=message):
            solve_branches(problem, theory="cavity", draws=512, starts=[start])
    for argument, message in (({"starts": "many"}, "starts"), ({"starts": -1}, "at least 0")):
        with pytest.raises(ValueError, match=message):
            solve_branches(problem, theory="cavity", draws=512, **argument)
    with pytest.raises(ValueError, match="method="):
        solve_branches(problem, theory="cavity", method="newton")
    with pytest.raises(ConvergenceError, match="max_iter"):
        solve_branches(problem, theory="cavity", draws=512, starts=0, max_iter=1)
    with pytest.raises(ValueError, match="give its Sigma"):
        solve_branches(problem, starts=[foreign])
