"""What a solution shows: where it learned, kernels and draws at test inputs, a summary."""

import math
from dataclasses import replace
from types import SimpleNamespace
from xml.etree import ElementTree

import numpy as np
import pytest
from deep_problems import NETWORKS, reference_fcn, small
from mutants import breaks

from numerics import cnn, datasets, fcn, solve, solve_path
from numerics.kernels.kernel_maps import KernelMap

NOISE = 0.05
DEEP = [name for name, (net, _) in NETWORKS.items() if len(net.widths) > 1]


@pytest.fixture(scope="module")
def learned():
    """A two-layer CNN that has learned its teacher."""
    data = datasets.make_linear_cnn(60, 3, 8, seed=0, n_test=5)
    return data, solve(cnn(20), data.X, data.y, 0.1)


@breaks(
    "numerics/solutions/feature_load.py",
    "eigh(covariance - prior)",
    "eigh(prior - covariance)",
    "load with the other sign",
)
@breaks(
    "numerics/solutions/feature_load.py", "np.argsort(-np.abs", "np.argsort(np.abs", "smallest change first"
)
def test_the_input_layer_learned_the_teacher_s_direction(learned):
    data, sol = learned
    found = sol.feature_load(0)
    prior = 2.0 / 8
    # the largest change of variance is along w* but for what 60 samples say about other directions
    assert abs(found.vectors[:, 0] @ data.w_star) > 0.95
    assert found.relative[0] == pytest.approx(data.w_star @ sol.overlap_ratio @ data.w_star - 1, rel=0.1)
    np.testing.assert_allclose(found.prior, prior, rtol=1e-12)
    rebuilt = prior * np.eye(8) + (found.vectors * found.values) @ found.vectors.T
    np.testing.assert_allclose(rebuilt, sol.Sigma, atol=1e-12)
    assert (np.diff(np.abs(found.values)) <= 0).all()
    assert (np.abs(found.vectors).max(axis=0) == found.vectors.max(axis=0)).all()


def test_a_hidden_layer_s_load_solves_the_equation_of_state():
    """K - Q = Q (T/N) K, with T of the readout by its adjoint."""
    X, y, _ = reference_fcn()
    sol = solve(fcn((200, 200), 2.0, 2 / 256), X, y, 0.001, tol=1e-9)
    found = sol.feature_load(1)
    theory = sol.equations
    layer = theory.layers(sol.state)[1]
    T = theory.maps[1].adjoint(layer.kernel, theory.data_term([layer]).A)
    K, Q = sol.kernels[0].K, sol.kernels[0].Q
    change = Q @ T @ K / 200
    np.testing.assert_allclose(change @ found.vectors, found.vectors * found.values, atol=1e-6)
    assert found.values.sum() == pytest.approx(np.trace(K) - np.trace(Q), rel=1e-9)
    np.testing.assert_allclose(
        found.relative[:3] * found.prior[:3], found.values[:3], rtol=1e-12
    )  # the leading directions are in the prior
    for again in (-1, np.int64(1)):
        np.testing.assert_array_equal(sol.feature_load(again).values, found.values)


def test_where_the_prior_has_no_variance_nothing_is_learned():
    net, flat = NETWORKS["linear units"]
    X, y = small(flat)
    found = solve(net, X, y, NOISE).feature_load(1)  # 14 samples of 3 features
    assert (found.relative[:3] != 0).all()
    np.testing.assert_array_equal(found.relative[3:], 0)


def test_biases_are_left_out_of_the_input_s_load():
    net, flat = NETWORKS["four dense layers with biases"]
    X, y = small(flat)
    sol = solve(net, X, y, NOISE)
    assert sol.feature_load(0).vectors.shape == (3, 3)
    deep = sol.feature_load(-1)
    assert deep.vectors.shape == (14, 14)
    assert len(repr(deep)) < 100


@pytest.mark.parametrize("layer", [2, -3, 0.5, "Sigma", None, True])
def test_layers_that_are_not_there_are_named(layer):
    net, flat = NETWORKS["three dense layers"]
    with pytest.raises(ValueError, match=r"layer=.* from -2 to 1"):
        solve(net, *small(flat), NOISE).feature_load(layer)


@breaks(
    "numerics/solutions/prediction.py",
    "Q - B.T @ B + B.T @ MB",
    "Q - B.T @ B - B.T @ MB",
    "hidden variance of test points",
    case="three dense layers",
)
@pytest.mark.parametrize("name", DEEP)
def test_kernels_at_test_inputs_are_those_of_a_joint_solve(name):
    """Test points as training points of infinite noise; pixels are the slow index."""
    net, flat = NETWORKS[name]
    X, y = small(flat)
    n, m = 10, 4
    sol = solve(net, X[:n], y[:n], NOISE, tol=1e-10)
    noise = np.concatenate([np.full(n, NOISE), np.full(m, math.inf)])
    joint = solve(net, X, np.concatenate([y[:n], np.zeros((m, 2))]), noise, tol=1e-10)
    for at, both in zip(sol.kernels_at(X[n:]), joint.kernels, strict=True):
        for got_cross, got_own, expected in ((at.K_cross, at.K, both.K), (at.Q_cross, at.Q, both.Q)):
            pixels = len(expected) // (n + m)
            blocks = expected.reshape(pixels, n + m, pixels, n + m)
            cross = blocks[:, n:, :, :n].reshape(pixels * m, pixels * n)
            own = blocks[:, n:, :, n:].reshape(pixels * m, pixels * m)
            np.testing.assert_allclose(got_cross, cross, atol=1e-8)
            np.testing.assert_allclose(got_own, own, atol=1e-8)


def test_kernels_at_the_training_inputs_are_the_solution_s():
    net, flat = NETWORKS["two convolutions"]
    X, y = small(flat)
    sol = solve(net, X, y, NOISE, tol=1e-10)
    (at,) = sol.kernels_at(X)
    for got in (at.K_cross, at.K):
        np.testing.assert_allclose(got, sol.kernels[0].K, atol=1e-9)
    for got in (at.Q_cross, at.Q):
        np.testing.assert_allclose(got, sol.kernels[0].Q, atol=1e-12)


@pytest.mark.parametrize(("name", "calls"), [("global pooling", 1), ("three dense layers", 3)])
def test_a_mean_asks_for_no_kernel_of_the_output_among_test_inputs(name, calls, monkeypatch):
    net, flat = NETWORKS[name]
    X, y = small(flat)
    sol = solve(net, X, y, NOISE)
    shapes = []
    cross = KernelMap.cross

    def counted(self, kernel):
        Q = cross(self, kernel)
        shapes.append(Q.shape)
        return Q

    monkeypatch.setattr(KernelMap, "cross", counted)
    sol.predict(X[:4])
    assert len(shapes) == calls
    assert shapes[-1] == (4, 14)


@breaks(
    "numerics/solutions/predictive.py",
    "np.maximum(values, 0.0) + noise",
    "np.maximum(values, 0.0)",
    "draws without noise",
)
@breaks("numerics/solutions/predictive.py", "(U * np.sqrt(np.", "(U * (np.", "draws of the variance's size")
def test_draws_have_the_law_that_predict_gives():
    net, flat = NETWORKS["three dense layers"]
    X, y = small(flat)
    sol = solve(net, X[:10], y[:10], NOISE)
    mean, cov = sol.predict(X[10:], return_cov=True)
    draws = sol.sample_y(X[10:], 40_000, random_state=1)
    assert draws.shape == (4, 2, 40_000)
    spread = np.sqrt(np.diagonal(cov))
    # five standard errors of 40,000 draws
    assert (np.abs(draws.mean(axis=2) - mean) < 5 * spread[:, None] / 200).all()
    for c in range(2):
        error = 5 * np.multiply.outer(spread, spread) * math.sqrt(2 / 40_000)
        np.testing.assert_array_less(np.abs(np.cov(draws[:, c]) - cov), error)
    between = np.cov(draws[:, 0], draws[:, 1])[:4, 4:]
    np.testing.assert_array_less(np.abs(between), 5 * np.multiply.outer(spread, spread) / 200)
    noisy = sol.sample_y(X[10:], 40_000, random_state=1, include_noise=True)
    np.testing.assert_array_less(
        np.abs(np.cov(noisy[:, 0]) - cov - NOISE * np.eye(4)),
        5 * (np.multiply.outer(spread, spread) + NOISE) * math.sqrt(2 / 40_000),
    )


def test_draws_repeat_with_their_seed_and_keep_the_shape_of_y(learned):
    data, sol = learned
    one = sol.sample_y(data.X_test)
    assert one.shape == (5, 1)
    np.testing.assert_array_equal(one, sol.sample_y(data.X_test, 1, 0))
    assert (one != sol.sample_y(data.X_test, random_state=1)).all()
    assert (one != sol.sample_y(data.X_test, random_state=None)).all()
    rng = np.random.default_rng(0)
    np.testing.assert_array_equal(one, sol.sample_y(data.X_test, random_state=rng))
    assert (one != sol.sample_y(data.X_test, random_state=rng)).all()
    twice = sol.sample_y(np.concatenate([data.X_test, data.X_test]), 3)
    np.testing.assert_allclose(twice[:5], twice[5:], atol=1e-6)  # one function: the root of rounding
    with pytest.raises(ValueError, match="n_samples"):
        sol.sample_y(data.X_test, 0)
    for seed in (-1, "today", 0.5):
        with pytest.raises(ValueError, match="random_state"):
            sol.sample_y(data.X_test, random_state=seed)


def test_print_is_several_lines_and_repr_is_one(learned):
    _, sol = learned
    lines = str(sol).splitlines()
    assert lines[0].endswith("converged")
    assert f"{sol.alpha:.6g} (Gaussian process: {sol.gp.alpha:.6g})" in str(sol)
    assert "channels 20" in str(sol)
    assert "60 samples, 3 pixels of 8" in str(sol)
    assert f"{np.linalg.eigvalsh(sol.overlap_ratio)[-1]:.4g} times the prior's" in str(sol)
    assert len(repr(sol).splitlines()) == 1
    failed = solve(cnn(20), *small(False), 0.1, max_iter=1, raise_on_failure=False)
    assert "raise max_iter" in str(failed)
    assert "2 outputs" in str(failed)


def test_a_notebook_s_table_says_the_same_and_is_escaped(learned):
    _, sol = learned
    table = ElementTree.fromstring(sol._repr_html_())
    shown = [[cell.text for cell in row] for row in table.iter("tr")]
    for name, value in shown:
        assert any(name in line and value in line for line in str(sol).splitlines())
    named = SimpleNamespace(name="<b>&", loops=None, statistics=None)
    odd = replace(sol, problem=replace(sol.problem, net=replace(sol.problem.net, activation=named)))
    assert "<b>" not in odd._repr_html_()
    assert "&lt;b&gt;&amp;" in odd._repr_html_()


def test_a_path_is_a_table_of_its_widths():
    net, flat = NETWORKS["three dense layers"]
    X, y = small(flat)
    path = solve_path(net, X, y, NOISE, widths=[(60, 30), 20, math.inf])
    lines = str(path).splitlines()
    assert len(lines) == 4
    assert len({len(line) for line in lines}) == 1
    assert lines[1].split()[:3] == ["60,", "30", f"{path[0].alpha:.6g}"]
    table = ElementTree.fromstring(path._repr_html_())
    rows = [[cell.text for cell in row] for row in table.iter("tr")]
    assert [row[1] for row in rows[1:]] == [f"{alpha:.6g}" for alpha in path.alpha]
    assert rows[-1][2] == "1.0000"
