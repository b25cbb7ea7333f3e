"""What `sample` chooses by trying: the energy, the precision, the reference measure, the starts."""

from dataclasses import replace

import numpy as np
import pytest
from mutants import breaks
from naive_networks import NAIVE, one_unit

from numerics import Problem, fcn, sample, solve
from numerics.sampling import choice
from numerics.sampling.chain import Plan
from numerics.sampling.cost import estimate_sampling
from numerics.sampling.energies import Posterior
from numerics.sampling.starts import Gaussian, states
from numerics.sampling.step_bias import StepBias, step_bias

PROBLEM = NAIVE["two convolutions"].problem()
QUICK = {"draws": 10, "chains": 2, "seed": 1}


def test_the_method_is_what_is_cheaper(monkeypatch):
    assert sample(PROBLEM, **QUICK).report.method == "collapsed"
    monkeypatch.setattr(choice, "WORTH_A_TRIAL", 0.0)
    for cheaper, method in ((1e-9, "joint"), (1e9, "collapsed")):
        monkeypatch.setattr(choice, "CHEAPER", cheaper)
        samples = sample(PROBLEM, **QUICK)
        assert samples.report.method == method
        assert any(note.startswith(f"method {method}: ") for note in samples.report.notes)


def test_single_precision_where_it_agrees(monkeypatch):
    assert sample(PROBLEM, **QUICK).report.precision == "double"
    monkeypatch.setattr(choice, "LARGE_ENOUGH", 1)
    samples = sample(PROBLEM, **QUICK)
    assert samples.report.precision == "single"
    assert any("single precision" in note for note in samples.report.notes)


def test_single_precision_that_does_not_agree_or_cannot_be_factorised():
    rng = np.random.default_rng(0)
    z = [rng.standard_normal(4) for _ in range(3)]
    X = np.array([[0.3], [0.7], [1.1]])
    for noise in (1e-7, 1e-12):  # three data on one line: rounding in single precision is beyond the noise
        posterior = Posterior(Problem(fcn(4, activation="linear"), X, np.array([1.0, 2.0, 3.0]), noise))
        assert not choice.agrees(posterior, z)
    assert choice.agrees(Posterior(one_unit()), [state[:1] for state in z])


def test_every_second_chain_starts_from_the_equations_of_state():
    """Means and covariances of many starts, whitened by the prior."""
    sol = solve(NAIVE["two-layer fcn with biases"].problem("relu"))
    gaussian = Gaussian.of(sol)
    std = np.sqrt([0.5, 0.5, 0.5, 0.3])
    covariance = sol.input_covariance / np.outer(std, std)
    mean = sol.input_mean / std
    np.testing.assert_allclose(gaussian.root @ gaussian.root.T, covariance, rtol=1e-10)
    moment = gaussian.reference @ gaussian.reference.T
    np.testing.assert_allclose(moment, covariance + np.outer(mean, mean), rtol=1e-10)
    generators = [np.random.default_rng(seed) for seed in range(2)]
    prior, eos = states(((4, 40_000),), generators, "both", gaussian)
    np.testing.assert_allclose(prior[0] @ prior[0].T / 40_000, np.eye(4), atol=0.03)
    np.testing.assert_allclose(eos[0] @ eos[0].T / 40_000, moment, atol=0.03 * np.max(moment))
    np.testing.assert_allclose(eos[0].mean(axis=1), mean, atol=0.03)


@breaks(
    "numerics/sampling/run.py",
    "hidden = after.state(before.coordinates.weights(chain.z))",
    "hidden = before.coordinates.state(before.coordinates.weights(chain.z))",
    "states not taken to the new coordinates",
)
def test_coordinates_change_and_the_weights_do_not(monkeypatch):
    """The pooled measure after the descent: its shrunk average of what the chains saw."""
    from numerics.sampling.chain import Chain
    from numerics.sampling.run import Run

    posterior = Posterior(PROBLEM)
    rng = np.random.default_rng(0)
    L = rng.standard_normal((2, 3, 3))
    moments = [one @ one.T + np.eye(3) for one in L]
    z = rng.standard_normal((2, posterior.coordinates.size))
    chains = [Chain(state.copy(), rng, moments=moment) for state, moment in zip(z, moments, strict=True)]
    run = Run(Plan(posterior, pooled=True), chains, 10)
    run._meet_after_descent()
    root = run.plan.posterior.root
    shrunk = 3 / (3 + 2 * 3)  # features over features and units of all chains
    expected = (1 - shrunk) * np.mean(moments, axis=0) + shrunk * np.eye(3)
    np.testing.assert_allclose(root @ root.T, expected, rtol=1e-12)
    for state, chain in zip(z, run.chains, strict=True):
        first = root @ chain.z[:9].reshape(3, 3)
        np.testing.assert_allclose(first, state[:9].reshape(3, 3), rtol=1e-12)
        np.testing.assert_array_equal(chain.z[9:], state[9:])
        assert chain.phase == "tuning"


def test_one_step_for_all_chains():
    from numerics.sampling.adaptation import DualAveraging
    from numerics.sampling.chain import Chain
    from numerics.sampling.run import Run

    chains = [
        Chain(np.zeros(15), np.random.default_rng(0), averaging=DualAveraging.around(h)) for h in (0.1, 0.4)
    ]
    run = Run(Plan(Posterior(PROBLEM)), chains, 10)
    run._meet_after_tuning()
    assert [chain.step for chain in run.chains] == pytest.approx([0.2, 0.2])


def test_what_a_run_takes_is_estimated():
    cost = estimate_sampling(PROBLEM, draws=1000, chains=3)
    size = 3 * 3 + 6 * 2 + 3 * 3 + 6  # weights, slopes of the first layer, eps: numbers that a draw keeps
    assert cost.memory * 2**30 > 8 * size * 3000
    assert 0 < cost.seconds[0] < cost.seconds[1]
    assert "s per gradient" in str(cost)
    with pytest.raises(ValueError, match="finite whole numbers"):
        estimate_sampling(PROBLEM.with_widths((2.5, 2)))


def test_a_step_s_bias_by_hand():
    from numerics import Estimate

    rng = np.random.default_rng(0)
    whole, half = (Estimate.of(1.0 + b + 0.01 * rng.standard_normal((4, 100))) for b in (0.2, 0.1))
    bias = StepBias(0.1, whole, half)
    limit = 2 * half.mean - whole.mean
    assert bias.bias[0] == pytest.approx((whole.mean - limit) / limit)
    assert bias.bias[0] == pytest.approx(0.2, abs=0.01)
    # of gap / (half - gap/2 ...) to leading order twice the difference's error
    assert bias.bias[1] == pytest.approx(2 * np.hypot(whole.error, half.error), rel=0.05)
    from numerics import Langevin

    with pytest.raises(ValueError, match="schedule"):
        step_bias(PROBLEM, Langevin())
    found = step_bias(
        one_unit(1.0), Langevin(rate=1e-3, schedule=False, burn_in=5, interval=2), draws=8, start="prior"
    )
    assert found.rate == pytest.approx(1e-3)
    assert replace(found, rate=1.0).rate == 1.0
