"""What samples say at test inputs and of kernels and units: against each other, and against brute force over
the weights that were drawn."""

import math
from dataclasses import replace

import numpy as np
import pytest
from mutants import breaks
from naive_networks import NAIVE, SCALAR, receptive

from numerics import Estimate, Problem, cnn, fcn, sample
from numerics.pixels import Receptive

MIXTURE, OBSERVED = "numerics/sampling/mixture.py", "numerics/sampling/observed.py"
QUICK = {"draws": 40, "chains": 2, "method": "collapsed", "start": "prior", "reference": "prior"}
NOISE = np.array([0.3, 0.2, 0.5, 1.0, 0.1, 0.4])
CASES = {
    "two outputs": ("overlap, padding and biases", {"outputs": 2}),
    "noise per datum": ("two-layer fcn with biases", {"noise_variance": NOISE}),
    "one output": ("two-layer cnn", {}),
    "pooled": ("global pooling", {"n": 9}),  # more data than features
    "deep": ("three dense layers", {"activation": "relu"}),
}


@pytest.fixture(scope="module", params=CASES)
def drawn(request):
    """Samples, and of every draw the features at the training and at three new inputs, by loops."""
    name, options = CASES[request.param]
    naive = NAIVE[name]
    problem = naive.problem(**options)
    samples = sample(problem, **QUICK, seed=2)
    activation = options.get("activation", "erf")
    X_test = naive.data(n=3, seed=11)[0]
    found = []
    for flat in samples.draws.weights.reshape(80, -1):
        parts, start = [], 0
        for rows, columns in samples.posterior.forward.shapes:
            parts.append(flat[start : start + rows * columns].reshape(rows, columns))
            start += rows * columns
        h_top = [naive.features(x, parts, SCALAR[activation])[1] for x in problem.X]
        found.append(
            (
                naive.all_features(problem.X, parts, activation),
                naive.all_features(X_test, parts, activation),
                h_top,
                parts,
            )
        )
    return samples, X_test, found


def regression(samples, Phi, there):
    """Mean (m, D) and covariance (m, m) given the features, by dense algebra in the raw units."""
    problem = samples.problem
    y = problem.y.reshape(problem.samples, -1)
    K = Phi @ Phi.T + np.diag(problem.noise_variance)
    cross = there @ Phi.T
    return cross @ np.linalg.solve(K, y), there @ there.T - cross @ np.linalg.solve(K, cross.T)


@breaks(MIXTURE, "total = between + within", "total = within", "no spread between draws", case="one output")
@breaks(
    MIXTURE,
    "self.posterior.noise_std[:, None] * self.eps[draw]",
    "self.eps[draw]",
    "eps not in units of the noise",
    case="noise per datum",
)
@breaks(
    MIXTURE,
    "means.var(axis=0) + (within / len(picked))",
    "means.var(axis=0) + within",
    "variances added up over draws",
    case="one output",
)
def test_predictions_are_those_of_dense_regression_given_every_draw(drawn):
    samples, X_test, found = drawn
    each = [regression(samples, Phi, there) for Phi, there, _, _ in found]
    means = np.array([mean for mean, _ in each])
    expected = means.mean(axis=0)
    outputs = samples.problem.outputs
    within = np.mean([cov for _, cov in each], axis=0)
    moved = means - expected
    covariances = [np.mean([np.outer(m, m) for m in moved[:, :, d]], axis=0) + within for d in range(outputs)]
    mean, cov = samples.predict(X_test, return_cov=True)
    np.testing.assert_allclose(mean.reshape(3, outputs), expected, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(np.reshape(cov, (outputs, 3, 3)), covariances, rtol=1e-7, atol=1e-10)
    mean, std = samples.predict(X_test, return_std=True)
    assert std.shape == mean.shape == ((3,) if samples.problem.one_output else (3, outputs))
    variances = np.array([np.diag(c) for c in covariances]).T
    np.testing.assert_allclose(std.reshape(3, outputs) ** 2, variances, rtol=1e-7)
    np.testing.assert_array_equal(samples.predict(X_test), mean)


def test_noise_is_added_where_there_is_one(drawn):
    samples, X_test, _ = drawn
    if samples.problem.common_noise is None:
        with pytest.raises(ValueError, match="the noise differs from datum to datum"):
            samples.predict(X_test, return_std=True, include_noise=True)
        return
    _, std = samples.predict(X_test, return_std=True)
    _, noisy = samples.predict(X_test, return_std=True, include_noise=True)
    np.testing.assert_allclose(noisy**2, std**2 + 0.3, rtol=1e-12)
    _, cov = samples.predict(X_test, return_cov=True)
    _, noisy = samples.predict(X_test, return_cov=True, include_noise=True)
    np.testing.assert_allclose(noisy, cov + 0.3 * np.eye(3), rtol=1e-12)


@breaks(
    MIXTURE,
    "np.sqrt(noise) * rng",
    "noise * rng",
    "variance of the noise for its deviation",
    case="one output",
)
def test_drawn_outputs_have_the_predicted_law(drawn):
    samples, X_test, _ = drawn
    noisy = samples.problem.common_noise is not None
    mean, cov = samples.predict(X_test, return_cov=True, include_noise=noisy)
    count = 3000
    f = samples.sample_y(X_test, count, random_state=1, include_noise=noisy)
    outputs = samples.problem.outputs
    assert f.shape == (*mean.shape, count)
    f, mean = f.reshape(3, outputs, count), mean.reshape(3, outputs)
    for d in range(outputs):
        truth = np.reshape(cov, (-1, 3, 3))[d]
        spread = np.sqrt(np.diag(truth))
        z = (f[:, d].mean(axis=1) - mean[:, d]) / (spread / math.sqrt(count))
        assert np.max(np.abs(z)) < 4
        error = 2.5 * np.outer(spread, spread) / math.sqrt(count)  # heavier tails than a Gaussian's
        assert np.max(np.abs(np.cov(f[:, d]) - truth) / error) < 4
    np.testing.assert_array_equal(
        samples.sample_y(X_test, 2, random_state=3), samples.sample_y(X_test, 2, random_state=3)
    )


def test_recorded_numbers_are_those_of_dense_matrices(drawn):
    samples, _, found = drawn
    problem = samples.problem
    y, noise = problem.y.reshape(problem.samples, -1), problem.noise_variance
    table = {
        name: samples.series(name).ravel()
        for name in ("alpha", "train_loss", "degrees_of_freedom", "trace_Q_f")
    }
    for k, (Phi, _, h, parts) in enumerate(found):
        Q = Phi @ Phi.T
        inverse = np.linalg.inv(Q + np.diag(noise))
        eps = inverse @ y
        assert table["alpha"][k] == pytest.approx(np.sum(eps * y) / np.sum(y**2), rel=1e-9)
        assert table["degrees_of_freedom"][k] == pytest.approx(np.trace(Q @ inverse), rel=1e-9)
        assert table["trace_Q_f"][k] == pytest.approx(np.trace(Q) / len(Q), rel=1e-9)
        cov = Q - Q @ inverse @ Q
        loss = np.sum((y - Q @ eps) ** 2) + y.shape[1] * np.trace(cov)
        assert table["train_loss"][k] == pytest.approx(loss / np.sum(y**2), rel=1e-9)
        np.testing.assert_allclose(samples.draws.eps.reshape(80, *y.shape)[k], eps, rtol=1e-7, atol=1e-10)
        for level in range(1, len(parts)):
            square = np.mean([np.square(layers[level]) for layers in h])
            assert samples.series(f"square_{level + 1}").ravel()[k] == pytest.approx(square, rel=1e-9)
        assert samples.series("square_1").ravel()[k] == pytest.approx(np.mean(parts[0] ** 2), rel=1e-12)


@breaks(
    OBSERVED,
    "return np.asarray(total) / count",
    "return np.asarray(total) / (count - 1)",
    "one draw too few",
    case="deep",
)
def test_kernels_are_averages_over_units_and_draws(drawn):
    samples, _, found = drawn
    expected = np.mean([Phi @ Phi.T for Phi, _, _, _ in found], axis=0)
    np.testing.assert_allclose(samples.Q_f, expected, rtol=1e-10, atol=1e-12)
    assert len(samples.kernels) == samples.layers - 1
    odd = samples.problem.net.activation == "erf"
    for level, kernels in enumerate(samples.kernels, start=1):
        # (draw, sample, pixel, unit) -> (draw, pixel, sample, unit)
        h = np.array([[layers[level] for layers in h] for _, _, h, _ in found]).transpose(0, 2, 1, 3)
        h = h.reshape(len(h), -1, h.shape[3])
        second = np.mean([one @ one.T / one.shape[1] for one in h], axis=0)
        mean = np.zeros(len(second)) if odd else h.mean(axis=(0, 2))
        np.testing.assert_allclose(kernels.mean, mean, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(kernels.K, second - np.outer(mean, mean), rtol=1e-9, atol=1e-12)
        assert samples.hidden_variance(level).plain.mean == pytest.approx(np.mean(h**2), rel=1e-10)
        direction = np.random.default_rng(0).standard_normal(len(second))
        projections = samples.projections(direction, level)
        u = direction / np.linalg.norm(direction)
        by_hand = np.array([u @ one for one in h]).reshape(2, 40, -1)
        np.testing.assert_allclose(projections.values, by_hand, rtol=1e-9, atol=1e-12)


def test_overlaps_are_those_of_the_input_weights_without_the_biases(drawn):
    samples, _, found = drawn
    size = samples.problem.input_shape[1]
    w = np.arange(1.0, size + 1)
    u = w / np.linalg.norm(w)
    squares = np.array([np.mean((u @ parts[0][:size]) ** 2) for *_, parts in found])
    overlap = samples.overlap(w)
    assert overlap.plain.mean == pytest.approx(squares.mean(), rel=1e-12)
    np.testing.assert_allclose(overlap.plain.series.ravel(), squares, rtol=1e-10)
    second = np.mean([parts[0][:size] @ parts[0][:size].T / parts[0].shape[1] for *_, parts in found], axis=0)
    np.testing.assert_allclose(samples.overlap_ratio, second, rtol=1e-10)
    np.testing.assert_allclose(samples.Sigma, second * 1.5 / size, rtol=1e-10)
    np.testing.assert_allclose(samples.overlap_eigenvalues, np.linalg.eigvalsh(second)[::-1], rtol=1e-10)
    assert u @ samples.overlap_ratio @ u == pytest.approx(overlap.plain.mean)
    values = samples.projections(w).values
    assert np.mean(values**2) == pytest.approx(u @ samples.Sigma @ u)
    with pytest.raises(ValueError, match="w is zero"):
        samples.overlap(np.zeros(size))
    with pytest.raises(ValueError, match=r"w has shape"):
        samples.overlap(np.ones(size + 1))


def test_mean_outputs_on_the_data(drawn):
    samples, _, found = drawn
    problem = samples.problem
    means = np.array([regression(samples, Phi, Phi)[0] for Phi, *_ in found])
    f_bar = means.mean(axis=0)
    np.testing.assert_allclose(samples.f_bar.reshape(f_bar.shape), f_bar, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(samples.predict(problem.X), samples.f_bar, rtol=1e-8, atol=1e-10)
    y = problem.y.reshape(f_bar.shape)
    gap = (y - f_bar) / problem.noise_variance[:, None]
    np.testing.assert_allclose(samples.eps.reshape(y.shape), gap, rtol=1e-7, atol=1e-10)
    if problem.common_noise is not None:  # alpha on the training inputs is alpha
        assert samples.alpha_test(problem.X, problem.y) == pytest.approx(samples.alpha.plain.mean, rel=1e-9)


def test_errors_of_the_mean_network(drawn):
    """Less what a mean over few draws is off, which is its variance over the effective draws."""
    samples, X_test, found = drawn
    outputs = samples.problem.outputs
    y = np.random.default_rng(3).standard_normal((3, outputs))
    means = np.array([regression(samples, Phi, there)[0] for Phi, there, _, _ in found])
    biased = np.sum((means.mean(axis=0) - y) ** 2) / np.sum(y**2)
    spread = np.mean(np.sum((means - means.mean(axis=0)) ** 2, axis=(1, 2))) / np.sum(y**2)
    estimate = samples.test_error(X_test, y[:, 0] if samples.problem.one_output else y).plain
    assert biased - spread / 3 < estimate.mean < biased
    assert estimate.error > 0
    train = samples.train_error.plain.mean
    f = samples.f_bar.reshape(-1)
    assert train == pytest.approx(
        np.sum((samples.problem.y.ravel() - f) ** 2) / samples.problem.target_norm2, rel=0.2
    )


def test_the_error_of_the_mean_is_not_biased_by_few_draws():
    """Of independent draws of a known mean output: averaged over repeats it is the truth."""
    samples = sample(NAIVE["two-layer cnn"].problem(), **QUICK, seed=1)
    rng = np.random.default_rng(0)
    y, truth = np.array([[1.0], [2.0]]), np.array([[0.7], [2.2]])
    exact = np.sum((y - truth) ** 2) / np.sum(y**2)
    found = [
        samples._error_of_mean(truth + rng.standard_normal((80, 2, 1)), y, "").plain.mean for _ in range(400)
    ]
    error = np.std(found) / 20
    assert abs(np.mean(found) - exact) < 3.5 * error
    assert error < 0.002  # the variance of the mean itself is .005


def test_a_datum_that_is_taken_out_is_predicted_like_a_new_one():
    naive = NAIVE["two-layer cnn"]
    X, y = naive.data(n=6)
    noise = np.full(6, 0.3)
    noise[2] = np.inf
    y = y.copy()
    y[2] = np.nan
    samples = sample(Problem(naive.net, X, y, noise), **QUICK)
    seen = np.isfinite(noise)
    other = sample(Problem(naive.net, X[seen], y[seen], noise[seen]), **QUICK)
    np.testing.assert_array_equal(samples.draws.weights, other.draws.weights)
    np.testing.assert_allclose(samples.predict(X), other.predict(X), rtol=1e-12)
    assert samples.Q_f.shape == (6, 6)
    assert np.isnan(samples.eps[2])
    assert samples.alpha_test(X[:1], [1.0]) == pytest.approx(other.alpha_test(X[:1], [1.0]))
    assert samples.train_loss.mean == pytest.approx(other.train_loss.mean)
    assert samples.train_error.mean == pytest.approx(other.train_error.mean)
    assert samples.output_variance.mean == pytest.approx(other.output_variance.mean)


def test_one_precision_is_as_good_as_the_other():
    problem = NAIVE["overlap, padding and biases"].problem(outputs=2)
    double, single = (sample(problem, **QUICK, precision=p) for p in ("double", "single"))
    assert single.report.precision == "single"
    assert single.alpha.mean == pytest.approx(double.alpha.mean, rel=0.2)
    np.testing.assert_allclose(single.predict(problem.X), single.f_bar, atol=1e-4)


# -- laws of units: Gaussian and independent without data --------------------------------------------------


@pytest.fixture(scope="module")
def prior():
    net = fcn((6, 5), 1.5, 0.7)
    return sample(net, np.zeros((0, 3)), np.zeros(0), 0.1, draws=800, seed=3)


def test_units_of_the_prior_are_gaussian_and_independent(prior):
    one = prior.projections([1.0, 2.0, -1.0])
    for estimate, truth in (
        (one.variance, 1.5 / 3),
        (one.excess_kurtosis, 0.0),
        (one.pair_correlation, 0.0),
        (one.square_correlation, 0.0),
    ):
        assert abs(estimate.mean - truth) < 3.8 * estimate.error
        assert estimate.error < 0.1
    density, error, edges = one.histogram(20)
    assert np.sum(density * np.diff(edges)) == pytest.approx(1)
    middle = (edges[1:] + edges[:-1]) / 2
    seen = density > 0.05
    gaussian = np.exp(-(middle**2) / (2 * 0.5)) / math.sqrt(2 * math.pi * 0.5)
    assert np.max(np.abs(density - gaussian)[seen] / (error[seen] + 0.02)) < 4
    straight, quantiles, errors = one.qq(19)
    assert np.max(np.abs(straight - quantiles) / errors) < 4.5
    assert np.all(np.diff(quantiles) > 0)


@breaks(
    "numerics/sampling/projections.py",
    "(total - own) / (units - 1)",
    "total / (units - 1)",
    "pairs of a unit with itself",
)
@breaks(
    "numerics/sampling/projections.py",
    "- 2.0 * (second - m2) / m2",
    "- 1.0 * (second - m2) / m2",
    "kurtosis linearised with half its slope",
)
def test_statistics_of_units_by_hand():
    from numerics import Projections

    rng = np.random.default_rng(4)
    shared = rng.uniform(0.5, 1.5, (4, 500, 1))
    common = 0.6 * rng.standard_normal((4, 500, 1))
    values = shared * rng.standard_normal((4, 500, 3)) + common
    found = Projections(values)
    v = values.ravel()
    kurtosis = np.mean(v**4) / np.mean(v**2) ** 2 - 3
    assert found.excess_kurtosis.mean == pytest.approx(kurtosis, rel=1e-10)
    pairs = [(0, 1), (0, 2), (1, 2)]
    product = np.mean([np.mean(values[..., i] * values[..., j]) for i, j in pairs])
    assert found.pair_correlation.mean == pytest.approx(product / np.mean(v**2), rel=1e-10)
    s = values**2 - np.mean(v**2)
    squares = np.mean([np.mean(s[..., i] * s[..., j]) for i, j in pairs])
    assert found.square_correlation.mean == pytest.approx(squares / np.mean(s**2), rel=1e-10)
    # its error against a jackknife over the draws
    second, fourth = (np.sum(values**power, axis=2).ravel() for power in (2, 4))
    m2, m4 = (np.sum(total) - total for total in (second, fourth))
    left_out = m4 / m2**2 * (v.size - 3)
    jackknife = math.sqrt(1999 / 2000 * np.sum((left_out - left_out.mean()) ** 2))
    assert found.excess_kurtosis.error == pytest.approx(jackknife, rel=0.1)
    with pytest.raises(ValueError, match="no pairs"):
        _ = Projections(values[:, :, :1]).pair_correlation


def test_correlations_of_the_prior_are_null(prior):
    data = np.random.default_rng(0).standard_normal((4, 3))
    for name, estimate in prior.correlations(data).items():
        assert abs(estimate.mean) < 4 * estimate.error + 0.02, name
    with pytest.raises(ValueError, match="X is missing"):
        prior.correlations()


# -- tables, figures, words --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def plain():
    noise = NOISE.copy()
    noise[1] = np.inf
    return sample(NAIVE["two convolutions"].problem(noise_variance=noise, outputs=2), **QUICK)


def test_a_dataset_of_xarray(plain):
    pytest.importorskip("xarray")
    table = plain.to_xarray()
    assert dict(table.sizes) == {"chain": 2, "draw": 40, "datum": 5, "output": 2}
    np.testing.assert_array_equal(table["alpha"], plain.series("alpha"))
    np.testing.assert_array_equal(table["datum"], [0, 2, 3, 4, 5])
    assert table["eps"].dims == ("chain", "draw", "datum", "output")
    assert table.attrs["method"] == "collapsed"
    assert all("definition" in table[name].attrs for name in table)


def test_without_xarray_the_remedy_is_said(plain, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "xarray", None)
    with pytest.raises(ImportError, match="pip install"):
        plain.to_xarray()


def test_traces_are_drawn(plain, prior):
    pytest.importorskip("matplotlib")
    figure = plain.plot_trace(("alpha", "energy", "virial_1"))
    assert len(figure.axes) == 6
    assert len(figure.axes[0].lines) == 3  # two chains and the mean
    with pytest.raises(ValueError, match="name"):
        plain.plot_trace(("beta",))
    assert len(prior.plot_trace(("square_1",)).axes) == 2
    with pytest.raises(ValueError, match="alpha is not defined without data"):
        prior.plot_trace()


def test_words(plain, prior):
    text = str(plain)
    for part in (
        "2 chains of 40 draws",
        "alpha",
        "train loss",
        "collapsed",
        "control, layer 1",
        "top of Sigma",
    ):
        assert part in text
    assert "<table>" in plain._repr_html_()
    assert "Samples(2 chains of 40 draws" in repr(plain)
    assert "alpha" not in str(prior).split("gradients")[1].split("control")[0]
    with pytest.raises(ValueError, match="name='beta'"):
        plain.series("beta")
    with pytest.raises(ValueError, match="one number per draw"):
        plain.estimate(np.ones(3))
    mine = plain.estimate(plain.series("alpha") ** 2, "mine")
    assert isinstance(mine, Estimate)
    assert mine.plain.mean == pytest.approx(np.mean(plain.series("alpha") ** 2))


def test_receptive_fields_of_the_tests_are_the_package_s():
    assert isinstance(receptive(([[0]], [[0]])), Receptive)
    assert replace(cnn(3), widths=(4.0,)) == cnn(4)
