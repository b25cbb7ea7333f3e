"""Hamiltonian Monte Carlo by itself, on targets whose law is known; and how its step is found."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from mutants import breaks
from naive_networks import NAIVE
from scipy.stats import norm

from numerics.sampling import hmc
from numerics.sampling.adaptation import Descent, DualAveraging, expected_acceptance, tuned_step
from numerics.sampling.diagnostics import rhat
from numerics.sampling.energies import Collapsed, Posterior
from numerics.sampling.estimate import Estimate
from numerics.sampling.hmc import transition

HMC, ADAPTATION = "numerics/sampling/hmc.py", "numerics/sampling/adaptation.py"


class Target:
    """An energy of one's own; it remembers where it was asked."""

    def __init__(self, value, gradient):
        self.value, self.gradient = value, gradient
        self.seen = []

    def __call__(self, z):
        self.seen.append(z)
        return SimpleNamespace(value=float(self.value(z)), gradient=np.asarray(self.gradient(z)))


def gaussian(precision):
    return Target(lambda z: 0.5 * z @ precision @ z, lambda z: precision @ z)


def quartic():
    """Skewed and with light tails."""
    return Target(
        lambda z: np.sum(z**4 / 4 - z + 0.5 * z**2),
        lambda z: z**3 - 1 + z,
    )


class Given:
    """In the place of a Generator: no jitter, a given threshold, and momenta that are given or drawn."""

    def __init__(self, momenta, threshold=0.0):
        self.momenta, self.threshold = momenta, threshold

    def uniform(self, *bounds):
        return 0.0 if bounds else self.threshold

    def standard_normal(self, size):
        return (
            self.momenta.standard_normal(size) if hasattr(self.momenta, "standard_normal") else self.momenta
        )


def chains_of(energy, size, draws, step, observe, chains=4, **options):
    out = np.empty((chains, draws, len(observe(np.zeros(size)))))
    for chain in range(chains):
        rng = np.random.default_rng(chain)
        z = rng.standard_normal(size)
        at = energy(z)
        for draw in range(draws):
            path = transition(energy, z, at, step, rng, **options)
            z, at = path.z, path.at
            out[chain, draw] = observe(z)
    return out


@breaks(HMC, "if not error <= DIVERGED:\n        return", "if error > 0.0:\n        return", "no way uphill")
def test_moments_of_a_correlated_gaussian():
    covariance = np.array([[1.0, 0.6, 0.0], [0.6, 0.8, -0.3], [0.0, -0.3, 0.5]])
    # a step so large that a third of the paths is rejected
    upper = np.triu_indices(3)
    series = chains_of(
        gaussian(np.linalg.inv(covariance)), 3, 1000, 0.6, lambda z: [*z, *np.outer(z, z)[upper]]
    )
    truth = [0, 0, 0, *covariance[upper]]
    for k, expected in enumerate(truth):
        estimate = Estimate.of(series[:, :, k])
        assert abs(estimate.mean - expected) < 3.8 * estimate.error
        assert estimate.error < 0.05
        assert rhat(series[:, :, k]) < 1.02


@breaks(HMC, "cosine * p - sine * position", "cosine * p + sine * position", "a sign in the rotation")
@breaks(
    HMC, "math.exp(min(0.0, -error))", "math.exp(min(0.0, -0.5 * error))", "square root of the acceptance"
)
def test_moments_of_a_skewed_law_by_quadrature():
    grid = np.linspace(-8, 8, 20001)
    p = np.exp(-(grid**4 / 4 - grid + 0.5 * grid**2))
    p /= p.sum()
    powers = (1, 2, 3, 4)
    series = chains_of(quartic(), 1, 2500, 0.69, lambda z: [z[0] ** k for k in powers], length=1.4)
    for index, power in enumerate(powers):
        estimate = Estimate.of(series[:, :, index])
        assert abs(estimate.mean - p @ grid**power) < 3.5 * estimate.error
        assert estimate.error < 0.05


def network():
    problem = NAIVE["two convolutions"].problem(noise_variance=0.5)
    return Collapsed(Posterior(problem))


@pytest.mark.parametrize("steps", [1, 7])
def test_a_path_runs_back_when_its_momentum_is_turned(steps):
    """The momentum at the end from the last two states and the formulas of a step."""
    target = network()
    energy = Target(lambda z: target(z).value, lambda z: target(z).gradient)
    rng = np.random.default_rng(1)
    z, p = rng.standard_normal((2, target.size))
    h = 0.2
    there = transition(energy, z, energy(z), h, Given(p), steps=steps)
    before, end = energy.seen[-2], energy.seen[-1]
    turned = (end - math.cos(h) * before) / math.sin(h)  # momentum before the last rotation
    last = math.cos(h) * turned - math.sin(h) * before - h / 2 * (target(end).gradient - end)
    total = target(end).value + 0.5 * last @ last - target(z).value - 0.5 * p @ p
    assert there.error == pytest.approx(total, abs=1e-9)
    assert there.acceptance == pytest.approx(min(1.0, math.exp(-total)), abs=1e-9)
    np.testing.assert_array_equal(there.z, end)  # a threshold of 0 takes every end
    back = transition(energy, end, energy(end), h, Given(-last), steps=steps)
    np.testing.assert_allclose(back.z, z, atol=1e-11)
    assert back.error == pytest.approx(-there.error, abs=1e-9)


@breaks(
    "numerics/sampling/energies.py",
    "for W, slope in zip(weights, slopes, strict=True)])\n        return",
    "for W, slope in zip(weights, [1.5 * g for g in slopes], strict=True)])\n        return",
    "kicks of one and a half gradients",
)
@breaks(HMC, "p = p - 0.5 * h * (here.gradient - position)\n        if", "if", "one kick a step")
def test_the_energy_s_error_falls_with_the_square_of_the_step():
    target = network()
    errors = []
    for h, steps in ((0.04, 25), (0.02, 50)):
        rng = np.random.default_rng(3)
        found = []
        for _ in range(40):
            z = rng.standard_normal(target.size)
            found.append(transition(target, z, target(z), h, Given(rng), steps=steps).error)
        errors.append(np.std(found))
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.1)
    assert 1e-4 < errors[1] < 0.3


def test_what_the_data_do_not_see_has_no_error():
    """A standard normal is rotated exactly, whatever the step."""
    target = gaussian(np.eye(5))
    rng = np.random.default_rng(0)
    for step in (0.1, 0.6):
        z = rng.standard_normal(5)
        assert abs(transition(target, z, target(z), step, rng, length=3.0).error) < 1e-13
    # a quarter of a turn makes the momentum the state
    p = rng.standard_normal(5)
    path = transition(target, z, target(z), math.pi / 2, Given(p), steps=1)
    np.testing.assert_allclose(path.z, p, atol=1e-15)


def test_steps_and_lengths_vary_about_what_was_asked():
    target = gaussian(np.eye(2))
    rng = np.random.default_rng(0)
    z = np.zeros(2)
    counts = [transition(target, z, target(z), 0.1, rng, length=1.0).gradients for _ in range(300)]
    assert min(counts) >= math.floor(0.8 / 0.115)
    assert max(counts) <= math.ceil(1.2 / 0.085)
    assert np.mean(counts) == pytest.approx(10, abs=0.5)
    assert len(set(counts)) > 4
    assert transition(target, z, target(z), 0.6, rng, length=0.1).gradients == 1


@breaks(
    HMC,
    "if not here.value - before <= DIVERGED:",
    "if here.value - before > DIVERGED:",
    "NaN is no divergence",
)
@pytest.mark.parametrize("wall", [math.nan, math.inf, 1e5])
def test_a_path_that_runs_away_is_given_up(wall):
    steep = Target(
        lambda z: 0.5 * z @ z if abs(z[0]) < 1 else wall,
        lambda z: z if abs(z[0]) < 1 else np.full(1, math.nan),
    )
    z = np.array([0.5])
    path = transition(steep, z, steep(z), 0.3, Given(np.array([3.0])), steps=8)
    assert path.diverged
    assert path.acceptance == 0
    assert path.gradients == 1
    assert path.error == math.inf
    np.testing.assert_array_equal(path.z, z)


def test_a_stiff_path_is_given_up():
    stiff = gaussian(np.diag([1e4, 1.0]))
    z = np.array([0.1, 0.0])
    path = transition(stiff, z, stiff(z), 0.6, np.random.default_rng(0), length=3.0)
    assert path.diverged
    assert path.gradients < 5


def tuned(target, dimension, rng, paths=200):
    """Where a chain of a normal target, started in equilibrium, is after so many paths, and the phase."""
    z = rng.standard_normal(dimension) / np.sqrt(np.linspace(1.0, 200.0, dimension))
    at, averaging = target(z), DualAveraging.around(0.01)
    for _ in range(paths):
        path = averaging.path(target, z, at, rng, 1.0)
        z, at = path.z, path.at
    return z, at, averaging


@breaks(ADAPTATION, "2.0 * ndtr(-0.5 *", "2.0 * ndtr(-0.25 *", "the spread of the energy's error halved")
@breaks(ADAPTATION, "phase.tried[phase.count // 2 :]", "phase.tried[:5]", "the step from the first paths")
def test_tuning_reaches_its_target():
    target = gaussian(np.diag(np.linspace(1.0, 200.0, 40)))
    rng = np.random.default_rng(2)
    z, at, averaging = tuned(target, 40, rng)
    assert np.mean([acceptance for _, acceptance in averaging.tried[50:]]) == pytest.approx(0.75, abs=0.04)
    step, frozen = tuned_step([averaging]), []
    for _ in range(400):
        path = transition(target, z, at, step, rng)
        z, at = path.z, path.at
        frozen.append(path.acceptance)
    # 400 acceptances that spread by .3 about their mean, and a step that stems from 100 like them
    assert np.mean(frozen) == pytest.approx(0.75, abs=0.06)


def test_the_law_of_acceptance_is_that_of_normal_errors():
    """E min(1, exp(-x)) for x normal of mean sd^2 / 2, by quadrature."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(200)
    step = np.array([0.1, 0.3, 0.6])
    for roughness in (0.5, 8.0):
        for h, acceptance in zip(step, expected_acceptance(roughness, step), strict=True):
            sd = roughness * h**2
            by_quadrature = weights @ np.exp(-np.maximum(sd**2 / 2 + sd * nodes, 0)) / weights.sum()
            assert acceptance == pytest.approx(by_quadrature, abs=2e-3)  # a kink: the rule errs by 1 / nodes


def phase(steps, acceptance):
    averaging = DualAveraging.around(steps[0])
    averaging.tried = [(h, float(acceptance(np.array(h)))) for h in steps]
    return averaging


def test_chains_pool_what_they_tried():
    """Noiseless acceptances of a known roughness give its step, from whatever steps surround it."""
    rough, exact = 20.0, math.sqrt(-2.0 * norm.ppf(0.375) / 20.0)
    law = lambda h: expected_acceptance(rough, h)  # noqa: E731
    assert expected_acceptance(rough, exact) == pytest.approx(0.75, rel=1e-12)
    phases = [phase([0.01, 0.01, 0.1, 0.2], law), phase([0.6, 0.6, 0.15, 0.3], law)]
    assert tuned_step(phases) == pytest.approx(exact, rel=1e-9)
    # no further out than what was tried
    assert tuned_step([phase([0.05, 0.06], law)]) == 0.06
    assert tuned_step([phase([0.4, 0.5], law)]) == 0.5
    assert tuned_step([phase([0.3, 0.5], lambda h: np.ones(()))]) == 0.5
    assert tuned_step([phase([0.3, 0.5, 0.4, 0.5], lambda h: np.zeros(()))]) == 0.4
    assert tuned_step([DualAveraging.around(0.1), DualAveraging.around(0.4)]) == pytest.approx(0.2)


@breaks(ADAPTATION, "(TARGET - acceptance)", "(acceptance - TARGET)", "dual averaging the wrong way")
def test_dual_averaging_is_hoffman_s_and_gelman_s():
    """Their recursion, written out for three acceptances, with gamma .2 and t_0 10."""
    averaging = DualAveraging.around(0.02)
    mu, H, steps = math.log(0.04), 0.0, [0.02]
    for t, acceptance in enumerate((0.9, 0.1, 0.7), start=1):
        averaging.learn(acceptance)
        H = (1 - 1 / (t + 10)) * H + (0.75 - acceptance) / (t + 10)
        steps.append(min(math.exp(mu - math.sqrt(t) / 0.2 * H), 0.6))
        assert averaging.step == pytest.approx(steps[-1], rel=1e-12)
    np.testing.assert_allclose(averaging.tried, np.stack([steps[:3], [0.9, 0.1, 0.7]], axis=1), rtol=1e-12)


def test_a_descent_ends_where_the_energy_does_not_fall_any_more():
    target = gaussian(np.diag(np.linspace(1.0, 50.0, 30)))
    rng = np.random.default_rng(4)
    z = 30 * rng.standard_normal(30)
    at, descent = target(z), Descent()
    while not descent.ended:
        path = descent.path(target, z, at, rng)
        z, at = path.z, path.at
    assert 10 <= len(descent.values) < 60
    assert at.value < 3 * 15  # equilibrium has half a unit per dimension; it began some thousands above
    assert 0.02 < descent.step <= 0.6


def test_a_descent_that_cannot_move_ends_too():
    stuck = Target(lambda z: 0.0 if not z.any() else math.inf, lambda z: z)
    rng = np.random.default_rng(0)
    descent, z = Descent(), np.zeros(2)
    at = stuck(z)
    while not descent.ended:
        path = descent.path(stuck, z, at, rng)
        z, at = path.z, path.at
    assert len(descent.values) == 60
    assert descent.step < 1e-4
    assert math.pi / 4 > hmc.LARGEST_STEP
