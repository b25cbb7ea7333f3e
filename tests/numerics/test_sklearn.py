"""The estimator: what scikit-learn asks of one, and that it says what the theory says."""

import dataclasses
import math
import pickle
import subprocess
import sys

import numpy as np
import pytest
from deep_problems import small

pytest.importorskip("sklearn")

from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from numerics import activations, cnn, fcn, solve
from numerics.sklearn import FeatureLearningRegressor
from numerics.sklearn.hyper_parameters import HyperParameters
from numerics.sklearn.search import largest_evidence
from numerics.solutions.path import ConvergenceError

# Of 53 checks scikit-learn itself skips one, on arrays of other libraries: the estimator's tags do not offer
# them, and the environment variable SCIPY_ARRAY_API, which is needed for them, is not set.
CHECKED = [
    FeatureLearningRegressor(),
    FeatureLearningRegressor(widths=math.inf, normalize_y=False),
    FeatureLearningRegressor(fcn(200, activation="relu", bias_variance=0.1), theory="finite_fan_in"),
    FeatureLearningRegressor(widths=math.inf, optimizer="evidence", weight_variance_bounds="fixed"),
]


# targets of no structure want the largest noise that the bounds allow, which is said
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@parametrize_with_checks(CHECKED)
def test_what_scikit_learn_asks_of_an_estimator(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def data():
    X, y = small(True, n=30)
    return X, y


@pytest.mark.parametrize("outputs", [1, 2])
@pytest.mark.parametrize("theory", ["mean_field", "finite_fan_in"])
def test_it_says_what_a_solution_says(data, outputs, theory):
    X, y = data[0], data[1][:, 0] if outputs == 1 else data[1]
    net = fcn((40, 30), (1.5, 2.0), 0.9, bias_variance=0.2)
    model = FeatureLearningRegressor(net, noise_variance=0.3, theory=theory).fit(X[:20], y[:20])
    mean, std = y[:20].mean(axis=0), y[:20].std(axis=0)
    sol = solve(net, X[:20], (y[:20] - mean) / std, 0.3, theory=theory)
    assert model.log_marginal_likelihood_value_ == sol.log_evidence
    assert model.n_iter_ == sol.gradients
    assert (model.network_, model.noise_variance_) == (net, 0.3)
    for noise in (False, True):
        f, spread = model.predict(X[20:], return_std=True, include_noise=noise)
        expected, expected_spread = sol.predict(X[20:], return_std=True, include_noise=noise)
        np.testing.assert_allclose(f, expected * std + mean, rtol=1e-12)
        np.testing.assert_allclose(spread, expected_spread * std, rtol=1e-12)
        again, cov = model.predict(X[20:], return_cov=True, include_noise=noise)
        np.testing.assert_allclose(again, f, rtol=1e-12)
        each = np.einsum("mm...->m...", cov)
        np.testing.assert_allclose(each, spread**2, rtol=1e-9)  # as scikit-learn: outputs are the last axis
    assert cov.shape == ((10, 10) if outputs == 1 else (10, 10, 2))


def test_draws_have_the_law_of_predict(data):
    X, y = data
    model = FeatureLearningRegressor(widths=30).fit(X[:20], y[:20])
    draws = model.sample_y(X[20:], 4000, random_state=1)
    assert draws.shape == (10, 2, 4000)
    f, spread = model.predict(X[20:], return_std=True)
    # five standard errors of 4000 draws
    assert (np.abs(draws.mean(axis=2) - f) < 5 * spread / math.sqrt(4000)).all()
    assert (np.abs(draws.std(axis=2) / spread - 1) < 5 / math.sqrt(8000)).all()
    np.testing.assert_array_equal(draws, model.sample_y(X[20:], 4000, random_state=1))
    one = FeatureLearningRegressor(widths=30).fit(X[:20], y[:20, 0])
    assert one.sample_y(X[20:]).shape == (10, 1)
    for source in (np.random.RandomState(0), np.random.default_rng(0), None):
        assert np.isfinite(one.sample_y(X[20:], 2, source)).all()


def test_parts_of_a_network_are_replaced(data):
    X, y = data[0], data[1][:, 0]
    parts = {
        "widths": (20, 30),
        "weight_variance": (1.5, 2.0),
        "readout_variance": 0.7,
        "bias_variance": 0.1,
        "activation": "relu",
    }
    net = fcn(**parts)
    for base in (None, fcn((5, 5))):
        assert FeatureLearningRegressor(base, **parts).fit(X, y).network_ == net
    assert FeatureLearningRegressor().fit(X, y).network_ == fcn(100)
    assert FeatureLearningRegressor(net, widths=math.inf).fit(X, y).network_ == net.with_widths(math.inf)


def test_columns_are_pixels_of_a_convolutional_network(data):
    X, y = small(False)
    net = cnn(20, 1.5)
    model = FeatureLearningRegressor(net, pixels=4, normalize_y=False).fit(X[:10].reshape(10, -1), y[:10])
    sol = solve(net, X[:10], y[:10], 0.1)
    np.testing.assert_array_equal(model.predict(X[10:].reshape(4, -1)), sol.predict(X[10:]))


def test_it_is_cloned_pickled_and_searched_in_processes(data):
    """In a pipeline, over widths and theories, by workers of joblib."""
    pandas = pytest.importorskip("pandas")
    X = pandas.DataFrame(data[0], columns=["a", "b", "c"])
    y = pandas.Series(data[1][:, 0])
    grid = {
        "featurelearningregressor__widths": [20, math.inf],
        "featurelearningregressor__network": [fcn(10, activation="relu"), None],
        "featurelearningregressor__theory": ["mean_field", "finite_fan_in"],
    }
    pipeline = make_pipeline(StandardScaler().set_output(transform="pandas"), FeatureLearningRegressor())
    search = GridSearchCV(pipeline, grid, cv=2, n_jobs=2, error_score="raise").fit(X, y)
    serial = GridSearchCV(pipeline, grid, cv=2, error_score="raise").fit(X, y)
    np.testing.assert_allclose(
        search.cv_results_["mean_test_score"], serial.cv_results_["mean_test_score"], rtol=1e-9
    )
    model = search.best_estimator_[-1]
    assert list(model.feature_names_in_) == ["a", "b", "c"]
    assert model.n_features_in_ == 3
    again = pickle.loads(pickle.dumps(model))
    Z = search.best_estimator_[0].transform(X)
    np.testing.assert_array_equal(again.predict(Z), model.predict(Z))
    assert clone(model).get_params() == model.get_params()
    with pytest.raises(ValueError, match="feature names"):
        model.predict(Z[["b", "a", "c"]])
    fitted = Parallel(n_jobs=2)(delayed(clone(model).fit)(Z, y) for _ in range(2))
    for other in fitted:
        np.testing.assert_allclose(other.predict(Z), model.predict(Z), rtol=1e-9)


def test_what_is_fixed_stays_and_what_is_free_obeys_its_bounds(data):
    X, y = data[0], data[1][:, 0]
    model = FeatureLearningRegressor(
        fcn((30, 30), (1.5, 2.0), bias_variance=0.2),
        optimizer="evidence",
        weight_variance_bounds="fixed",
        bias_variance_bounds=(0.1, 0.5),
        noise_variance_bounds=(0.05, 0.2),
    )
    with pytest.warns(ConvergenceWarning, match="is the (least|largest) that its bounds allow"):
        model.fit(X, y)
    assert model.network_.weight_variances == (1.5, 2.0)
    assert 0.1 - 1e-12 <= model.network_.bias_variance <= 0.5 + 1e-12
    assert 0.05 - 1e-12 <= model.noise_variance_ <= 0.2 + 1e-12
    still = {f"{name}_variance_bounds": "fixed" for name in ("weight", "readout", "bias", "noise")}
    fixed = clone(model).set_params(**still).fit(X, y)
    assert fixed.network_ == fcn((30, 30), (1.5, 2.0), bias_variance=0.2)
    assert fixed.log_marginal_likelihood_value_ < model.log_marginal_likelihood_value_
    each = clone(model).set_params(
        weight_variance_bounds=[(1.0, 2.0), (1.9, 2.1)],
        **{name: "fixed" for name in still if "weight" not in name},
    )
    with pytest.warns(ConvergenceWarning, match="weight_variance of layer"):
        one, two = each.fit(X, y).network_.weight_variances
    assert 1.0 <= one <= 2.0 + 1e-12
    assert 1.9 - 1e-12 <= two <= 2.1 + 1e-12


def test_a_search_that_does_not_settle_is_said(data, monkeypatch):
    from numerics.sklearn import regressor, search

    def unsettled(*arguments):
        return dataclasses.replace(search.largest_evidence(*arguments), settled=False, message="stopped")

    monkeypatch.setattr(regressor, "largest_evidence", unsettled)
    model = FeatureLearningRegressor(widths=math.inf, optimizer="evidence")
    with pytest.warns(ConvergenceWarning, match=r"not ended at a maximum \(stopped\); raise"):
        model.fit(data[0], data[1][:, 0])


def test_no_biases_none_are_made(data):
    model = FeatureLearningRegressor(widths=math.inf, optimizer="evidence").fit(data[0], data[1][:, 0])
    assert model.network_.bias_variance == 0


def test_a_place_that_cannot_be_solved_ends_no_search(data):
    """Half of the line fails; the maximum on the other half is found, and restarts are drawn alike."""
    X, y = data[0], data[1][:, 0] / data[1][:, 0].std()
    net = fcn(math.inf)
    bounds = dict.fromkeys(("weight_variance", "readout_variance", "bias_variance"), "fixed")
    start = HyperParameters.of(net, 0.3, bounds | {"noise_variance": (1e-4, 1e2)})

    def solved(at):
        sol = solve(at.net, X, y, at.noise_variance)
        if at.noise_variance > 1.0:
            raise ConvergenceError(sol, 1e-8)
        return sol

    found = largest_evidence(solved, start, 3, np.random.RandomState(0))
    reference = largest_evidence(
        lambda at: solve(at.net, X, y, at.noise_variance), start, 0, np.random.RandomState(0)
    )
    assert reference.settled
    assert found.log_evidence == pytest.approx(reference.log_evidence, abs=1e-8)
    with pytest.raises(ConvergenceError):
        largest_evidence(
            solved,
            HyperParameters.of(net, 3.0, bounds | {"noise_variance": (2.0, 9.0)}),
            0,
            np.random.RandomState(0),
        )


BAD = {
    "one sample per row": ({}, "x", r"Expected 2D array, got 1D array"),
    "a network by name": ({"network": "fcn"}, "", r"network is a str; make one with cnn\(...\) or fcn"),
    "widths": ({"widths": -3}, "", r"widths=-3 must be above 0"),
    "too many widths": ({"network": fcn((3, 4)), "widths": (1, 2, 3)}, "", r"widths=.*one per hidden layer"),
    "weight variances": ({"weight_variance": (1.0, 2.0)}, "", r"weight_variance=.*one per hidden layer"),
    "readout variance": ({"readout_variance": 0}, "", r"readout_variance=0 must be a finite number above 0"),
    "bias variance": ({"bias_variance": -1}, "", r"bias_variance=-1 must be"),
    "noise": ({"noise_variance": 0}, "", r"noise_variance=0 must be a finite number above 0"),
    "noise per datum": ({"noise_variance": [0.1, 0.2]}, "", r"noise_variance=.* must be one real number"),
    "activation": ({"activation": "softmax"}, "", r"activation='softmax' is unknown"),
    "theory": ({"theory": "string"}, "", r"theory='string' is unknown"),
    "optimizer": ({"optimizer": "adam"}, "", r"optimizer='adam' is unknown; choose one of \('evidence',\)"),
    "evidence of the cavity": (
        {"theory": "cavity", "optimizer": "evidence"},
        "",
        r"theory='cavity' gives no slope .* optimizer=None",
    ),
    "restarts": (
        {"optimizer": "evidence", "n_restarts_optimizer": -1},
        "",
        r"n_restarts_optimizer=-1 must be a whole",
    ),
    "bounds in words": (
        {"noise_variance_bounds": "free"},
        "",
        r"noise_variance_bounds='free' must be \(least",
    ),
    "bounds upside down": ({"noise_variance_bounds": (1, 0.1)}, "", r"0 < least < largest, or 'fixed'"),
    "bounds of zero": ({"readout_variance_bounds": (0, 1)}, "", r"readout_variance_bounds=.* 0 < least"),
    "bounds per layer": (
        {"network": fcn((3, 4)), "weight_variance_bounds": [(1, 2)] * 3},
        "",
        r"bounds=.* 2 such pairs",
    ),
    "pixels of a dense network": ({"pixels": 3}, "", r"pixels= is for convolutional networks"),
    "no pixels": ({"network": cnn(3)}, "", r"network is convolutional.* give pixels="),
    "pixels that do not divide": (
        {"network": cnn(3), "pixels": 2},
        "",
        r"pixels=2 does not divide the 3 col",
    ),
    "half a pixel": ({"network": cnn(3), "pixels": 0.5}, "", r"pixels=0.5 must be a whole number"),
    "constant targets": ({}, "constant", r"y is constant, so that normalize_y leaves nothing"),
    "zero targets": ({"normalize_y": False}, "zero", r"y is zero everywhere"),
    "tolerance": ({"tol": 0}, "", r"tol=0 must be a finite number above 0"),
}


@pytest.mark.parametrize(("parameters", "targets", "message"), BAD.values(), ids=BAD)
def test_bad_input_is_refused_in_a_sentence(data, parameters, targets, message):
    X, y = data[0], data[1][:, 0]
    X = X[:, 0] if targets == "x" else X
    y = {"constant": np.full(30, 3.0), "zero": np.zeros(30)}.get(targets, y)
    with pytest.raises(ValueError, match=message):
        FeatureLearningRegressor(**parameters).fit(X, y)


def test_before_the_fit_and_other_columns(data):
    X, y = data
    model = FeatureLearningRegressor(widths=math.inf)
    for call in (model.predict, model.sample_y):
        with pytest.raises(NotFittedError):
            call(X)
    model.fit(X, y)
    with pytest.raises(ValueError, match="X has 2 features, but FeatureLearningRegressor is expecting 3"):
        model.predict(X[:, :2])
    with pytest.raises(ValueError, match="exclude each other"):
        model.predict(X, return_std=True, return_cov=True)


def test_one_constant_output_beside_others_is_kept(data):
    X, y = data[0], np.column_stack([data[1][:, 0], np.full(30, 7.0)])
    model = FeatureLearningRegressor(widths=math.inf).fit(X, y)
    np.testing.assert_allclose(model.predict(X)[:, 1], 7.0, rtol=1e-12)


def test_the_cavity_theory_too(data):
    model = FeatureLearningRegressor(widths=20, theory="cavity", noise_variance=0.3).fit(data[0], data[1])
    mean, cov = model.predict(data[0][:4], return_cov=True)
    assert (mean.shape, cov.shape) == ((4, 2), (4, 4, 2))
    assert model.log_marginal_likelihood_value_ == model.solution_.log_evidence


def test_without_scikit_learn_the_remedy_is_said():
    statement = (
        "import sys; sys.modules['sklearn'] = None\n"
        "import numerics\n"
        "try:\n    import numerics.sklearn\n"
        "except ImportError as missing:\n    print(missing)"
    )
    said = subprocess.run([sys.executable, "-c", statement], check=True, capture_output=True, text=True)
    assert (
        said.stdout
        == "numerics.sklearn needs scikit-learn 1.6 or newer: pip install 'feature-eos[sklearn]'\n"
    )


def test_one_s_own_activation(data):
    own = activations.quadrature("sech", lambda h: 1 / np.cosh(h), lambda h: -np.tanh(h) / np.cosh(h))
    model = FeatureLearningRegressor(widths=math.inf, activation=own).fit(data[0], data[1][:, 0])
    assert clone(model).activation is own
    assert model.score(data[0], data[1][:, 0]) > 0.5
