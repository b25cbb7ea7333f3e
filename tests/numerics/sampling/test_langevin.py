"""The paper's dynamics: a step in raw weights, the schedule's rules, the bias, too large a rate."""

import math

import numpy as np
import pytest
from mutants import breaks
from naive_networks import NAIVE, Naive, one_unit, one_unit_by_quadrature

from numerics import Langevin, Problem, SamplingError, cnn, fcn, sample
from numerics.sampling import langevin
from numerics.sampling.energies import Joint, Posterior
from numerics.sampling.langevin import Schedule

LANGEVIN = "numerics/sampling/langevin.py"
PLAIN = {"start": "prior", "reference": "prior"}


class Noise:
    """In the place of a Generator: given numbers."""

    def __init__(self, numbers):
        self.numbers = numbers

    def standard_normal(self, size):
        assert size == len(self.numbers)
        return self.numbers


def erf_slope(h):
    return 2 / math.sqrt(math.pi) * np.exp(-(h**2))


@breaks(LANGEVIN, "noise / scale**2 for scale", "noise / scale for scale", "tau with a standard deviation")
@breaks(LANGEVIN, "noise = 2.0 * float(std.min()) ** 2", "noise = float(std.min()) ** 2", "half of tau")
@breaks(LANGEVIN, "z - tau * at.gradient +", "z - 0.5 * tau * at.gradient +", "half the drift")
def test_a_step_is_eq_15_in_raw_weights():
    """theta <- theta - eta (gamma theta + dL/dtheta) + 2 sigma sqrt(eta) xi with L = sum (f - y)^2 and
    gamma = 2 sigma^2 / prior variance, for the two-layer CNN written out with raw weights."""
    rng = np.random.default_rng(0)
    n, N, S, C = 5, 2, 3, 4
    X, y = rng.standard_normal((n, N, S)), rng.standard_normal(n)
    noise, weight, readout, eta = 0.2, 1.5, 0.7, 1e-3
    joint = Joint(Posterior(Problem(cnn(C, weight, readout), X, y, noise)))
    w, a = rng.standard_normal((S, C)) * math.sqrt(weight / S), rng.standard_normal((N, C))
    a *= math.sqrt(readout / (N * C))
    xi = rng.standard_normal(S * C + N * C)
    z = np.concatenate([(w / math.sqrt(weight / S)).ravel(), (a / math.sqrt(readout / (N * C))).ravel()])
    moved, at = langevin.step(joint, z, joint(z), eta * langevin.time_steps(joint, False), Noise(xi))

    h = np.einsum("nis,sc->nic", X, w)
    phi = np.vectorize(math.erf)(h)
    gap = np.einsum("nic,ic->n", phi, a) - y
    dL_da = 2 * np.einsum("n,nic->ic", gap, phi)
    dL_dw = 2 * np.einsum("n,ic,nic,nis->sc", gap, a, erf_slope(h), X)
    kick = 2 * math.sqrt(noise) * math.sqrt(eta) * xi
    w_there = w - eta * (2 * noise / (weight / S) * w + dL_dw) + kick[: S * C].reshape(S, C)
    a_there = a - eta * (2 * noise / (readout / (N * C)) * a + dL_da) + kick[S * C :].reshape(N, C)
    expected = [(w_there / math.sqrt(weight / S)).ravel(), (a_there / math.sqrt(readout / (N * C))).ravel()]
    np.testing.assert_allclose(moved, np.concatenate(expected), rtol=1e-12)
    f = np.einsum("nic,ic->n", np.vectorize(math.erf)(np.einsum("nis,sc->nic", X, w_there)), a_there)
    assert at.loss == pytest.approx(np.sum((f - y) ** 2) / noise, rel=1e-12)  # in units of the noise


def test_steps_per_layer_are_the_readout_s():
    joint = Joint(Posterior(NAIVE["three dense layers"].problem(noise_variance=0.3)))
    alike, each = langevin.time_steps(joint, True), langevin.time_steps(joint, False)
    readout = 2 * 0.3 / (0.7 / 3)
    np.testing.assert_allclose(alike, readout)
    np.testing.assert_allclose(each[-3:], readout)
    np.testing.assert_allclose(each[:12], 2 * 0.3 / (1.5 / 3))  # 3 inputs, 4 units
    np.testing.assert_allclose(each[12:24], 2 * 0.3 / (2.0 / 4))  # 4 units, 3 above


def test_the_largest_rate_is_where_the_readout_becomes_unstable():
    """By the readout's Hessian 1 + Phi^T Phi, dense; tau times its top eigenvalue is 2."""
    naive = NAIVE["two-layer cnn"]
    joint = Joint(Posterior(naive.problem(noise_variance=0.3)))
    rng = np.random.default_rng(1)
    z = rng.standard_normal(joint.size)
    Phi = naive.all_features(joint.posterior.problem.X, [z[: joint.hidden].reshape(3, 3)], "erf")
    top = np.linalg.eigvalsh(np.eye(Phi.shape[1]) + Phi.T @ Phi / 0.3)[-1]
    prior = 0.7 / Phi.shape[1]
    assert langevin.largest_rate(joint, z) == pytest.approx(2 / top * prior / (2 * 0.3), rel=1e-2)


@breaks(LANGEVIN, "SPIKE, REDUCED = 5.0, 0.7", "SPIKE, REDUCED = 50.0, 0.7", "spikes beyond 50")
@breaks(
    LANGEVIN,
    "FIRST_CHECK, CHECK_EVERY, LOOK_BACK = 5_000",
    "FIRST_CHECK, CHECK_EVERY, LOOK_BACK = 4_000",
    "early checks",
)
def test_the_schedule_s_rules():
    schedule = Schedule()
    factors = []
    rng = np.random.default_rng(0)
    spikes = {3_990: 1e3, 5_990: 1e3, 7_100: 1e3, 8_990: 1e6}  # the third is forgotten by epoch 8000
    for epoch in range(1, 60_001):
        if schedule.fixed:
            break
        factors.append(schedule.now)
        schedule.see(spikes.get(epoch, 1 + 0.1 * rng.standard_normal()))
    factors = np.array(factors)  # of epoch 1, 2, ...
    np.testing.assert_array_equal(factors[:100], 0.1)
    np.testing.assert_array_equal(factors[100:6_000], 1.0)
    np.testing.assert_allclose(factors[6_000:9_000], 0.7)
    np.testing.assert_allclose(factors[9_000:59_000], 0.49)
    assert len(factors) == 9_000 + 50_000
    assert schedule.now == pytest.approx(0.245)
    schedule.see(1e9)
    assert schedule.now == pytest.approx(0.245)
    assert schedule.epoch == 59_001


@breaks(
    "numerics/sampling/langevin.py",
    "return 0 if schedule.fixed else QUIET - schedule.quiet",
    "return 0 if schedule.fixed else QUIET",
    "epochs to go that do not fall",
)
def test_epochs_to_go():
    settings, schedule = Langevin(), Schedule()
    for epoch in range(200):
        assert settings.left(schedule) == 50_000 - epoch
        schedule.see(1.0)
    assert Langevin(schedule=False, burn_in=300).left(schedule) == 100


def test_the_bias_is_of_first_order_in_the_rate():
    """Of a Gaussian exactly: the variance along an eigenvalue l is 1 / (l (1 - tau l / 2))."""
    eigenvalues = np.array([1.0, 4.0, 10.0])

    class Gaussian:
        def __call__(self, z):
            self.gradient = (eigenvalues[:, None] * z.reshape(3, -1)).ravel()
            return self

    rng = np.random.default_rng(1)
    chains = 20_000
    z = (rng.standard_normal((3, chains)) / np.sqrt(eigenvalues)[:, None]).ravel()
    energy = Gaussian()
    for tau in (0.1, 0.05):
        at, found = energy(z), []
        for step in range(90):
            z, at = langevin.step(energy, z, at, np.full(z.size, tau), rng)
            if step >= 60:
                found.append(np.mean(z.reshape(3, -1) ** 2, axis=1))
        exact = 1 / (eigenvalues * (1 - tau * eigenvalues / 2))
        np.testing.assert_allclose(np.mean(found, axis=0), exact, rtol=0.015)


@pytest.mark.certify
def test_half_the_rate_has_half_the_bias_of_the_loss():
    """Of one unit, whose loss is known: the loss of single networks, readout included."""
    truth = one_unit_by_quadrature(0.3)["loss"] * float(one_unit().y @ one_unit().y) / 0.3
    joint = Joint(Posterior(one_unit(0.3)))
    biases = []
    for tau, epochs in ((0.02, 400_000), (0.01, 800_000)):
        rng = np.random.default_rng(2)
        z = rng.standard_normal(2)
        at, steps, losses = joint(z), np.full(2, tau), []
        for epoch in range(epochs):
            z, at = langevin.step(joint, z, at, steps, rng)
            if epoch > 500:
                losses.append(at.loss)
        biases.append(np.mean(losses) - truth)
    assert biases[1] > 0.02 * truth
    assert biases[0] / biases[1] == pytest.approx(2, rel=0.35)


@pytest.mark.parametrize("factor", [30.0, 1e6, 1e150])
def test_a_rate_that_is_too_large_is_said_to_be(factor, tmp_path):
    problem = NAIVE["two convolutions"].problem("relu")
    file = tmp_path / "run.npz"
    with pytest.raises(
        SamplingError, match=r"Langevin dynamics blew up in epoch \d+ at rate .*; lower it"
    ) as said:
        sample(problem, method=Langevin(rate=factor, schedule=False), draws=5, checkpoint=file, **PLAIN)
    assert "nothing had been drawn" in str(said.value)
    assert "\n" not in str(said.value)
    assert said.value.samples is None
    assert not file.exists()


def test_settings_are_checked():
    for name, bad in {
        "rate": (0.0, -1.0, math.nan, math.inf, "fast"),
        "share": (0.0, 1.0, 1.5, math.nan, None),
        "burn_in": (0, 2.5, "long", math.inf),
        "interval": (0, -1, 1.5),
    }.items():
        for value in bad:
            with pytest.raises(ValueError, match=name):
                Langevin(**{name: value})
    settings = Langevin(burn_in=np.int64(5), interval=3.0, share=np.float64(0.2))
    assert type(settings.burn_in) is type(settings.interval) is int


def test_the_word_is_the_paper_s_settings_and_no_data_are_the_prior(monkeypatch):
    monkeypatch.setattr(langevin, "QUIET", 30)
    X = np.zeros((0, 2))
    samples = sample(fcn(3), X, np.zeros(0), 0.1, method="langevin", draws=5, chains=2, **PLAIN)
    assert samples.report.method == "langevin"
    assert samples.run.plan.langevin == Langevin()
    settings = Langevin(interval=10)
    samples = sample(fcn(3), X, np.zeros(0), 0.1, method=settings, draws=300, chains=2, **PLAIN)
    assert math.isnan(samples.report.acceptance)
    square = samples.hidden_variance(0).plain
    assert abs(square.mean - 1) < 4 * square.error + 0.1  # with the bias of the step
    assert square.error < 0.1


def test_naive_network_of_the_tests_has_the_layers_it_is_used_with():
    assert isinstance(NAIVE["two-layer cnn"], Naive)
