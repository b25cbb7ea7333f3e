"""What draws owe to the fields that they made: its formula, its slopes, and that it takes the bias off."""

import math
from dataclasses import replace

import numpy as np
import pytest
from deep_problems import POOLED, small
from mutants import breaks
from scipy.linalg import sqrtm

from numerics import Problem, cnn, fcn
from numerics.cavity.descent import descend
from numerics.cavity.scaled import Scaled
from numerics.solving.outcome import Status
from numerics.unit.fields import weighted
from numerics.unit.own import _own_terms
from numerics.unit.population import gaussian

NETWORKS = {
    "dense": (fcn(20, 1.5, 0.7), True, 1),
    "two outputs": (cnn(20, 1.5, 0.7), False, 2),
    "pools of relu units": (cnn(12, 1.5, 0.9, activation="relu", readout=POOLED), False, 1),
}
CONTROLS = {"alone": (0.0, 0.0), "with control": (0.6, 0.8)}
OWN = "numerics/unit/own.py"
DRAWS = 64


def functional_of(name, control, draws=DRAWS, seed=1):
    net, flat, outputs = NETWORKS[name]
    X, y = small(flat, outputs=outputs)
    scaled = Scaled(Problem(net, X, y, 0.08))
    population = gaussian(scaled.hidden, draws, 1.2 * np.eye(scaled.hidden.size), seed)
    K, eps = scaled.gaussian_process()
    return scaled.functional(population, net.width, control), np.linalg.inv(K), 1.1 * eps


@breaks(OWN, "X = 0.5 * (", "X = 0.25 * (", "half of what is owed", case="alone-dense")
@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("control", CONTROLS)
def test_what_is_owed_is_as_printed(name, control):
    """Draw by draw, with square roots of T instead of its inverse."""
    functional, H, eps = functional_of(name, CONTROLS[control])
    readouts = functional.readouts(H)
    pull = functional.pull(readouts, eps)
    population, C, (outputs, _) = functional.population, functional.width, eps.shape
    p, q = (share / DRAWS for share in CONTROLS[control])
    exact = 0.0
    for k in range(DRAWS):
        phi = np.kron(np.eye(outputs), population.hidden.features(population.Z[k][None])[0].T)
        T, b = phi.T @ H @ phi, phi.T @ eps.ravel()
        A = np.eye(len(T)) + T / C
        g = np.linalg.solve(A, b)
        w = pull.weights[k]
        R = w * (np.linalg.inv(A) + np.multiply.outer(g, g) / C) - q * np.eye(len(T))
        v = w * g - p * b
        half = np.real(sqrtm(T))
        Y = half @ R @ half
        values = np.linalg.eigvalsh(Y)
        exact += 0.5 * np.sum(values - np.log1p(values))
        exact -= 0.5 * (half @ v) @ np.linalg.solve(np.eye(len(T)) + Y, half @ v)
    averages = functional.averages(readouts, pull)
    assert averages.value == pytest.approx(exact, rel=1e-8)
    assert averages.weights.sum() == pytest.approx(1, abs=1e-12)


def test_light_draws_owe_the_bias_of_a_stationary_value():
    """1/4 tr R T R T - 1/2 v.T v, where a draw is a small part."""
    rng = np.random.default_rng(0)
    L, g, w = rng.standard_normal((5, 3, 3)), rng.standard_normal((5, 3)), 1e-6 * rng.uniform(1, 2, 5)
    B, width, p, q = np.linalg.inv(np.eye(3) + L @ L.transpose(0, 2, 1)), 7.0, 4e-7, 6e-7
    P = B + np.einsum("bi,bj->bij", g, g) / width
    found = _own_terms(B, g, w, P, width, p, q)[0]
    for k in range(5):
        A = np.linalg.inv(B[k])
        T, R, v = width * (A - np.eye(3)), w[k] * P[k] - q * np.eye(3), w[k] * g[k] - p * A @ g[k]
        expected = np.trace(R @ T @ R @ T) / 4 - v @ T @ v / 2
        assert found[k] == pytest.approx(expected, rel=1e-3)  # the next order; rounding 1e-16/1e-12


@breaks(OWN, "explicit = R - R @ E", "explicit = R @ T @ R", "curvature to first order", case="alone-dense")
@breaks(OWN, "- u[:, :, None] * u", "+ u[:, :, None] * u", "curvature of eps turned over", case="alone-dense")
@breaks(OWN, "0.5 * (T - V + Vv", "0.5 * (T + V + Vv", "own part of the readout", case="alone-dense")
@breaks(OWN, "(own - np.sum(w * own))", "own", "weights that do not sum to one", case="alone-dense")
@breaks(OWN, "Bh + p * Vv", "Bh", "control variate unseen by eps", case="with control-dense")
@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("control", CONTROLS)
def test_slopes_of_the_functional_are_by_differences(name, control):
    functional, H, eps = functional_of(name, CONTROLS[control])
    assert functional.own
    readouts = functional.readouts(H)
    pull = functional.pull(readouts, eps)
    averages = functional.averages(readouts, pull)
    rng, h = np.random.default_rng(0), 1e-4
    deps = rng.standard_normal(eps.shape)
    up, down = (functional.value(eps + s * h * deps, H) for s in (1, -1))
    slope = functional.slope(pull, eps, functional.source(pull, averages))
    assert np.sum(slope * deps) == pytest.approx((up - down) / (2 * h), rel=1e-5)
    L = rng.standard_normal(H.shape)
    dH = 0.1 * H @ (L + L.T) @ H
    up, down = (functional.value(eps, H + s * h * dH) for s in (1, -1))
    expected = 0.5 * np.sum((functional.covariance(averages) - np.linalg.inv(H)) * dH)
    assert expected == pytest.approx((up - down) / (2 * h), rel=1e-5)


@breaks(
    "numerics/unit/fields.py",
    "-= M * shift * drawn",
    "-= shift * drawn",
    "what was added to a moment left in",
)
def test_moments_that_are_not_positive_are_made_so_and_back():
    functional, _, _ = functional_of("pools of relu units", CONTROLS["with control"])
    L = np.random.default_rng(0).standard_normal((DRAWS, *2 * (functional.population.hidden.slots,)))
    moment = L @ L.transpose(0, 2, 1) - 0.1 * np.eye(L.shape[1])
    assert np.linalg.eigvalsh(moment).min() < 0
    phi = functional.population.hidden.features(functional.population.Z)
    expected = np.einsum("bin,bij,bjk->nk", phi, moment, phi, optimize=True)
    for drawn in (None, functional.control.drawn):
        found = weighted(functional.population, moment, 1, drawn)
        np.testing.assert_allclose(found, expected, atol=1e-10 * np.abs(expected).max())


def test_few_draws_are_off_by_their_noise_alone():
    """The mean of many solutions by few draws each, with what they owe and without, against many draws."""
    rng = np.random.default_rng(0)
    X, w = rng.standard_normal((60, 6)), rng.standard_normal(6)
    y = X @ w / np.linalg.norm(w)
    scaled = Scaled(Problem(fcn(100), X, y, 0.1))
    K, eps = scaled.gaussian_process()

    def found(draws, seed, own):
        population = gaussian(scaled.hidden, draws, np.eye(6), seed)
        functional = replace(scaled.functional(population, 100.0), own=own)
        outcome = descend(functional, K, eps, 1e-6, 200)
        assert outcome.status is Status.CONVERGED
        alpha = float(np.sum(outcome.at.eps * scaled.y)) / float(np.sum(scaled.y**2))
        return alpha, outcome.at.F

    exact = np.array(found(65536, 1, True))
    owing, cleared = (np.array([found(256, seed, own) for seed in range(100, 148)]) for own in (False, True))
    error = cleared.std(axis=0, ddof=1) / math.sqrt(48)
    biased, left = owing.mean(axis=0) - exact, cleared.mean(axis=0) - exact
    assert (np.abs(biased) > 6 * error).all()
    assert (np.abs(left) < np.maximum(np.abs(biased) / 4, 3 * error)).all()
