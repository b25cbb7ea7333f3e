"""What cannot be sampled: one sentence each, with the remedy; nothing warns."""

import math
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest
from naive_networks import NAIVE, one_unit, own

from numerics import Langevin, NotEnoughMemory, Problem, SamplingError, cnn, fcn, sample, solve
from numerics.machine import memory
from numerics.sampling import starts

PROBLEM = NAIVE["two-layer cnn"].problem()


def refused(match, net=PROBLEM, error=ValueError, **options):
    with pytest.raises(error, match=match) as said:
        sample(net, **{"draws": 5, "chains": 2, "start": "prior", "reference": "prior"} | options)
    text = str(said.value)
    assert "\n" not in text
    assert not text.rstrip(".").count(". ")  # one sentence
    return text


@pytest.mark.parametrize("widths", [math.inf, 2.5, (3, math.inf), (3.5, 2)])
def test_units_are_counted(widths):
    net = cnn(widths) if isinstance(widths, float) else fcn(widths)
    X = np.ones((4, 2, 3)) if isinstance(widths, float) else np.ones((4, 3))
    refused(
        "cannot be sampled: units are counted; give finite whole numbers", Problem(net, X, np.ones(4), 0.1)
    )


@pytest.mark.parametrize("name", ["draws", "chains", "thin"])
@pytest.mark.parametrize("bad", [0, -1, 2.5, math.nan, "many", None, True])
def test_counts(name, bad):
    refused(name, **{name: bad})


@pytest.mark.parametrize("bad", [-1, 0.5, "seed", None])
def test_seeds(bad):
    refused("seed", seed=bad)


@pytest.mark.parametrize("bad", [0.0, -1.0, math.inf, math.nan, "long"])
def test_path_lengths(bad):
    refused("path_length", path_length=bad)


@pytest.mark.parametrize("name", ["method", "start", "reference", "precision"])
@pytest.mark.parametrize("bad", ["nuts", "", 3, None, ["prior"]])
def test_unknown_words_name_those_that_are_known(name, bad):
    known = {"method": "collapsed", "start": "both", "reference": "pooled", "precision": "single"}[name]
    assert known in refused(name, **{name: bad})


def test_what_is_missing_and_what_is_given_twice():
    with pytest.raises(ValueError, match="noise_variance: missing"):
        sample(PROBLEM.net, PROBLEM.X, PROBLEM.y)
    with pytest.raises(ValueError, match="the problem has its own"):
        sample(PROBLEM, PROBLEM.X)
    with pytest.raises(ValueError, match=r"cnn\(\.\.\.\) or fcn"):
        sample("cnn", PROBLEM.X, PROBLEM.y, 0.1)


def test_a_start_from_another_network():
    other = "start is a solution of another network; solve this one, or drop start"
    refused(other, start=solve(NAIVE["two-layer fcn with biases"].problem()))
    refused(other, start=solve(PROBLEM.net.with_widths(3), PROBLEM.X[:, :, :2], PROBLEM.y, 0.3))
    # other widths and other noise are a start like any
    sol = solve(PROBLEM.net.with_widths(30), PROBLEM.X, PROBLEM.y, 0.5)
    samples = sample(PROBLEM, draws=5, chains=2, start=sol)
    assert samples.shape == (2, 5)


def test_memory_that_is_not_there(monkeypatch):
    monkeypatch.setattr(memory, "available", lambda: 1e4)
    text = refused("are available; ask for fewer draws", error=NotEnoughMemory, draws=1000)
    assert "check_memory=False" in text
    assert sample(PROBLEM, draws=5, chains=1, check_memory=False, start="prior", reference="prior").shape == (
        1,
        5,
    )
    monkeypatch.setattr(memory, "available", lambda: None)
    assert sample(PROBLEM, draws=5, chains=1, start="prior", reference="prior").shape == (1, 5)


def test_equations_that_are_not_solved_are_noted_or_refused(monkeypatch):
    def hopeless(problem, **options):
        raise ValueError("they are too steep; lower something")

    monkeypatch.setattr(starts, "Continuation", hopeless)
    samples = sample(PROBLEM, draws=5, chains=2)
    assert any("were not solved for a start (they are too steep" in note for note in samples.report.notes)
    for options in ({"start": "eos"}, {"reference": "eos"}):
        text = refused("were not solved for a start", **options)
        assert "take start='prior' and reference='pooled'" in text


@pytest.mark.parametrize("method", ["collapsed", "joint", "langevin"])
def test_features_that_no_factorisation_takes(method):
    """Rounding loses the noise beside 1e40 times as much signal."""
    X = np.array([[1.0], [1.0], [2.0]])
    problem = Problem(fcn(4, activation="linear"), X * 1e20, np.array([1.0, 2.0, 3.0]), 1e-3)
    refused(
        r"cannot be evaluated|blew up",
        problem,
        error=(ValueError, SamplingError),
        method=Langevin(schedule=False, burn_in=20) if method == "langevin" else method,
    )


def test_functions_that_cannot_be_sent_to_another_process():
    net = fcn(2, activation=own())
    X = np.ones((3, 2))
    with ProcessPoolExecutor(1) as executor:
        text = refused(
            "cannot be sent to another process", Problem(net, X, np.arange(3.0), 0.1), executor=executor
        )
    assert "executor" in text


def test_results_refuse_bad_input_too():
    samples = sample(one_unit(), draws=5, chains=2, start="prior", reference="prior")
    for call, match in (
        (lambda: samples.predict(np.ones((2, 3))), "X_test"),
        (lambda: samples.predict(np.ones((2, 1)), return_std=True, return_cov=True), "exclude each other"),
        (lambda: samples.test_error(np.ones((2, 1)), np.ones((2, 2))), "y_test has 2 outputs"),
        (lambda: samples.test_error(np.ones((2, 1)), np.ones(3)), "y_test"),
        (lambda: samples.test_error(np.ones((2, 1)), np.zeros(2)), "y_test"),
        (lambda: samples.alpha_test(np.ones((2, 1)), np.ones((2, 2))), "y_test has 2 outputs"),
        (lambda: samples.hidden_variance(1), "layer"),
        (lambda: samples.projections([1.0], layer=2), "layer"),
        (lambda: samples.projections([1.0, 2.0]), "w has shape"),
        (lambda: samples.overlap("up"), "w"),
        (lambda: samples.sample_y(np.ones((1, 1)), 0), "n_samples"),
    ):
        with pytest.raises(ValueError, match=match):
            call()


def test_chains_do_not_wait_for_equations_that_would_take_too_long(monkeypatch):
    monkeypatch.setattr(starts, "SMALL", 0)
    sol, note = starts.solution_for(PROBLEM, patience=0.0)
    assert sol is None
    assert "as that would take about" in note
    samples = sample(PROBLEM, draws=5, chains=2)  # and at the patience there is, they are solved
    assert not any("would take" in note for note in samples.report.notes)
