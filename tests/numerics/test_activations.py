"""Activations as objects: forward maps of every one, and the way into another process and back."""

import copy
import multiprocessing
import pickle

import numpy as np
import pytest
from mutants import breaks
from scipy.special import erf, ndtr

from numerics import ACTIVATIONS, cnn, hermite, solve
from numerics._generated import ACTIVATIONS as GENERATED
from numerics.activations import BUILT_IN, named, quadrature
from numerics.kernels.kernel_maps import KernelMap
from numerics.kernels.preactivations import HiddenKernel
from numerics.pixels import dense

NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(60)


def softplus(h):
    return np.logaddexp(0, h)


def logistic(h):
    return 1 / (1 + np.exp(-h))


OWN = quadrature("softplus", softplus, logistic)

# phi once more, by hand
WRITTEN = {
    "erf": erf,
    "linear": lambda h: h,
    "relu": lambda h: np.where(h > 0, h, 0.0),
    "tanh": lambda h: 1 - 2 / (np.exp(2 * h) + 1),
    "gelu": lambda h: h * ndtr(h),
    "sin": lambda h: np.imag(np.exp(1j * h)),
    "softplus": softplus,
}


def every():
    return [*(pytest.param(named(name), id=name) for name in ACTIVATIONS), pytest.param(OWN, id="own")]


def test_the_built_in_ones_are_those_that_are_generated():
    assert tuple(GENERATED) == ACTIVATIONS == tuple(BUILT_IN)
    assert set(ACTIVATIONS) < set(WRITTEN)
    assert all(activation.name == name for name, activation in BUILT_IN.items())


@breaks(
    "analytic/generator/forward.py",
    "slope = diff(phi, h) if dphi is None",
    "slope = phi if dphi is None",
    "phi for its slope",
    case="sin",
)
@pytest.mark.parametrize("activation", every())
def test_forward_map_and_slope(activation):
    h = np.linspace(-4.1, 3.7, 24).reshape(2, 3, 4)
    kept = h.copy()
    phi, dphi = activation.phi(h), activation.dphi(h)
    np.testing.assert_allclose(phi, WRITTEN[activation.name](h), rtol=1e-13, atol=1e-15)
    step = 1e-5
    difference = (activation.phi(h + step) - activation.phi(h - step)) / (2 * step)
    np.testing.assert_allclose(dphi, difference, atol=1e-9)
    both = activation.activate(h)
    np.testing.assert_allclose(both[0], phi, rtol=4e-16, atol=1e-16)
    np.testing.assert_allclose(both[1], dphi, rtol=2e-15, atol=3e-16)
    for array in (phi, dphi, *both):
        assert array.shape == h.shape
        assert array.dtype == float
        array += 1.0  # belongs to the caller
    np.testing.assert_array_equal(h, kept)
    odd = np.abs(activation.phi(h) + activation.phi(-h)).max() < 1e-14
    assert activation.odd == odd


@breaks(
    "analytic/generator/single.py",
    "b[i] = 1 / q",
    "b[i] = (1 + mp.mpf(10) ** -6) / q",
    "an erf of single precision off by 1e-6",
    case="erf",
)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_forward_map_in_single_precision(name):
    # over all that a unit meets, the small ones to relative accuracy, and where exp ends
    h = np.concatenate([np.linspace(-14, 14, 100_001), np.geomspace(1e-30, 1, 1000), [1e4, -1e4]])
    h = h.astype(np.float32)
    values, slopes = named(name).activate(h)
    assert values.dtype == slopes.dtype == np.float32
    exact, slope = named(name).activate(h.astype(float))
    # five roundings of single precision; gelu's own size grows with h
    np.testing.assert_allclose(values, exact, rtol=5e-7, atol=1e-6 if name == "gelu" else 1e-37)
    np.testing.assert_allclose(slopes, slope, rtol=5e-7, atol=7e-7)
    assert np.isnan(named(name).activate(np.array([np.nan], dtype=np.float32))[0])


@pytest.mark.parametrize("activation", every())
def test_forward_map_takes_any_layout(activation):
    h = np.linspace(-2.0, 2.0, 12).reshape(3, 4)
    for view in (h.T, h[:, ::2], np.asfortranarray(h), h[1, 2], np.empty((0, 3))):
        values, slopes = activation.activate(view)
        assert values.shape == slopes.shape == np.shape(view)
        np.testing.assert_allclose(values, WRITTEN[activation.name](view), rtol=1e-13, atol=1e-15)
        np.testing.assert_allclose(slopes, activation.dphi(view), rtol=2e-15, atol=3e-16)
    read_only = h.copy()
    read_only.flags.writeable = False
    np.testing.assert_array_equal(activation.activate(read_only)[0], activation.activate(h)[0])


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_a_pre_activation_that_is_not_a_number_stays_none(name):
    h = np.array([np.nan, 0.0])
    assert np.isnan(named(name).phi(h)[0])
    assert np.isnan(named(name).activate(h)[0][0])


@breaks(
    "analytic/generator/primitives.py",
    "s = -0.5 * exp(a + y)",
    "s = -exp(a + y)",
    "sinh without 1/2",
    case="sin",
)
@pytest.mark.parametrize("name", [name for name in ACTIVATIONS if named(name).odd])
def test_the_kernel_is_that_of_the_forward_map(name):
    """E[phi(h1) phi(h2)] and dG/dK12 by Gauss-Hermite quadrature of `phi`, through what a solve calls."""
    K = np.array([[0.3, 0.12], [0.12, 0.5]])
    L = np.linalg.cholesky(K)
    x, y = np.meshgrid(NODES, NODES, indexing="ij")
    h1, h2 = L[0, 0] * x, L[1, 0] * x + L[1, 1] * y
    weight = np.multiply.outer(WEIGHTS, WEIGHTS) / (2 * np.pi)
    phi, dphi = named(name).phi, named(name).dphi
    kernels, kernel = KernelMap(dense(1), 1.0, name), HiddenKernel.at(K, 1)
    assert kernels.value(kernel)[1, 0] == pytest.approx((weight * phi(h1) * phi(h2)).sum())
    slope = kernels.adjoint(kernel, np.array([[0.0, 0.5], [0.5, 0.0]]))[0, 1]
    assert 2 * slope == pytest.approx((weight * dphi(h1) * dphi(h2)).sum())


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_a_built_in_activation_is_one_object_wherever_it_goes(name):
    activation = named(name)
    assert copy.deepcopy(activation) is activation
    assert copy.copy(activation) is activation
    assert pickle.loads(pickle.dumps(activation)) is activation
    assert str(activation) == name
    assert len(pickle.dumps(activation)) < 100


def test_one_s_own_is_copied_as_itself_and_pickled_by_its_functions():
    assert copy.deepcopy(OWN) is OWN
    again = pickle.loads(pickle.dumps(OWN))
    assert (again.name, again.phi, again.dphi, again.odd) == ("softplus", softplus, logistic, False)
    with pytest.raises((pickle.PicklingError, AttributeError), match="lambda"):
        pickle.dumps(quadrature("mine", lambda h: np.sinh(h), np.cosh))


def elsewhere(activation):
    """What another process makes of an activation: alpha, and whether it is the object of its name."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((8, 2, 3))
    sol = solve(cnn(20.0, 0.5, activation=activation), X, X[:, 0, 0], 0.1)
    values, _ = activation.activate(np.array([0.3]))
    return float(sol.alpha), float(values[0]), activation is BUILT_IN.get(activation.name)


def test_a_process_that_shares_nothing_gets_the_same_activations():
    activations = [named("sin"), named("gelu"), OWN]
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        there = pool.map(elsewhere, activations)
    here = [elsewhere(activation) for activation in activations]
    assert [is_built_in for *_, is_built_in in there] == [True, True, False]
    np.testing.assert_allclose([row[:2] for row in there], [row[:2] for row in here], rtol=1e-12)


def test_series_and_closed_form_agree_on_what_has_both():
    """The sine by Mehler's series, with the generated forward map, against its closed form."""
    moments = np.array([[[0.4, 1.1], [0.0, 0.0]]])
    sine = named("sin")
    D = hermite.statistics(sine.phi, sine.dphi, True, moments)[0]
    terms = (len(D) - 1) // 2
    series = np.polynomial.polynomial.polyval(
        0.2 / np.sqrt(0.4 * 1.1), D[1 : 1 + terms, 0] * D[1 : 1 + terms, 1]
    )
    assert series == pytest.approx(np.exp(-0.75) * np.sinh(0.2), rel=1e-12)
