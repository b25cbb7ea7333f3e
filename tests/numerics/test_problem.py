"""A problem is pure data: validated once, shared between widths, taken by every verb, pickled with what is
found."""

import copy
import inspect
import math
import multiprocessing
import pickle

import numpy as np
import pytest
from deep_problems import NETWORKS, small

from numerics import (
    ACTIVATIONS,
    ConvergenceError,
    Problem,
    activations,
    alpha_series,
    cnn,
    compare,
    datasets,
    estimate_cost,
    fcn,
    from_sigma,
    solve,
    solve_branches,
    solve_path,
)

NOISE = 0.05


@pytest.fixture
def parts():
    net, flat = NETWORKS["three dense layers"]
    return net, *small(flat), NOISE


def test_arrays_are_copied_and_cannot_be_written_to(parts):
    net, X, y, _ = parts
    noise = np.full(len(X), NOISE)
    problem = Problem(net, X, y, noise)
    kept = [array.copy() for array in (X, y, noise)]
    for array in (X, y, noise):
        array += 1.0
    for name, array in zip(("X", "y", "noise_variance"), kept, strict=True):
        np.testing.assert_array_equal(getattr(problem, name), array)
        with pytest.raises(ValueError, match="read-only"):
            getattr(problem, name)[0] = 0.0
    with pytest.raises(AttributeError):
        problem.net = net


def test_other_widths_share_the_data(parts):
    problem = Problem(*parts)
    other = problem.with_widths([5, math.inf])
    assert other.widths == (5.0, math.inf)
    assert other.inverse_widths == (0.2, 0.0)
    assert other.X is problem.X
    assert other != problem
    assert other.with_widths(problem.widths) == problem == Problem(*parts)
    assert hash(Problem(*parts)) == hash(problem)


def test_every_verb_takes_a_problem_as_well_as_its_parts():
    data = datasets.make_linear_cnn(40, 2, 5, seed=2)
    parts = cnn(30), data.X, data.y, 0.1
    problem = Problem(*parts)
    assert solve(problem).alpha == solve(*parts).alpha
    np.testing.assert_array_equal(solve_path(problem, [50, 20]).alpha, solve_path(*parts, [50, 20]).alpha)
    assert solve_path(problem, widths=[50]).alpha[0] == solve_path(*parts, widths=[50]).alpha[0]
    assert str(solve_branches(problem, starts=1)) == str(solve_branches(*parts, starts=1))
    Sigma = solve(problem).Sigma
    assert from_sigma(problem, Sigma=Sigma).alpha == from_sigma(*parts[:3], Sigma, 0.1).alpha
    np.testing.assert_array_equal(
        alpha_series(problem, order=2).coefficients, alpha_series(*parts, order=2).coefficients
    )
    assert (
        estimate_cost(problem, gradients=0).memory == estimate_cost(cnn(30), data.X.shape, gradients=0).memory
    )
    one, other = compare(problem, data, widths=[50.0]), compare(cnn(30), data, 0.1, [50.0])
    assert one.rows[0] == other.rows[0]
    alone = compare(problem, widths=[50.0])
    assert alone.rows[0].alpha == other.rows[0].alpha
    assert "linear teacher" in alone.scalar_missing


@pytest.mark.parametrize("verb", [solve, solve_path, solve_branches, from_sigma, alpha_series])
def test_a_problem_with_parts_beside_it_or_a_network_without_them_is_refused(verb, parts):
    assert list(inspect.signature(verb).parameters)[:3] == ["net", "X", "y"]
    with pytest.raises(ValueError, match="y: the problem has its own; leave it out"):
        verb(Problem(*parts), y=parts[2])
    with pytest.raises(ValueError, match=r"noise_variance: missing; give net, X, y and noise_variance"):
        verb(*parts[:3])
    with pytest.raises(ValueError, match="net is a int; make a network"):
        verb(3)


def test_old_words_name_the_new_ones(parts):
    with pytest.raises(TypeError, match="solve has no argument readout=: the law of the readout is theory="):
        solve(*parts, readout="mean_field")
    with pytest.raises(TypeError, match=r"solve_branches\(\.\.\., starts=\)\.lowest"):
        solve(*parts, starts=3)
    with pytest.raises(TypeError, match="theory="):
        estimate_cost(parts[0], (10, 3), readout="mean_field")


# ---- a datum that is taken out -------------------------------------------------------------------


@pytest.mark.parametrize("outputs", [1, 2])
@pytest.mark.parametrize("rubbish", [1e3, math.nan])
def test_what_stands_at_a_datum_that_is_taken_out_does_not_matter(rubbish, outputs):
    """Every number is that of the problem without it."""
    X, y = small(True, n=12, outputs=outputs)
    y = y[:, 0] if outputs == 1 else y
    net = fcn((20, 30), (1.5, 2.0), 0.7)
    noise = np.full(12, NOISE)
    noise[3] = math.inf
    spoiled, rest = y.copy(), np.delete(np.arange(12), 3)
    spoiled[3] = rubbish
    whole, part = solve(net, X, spoiled, noise, tol=1e-11), solve(net, X[rest], y[rest], NOISE, tol=1e-11)
    for name in ("alpha", "free_energy", "log_evidence", "train_error", "chi_paper", "degrees_of_freedom"):
        # two solves to 1e-11, one of them with a test point in its kernels
        assert getattr(whole, name) == pytest.approx(getattr(part, name), rel=1e-8), name
        if name != "log_evidence":
            assert getattr(whole.gp, name) == pytest.approx(getattr(part.gp, name), rel=1e-10), name
    assert whole.first_order.alpha(50) == pytest.approx(part.first_order.alpha(50), rel=1e-9)
    np.testing.assert_allclose(whole.eps[rest], part.eps, rtol=1e-7, atol=1e-9)
    assert not whole.eps[3].any()
    np.testing.assert_allclose(whole.f_bar[3], part.predict(X[[3]])[0], atol=1e-8)
    # the others share one noise, which is that of a new observation
    assert whole.alpha_test(X[rest], y[rest]) == pytest.approx(part.alpha_test(X[rest], y[rest]), rel=1e-8)
    for got, want in zip(
        whole.predict(X, return_std=True, include_noise=True),
        part.predict(X, return_std=True, include_noise=True),
        strict=True,
    ):
        np.testing.assert_allclose(got, want, atol=1e-8)


def test_nan_is_refused_where_it_counts(parts):
    net, X, y, _ = parts
    y = y.copy()
    y[3] = math.nan
    with pytest.raises(ValueError, match="y contains NaN"):
        solve(net, X, y, NOISE)


# ---- pickle, deepcopy, processes --------------------------------------------------------------------


def phi(h):
    return np.tanh(h / 2)


def dphi(h):
    return 0.5 * (1 - np.tanh(h / 2) ** 2)


ALL = [*ACTIVATIONS, activations.quadrature("half tanh", phi, dphi)]


def numbers(sol):
    """What a worker process sends back, and must be the same there."""
    X, _ = small(True, n=3, seed=9)
    return sol.alpha, sol.gp.alpha, sol.stability, sol.predict(X, return_std=True)


def learned(problem):
    return solve(problem)


@pytest.mark.parametrize("activation", ALL, ids=str)
def test_problems_and_solutions_are_copied_and_pickled(activation):
    X, y = small(True, n=8)
    problem = Problem(fcn((12, 9), activation=activation, bias_variance=0.1), X, y, NOISE)
    assert pickle.loads(pickle.dumps(problem)) == problem
    sol = solve(problem)
    sol.predict(X, return_std=True)  # whatever is cached must not be in the way
    for back in (pickle.loads(pickle.dumps(sol)), copy.deepcopy(sol)):
        assert back.problem == problem
        for got, want in zip(numbers(back), numbers(sol), strict=True):
            np.testing.assert_array_equal(got, want)
        assert solve(problem, start=back).gradients == 1


def test_paths_branches_sessions_and_failures_are_pickled(parts):
    path = solve_path(*parts, widths=[100, 20])
    back = pickle.loads(pickle.dumps(path))
    np.testing.assert_array_equal(back.alpha, path.alpha)
    assert back[0].equations is back[1].equations  # shared still, and pickled once
    assert back[0].problem.X is back[1].problem.X
    branches = solve_branches(*parts, starts=2)
    assert str(pickle.loads(pickle.dumps(branches))) == str(branches)
    with pytest.raises(ConvergenceError) as failed:
        solve_path(*parts, widths=[1e6, 1.0], max_iter=1)
    error = pickle.loads(pickle.dumps(failed.value))
    assert str(error) == str(failed.value)
    assert error.solution.alpha == failed.value.solution.alpha
    assert len(error.path) == len(failed.value.path)


def test_processes_take_problems_and_give_solutions():
    """Spawned ones, that share nothing."""
    X, y = small(True, n=8)
    problems = [Problem(fcn((12, 9), activation=name), X, y, NOISE) for name in ALL]
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        found = pool.map(learned, problems)
        there = pool.map(numbers, found)
    for problem, sol, given in zip(problems, found, there, strict=True):
        here = solve(problem)
        assert sol.alpha == pytest.approx(here.alpha, rel=1e-7)
        for got, want in zip(numbers(sol), given, strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-12)
