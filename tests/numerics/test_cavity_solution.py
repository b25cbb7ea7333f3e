"""What a cavity solution says: predictions, the law of one unit, errors, refusals."""

import math
import pickle
import warnings

import numpy as np
import pytest
from deep_problems import small
from mutants import breaks
from test_cavity import EACH, problem_of

from numerics import (
    CavitySolution,
    ConvergenceError,
    NotEnoughMemory,
    Problem,
    RareUnits,
    cnn,
    datasets,
    fcn,
    load,
    solve,
    solve_path,
)
from numerics.solving.outcome import Status


def solved(name, outputs=2, draws=512):
    return solve(problem_of(name, outputs), theory="cavity", draws=draws, tol=1e-8)


@pytest.fixture(scope="module")
def learned():
    """A dense network with one output that has learned, by 2,048 draws."""
    rng = np.random.default_rng(0)
    X, w = rng.standard_normal((40, 5)), rng.standard_normal(5)
    w /= np.linalg.norm(w)
    return solve(fcn(30), X, X @ w, 0.1, theory="cavity", draws=2048), w


@breaks(
    "numerics/cavity/prediction.py",
    "bias = math.sqrt(self.problem.net.bias_variance) / units",
    "bias = 0 / units",
    "mean output without its bias",
    case="dense with biases",
)
@breaks(
    "numerics/cavity/prediction.py",
    "shared + here.p * here.missed",
    "shared + here.q * here.missed",
    "control of the second moment in the mean",
    case="dense gelu units",
)
@breaks(
    "numerics/cavity/prediction.py",
    "shared + here.q * here.missed",
    "shared + here.p * here.missed",
    "control of the response in the covariance",
    case="dense gelu units",
)
@breaks(
    "numerics/cavity/prediction.py",
    "own - whitened.T @ whitened",
    "own - 0.9 * whitened.T @ whitened",
    "covariance explained by the data",
)
@EACH
def test_the_training_inputs_are_predicted_as_the_fields_say(name):
    """f_bar = y - sigma^2 eps, and the latent covariance there is sigma^2 - sigma^4 H per output."""
    sol = solved(name)
    problem = sol.problem
    seen = problem.observed
    noise = problem.noise_variance[seen, None]
    np.testing.assert_allclose(
        sol.predict(problem.X)[seen], problem.y[seen] - noise * sol.eps[seen], atol=1e-5
    )
    np.testing.assert_allclose(sol.f_bar, sol.predict(problem.X), atol=1e-12)
    law = sol._output_law(problem.inputs[seen])
    n = int(seen.sum())
    H = np.linalg.inv(sol.found.at.target).reshape(2, n, 2, n)
    std = np.sqrt(noise[:, 0])
    for d in range(2):
        for e in range(2):
            expected = np.multiply.outer(std, std) * ((d == e) * np.eye(n) - H[d, :, e])
            np.testing.assert_allclose(law.joint[d, :, e], expected, atol=1e-10)
    np.testing.assert_array_equal(sol.eps[~seen], 0)


@EACH
def test_means_variances_and_draws_agree(name):
    sol = solved(name)
    X = sol.problem.X[:4] + 0.3
    mean, std = sol.predict(X, return_std=True)
    again, covariance = sol.predict(X, return_cov=True)
    np.testing.assert_allclose(mean, again, atol=1e-12)
    np.testing.assert_allclose(std**2, np.einsum("dmm->md", covariance), rtol=1e-8)
    draws = sol.sample_y(X, 20_000, random_state=1)
    assert draws.shape == (4, 2, 20_000)
    # five standard errors
    np.testing.assert_array_less(np.abs(draws.mean(axis=2) - mean), 5 * std / math.sqrt(20_000))
    assert sol.predict_error(X).shape == mean.shape
    assert (sol.predict_error(X) < 0.2).all()


def test_outputs_are_correlated_in_the_field_of_the_data():
    sol = solved("dense with biases")
    law = sol._output_law(sol.problem.inputs[:3])
    np.testing.assert_allclose(law.joint[0, :, 1], law.joint[1, :, 0].T, atol=1e-14)
    assert np.abs(law.joint[0, :, 1]).max() > 1e-6


@breaks(
    "numerics/cavity/unit_law.py", "self.readout_std * noise", "noise", "readouts of the unit's own prior"
)
@breaks(
    "numerics/cavity/solution.py",
    "readout_std * pull.gain / math.sqrt(width)",
    "readout_std * pull.gain",
    "mean readout times sqrt C",
)
def test_the_law_of_one_unit(learned):
    sol, w = learned
    law = sol.unit_law
    first, second, third, fourth = law.moments(w)
    assert first == pytest.approx(0, abs=1e-14)
    assert third == pytest.approx(0, abs=1e-14)
    assert second == pytest.approx(w @ sol.overlap_ratio @ w, rel=1e-2)  # has a control variate
    assert law.excess_kurtosis(3 * w) == pytest.approx(fourth / second**2 - 3, rel=1e-9)
    density, edges = law.histogram(w, bins=40)
    middle = (edges[1:] + edges[:-1]) / 2
    assert np.sum(density * np.diff(edges)) == pytest.approx(1)
    assert np.sum(density * middle**2 * np.diff(edges)) == pytest.approx(second, rel=0.02)
    drawn, a = law.sample(40_000, random_state=3)
    assert drawn.shape == (40_000, 5)
    assert a.shape == (40_000, 1)
    np.testing.assert_allclose(drawn.T @ drawn / 40_000, sol.Sigma, atol=0.02)
    # second moment of a readout weight in units of its prior
    assert np.mean(a**2) * 30 / 2.0 == pytest.approx(sol.fluctuation[0, 0], rel=0.03)
    assert 0 < sol.response[0, 0] < sol.fluctuation[0, 0]
    # the mean output is that of independent units: C E phi(w.x) a
    from scipy.special import erf

    outputs = 30 * erf(drawn @ sol.problem.X.T) * a
    error = outputs.std(axis=0) / math.sqrt(40_000)
    assert (np.abs(outputs.mean(axis=0) - sol.f_bar) < 5 * error).all()
    # what draws owe to themselves changes their weights by a part in a thousand
    assert law.effective_sample == pytest.approx(sol.effective_sample, rel=5e-3)


@breaks("numerics/cavity/solution.py", "np.argsort(-square", "np.argsort(square", "the lightest units first")
def test_the_heaviest_unit_s_share(learned):
    """Of the mean readouts' square, by sorting draws of the law."""
    sol, _ = learned
    law = sol.unit_law
    square = np.sum(law.readout_mean**2, axis=(1, 2))
    rng = np.random.default_rng(0)
    drawn = np.sort(rng.choice(square, size=300_000, p=law.weights))[::-1]
    assert sol.heaviest_unit == pytest.approx(drawn[:10_000].sum() / drawn.sum(), rel=0.02)
    assert 1 / 30 < sol.heaviest_unit < 0.3


def test_a_unit_with_means_is_not_symmetric():
    sol = solved("dense gelu units", outputs=1)
    law = sol.unit_law
    u = np.array([1.0, 0.0, 0.0])
    assert abs(law.moments(u)[0]) > 0
    prior = math.sqrt(1.5 / 3)
    np.testing.assert_allclose(sol.weight_mean @ u / prior, law.moments(u)[0], rtol=1e-10)
    assert len(law.w) == 512
    assert law.bias is None
    for direction in (np.zeros(3), np.ones(2)):
        with pytest.raises(ValueError, match="direction"):
            law.moments(direction)


def test_every_number_has_an_error(learned):
    sol, _ = learned
    assert set(sol.errors) == set(sol.biases)
    for name, error in sol.errors.items():
        value = getattr(sol, name)
        assert np.shape(error) == np.shape(value)
        assert np.isfinite(error).all()
        assert (np.asarray(error) >= 0).all()
    assert 0 < sol.errors["alpha"] < 0.02 * sol.alpha
    assert abs(sol.biases["alpha"]) < 0.02 * sol.alpha
    relative = np.sum((sol.problem.y - sol.f_bar) ** 2) / np.sum(sol.problem.y**2)
    assert sol.train_error == pytest.approx(relative, rel=1e-5)
    assert sol.log_evidence == pytest.approx(-sol.free_energy - 20 * math.log(2 * math.pi))


def test_a_solution_survives_a_pickle(learned):
    sol, _ = learned
    again = pickle.loads(pickle.dumps(sol))
    assert again.alpha == sol.alpha
    np.testing.assert_array_equal(again.predict(sol.problem.X[:3]), sol.predict(sol.problem.X[:3]))


def test_a_solution_in_words(learned):
    sol, _ = learned
    text = str(sol)
    for part in (
        "cavity equations: converged",
        "2048 of a unit",
        "Gaussian process: ",
        "widths 30",
    ):
        assert part in text
    assert "doubt" not in text
    assert sol._repr_html_().count("<tr>") == len(text.splitlines()) - 1
    load = sol.feature_load()
    np.testing.assert_allclose(load.values.max() / 0.4 + 1, sol.overlap_eigenvalues[0], rtol=1e-9)
    with pytest.raises(ValueError, match="layer"):
        sol.feature_load(1)


def test_a_rare_unit_is_warned_of():
    """Many data per unit, little noise, a cubic target: one kind of unit carries the output."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 4))
    t = X[:, 0]
    y = t**3 - 3 * t
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        sol = solve(fcn(6), X, y, 0.05, theory="cavity", draws=2048, raise_on_failure=False)
    assert (sol.heaviest_unit > 0.5) == any(issubclass(each.category, RareUnits) for each in caught)
    assert (sol.heaviest_unit > 0.5) == ("doubt" in str(sol))


def test_a_solution_survives_a_file(learned, tmp_path):
    """What is made again from the draws is what was there, to rounding."""
    sol, w = learned
    X = sol.problem.X[:3]
    path = tmp_path / "sol.npz"
    sol.save(path)
    back = load(path)
    assert isinstance(back, CavitySolution)
    assert back.status == sol.status
    assert back.residual <= 1.01 * sol.residual
    np.testing.assert_allclose([back.alpha, back.free_energy], [sol.alpha, sol.free_energy], rtol=1e-12)
    assert back.errors["alpha"] == pytest.approx(sol.errors["alpha"], rel=1e-6)
    np.testing.assert_allclose(back.predict_error(X), sol.predict_error(X), rtol=1e-6)
    for one, other in zip(back.predict(X, return_std=True), sol.predict(X, return_std=True), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9)
    np.testing.assert_allclose(back.unit_law.moments(w), sol.unit_law.moments(w), rtol=1e-11, atol=1e-14)


@pytest.mark.filterwarnings("ignore::numerics.RareUnits")
def test_files_of_the_gaussian_process_and_of_moved_draws(tmp_path, monkeypatch):
    monkeypatch.setattr("numerics.cavity.ladder.ENOUGH", 2.0)
    X, y = small(False, outputs=1)
    noise = np.linspace(0.05, 0.2, len(X))
    noise[2] = np.inf
    nets = {"gaussian": cnn(math.inf), "moved": cnn(1.5, activation="relu", bias_variance=0.2)}
    for method, net in nets.items():
        sol = solve(net, X, y, noise, theory="cavity", draws=256, tol=1e-4, raise_on_failure=False)
        assert sol.method == method
        sol.save(tmp_path / "sol.npz")
        back = load(tmp_path / "sol.npz")
        assert back.method == sol.method
        assert back.alpha == pytest.approx(sol.alpha, rel=1e-12)
        np.testing.assert_allclose(back.predict(X), sol.predict(X), rtol=1e-9, atol=1e-12)


def test_files_that_are_damaged_are_refused(learned, tmp_path):
    sol, _ = learned
    path = tmp_path / "sol.npz"
    sol.save(path)
    with np.load(path) as file:
        arrays = dict(file)
    for name, value, match in (
        ("Z_0", arrays["Z_0"][:, :2], "Z_0"),
        ("K_0", -arrays["K_0"], "positive definite"),
        ("header", np.array(str(arrays["header"]).replace("CONVERGED", "DONE")), "DONE"),
        ("header", np.array(str(arrays["header"]).replace('"version": 3', '"version": 9')), "version 9"),
    ):
        np.savez(path, **(arrays | {name: value}))
        with pytest.raises(ValueError, match=match):
            load(path)
    del arrays["eps_3"]
    np.savez(path, **arrays)
    with pytest.raises(ValueError, match="lacks 'eps_3"):
        load(path)


def test_what_is_not_described_is_refused():
    X, y = small(True)
    deep = fcn((5, 5))
    with pytest.raises(ValueError, match="several hidden layers"):
        solve(deep, X, y, 0.1, theory="cavity")
    for argument in ({"method": "newton"}, {"start": np.eye(3)}):
        with pytest.raises(ValueError, match="method= and start="):
            solve(fcn(5), X, y, 0.1, theory="cavity", **argument)
    with pytest.raises(ValueError, match="method= and start="):
        solve_path(fcn(5), X, y, 0.1, [5], theory="cavity", method="newton")
    for argument in ({"draws": 3}, {"draws": 0.5}, {"seed": -1}, {"tol": 0.0}, {"max_iter": 0}):
        with pytest.raises(ValueError, match=next(iter(argument))):
            solve(fcn(5), X, y, 0.1, theory="cavity", **argument)


def test_a_failure_carries_what_there_is():
    X, y = small(False, outputs=1)
    problem = Problem(cnn(5), X, y, 0.1)
    with pytest.raises(ConvergenceError, match="max_iter") as caught:
        solve_path(problem, [math.inf, 5], theory="cavity", draws=256, max_iter=1)
    assert caught.value.solution.status is Status.MAX_ITERATIONS
    assert len(caught.value.path) == 1
    sol = solve(problem, theory="cavity", draws=256, max_iter=1, raise_on_failure=False)
    assert not sol.converged
    assert sol.residual > 1e-3


def test_what_does_not_fit_is_refused(monkeypatch):
    monkeypatch.setattr("numerics.machine.memory.available", lambda: 1e6)
    X, y = small(True)
    with pytest.raises(NotEnoughMemory, match="fewer draws"):
        solve(fcn(5), X, y, 0.1, theory="cavity")


def test_predictive_variance_is_that_of_sampled_networks():
    """Mean over 300 new inputs of 1,600 networks from the exact posterior, at loads of .2 and .8, to about
    .3 %; mean field is 12 and 51 % high."""
    data = datasets.make_linear_cnn(200, 4, 16, n_test=300)
    for width, sampled, high in ((160, 0.20328, 0.12), (40, 0.14043, 0.51)):
        problem = Problem(cnn(width), data.X, data.y, 0.1)
        cavity, mean_field = (
            np.mean(solve(problem, theory=theory, draws=draws).predict(data.X_test, return_std=True)[1] ** 2)
            for theory, draws in (("cavity", 4096), ("mean_field", None))
        )
        assert cavity == pytest.approx(sampled, rel=0.015)
        assert mean_field / sampled - 1 == pytest.approx(high, abs=0.01)
