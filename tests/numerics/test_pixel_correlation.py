"""Scalar p and q against random readouts, pixel matrices and limits, at patch correlation 0, .8 and 1."""

import math

import numpy as np
import pytest
from mutants import breaks
from scipy.special import erf

from numerics import Problem, cnn, datasets, fcn, load, solve, solve_branches, solve_path
from numerics.gaussian.theory import Theory
from numerics.readout_laws import pixel_correlation
from numerics.readout_laws.pixel_correlation import _matrix, _scalar

LAW = "scalar_fan_in"
NOISE = 0.1


def patches(correlation, n=120, pixels=4, size=16, seed=0):
    """Gaussian patches, any two of a sample with this correlation."""
    rng = np.random.default_rng(seed)
    common, own = rng.standard_normal((n, 1, size)), rng.standard_normal((n, pixels, size))
    return math.sqrt(correlation) * common + math.sqrt(1 - correlation) * own


def scalar_error(X, channels, net=None, y=None):
    """As the theory asks for it, of all the data."""
    net = cnn(channels) if net is None else net
    theory = Theory(Problem(net, X, X[:, 0, 0] if y is None else y, NOISE), LAW)
    *_, kernel = theory.prior_kernels()
    return pixel_correlation.scalar_error(theory.readout, kernel, NOISE, net.width)


def blocks(X):
    theory = Theory(Problem(cnn(1.0), X, X[:, 0, 0], NOISE), LAW)
    return theory.readout.blocks(next(theory.prior_kernels()))


def sampled(X, channels, draws=30):
    """Mean and error of tr K^{-1} over readout kernels of random features; prior variances 2."""
    rng = np.random.default_rng(1)
    n, pixels, size = X.shape
    traces = []
    for _ in range(draws):
        weights = rng.standard_normal((size, channels)) * math.sqrt(2 / size)
        features = erf(X @ weights).reshape(n, -1)
        K = NOISE * np.eye(n) + 2 / (pixels * channels) * features @ features.T
        traces.append(np.trace(np.linalg.inv(K)))
    return np.mean(traces), np.std(traces) / math.sqrt(draws)


@breaks(
    "numerics/readout_laws/pixel_correlation.py",
    "len(blocks) * width)",
    "width)",
    "one pixel's weights for all",
    case="0.8--0.056",
)
@breaks(
    "numerics/readout_laws/pixel_correlation.py",
    "/ (2 * width))",
    "/ 2)",
    "T without the width",
    case="0.8--0.056",
)
@pytest.mark.parametrize(("correlation", "off"), [(0.0, 0.0), (0.8, -0.056), (1.0, -0.309)])
def test_random_readouts_have_the_mean_inverse_that_matrices_give(correlation, off):
    X = patches(correlation)
    mean, error = sampled(X, 48)  # readout load .4
    by_matrices, by_scalars = (how(blocks(X), NOISE, 48.0) for how in (_matrix, _scalar))
    # the deterministic equivalent is exact for many weights: 1 % at 192 of them
    assert by_matrices == pytest.approx(mean, rel=0.01, abs=4 * error)
    assert by_scalars / mean - 1 == pytest.approx(off, abs=0.02)
    assert scalar_error(X, 48.0) == pytest.approx(by_scalars / by_matrices - 1, rel=1e-12)


def test_the_same_patch_many_times_counts_once():
    X = patches(1.0)
    once = _scalar(blocks(X[:, :1]), NOISE, 30.0)
    assert _matrix(blocks(X), NOISE, 30.0) == pytest.approx(once, rel=1e-5)  # the fixed point's 1e-6
    assert _scalar(blocks(X), NOISE, 30.0) < 0.8 * once


def test_blocks_are_the_arcsine_kernel_between_pixels():
    X = patches(0.5, n=6, pixels=3, size=4)
    rows = X.transpose(1, 0, 2).reshape(18, 4)
    K = 2 / 4 * rows @ rows.T
    D = 1 + 2 * np.diagonal(K)
    G = 2 / math.pi * np.arcsin(2 * K / np.sqrt(np.outer(D, D)))
    np.testing.assert_allclose(blocks(X).reshape(18, 18), 2 / 3 * G, atol=1e-14)


def test_pixels_of_unequal_size_are_not_alike():
    X = patches(0.0) * np.array([3.0, 1.0, 0.3, 0.1])[:, None]
    assert abs(scalar_error(X, 20.0)) > 3 * abs(scalar_error(patches(0.0), 20.0))


@pytest.mark.parametrize("correlation", [0.8, 1.0])
def test_correlated_patches_are_refused_with_the_number_and_the_remedy(correlation):
    X = patches(correlation)
    error = 100 * abs(scalar_error(X, 48.0))
    with pytest.raises(ValueError, match=rf"{error:.2g} % off.*larger widths.*mean_field"):
        solve(cnn(48), X, X[:, 0, 0], NOISE, theory=LAW)
    with pytest.raises(ValueError, match="uncorrelated"):
        solve_path(cnn(1), X, X[:, 0, 0], NOISE, widths=[1e5, 48], theory=LAW)
    with pytest.raises(ValueError, match="uncorrelated"):
        solve_branches(cnn(48), X, X[:, 0, 0], NOISE, theory=LAW)
    # at large width a readout is mean field, which has no quarrel with pixels
    path = solve_path(cnn(1), X, X[:, 0, 0], NOISE, widths=[1e5, math.inf], theory=LAW)
    assert path[0].alpha == pytest.approx(path[1].alpha, rel=1e-2)
    assert solve(cnn(48), X, X[:, 0, 0], NOISE).converged


def test_uncorrelated_patches_pass():
    data = datasets.make_linear_cnn(400, 20, 64)
    for channels in (80.0, 20.0):
        assert abs(scalar_error(data.X, channels, y=data.y)) < 2e-3
    assert solve(cnn(48), patches(0.0), patches(0.0)[:, 0, 0], NOISE, theory=LAW).converged


@breaks(
    "numerics/readout_laws/pixel_correlation.py",
    "noise, width * share)",
    "noise, width)",
    "part of the data at full width",
)
def test_part_of_the_data_is_judged_at_the_same_load(monkeypatch):
    X = patches(0.9, n=240)
    whole, seen = scalar_error(X, 96.0), []
    real = pixel_correlation.scalar_error
    monkeypatch.setattr(pixel_correlation, "MOST_SAMPLES", 120)
    monkeypatch.setattr(
        pixel_correlation, "scalar_error", lambda *given: seen.append(real(*given)) or seen[-1]
    )
    with pytest.raises(ValueError, match="uncorrelated"):
        solve(cnn(96.0), X, X[:, 0, 0], NOISE, theory=LAW)
    (part,) = seen
    assert part != whole
    # half the load would take a third off
    assert abs(part) == pytest.approx(abs(whole), rel=0.15)


def test_fully_connected_readouts_have_nothing_to_correlate():
    X = np.random.default_rng(0).standard_normal((20, 3))
    assert solve(fcn((5, 5)), X, X[:, 0], NOISE, theory=LAW).converged
    assert pixel_correlation.samples_looked_at(20, 1) == 0


def test_hidden_pixels_are_judged_by_their_own_kernel():
    """Two hidden pixels that see the same patches are the same pixel."""
    X = patches(0.0, pixels=4)
    net = cnn((50.0, 10.0), windows=(2,))
    apart = scalar_error(X, 0, net)
    same = scalar_error(X[:, [0, 1, 0, 1]], 0, net)
    assert abs(apart) < 0.01
    assert same < -0.05


def test_a_saved_solution_is_loaded_whatever_its_pixels(tmp_path):
    X = patches(0.8)
    sol = solve(cnn(1e5), X, X[:, 0, 0], NOISE, theory=LAW)
    sol.save(tmp_path / "sol.npz")
    assert load(tmp_path / "sol.npz").alpha == sol.alpha
