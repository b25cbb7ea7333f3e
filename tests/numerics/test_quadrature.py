"""Activations without a closed form: expectations by adaptive quadrature, one's own functions, refusals."""

import numba
import numpy as np
import pytest
from deep_problems import NETWORKS, small
from mutants import breaks
from scipy.integrate import dblquad
from scipy.special import erf, ndtr
from test_mean_kernels import moments
from test_means import check_gradient

from numerics import ACTIVATIONS, activations, cnn, fcn, hermite, load, solve
from numerics._generated import ACTIVATIONS as GENERATED
from numerics.activations import named, quadrature

NOISE = 0.05


def gauss(h):
    return np.exp(-(h**2) / 2) / np.sqrt(2 * np.pi)


# phi, phi', phi'' written out once more
FUNCTIONS = {
    "tanh": (np.tanh, lambda h: 1 / np.cosh(h) ** 2, lambda h: -2 * np.tanh(h) / np.cosh(h) ** 2),
    "gelu": (lambda h: h * ndtr(h), lambda h: ndtr(h) + h * gauss(h), lambda h: (2 - h * h) * gauss(h)),
}
assert set(FUNCTIONS) == {name for name, entry in GENERATED.items() if entry.series}
# K12, m1, K11, m2, K22 with correlations .5, -.85, .999; tanh is odd but its kernel is right for any mean
PAIRS = [(0.5, 0.3, 1.0, -0.8, 1.0), (-1.7, -1.1, 4.0, 0.4, 1.0), (1.9980, 0.6, 2.0, 0.9, 2.0)]


@breaks(
    "analytic/templates/series_moments.py",
    "rho[b] * rho[b] if odd else rho[b]",
    "rho[b] * rho[b] if odd else rho[b]**2",
    "Mehler in rho^2",
    case="negative-gelu",
)
@breaks(
    "analytic/templates/series_moments.py",
    "sqrt(k + 1.0) * out[i - 1",
    "(k + 1.0) * out[i - 1",
    "phi'' without the root of k",
    case="negative-gelu",
)
@breaks(
    "numerics/hermite.py",
    "/ np.sqrt(k + 1)",
    "/ np.sqrt(k)",
    "polynomials not normalised",
    case="negative-gelu",
)
@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("pair", PAIRS, ids=["half", "negative", "nearly one"])
def test_expectations_against_adaptive_quadrature(name, pair):
    K12, m1, K11, m2, K22 = pair
    phi, dphi, ddphi = FUNCTIONS[name]
    s, tilt, rest = np.sqrt(K11), K12 / np.sqrt(K11), np.sqrt(K22 - K12**2 / K11)

    def expected(f, g):
        def integrand(y, x):
            return f(m1 + s * x) * g(m2 + tilt * x + rest * y) * gauss(x) * gauss(y)

        return dblquad(integrand, -9, 9, -9, 9, epsabs=1e-11, epsrel=1e-11)[0]

    value = moments(name, *pair, number=1)[0]
    first = moments(name, *pair)
    # measured: 3e-13 at most
    assert value == pytest.approx(expected(phi, phi), abs=1e-10)
    assert first[4] == pytest.approx(expected(dphi, dphi), abs=1e-10)
    assert first[1] == pytest.approx(expected(dphi, phi), abs=1e-10)
    assert first[3] == pytest.approx(expected(ddphi, phi), abs=1e-10)


@breaks(
    "analytic/templates/series_moments.py",
    "(i + 1) % 2 if odd",
    "i % 2 if odd",
    "odd terms of odd functions dropped",
    case="tanh",
)
@breaks("numerics/hermite.py", "TAIL = 1e-13", "TAIL = 1e-5", "too few terms", case="tanh")
@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_unit_with_itself_at_large_variance(name):
    """Correlation one, where the series converges slowest: a one-dimensional integral, very finely."""
    phi, dphi, _ = FUNCTIONS[name]
    x = np.linspace(-12, 12, 20001)
    for m, v in ((0.0, 1.0), (0.5, 4.0), (-1.0, 8.0)):
        h = m + np.sqrt(v) * x
        value, slope = ((f(h) ** 2 * gauss(x)).sum() * (x[1] - x[0]) for f in (phi, dphi))
        assert moments(name, v, m, v, m, v, number=1)[0] == pytest.approx(value, rel=1e-12)
        assert moments(name, v, m, v, m, v)[4] == pytest.approx(slope, rel=2e-12)


def test_a_unit_without_variance():
    """s = 0: phi(m) itself, and no division by s."""
    found = moments("gelu", 0.0, 0.0, 0.0, 0.4, 1.0, number=15)
    assert np.isfinite(found[1:]).all()
    assert moments("gelu", 0.0, 0.0, 0.0, 0.4, 1.0, number=1)[0] == 0
    assert found[1] == pytest.approx(moments("gelu", 1e-9, 0.0, 1e-6, 0.4, 1.0)[1], rel=1e-5)


# two-layer CNN, three-layer FCN, three-layer CNN with biases and pooling: unequal widths and variances
GRADIENT_NETWORKS = {
    "two layers": lambda phi: (cnn(11.0, 1.5, 0.9, phi), False),
    "three dense layers": lambda phi: (fcn((20, 30), (1.5, 2.0), 0.7, phi), True),
    "biases and pooling": lambda phi: (
        cnn((25, 12), (1.5, 2.0), 0.9, phi, windows=(2,), bias_variance=0.2, readout="global_pooling"),
        False,
    ),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("kind", GRADIENT_NETWORKS)
def test_gradient_of_the_free_energy_by_differences_of_order_two(kind, name):
    net, flat = GRADIENT_NETWORKS[kind](name)
    check_gradient(net, *small(flat))


def test_the_closed_form_and_the_series_agree_on_erf():
    mine = quadrature("my erf", erf, lambda h: 2 / np.sqrt(np.pi) * np.exp(-(h**2)))
    assert mine.odd
    for name in ("three dense layers", "global pooling"):
        net, flat = NETWORKS[name]
        X, y = small(flat)
        known = solve(net, X, y, NOISE, tol=1e-11)
        own = type(net)(**{**vars(net), "activation": mine})
        for method in ("anderson", "newton")[: len(net.widths)]:
            found = solve(own, X, y, NOISE, tol=1e-11, method=method)
            assert found.free_energy == pytest.approx(known.free_energy, abs=1e-9)
            np.testing.assert_allclose(found.Sigma, known.Sigma, atol=1e-9)
        assert found.first_order.alpha_slope == pytest.approx(known.first_order.alpha_slope, rel=1e-9)
        np.testing.assert_allclose(found.predict(X + 0.1), known.predict(X + 0.1), atol=1e-9)


@pytest.mark.parametrize("name", ["gelu", "tanh"])
def test_solutions_and_their_test_points(name):
    """A joint solve whose test points have infinite noise, through a hidden layer."""
    X, y = small(True)
    net = fcn((20, 30), (1.5, 2.0), 0.7, name)
    sol = solve(net, X[:10], y[:10], NOISE, tol=1e-10)
    assert sol.residual <= 1e-10
    assert (np.abs(sol.kernels[0].mean).max() > 1e-3) == (name == "gelu")
    noise = np.where(np.arange(14) < 10, NOISE, np.inf)
    joint = solve(net, X, y, noise, tol=1e-10)
    np.testing.assert_allclose(joint.f_bar[10:], sol.predict(X[10:]), atol=1e-8)
    assert joint.free_energy == pytest.approx(sol.free_energy, abs=1e-8)


def softplus(h):
    return np.logaddexp(0, h)


def logistic(h):
    return 1 / (1 + np.exp(-h))


def test_one_s_own_functions_in_numpy_and_numba():
    X, y = small(True)
    compiled = quadrature(
        "numba softplus",
        numba.vectorize(["float64(float64)"])(lambda h: np.log1p(np.exp(-abs(h))) + max(h, 0.0)),
        numba.vectorize(["float64(float64)"])(lambda h: 1 / (1 + np.exp(-h))),
    )
    plain = quadrature("softplus", softplus, logistic)
    assert not plain.odd
    one, other = (solve(fcn((20, 30), activation=phi), X, y, NOISE) for phi in (plain, compiled))
    assert one.alpha == pytest.approx(other.alpha, rel=1e-10)
    assert one.weight_mean.any()
    assert "softplus" in str(one)


def test_what_a_file_cannot_hold(tmp_path):
    X, y = small(True)
    own = quadrature("softplus", softplus, logistic)
    with pytest.raises(ValueError, match="'softplus' is made of your own functions"):
        solve(fcn(20.0, activation=own), X, y, NOISE).save(tmp_path / "sol.npz")
    sol = solve(fcn(20.0, activation=named("gelu")), X, y, NOISE)  # the object that the name stands for
    sol.save(tmp_path / "sol.npz")
    assert load(tmp_path / "sol.npz").problem.net.activation == "gelu"
    np.testing.assert_array_equal(load(tmp_path / "sol.npz").predict(X), sol.predict(X))


def test_bad_functions_are_refused_in_one_sentence():
    with pytest.raises(ValueError, match="not the derivative"):
        quadrature("half", softplus, lambda h: logistic(h) / 2)
    with pytest.raises(ValueError, match="kink"):
        quadrature("leaky", lambda h: np.where(h > 0, h, 0.1 * h), lambda h: np.where(h > 0, 1.0, 0.1))
    with pytest.raises(ValueError, match="phi failed on an array"):
        quadrature("scalar", lambda h: h if h > 0 else 0.0, logistic)
    with pytest.raises(ValueError, match="dphi must return finite floats"):
        quadrature("constant", softplus, lambda h: 1.0)
    with pytest.raises(ValueError, match="new name"):
        quadrature("gelu", softplus, logistic)
    with pytest.raises(ValueError, match=r"'erf', 'linear', 'relu', 'tanh', 'gelu'"):
        cnn(3, activation="swish")
    assert tuple(activations.BUILT_IN) == ACTIVATIONS


def test_what_the_series_does_not_resolve_is_refused():
    """Inputs so large that tanh is a step."""
    X, y = small(True)
    with pytest.raises(ValueError, match=r"'own tanh' is too steep .* rescale X"):
        solve(fcn(20.0, activation=quadrature("own tanh", *FUNCTIONS["tanh"][:2])), 20 * X, y, NOISE)


def test_zero_means_of_an_odd_function_take_the_short_sums():
    """Half of the terms, and no odd orders: the same numbers as with a mean too small to matter."""
    short = moments("tanh", 0.9, 0.0, 2.0, 0.0, 1.5, number=15)
    long = moments("tanh", 0.9, 1e-13, 2.0, 1e-13, 1.5, number=15)
    np.testing.assert_allclose(short[1:], long[1:], atol=1e-11)


def test_as_many_terms_as_are_needed():
    m, s = np.zeros(2), np.array([0.5, 1.5])
    terms = hermite.terms_needed(FUNCTIONS["tanh"][1], m, s)
    d = hermite.coefficients(FUNCTIONS["tanh"][1], m, s)
    assert (d[:, terms:] ** 2).sum() <= 1e-13 * (d**2).sum(axis=1).min()
    assert (d[1, terms // 2 :] ** 2).sum() > 1e-13 * (d[1] ** 2).sum()
