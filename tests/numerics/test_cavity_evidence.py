"""The evidence that the cavity theory gives, differentiated: with respect to the noise and to the readout's
prior variance it must give the loss and the readout weights' second moment, its own and sampled networks'."""

import functools
import math

import numpy as np
import pytest
from mutants import breaks
from scipy.special import erf

from numerics import CavitySolution, Problem, cnn, datasets, sample
from numerics.cavity.attempts import Found
from numerics.cavity.descent import descend
from numerics.cavity.scaled import Scaled
from numerics.unit.population import gaussian

NOISE, WIDTH, VARIANCE, DRAWS = 0.1, 40, 2.0, 2048


@functools.cache
def data():
    return datasets.make_linear_cnn(120, 2, 8, seed=0)


@functools.cache
def solved(noise=NOISE, variance=VARIANCE, width=WIDTH):
    """At draws that are the same for every noise and variance, so that F's derivative is exact for them."""
    problem = Problem(cnn(width, readout_variance=variance), data().X, data().y, noise)
    scaled = Scaled(problem)
    spread = np.eye(8) + 0.8 * np.multiply.outer(data().w_star, data().w_star)
    population = gaussian(scaled.hidden, DRAWS, spread, 0)
    functional = scaled.functional(population, float(width))
    descent = descend(functional, *scaled.gaussian_process(), 1e-10, 400)
    assert descent.status.solved
    return CavitySolution(problem, scaled.theory, Found(functional, descent))


def slope(free_energy):
    """Of F over the logarithm of a factor, by central differences, to order 4."""

    def once(h):
        return (free_energy(math.exp(h)) - free_energy(math.exp(-h))) / (2 * h)

    return (4 * once(0.02) - once(0.04)) / 3


def slope_in_the_noise():
    return slope(lambda factor: solved(noise=NOISE * factor).free_energy)


def squares(loss):
    """n/2 - <|y - f|^2>/(2 s2) = d(-log Z)/d log s2."""
    return (len(data().y) - loss / NOISE) / 2


@breaks(
    "numerics/cavity/functional.py",
    "return 0.5 * (logdet_K + trace - self.size)",
    "return 0.5 * (logdet_K + 0.9 * trace - self.size)",
    "the trace in the complexity of the fields",
)
@breaks(
    "numerics/cavity/numbers.py",
    "self.found.at.F + self.problem.outputs *",
    "self.found.at.F + 2 * self.problem.outputs *",
    "log det of the noise in F",
)
def test_the_slope_in_the_noise_is_the_loss():
    mean, std = solved().predict(data().X, return_std=True)
    loss = np.sum((data().y - mean) ** 2) + np.sum(std**2)
    assert slope_in_the_noise() == pytest.approx(squares(loss), rel=1e-6)  # differences, to h^4


def test_the_slope_in_the_readout_s_variance_is_its_second_moment():
    """d(-log Z)/d log sigma_a^2 = P/2 (1 - <a^2> over its prior's), P the readout weights."""
    sol = solved()
    expected = sol.problem.readout_fan_in / 2 * (1 - np.trace(sol.fluctuation) / len(sol.fluctuation))
    found = slope(lambda factor: solved(variance=VARIANCE * factor).free_energy)
    assert found == pytest.approx(expected, rel=1e-6)


def test_the_slope_in_the_noise_is_the_loss_of_sampled_networks():
    samples = sample(solved().problem, draws=150, seed=2)
    scale = np.sum(data().y ** 2)
    expected = squares(samples.train_loss.mean * scale)
    # the error of the sampled loss, and of the theory and its draws 2 % of n/2
    allowed = 3 * samples.train_loss.error * scale / (2 * NOISE) + 0.02 * len(data().y) / 2
    assert abs(slope_in_the_noise() - expected) < allowed


def outputs_of(weights):
    """(units, N, n): erf of the pre-activations of units (units, S), in prior deviations."""
    return erf(np.einsum("nis,us->uin", data().X, weights) * math.sqrt(2 / 8))


def log_insertion(samples, units):
    """log Z_{C+1} / Z_C at one prior variance of every readout weight, over the networks: one unit more, its
    weights from the prior and its readout integrated out, in the field of those that are there (Widom)."""
    variance = VARIANCE / (2 * WIDTH)
    rng, ratios = np.random.default_rng(0), []
    for weights in samples.draws.weights.reshape(-1, 8, WIDTH).transpose(0, 2, 1):
        new = outputs_of(
            rng.standard_normal((units, 8))
        )  # others each time, so that the spread has their error
        rows = outputs_of(weights).reshape(-1, len(data().y))
        K = NOISE * np.eye(len(data().y)) + variance * rows.T @ rows
        A = np.eye(2) + variance * new @ np.linalg.solve(K, new.transpose(0, 2, 1))
        b = new @ np.linalg.solve(K, data().y)
        fit = np.einsum("ui,ui->u", b, np.linalg.solve(A, b[:, :, None])[:, :, 0])
        ratios.append(np.mean(np.exp(0.5 * (variance * fit - np.linalg.slogdet(A)[1]))))
    log_mean = math.log(np.mean(ratios))
    return log_mean, np.std(ratios) / math.exp(log_mean) / math.sqrt(len(ratios))


@breaks(
    "numerics/cavity/functional.py",
    "-self.width * pull.log_z",
    "-0.9 * self.width * pull.log_z",
    "nine of ten units",
)
def test_a_unit_more_changes_the_evidence_as_in_sampled_networks():
    """F(C + 1) - F(C), readout weights of one variance: the slope in C, and the readout's share of it."""
    samples = sample(solved().problem, draws=100, seed=3)
    log_ratio, error = log_insertion(samples, 400)
    more = solved(variance=VARIANCE * (WIDTH + 1) / WIDTH, width=WIDTH + 1)
    assert solved().free_energy - more.free_energy == pytest.approx(log_ratio, abs=6 * error + 0.01)
