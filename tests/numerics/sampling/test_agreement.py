"""Theories beside samples: what each row compares, how far it is off, and what is refused."""

import math

import numpy as np
import pytest
from mutants import breaks
from naive_networks import NAIVE

from numerics import Problem, cnn, compare_to_samples, datasets, fcn, sample, solve

AGREEMENT = "numerics/sampling/agreement.py"


def made(name, activation="erf", draws=150, outputs=1, **options):
    problem = NAIVE[name].problem(activation, n=8, outputs=outputs)
    samples = sample(problem, draws=draws, method="collapsed", seed=1)
    return problem, samples, solve(problem, **options)


@pytest.fixture(scope="module")
def table():
    problem, samples, sol = made("two-layer cnn")
    other = solve(problem, theory="finite_fan_in")
    X, y = NAIVE["two-layer cnn"].data(n=5, seed=8)
    w = np.array([1.0, -2.0, 0.5])
    return samples, sol, other, compare_to_samples([sol, other], samples, w, X, y), (w, X, y)


@breaks(
    AGREEMENT,
    "self.predicted / self.sampled.mean - 1.0",
    "self.sampled.mean / self.predicted - 1.0",
    "off upside down",
)
@breaks(AGREEMENT, "gap / self.sampled.error if", "-gap / self.sampled.error if", "z of the other sign")
def test_rows_are_theories_against_samples(table):
    samples, sol, other, agreement, (w, X, y) = table
    u = w / np.linalg.norm(w)
    theories = ["Gaussian process", "first order", "mean_field", "finite_fan_in"]
    assert [row.theory for row in agreement if row.observable == "alpha"] == theories
    row = agreement.of("alpha", "mean_field")
    assert row.predicted == sol.alpha
    assert row.sampled.mean == samples.alpha.mean
    assert row.off == pytest.approx((sol.alpha - samples.alpha.mean) / samples.alpha.mean)
    assert row.z == pytest.approx((sol.alpha - samples.alpha.mean) / samples.alpha.error)
    assert agreement.of("alpha", "Gaussian process").predicted == sol.gp.alpha
    assert agreement.of("alpha", "finite_fan_in").predicted == other.alpha
    assert agreement.of("train error", "mean_field").predicted == sol.train_error
    assert agreement.of("l*/l_GP", "mean_field").predicted == pytest.approx(u @ sol.Sigma @ u / (1.5 / 3))
    assert agreement.of("l*/l_GP", "Gaussian process").predicted == pytest.approx(1.0)
    assert agreement.of("l*/l_GP", "mean_field").sampled.mean == samples.overlap(w).mean
    trace = agreement.of("tr Sigma over its prior's", "mean_field")
    assert trace.predicted == pytest.approx(np.trace(sol.Sigma) / 1.5)
    f = sol.predict(X)
    assert agreement.of("test error", "mean_field").predicted == pytest.approx(
        np.sum((f - y) ** 2) / np.sum(y**2)
    )
    K = sol.Q_f + 0.3 * np.eye(8)
    load = np.trace(np.linalg.solve(K, sol.Q_f)) / 12
    assert agreement.of("readout load", "mean_field").predicted == pytest.approx(load)
    assert len(agreement) == len(list(agreement))
    assert agreement[0].observable == "alpha"


def test_a_theory_is_seen_to_be_off_where_it_is(table):
    """A fan-in of 12 for 8 data: the Gaussian process is far off, the fan-in's theory much less."""
    samples, _, _, agreement, _ = table
    gp, best = agreement.of("alpha", "Gaussian process"), agreement.of("alpha", "finite_fan_in")
    assert abs(gp.z) > 3
    assert abs(best.off) < abs(gp.off)
    assert samples.alpha.error / samples.alpha.mean < 0.05


def test_it_prints(table):
    agreement = table[3]
    text = str(agreement)
    assert text.splitlines()[0].split() == ["observable", "sampled", "theory", "predicted", "off", "by", "z"]
    assert text.count("Gaussian process") == 6
    assert " %" in text
    assert "<table>" in agreement._repr_html_()
    with pytest.raises(ValueError, match=r"there is no 'beta' of 'mean_field'; there are alpha"):
        agreement.of("beta", "mean_field")


def test_it_is_drawn(table):
    pytest.importorskip("matplotlib")
    figure = table[3].plot()
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()][:2] == ["alpha", "train error"]
    assert len(axes.lines) >= len(table[3])


@breaks(
    AGREEMENT,
    "sol.input_covariance + np.multiply.outer(sol.input_mean, sol.input_mean)",
    "sol.input_covariance",
    "second moment without the mean",
)
def test_units_with_means_and_biases_are_compared_by_their_second_moments():
    """What sampled networks show of a weight is its square; biases belong to the input weights' trace."""
    problem, samples, sol = made("two-layer fcn with biases", "relu", draws=60)
    w = np.array([0.5, 1.0, 0.0])
    agreement = compare_to_samples(sol, samples, w)
    u = w / np.linalg.norm(w)
    second = sol.Sigma + np.outer(sol.weight_mean, sol.weight_mean)
    assert np.max(np.abs(sol.weight_mean)) > 0.05
    row = agreement.of("l*/l_GP", "mean_field")
    assert row.predicted == pytest.approx(u @ second @ u / (1.5 / 3))
    squares = np.diag(sol.input_covariance) + sol.input_mean**2
    expected = np.mean(squares / np.array([0.5, 0.5, 0.5, 0.3]))
    assert agreement.of("tr Sigma over its prior's", "mean_field").predicted == pytest.approx(expected)
    assert problem.net.bias_variance == 0.3


def test_hidden_layers_are_compared_by_their_mean_squares():
    _, samples, sol = made("three dense layers", "relu", draws=60)
    agreement = compare_to_samples(sol, samples)
    kernels = sol.kernels[0]
    row = agreement.of("tr K / (P n) of layer 2", "mean_field")
    assert row.predicted == pytest.approx(np.mean(np.diag(kernels.K) + kernels.mean**2))
    assert abs(row.off) < 1
    top = agreement.of("l*/l_GP", "mean_field").predicted
    assert top > 1


def test_several_directions_and_outputs():
    _, samples, sol = made("two convolutions", draws=40, outputs=2)
    agreement = compare_to_samples(sol, samples, np.eye(3)[:2])
    assert {"l_1/l_GP", "l_2/l_GP"} < {row.observable for row in agreement}
    X, y = NAIVE["two convolutions"].data(n=4, outputs=2, seed=9)
    row = compare_to_samples(sol, samples, X_test=X, y_test=y).of("test error", "mean_field")
    assert row.predicted == pytest.approx(np.sum((sol.predict(X) - y) ** 2) / np.sum(y**2))


def test_what_does_not_belong_together_is_refused(table):
    samples, sol, _, _, _ = table
    other = solve(sol.problem.with_widths(4))
    with pytest.raises(ValueError, match="different networks, widths or data; solve and sample one Problem"):
        compare_to_samples(other, samples)
    with pytest.raises(ValueError, match="'mean_field' twice; give one solution per theory"):
        compare_to_samples([sol, sol], samples)
    with pytest.raises(ValueError, match="sol is empty"):
        compare_to_samples([], samples)
    with pytest.raises(ValueError, match="directions has shape"):
        compare_to_samples(sol, samples, [1.0, 2.0])
    for bad in (np.zeros(3), [[1.0, 2.0, math.nan]]):
        with pytest.raises(ValueError, match="directions"):
            compare_to_samples(sol, samples, bad)
    X, y = table[4][1:]
    with pytest.raises(ValueError, match="y_test"):
        compare_to_samples(sol, samples, X_test=X)
    with pytest.raises(ValueError, match="X_test"):
        compare_to_samples(sol, samples, y_test=y)
    assert cnn(3) != fcn(3)


@breaks(
    "numerics/sampling/observed.py",
    "self.series(records.DEGREES) + between",
    "self.series(records.DEGREES)",
    "readout load of single networks",
)
def test_the_cavity_theory_is_a_row_like_others():
    """At a readout load of .7 mean field is far off, the law of one unit is not."""
    data = datasets.make_linear_cnn(40, 2, 4, seed=1)
    problem = Problem(cnn(8), data.X, data.y, 0.1)
    samples = sample(problem, draws=300, method="collapsed", start="prior", seed=0)
    theories = [solve(problem), solve(problem, theory="cavity", draws=4096)]
    found = compare_to_samples(theories, samples, data.w_star)
    for name in ("alpha", "l*/l_GP", "readout load", "train error"):
        cavity, gaussian = (found.of(name, theory) for theory in ("cavity", "mean_field"))
        assert abs(cavity.off) < 0.6 * abs(gaussian.off), name
    assert abs(found.of("alpha", "cavity").off) < 0.05
    assert abs(found.of("readout load", "cavity").off) < 0.05
