"""The right-hand sides: exact at solutions, those of dense algebra elsewhere, within the bars of samples."""

import numpy as np
import pytest
from deep_problems import NETWORKS, RELU_NETWORKS, small
from mutants import breaks
from scipy.special import erf

from numerics import Problem, datasets, equations_from, fcn, measure, plots, sample, solve
from numerics.gaussian.at_kernels import GivenKernels, right_hand_sides
from numerics.gaussian.layer import prior_slope
from numerics.gaussian.root import factor
from numerics.gaussian.theory import Theory

NOISE = 0.05
ALL = {
    **NETWORKS,
    **{f"{name}, relu": RELU_NETWORKS[name] for name in ("three dense layers", "two convolutions")},
}
LAYER, AT = "numerics/gaussian/layer.py", "numerics/gaussian/at_kernels.py"


@breaks(
    AT,
    "/ x\n                slopes",
    "\n                slopes",
    "KL of one unit",
    case="measured-three dense layers",
)
@breaks(AT, "slopes[1] / 2, x", "slopes[1], x", "means twice", case="measured-three dense layers, relu")
@breaks(LAYER, "M += np.multiply.outer(mu, mu)", "M -= np.multiply.outer(mu, mu)", "means' sign",
        case="measured-three dense layers, relu")  # fmt: skip
@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("post_kernels", ["measured", "predicted"])
def test_at_a_solution_both_sides_are_equal(name, post_kernels):
    net, flat = ALL[name]
    sol = solve(net, *small(flat), NOISE, tol=1e-10)
    predicted = equations_from(sol, post_kernels=post_kernels)
    learned = max(each.learned for each in predicted.equations)
    assert learned > 0.02
    for each in predicted.equations:
        # the solve's own 1e-10, times what dividing by a kernel's small eigenvalues may do
        assert each.residual < 1e-8, each
        assert each.obeyed
    assert predicted.alpha == pytest.approx(sol.alpha, rel=1e-10)
    np.testing.assert_allclose(predicted.Sigma, sol.Sigma, atol=1e-8)
    assert predicted.readout_load == pytest.approx(sol.readout_load, rel=1e-8)
    names = [each.name for each in predicted.equations]
    assert names[0] == "Sigma"
    assert names[-1] == "Q_f"
    assert ("m1" in names) == (net.activation == "relu")


@pytest.mark.parametrize("theory", ["finite_fan_in"])
def test_at_a_solution_of_another_readout_law_too(theory):
    net, flat = NETWORKS["three dense layers"]
    sol = solve(net, *small(flat), NOISE, theory=theory, tol=1e-10)
    predicted = equations_from(sol, theory=theory)
    assert max(each.residual for each in predicted.equations) < 1e-8
    assert equations_from(sol)["K2"].residual > 1e-3  # not a solution of mean field


def KL(K, m, Q):
    """Of N(m, K) against N(0, Q), by dense algebra."""
    inverse = np.linalg.inv(Q)
    return 0.5 * (
        np.trace(inverse @ (K + np.outer(m, m))) - len(K) - np.linalg.slogdet(K)[1] + np.linalg.slogdet(Q)[1]
    )


def covariance(size, seed):
    B = np.random.default_rng(seed).standard_normal((size, size))
    return B @ B.T / size + 0.3 * np.eye(size)


@breaks(LAYER, "M[np.diag_indices(len(M))] -= 1.0", "M[np.diag_indices(len(M))] -= 0.5", "log det Q halved")
@pytest.mark.parametrize("with_mean", [False, True])
def test_slope_of_the_divergence_in_its_prior_by_differences(with_mean):
    K, Q, dQ = covariance(5, 0), covariance(5, 1), covariance(5, 2)
    m = np.arange(5.0) / 4 if with_mean else np.zeros(5)
    slope = prior_slope(factor(Q.copy(), None), K, m if with_mean else None)
    h = 1e-5
    difference = (KL(K, m, Q + h * dQ) - KL(K, m, Q - h * dQ)) / (2 * h)
    assert -0.5 * np.sum(slope * dQ) == pytest.approx(difference, rel=1e-8)  # h^2 = 1e-10
    assert np.array_equal(slope, slope.T)


def test_on_a_range_the_slope_is_that_of_the_marginals():
    K, Q, dQ = covariance(6, 0), covariance(6, 1), covariance(6, 2)
    V = np.linalg.qr(np.random.default_rng(3).standard_normal((6, 4)))[0]
    slope = prior_slope(factor(Q.copy(), V), K, None)
    h = 1e-5
    inside = [V.T @ (Q + sign * h * dQ) @ V for sign in (1, -1)]
    up, down = (KL(V.T @ K @ V, np.zeros(4), each) for each in inside)
    assert -0.5 * np.sum(slope * dQ) == pytest.approx((up - down) / (2 * h), rel=1e-8)


def adjoint(K, B):
    """V with sum B dG = sum V dK for the arcsine kernel, entry by entry."""
    D = 1 + 2 * np.diagonal(K)
    root = np.sqrt(np.multiply.outer(D, D))
    u = 2 * K / root
    slope = B * (2 / np.pi) / np.sqrt(1 - u**2)
    return 2 * slope / root - np.diag(2 * (slope * u).sum(axis=1) / D)


def G(K):
    D = 1 + 2 * np.diagonal(K)
    return 2 / np.pi * np.arcsin(2 * K / np.sqrt(np.multiply.outer(D, D)))


@breaks(AT, "np.diag(1.0 / (1.0 + values))", "np.diag(1.0 - values)", "first order in the pull")
@pytest.mark.parametrize("given_prior", [False, True])
def test_anywhere_the_right_hand_sides_are_eq_5_in_dense_algebra(given_prior):
    """A three-layer network at kernels that solve nothing, with inverses as printed; the KL derivative with
    the factor -1/2 that the text after Eq. (13) lacks."""
    n, d, widths, noise = 7, 4, (30, 20), 0.1
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((n, d)), rng.standard_normal(n)
    Sigma = covariance(d, 1)
    K = 2.1 * G(X @ Sigma @ X.T) + 0.01 * covariance(n, 2)  # near Q: else a pull may be too strong
    Q_given = 0.9 * K + 0.05 * covariance(n, 3)
    problem = Problem(fcn(widths, (1.5, 2.0), 0.7), X, y, noise)
    theory = Theory(problem, basis=None)
    given = GivenKernels((Sigma, K), (None, None), (Q_given if given_prior else None,), (None,))
    right = right_hand_sides(theory, given, problem.inverse_widths)

    Q2, Q_f = 2.0 * G(X @ Sigma @ X.T), 0.7 * G(K)
    H = np.linalg.inv(Q_f + noise * np.eye(n))
    eps = H @ y
    A = np.outer(eps, eps) - H
    Q = Q_given if given_prior else Q2
    inverse = np.linalg.inv(Q)
    K_right = np.linalg.inv(inverse - 0.7 * adjoint(K, A) / widths[1])
    dKL_dQ = -0.5 * inverse @ (K - Q) @ inverse
    dKL_dSigma = X.T @ (2.0 * adjoint(X @ Sigma @ X.T, dKL_dQ)) @ X
    Sigma_right = np.linalg.inv(d / 1.5 * np.eye(d) + 2 * widths[1] / widths[0] * dKL_dSigma)

    np.testing.assert_allclose(right.priors[0], Q2, atol=1e-13)
    np.testing.assert_allclose(right.priors[1], Q_f, atol=1e-13)
    np.testing.assert_allclose(right.covariances[1], K_right, atol=1e-11)
    np.testing.assert_allclose(right.covariances[0], Sigma_right, atol=1e-11)
    np.testing.assert_allclose(right.data.eps[:, 0], eps, atol=1e-12)


def test_a_pull_that_exceeds_the_prior_leaves_no_right_hand_side():
    X, y = small(True, outputs=1)
    wide = solve(fcn(1000), X, 3 * y[:, 0], 0.001)
    narrow = Problem(fcn(1), X, 3 * y[:, 0], 0.001)
    theory = Theory(narrow, basis=None)
    given = GivenKernels((wide.Sigma,), (None,), (), ())
    right = right_hand_sides(theory, given, narrow.inverse_widths)
    assert np.isnan(right.covariances[0]).all()


@pytest.fixture(scope="module")
def wide():
    """Sampled networks at a readout load below .05: a run of two or three seconds."""
    data = datasets.make_fcn_teacher(40, 5, seed=3, rms=0.3)
    net = fcn(300, 2.0, 2 / 64)
    problem = Problem(net, data.X, data.y, 0.01)
    options = {"draws": 80, "chains": 2, "start": "eos", "method": "collapsed"}
    return sample(problem, seed=1, **options)


def test_on_samples_of_a_wide_network_Sigma_obeys_its_equation(wide):
    predicted = equations_from(wide)
    assert predicted.readout_load < 0.05
    Sigma = predicted["Sigma"]
    assert Sigma.obeyed
    assert abs(Sigma.pull) < 3
    reference, measured, right, error = Sigma.along
    assert right - reference > 5 * error  # something was learned, and seen
    assert measured == pytest.approx(right, abs=3 * error)
    # entries: pulls of a difference with the jackknife's own error
    measured_of = measure(wide)
    error = measured_of._average(lambda group: measured_of.covariance_without(0, group)).error
    assert np.abs((predicted.Sigma - measured_of.Sigma) / error).max() < 4  # 15 entries
    assert predicted.alpha == pytest.approx(solve(wide.problem).alpha, rel=0.01)


def test_measured_samples_are_the_samples_own_averages(wide):
    m = measure(wide)
    np.testing.assert_allclose(m.Sigma, wide.Sigma, atol=1e-10)
    np.testing.assert_allclose(m.Q_f, wide.Q_f, atol=1e-10)
    assert m.overlap(np.eye(5)[0]).mean == pytest.approx(wide.overlap(np.eye(5)[0]).plain.mean, rel=1e-9)
    text = str(m)
    assert "160 networks, errors over networks" in text
    assert "correlation, layer 0" in text


def test_a_two_layer_network_with_another_teacher_does_not_obey():
    """Units that learned a direction nobody asked for."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((40, 5))
    W = rng.standard_normal((60, 100, 5)) * np.sqrt(0.4)
    W[..., 3] *= 1.5
    net = fcn(100, 2.0, 2 / 64)
    predicted = equations_from(measure(net, X, [W @ X.T]), net, X, 0.3 * erf(X[:, 0]), 0.01)
    Sigma = predicted["Sigma"]
    assert not Sigma.obeyed
    assert Sigma.residual > 5 * Sigma.noise
    assert predicted["Q_f"].obeyed  # these units are Gaussian
    assert "off by" in str(predicted)


def test_few_units_are_compared_on_their_resolved_range_which_is_said():
    rng = np.random.default_rng(1)
    X = rng.standard_normal((40, 5))
    W = rng.standard_normal((60, 5)) * np.sqrt(0.4)
    V = rng.standard_normal((60, 60)) * np.sqrt(2 / 60)
    h1 = W @ X.T
    net = fcn((60, 60), 2.0, 2 / 64)
    measured = measure(net, X, [h1, V @ erf(h1)])
    for post_kernels in ("measured", "predicted"):
        predicted = equations_from(measured, net, X, 0.3 * erf(X[:, 0]), 0.1, post_kernels=post_kernels)
        inside, whole = predicted["K2"].resolved
        assert whole == 40
        assert 2 <= inside <= 10  # at most (sqrt 2 - 1)^2 of 60 units
        assert f"on {inside} of 40 dimensions" in str(predicted)
        assert np.linalg.matrix_rank(predicted["K2"].predicted, tol=1e-9) == inside
        assert predicted["Q2"].resolved == (40, 40)
        Sigma = predicted["Sigma"]  # one network of 60 units is too little for this one, which is said
        assert np.isfinite(Sigma.noise) or "exceeds the prior's stiffness" in str(predicted)


def test_the_picture_has_a_panel_for_every_equation(wide):
    predicted = equations_from(wide)
    figure = plots.equations(predicted)
    assert len(figure.axes) == 2
    assert figure.axes[0].get_legend() is not None
    deep, flat = NETWORKS["three dense layers"]
    figure = plots.equations(equations_from(solve(deep, *small(flat), NOISE)))
    assert [axes.get_title() for axes in figure.axes] == [r"$\Sigma$", "$Q^{(2)}$", "$K^{(2)}$", "$Q_f$"]


def test_fewer_modes_trade_what_is_left_out_for_noise(wide):
    """At an exact solution what Sigma is off falls with the modes of K that are kept, to nothing at all."""
    net, flat = NETWORKS["three dense layers"]
    sol = solve(net, *small(flat), NOISE, tol=1e-10)
    off = [equations_from(sol, modes=count)["Sigma"].residual for count in (1, 4, 14)]
    assert off[0] > 1.5 * off[1] > 1e4 * off[2]
    assert equations_from(sol, modes=4)["K2"].resolved == (4, 14)
    with pytest.raises(ValueError, match="modes=0 must be a whole number"):
        equations_from(wide, modes=0)
