"""Exact relations between problems: what they leave alone, and how the rest scales (derived)."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mutants import breaks
from small_problems import Small

from numerics import cnn, solve
from numerics._generated import HOLOMORPHIC

SMALL = {name: Small(name, n=12, N=3, S=3) for name in HOLOMORPHIC}
C, TOL = 20.0, 1e-11
SAME = 1e-8  # both sides solve to 1e-11; the Hessian, of order one, and sigma^2 = .03 come between


def state(small, X=None, y=None, noise=None, channels=C, weight=1.5, readout=0.7):
    net = cnn(channels, weight_variance=weight, readout_variance=readout, activation=small.activation)
    X = small.X if X is None else X
    y = small.y if y is None else y
    return solve(net, X, y, small.noise_variance if noise is None else noise, tol=TOL)


REFERENCE = {}


def reference(name):
    if name not in REFERENCE:
        REFERENCE[name] = state(SMALL[name])
    return REFERENCE[name]


names = st.sampled_from(sorted(SMALL))
seeds = st.integers(0, 2**32 - 1)
factors = st.floats(0.2, 5.0)
few = settings(max_examples=10, deadline=None, derandomize=True)


def agrees(sol, other, Sigma=None, alpha=1.0):
    assert sol.alpha == pytest.approx(other.alpha * alpha, rel=SAME)
    expected = other.Sigma if Sigma is None else Sigma
    np.testing.assert_allclose(sol.Sigma, expected, rtol=0, atol=SAME * np.abs(expected).max())


@few
@given(names, seeds)
def test_order_of_samples_and_patches_does_not_matter(name, seed):
    small, rng = SMALL[name], np.random.default_rng(seed)
    samples, patches = rng.permutation(12), rng.permutation(3)
    agrees(state(small, small.X[samples][:, patches], small.y[samples]), reference(name))


@few
@given(names, seeds)
def test_rotated_pixels_rotate_sigma(name, seed):
    small = SMALL[name]
    O = np.linalg.qr(np.random.default_rng(seed).standard_normal((3, 3)))[0]  # noqa: E741
    agrees(state(small, small.X @ O), reference(name), Sigma=O.T @ reference(name).Sigma @ O)


@few
@given(names, seeds)
def test_signs_of_targets_and_of_patches_do_not_matter(name, seed):
    small, rng = SMALL[name], np.random.default_rng(seed)
    # phi is odd: a patch's sign goes into its readout weight
    signs = rng.choice([-1.0, 1.0], 3)
    agrees(state(small, small.X * signs[:, None], rng.choice([-1.0, 1.0]) * small.y), reference(name))


@breaks(
    "numerics/gaussian/input_space.py",
    "net.weight_variances[0] / size",
    "net.weight_variances[0]**0.5 / size",
    "sigma_w for sigma_w^2",
)
@few
@given(names, factors)
def test_units_of_the_inputs_go_into_the_weights(name, c):
    small = SMALL[name]
    agrees(state(small, X=small.X * c, weight=1.5 / c**2), reference(name), reference(name).Sigma / c**2)


@breaks(
    "numerics/solutions/observables.py",
    "targets)) / self.problem.target_norm2",
    "targets)) / len(self.problem.targets)",
    "alpha per sample",
)
@few
@given(names, factors)
def test_units_of_the_targets_go_into_the_readout_and_the_noise(name, c):
    small = SMALL[name]
    sol = state(small, y=c * small.y, noise=c**2 * small.noise_variance, readout=c**2 * 0.7)
    agrees(sol, reference(name), alpha=1 / c**2)
    n = len(small.y)  # F gains the volume factor of y alone
    assert sol.free_energy == pytest.approx(reference(name).free_energy + n * math.log(c), rel=1e-8)


@breaks(
    "numerics/readout_laws/mean_field.py",
    "n - float(noise_variance @",
    "n + float(noise_variance @",
    "sign in the degrees of freedom",
    case="erf",
)
@pytest.mark.parametrize("name", sorted(SMALL))
def test_each_sample_twice_with_twice_the_noise_is_the_same_information(name):
    small = SMALL[name]
    sol = state(small, np.concatenate([small.X] * 2), np.tile(small.y, 2), 2 * small.noise_variance)
    agrees(sol, reference(name), alpha=0.5)  # eps = (y - f) / sigma^2
    np.testing.assert_allclose(sol.f_bar, np.tile(reference(name).f_bar, 2), atol=1e-8)
    assert sol.degrees_of_freedom == pytest.approx(reference(name).degrees_of_freedom, rel=1e-8)


@breaks(
    "numerics/problem.py",
    "self.net.width * self.net.receptive_windows(self.input_shape[0])[-1].fan_in",
    "self.net.width",
    "load per channel alone",
    case="erf",
)
@breaks(
    "numerics/solutions/observables.py",
    "/ (self.chi_width * pixels)",
    "/ self.chi_width",
    "chi_paper summed over patches",
    case="erf",
)
@pytest.mark.parametrize("name", sorted(SMALL))
def test_each_patch_twice_changes_the_load_alone(name):
    small = SMALL[name]
    sol = state(small, np.concatenate([small.X] * 2, axis=1))
    agrees(sol, reference(name))
    assert sol.free_energy == pytest.approx(reference(name).free_energy, rel=1e-10)
    assert sol.readout_load == pytest.approx(reference(name).readout_load / 2, rel=1e-8)
    assert sol.chi_paper == pytest.approx(reference(name).chi_paper, rel=1e-8)


@breaks(
    "numerics/gaussian/input_space.py",
    "net.weight_variances[0] / size",
    "net.weight_variances[0] / 1",
    "weights without their fan-in",
    case="erf",
)
@pytest.mark.parametrize("name", sorted(SMALL))
def test_dead_pixels_only_change_the_fan_in(name):
    small = SMALL[name]
    padded = np.concatenate([small.X, np.zeros((12, 3, 2))], axis=2)
    sol = state(small, padded, weight=1.5 * 5 / 3)
    Sigma = 0.5 * np.eye(5)  # dead pixels keep their prior, 2.5/5
    Sigma[:3, :3] = reference(name).Sigma
    agrees(sol, reference(name), Sigma=Sigma)


@pytest.mark.parametrize("name", sorted(SMALL))
def test_an_input_of_zeros_with_target_zero_is_no_information(name):
    small = SMALL[name]
    sol = state(small, np.concatenate([small.X, np.zeros((1, 3, 3))]), np.append(small.y, 0.0))
    agrees(sol, reference(name))
    log_noise = math.log(small.noise_variance) / 2
    assert sol.free_energy == pytest.approx(reference(name).free_energy + log_noise, rel=1e-10)


def test_small_pre_activations_make_erf_a_linear_network():
    # erf(h) = 2 h / sqrt(pi) (1 + O(h^2)), h^2 about 1e-8 here
    erf, linear = SMALL["erf"], SMALL["linear"]
    shrunk = state(erf, weight=1e-8, readout=0.7e8)
    straight = state(linear, erf.X, erf.y, weight=1e-8, readout=4 / math.pi * 0.7e8)
    assert shrunk.alpha == pytest.approx(straight.alpha, rel=1e-6)
    np.testing.assert_allclose(shrunk.overlap_ratio, straight.overlap_ratio, rtol=0, atol=1e-6)
