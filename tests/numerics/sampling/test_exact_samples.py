"""Samples against laws that are known: quadrature, an integral for linear networks, the prior."""

import numpy as np
import pytest
from mutants import breaks
from naive_networks import NAIVE, linear_by_an_integral, linear_problem, one_unit, one_unit_by_quadrature

from numerics import Estimate, Langevin, Problem, cnn, fcn, sample
from numerics.sampling import records
from numerics.sampling.chain import Chain, Plan
from numerics.sampling.diagnostics import rhat
from numerics.sampling.energies import Posterior
from numerics.sampling.run import Run

PLAIN = {"start": "prior", "reference": "prior"}


def off(estimate, truth):
    return (estimate.mean - truth) / estimate.error


METHODS = {
    "collapsed": ("collapsed", 700, 0.1),
    "joint": ("joint", 900, 0.1),
    "langevin": (Langevin(share=0.02, schedule=False, burn_in=500, interval=60), 300, 1.0),
}


@breaks(
    "numerics/sampling/records.py",
    "overlap = float(np.sum(E * Y)) / norm2",
    "overlap = 2 * float(np.sum(E * Y)) / norm2",
    "twice alpha",
    case="collapsed",
)
@breaks(
    "numerics/sampling/records.py",
    "(float(np.sum(gap**2)) + outputs * fluctuation)",
    "(float(np.sum(gap**2)) + 0.0 * fluctuation)",
    "loss of the mean network",
    case="collapsed",
)
@breaks(
    "numerics/sampling/langevin.py",
    "np.sqrt(2.0 * tau)",
    "np.sqrt(tau)",
    "half the temperature of Langevin dynamics",
    case="langevin",
)
@pytest.mark.parametrize("method", METHODS)
def test_one_unit_against_quadrature(method):
    named, draws, noise = METHODS[method]
    truth = one_unit_by_quadrature(noise)
    samples = sample(one_unit(noise), draws=draws, method=named, seed=1, **PLAIN)
    w = samples.draws.weights[:, :, 0]
    found = {
        "alpha": samples.alpha,
        "loss": samples.train_loss,
        "w2": samples.overlap([1.0]),
        "w4": Estimate.of(w**4),
    }
    for name, estimate in found.items():
        assert abs(off(estimate.plain, truth[name])) < 4, name
        assert abs(off(estimate, truth[name])) < 4, name
        assert estimate.plain.error < 0.15 * truth[name]  # so that a factor of 2 cannot hide


@pytest.mark.parametrize("method", ["collapsed", "joint"])
def test_a_linear_network_against_an_integral(method):
    problem, w = linear_problem()
    truth = linear_by_an_integral(problem, w)
    samples = sample(problem, draws=500 if method == "collapsed" else 400, method=method, seed=4)
    found = {"alpha": samples.alpha, "overlap": samples.overlap(w), "loss": samples.train_loss}
    for name, estimate in found.items():
        assert abs(off(estimate, truth[name])) < 4, name
        assert abs(off(estimate.plain, truth[name])) < 4, name
        # sampling all weights, now and then a chain stays long where much is learned
        assert estimate.plain.error < (0.04 if method == "collapsed" else 0.08) * truth[name]
    assert 0.5 < samples.report.acceptance < 0.95


def test_without_data_it_is_the_prior():
    samples = sample(fcn((4, 3), bias_variance=0.2), np.zeros((0, 2)), np.zeros(0), 0.1, draws=1000, seed=1)
    z = samples.draws.weights
    assert samples.problem.samples == 0
    for power, moment in ((1, 0.0), (2, 1.0), (4, 3.0)):
        estimates = [Estimate.of(z[:, :, k] ** power) for k in range(z.shape[2])]
        offs = [off(estimate, moment) for estimate in estimates]
        assert np.max(np.abs(offs)) < 4
        assert np.max([estimate.error for estimate in estimates]) < 0.3
    assert np.isnan(samples.alpha.mean)
    assert samples.hidden_variance(0).mean == pytest.approx(1.0, abs=0.1)
    assert "Posterior samples" in str(samples)
    assert samples.predict(np.ones((2, 2))).shape == (2,)
    _, std = samples.predict(np.zeros((1, 2)), return_std=True)
    assert std[0] ** 2 > 0.2  # the biases' at least


def test_a_prior_s_predictive_variance_is_the_kernel():
    samples = sample(cnn(3), np.zeros((0, 2, 2)), np.zeros(0), 0.1, draws=400, seed=1)
    X = np.array([[[1.0, 0.3], [-0.4, 0.8]]])
    K = np.sum(X**2, axis=2)  # sigma_w^2 / S = 1
    expected = np.mean(2.0 * 2 / np.pi * np.arcsin(2 * K / (1 + 2 * K)))
    _, std = samples.predict(X, return_std=True)
    assert std[0] ** 2 == pytest.approx(expected, rel=0.05)


def test_five_starts_agree():
    """The prior, three times as far out, zero, all units alike and large, and one against two."""
    problem = NAIVE["two-layer cnn"].problem(noise_variance=0.1, n=8)
    posterior = Posterior(problem)
    size = posterior.coordinates.size
    rng = np.random.default_rng(0)
    alike = np.repeat(np.array([2.0, -1.0, 3.0])[:, None], 3, axis=1)
    starts = [
        rng.standard_normal(size),
        3 * rng.standard_normal(size),
        np.zeros(size),
        alike.ravel(),
        (alike * [1, -1, 1]).ravel(),
    ]
    chains = [Chain(z, np.random.default_rng(index)) for index, z in enumerate(starts)]
    run = Run(Plan(posterior), chains, 700)
    assert run.go()
    scalars = run.stacked().scalars
    names = records.scalar_names(1)
    for name in (records.ALPHA, records.LOSS, records.TRACE_Q, records.square(1), records.ENERGY):
        series = scalars[:, :, names.index(name)]
        assert rhat(series) < 1.02, name
        each = [Estimate.of(chain[None]) for chain in series]
        whole = Estimate.of(series).mean
        assert max(abs(off(one, whole)) for one in each) < 4, name


def test_methods_agree_on_a_network_of_several_layers():
    """Deep, with biases, two outputs, noise per datum; a reference measure from the descent or none."""
    noise = np.array([0.3, 0.2, 0.5, 1.0, 0.1, 0.4])
    problem = NAIVE["overlap, padding and biases"].problem(noise_variance=noise, outputs=2)
    kinds = [
        {"method": "collapsed", "reference": "prior"},
        {"method": "collapsed", "reference": "pooled"},
        {"method": "joint", "reference": "pooled"},
    ]
    runs = [sample(problem, draws=400, seed=seed, start="prior", **kind) for seed, kind in enumerate(kinds)]
    for one, other in ((runs[0], runs[1]), (runs[1], runs[2])):
        for pick in (
            lambda s: s.alpha,
            lambda s: s.train_loss,
            lambda s: s.hidden_variance(0).plain,
            lambda s: s.hidden_variance(1),
            lambda s: s.readout_load,
        ):
            a, b = pick(one), pick(other)
            assert abs(a.mean - b.mean) < 4 * np.hypot(a.error, b.error), a.name
            assert a.error < 0.05 * a.mean, a.name


def test_a_problem_is_as_good_as_its_parts():
    problem = one_unit()
    one = sample(problem, draws=5, chains=1, **PLAIN)
    two = sample(problem.net, problem.X, problem.y, 0.1, draws=5, chains=1, **PLAIN)
    np.testing.assert_array_equal(one.draws.weights, two.draws.weights)
    assert isinstance(one.problem, Problem)
