"""The evidence that the cavity theory gives, differentiated: with respect to the noise and to the readout's
prior variance it must give the loss and the readout weights' second moment, its own and sampled networks'."""

import functools
import math

import numpy as np
import pytest
from mutants import breaks

from numerics import CavitySolution, Problem, cnn, datasets, sample
from numerics.cavity.descent import descend
from numerics.cavity.session import Found, Session
from numerics.unit.population import gaussian

NOISE, WIDTH, VARIANCE, DRAWS = 0.1, 40, 2.0, 2048


@functools.cache
def data():
    return datasets.make_linear_cnn(120, 2, 8, seed=0)


@functools.cache
def solved(noise=NOISE, variance=VARIANCE):
    """At draws that are the same for every noise and variance, so that F's derivative is exact for them."""
    problem = Problem(cnn(WIDTH, readout_variance=variance), data().X, data().y, noise)
    session = Session(problem, DRAWS, 0, 1e-10, 400)
    spread = np.eye(8) + 0.8 * np.multiply.outer(data().w_star, data().w_star)
    population = gaussian(session.hidden, DRAWS, spread, 0)
    functional = session.functional(population, float(WIDTH))
    descent = descend(functional, *session.gaussian_process(), 1e-10, 400)
    assert descent.status.solved
    return CavitySolution(problem, session.theory, Found(functional, descent))


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
    "numerics/cavity/solution.py",
    "return found.descent.at.F + self.problem.outputs * float(np.sum(np.log(self._noise_std)))",
    "return found.descent.at.F + 2 * self.problem.outputs * float(np.sum(np.log(self._noise_std)))",
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
