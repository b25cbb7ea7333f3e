"""`measure` finds kernels that were planted, with error bars that are as large as its errors."""

import numpy as np
import pytest
from mutants import breaks
from planted import FEATURES, K2, SAMPLES, SIGMA, X, planted

from numerics import fcn, measure
from numerics.measured.noise import noise_edge

UPPER = np.triu_indices(SAMPLES)
GROUPS = 20


def pulls_of_a_mean(draws, one, two):
    """(mean - truth) / error of products of two Gaussians in GROUPS equal groups, by their spread: what a
    group jackknife of a linear average is, written without it."""
    products = (one * two).reshape(draws, GROUPS, -1).mean(axis=2)
    return products.mean(axis=1) / (products.std(axis=1, ddof=1) / np.sqrt(GROUPS)), products


@breaks(
    "numerics/measured/groups.py",
    "np.sqrt((count - 1) * replicates.var(axis=0))",
    "np.sqrt(count * replicates.var(axis=0) / (count - 1))",
    "the spread of replicates taken for that of groups",
    case="2000",
)
@pytest.mark.parametrize("units", [20, 200, 2000])
def test_planted_kernels_lie_within_their_own_errors(units):
    """Over 120 seeds. The pull of a mean of G = 20 groups is Student's t with 19 degrees of freedom, whose
    variance is 19/17; of 20 single units, whose products are skewed, a plain simulation says what it is."""
    seeds = 120
    K1 = X @ SIGMA @ X.T
    found = [planted(units, seed) for seed in range(seeds)]
    rng = np.random.default_rng(99)
    draws = 40_000 * 20 // units if units > 20 else 40_000
    z = rng.standard_normal((2, draws, units))
    _, products = pulls_of_a_mean(draws, z[0], z[0])
    error = products.std(axis=1, ddof=1) / np.sqrt(GROUPS)
    expected = np.mean(((products.mean(axis=1) - 1) / error) ** 2)
    independent = np.mean(pulls_of_a_mean(draws, *z)[0] ** 2)
    expected_off = independent  # entries of K lie between no and full correlation
    low, high = sorted((expected_off, expected))
    for number, truth in ((lambda m: m.pre_kernel(0), K1), (lambda m: m.pre_kernel(1), K2)):
        averages = [number(m) for m in found]
        pulls = np.array([((each.value - truth) / each.error)[UPPER] for each in averages])
        # 120 seeds of 21 correlated entries, of which at least 6 are independent: 10 % of the variance's own
        # error is sqrt(2/720) = 5 %, and fat tails of 20 units double it
        assert 0.8 * low < np.mean(pulls**2) < 1.25 * high
        assert abs(pulls.mean()) < 0.25  # unbiased but for the skew of the errors, which follow the value
    if units == 2000:
        assert independent == pytest.approx(19 / 17, rel=0.2)  # of 400 draws


def test_Sigma_and_the_covariance_from_activations_alone_agree():
    m = planted(50, 3)
    rng = np.random.default_rng(3)
    W = rng.multivariate_normal(np.zeros(FEATURES), SIGMA, size=50)
    np.testing.assert_allclose(m.Sigma, W.T @ W / 50, atol=1e-12)
    X_more = np.random.default_rng(4).standard_normal((12, FEATURES))
    alone = measure(fcn(50), X_more, [W @ X_more.T])
    np.testing.assert_allclose(alone.Sigma, m.Sigma, atol=1e-10)
    np.testing.assert_allclose(alone.overlap_ratio, m.Sigma * FEATURES / 2, atol=1e-9)
    w = np.eye(FEATURES)[2]
    assert alone.overlap(w).mean == pytest.approx(m.Sigma[2, 2] * FEATURES / 2, rel=1e-9)


def test_networks_on_a_leading_axis_are_averaged_and_their_spread_is_the_error():
    m = planted(20, 5, networks=40)
    assert m.averages.over == "networks"
    assert m.units == (800, 800)
    one = m.pre_kernel(1)
    pulls = (one.value - K2) / one.error
    assert np.mean(pulls[UPPER] ** 2) < 3  # 21 numbers
    few = planted(200, 5, networks=4)
    assert few.averages.over == "units"
    assert few.units == (800, 800)
    assert few.averages.groups == 20


def test_post_kernels_are_the_mean_products_of_activations_and_scale_with_their_variance():
    from scipy.special import erf

    rng = np.random.default_rng(1)
    W = rng.standard_normal((3, 30, FEATURES)) / 3
    h1 = W @ X.T
    h2 = rng.standard_normal((3, 20, SAMPLES))
    net = fcn((30, 20), (2.0, 1.5), 0.7, bias_variance=0.3)
    ones = np.zeros((3, 30, 1))
    m = measure(net, X, [h1, h2], np.concatenate([W, ones], axis=2), check=False)
    expected = 1.5 * np.einsum("run,rum->nm", erf(h1), erf(h1)) / 90 + 0.3
    np.testing.assert_allclose(m.post_kernel(1).value, expected, atol=1e-13)
    expected = 0.7 * np.einsum("run,rum->nm", erf(h2), erf(h2)) / 60 + 0.3
    np.testing.assert_allclose(m.Q_f, expected, atol=1e-13)
    np.testing.assert_allclose(m.post_kernel(0).value, 2.0 / FEATURES * X @ X.T + 0.3, atol=1e-13)
    assert m.post_kernel(0).error.max() < 1e-13  # rounding: it is known
    np.testing.assert_allclose(m.mean(1).value, h2.mean(axis=(0, 1)), atol=1e-14)


@pytest.mark.parametrize(("size", "units"), [(8, 100), (40, 100), (40, 20)])
def test_noise_edge_is_the_largest_eigenvalue_of_pure_noise_of_white_units(size, units):
    """The mean is below the edge by Tracy and Widom's shift, of order size^(-2/3): a quarter of it at 8."""
    rng = np.random.default_rng(0)
    largest = []
    for _ in range(40):
        h = rng.standard_normal((units, size))
        largest.append(np.abs(np.linalg.eigvalsh(h.T @ h / units - np.eye(size))).max())
    assert noise_edge(np.ones(size), units) == pytest.approx(
        np.mean(largest), rel=max(size ** (-2 / 3), 0.12)
    )


@breaks(
    "numerics/measured/noise.py", "largest * (2.0 * math.sqrt(ratio) + ratio)", "largest * ratio", "c alone"
)
def test_noise_edge_bounds_noise_of_units_with_a_decaying_spectrum():
    rng = np.random.default_rng(0)
    values = 1.0 / np.arange(1, 41) ** 2
    largest = []
    for _ in range(40):
        h = rng.standard_normal((200, 40)) * np.sqrt(values)
        largest.append(np.abs(np.linalg.eigvalsh(h.T @ h / 200 - np.diag(values))).max())
    edge = noise_edge(values, 200)
    assert np.mean(np.array(largest) < edge) > 0.9
    assert edge < 4 * np.mean(largest)


def test_a_planted_direction_stands_out_and_nothing_else_does():
    rng = np.random.default_rng(0)
    size, units = 10, 800
    inputs = rng.standard_normal((30, size))
    prior = 2.0 / size
    std = np.full(size, np.sqrt(prior))
    std[3] *= 2
    W = rng.standard_normal((units, size)) * std
    m = measure(fcn(units), inputs, [W @ inputs.T])
    load = m.feature_load(0)
    assert load.significant == 1
    assert abs(load.vectors[3, 0]) > 0.99
    # three errors; the eigenvalue is high by noise of second order, (size / units) of the variance
    assert abs(load.values[0] - 3 * prior) < 3 * load.errors[0] + size / units * 4 * prior
    assert m.spectrum(0).outliers == 1
    assert m.spectrum(0).resolved == size
    assert "1 beyond noise" in str(m)
    few = measure(fcn(12), inputs, [W[:12] @ inputs.T])
    assert few.spectrum(0).resolved < size


def test_errors_of_eigenvalues_are_those_of_gaussian_units():
    """lambda sqrt(2/M), to what twenty groups know of a spread: a sixth, averaged over six and 30 seeds."""
    ratios = []
    for seed in range(30):
        spectrum = planted(400, seed).spectrum(1)
        ratios.append(spectrum.errors / (spectrum.values * np.sqrt(2 / 400)))
    assert np.mean(ratios) == pytest.approx(1.0, abs=0.05)


def test_shrinkage_brings_few_units_nearer_to_what_they_are():
    """Units at their prior: what noise alone moved goes back most of the way."""
    gaps, shares = [], []
    rng = np.random.default_rng(0)
    inputs = rng.standard_normal((20, 8))
    for _ in range(10):
        W = rng.standard_normal((20, 8)) / 2
        plain, shrunk = (measure(fcn(20), inputs, [W @ inputs.T], shrinkage=s) for s in (False, True))
        gaps.append([np.linalg.norm(each.Sigma - np.eye(8) / 4) for each in (plain, shrunk)])
        shares.append(shrunk.shrunk[0])
    plain, shrunk = np.mean(gaps, axis=0)
    assert shrunk < 0.4 * plain
    assert 0.5 < np.mean(shares) <= 1.0
    learned = rng.standard_normal((2000, 8)) * np.array([3.0, *[1] * 7]) / 2
    assert measure(fcn(2000), inputs, [learned @ inputs.T], shrinkage=True).shrunk[0] < 0.05
    assert "shrunk by" in str(measure(fcn(20), inputs, [W @ inputs.T], shrinkage=True))


def test_kurtosis_and_correlations_tell_planted_dependence_from_none():
    rng = np.random.default_rng(2)
    inputs = rng.standard_normal((10, 3))
    networks, units = 300, 12
    W = rng.standard_normal((networks, units, 3))
    h2 = rng.standard_normal((networks, units, 10))
    net = fcn((units, units))
    free = measure(net, inputs, [W @ inputs.T, h2], check=False)
    for each in free.correlations().values():
        assert abs(each.value) < 4 * each.null
        assert each.error == pytest.approx(each.null, rel=0.35)
    for estimate in (*free.kurtosis(0), *free.kurtosis(1)):
        assert abs(estimate.mean) < 4 * estimate.error
    scale = rng.lognormal(sigma=0.3, size=(networks, 1, 1))  # a scale that all units of a network share
    tied = measure(net, inputs, [scale * W @ inputs.T, scale * h2], check=False)
    found = tied.correlations()
    for name in ("layer 0, squares", "layer 1, squares", "layers 0 and 1, squares"):
        assert found[name].value > 20 * found[name].null
    assert abs(found["layer 0"].value) < 5 * found["layer 0"].null
    assert tied.kurtosis(1, 1)[0].mean > 0.5


def test_projections_are_of_all_units_and_know_when_units_are_the_sample():
    one = planted(60, 0)
    direction = np.arange(1.0, SAMPLES + 1)
    found = one.projections(direction, 1)
    unit = direction / np.linalg.norm(direction)
    assert found.variance.mean == pytest.approx(unit @ one.pre_kernel(1).value @ unit, rel=1e-12)
    assert found.values.shape == (1, 60, 1)
    assert found.variance.error > 0
    theory, units, errors = found.qq(9)
    assert theory.shape == units.shape == errors.shape == (9,)
    many = planted(20, 0, networks=30).projections(direction, 1)
    assert many.values.shape == (1, 30, 20)
    assert not list(many.excess_kurtosis.doubts())
