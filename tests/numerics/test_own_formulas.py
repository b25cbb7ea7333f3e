"""Activations of formulas, end to end: solved, sampled, in files, in other processes; the series' error."""

import multiprocessing
import pickle

import mpmath
import numpy as np
import pytest
import sympy as sp
from mutants import breaks

from analytic import activation
from numerics import cnn, fcn, load, sample, solve, solve_path
from numerics.activations import OutOfRange, named
from numerics.kernels.kernel_maps import KernelMap
from numerics.kernels.preactivations import HiddenKernel
from numerics.pixels import dense
from numerics.solutions import archive

x = sp.Symbol("x", real=True)
SLOW = pytest.mark.certify  # each compiles for ten seconds or more
LISTED = {
    "sin": sp.sin(x),
    "abs": sp.Abs(x),
    "leaky relu": sp.Max(x, x / 10),
    "cubic": x**3 - 3 * x,
    "erf and half": sp.erf(x) + x / 2,
    "cosine": sp.cos(x + 0.3),
    "gauss": sp.exp(-(x**2)),
}
RNG = np.random.default_rng(0)
X = RNG.standard_normal((16, 4))
Y = np.tanh(X[:, 0])


def listed(quick):
    return [pytest.param(name, marks=() if name in quick else SLOW) for name in LISTED]


@pytest.mark.parametrize("name", listed(("leaky relu", "cubic")))
def test_three_layers_down_to_width_twenty_and_sampled(name, tmp_path):
    own = activation(LISTED[name])
    # the cubic's kernels grow with the sixth power of what enters: its inputs are kept small
    net = fcn((20, 20), 0.3 if name == "cubic" else 1.0, 0.5, activation=own)
    path = solve_path(net, X, Y, 0.1, widths=(200, 60, 20))
    assert [sol.status.name for sol in path] == ["CONVERGED"] * 3
    last = path[-1]
    assert last.residual < 1e-8
    last.save(tmp_path / "own.npz")
    again = load(tmp_path / "own.npz")
    assert again.problem.net.activation == own
    np.testing.assert_array_equal(again.predict(X), last.predict(X))
    runs = sample(net, X, Y, 0.1, draws=20, chains=2, seed=0)
    assert np.isfinite(runs.predict(X)).all()


def test_a_built_in_one_by_its_formula_gives_the_same_solution():
    nets = [cnn(30.0, 1.0, activation=phi) for phi in ("sin", activation(sp.sin(x)))]
    images = X.reshape(16, 2, 2)
    built_in, own = (solve(net, images, Y, 0.1) for net in nets)
    np.testing.assert_allclose(own.Sigma, built_in.Sigma, rtol=1e-9)
    assert own.alpha == pytest.approx(built_in.alpha, rel=1e-9)


def elsewhere(own):
    phi = named(own)
    moments = np.array([[[0.4, 1.1], [0.3, -0.2]]])
    return phi.statistics(moments), phi.activate(np.array([0.3, -1.0])), phi.name


def test_another_process_gets_the_same():
    formulas = [activation(sp.Max(x, x / 10)), activation(sp.atan(x))]
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        there = pool.map(elsewhere, formulas)
    for (D, both, name), own in zip(there, formulas, strict=True):
        np.testing.assert_array_equal(D, elsewhere(own)[0])
        np.testing.assert_array_equal(both, own.activate(np.array([0.3, -1.0])))
        assert name == own.name


SERIES = {
    "atan": (sp.atan(x), 0.0, mpmath.atan),
    "softplus": (sp.log(1 + sp.exp(x)), 0.4, lambda t: mpmath.log1p(mpmath.exp(t))),
    "swish": (x / (1 + sp.exp(-x)), -0.5, lambda t: t / (1 + mpmath.exp(-t))),
}


@breaks(
    "numerics/hermite.py",
    "tails <= tail * tails[:, :1]",
    "tails <= 1e-2 * tails[:, :1]",
    "terms for another error",
    case="atan-1e-08",
)
@pytest.mark.parametrize("error", [1e-4, 1e-8, 1e-13])
@pytest.mark.parametrize("name", SERIES)
def test_the_series_has_the_error_that_is_asked(name, error):
    """E[phi(h)^2], where the series is longest, against mpmath; fewer terms for a larger error."""
    formula, mean, phi = SERIES[name]
    own = named(activation(formula, error=error))
    assert own.with_means
    assert not own.formula.closed
    v = 1.5
    kernel = HiddenKernel.at(np.full((1, 1), v), 1, np.array([mean]))
    found = KernelMap(dense(1), 1.0, own).value(kernel)[0, 0]
    exact = mpmath.quad(lambda t: phi(mean + mpmath.sqrt(v) * t) ** 2 * mpmath.npdf(t), [-12, -4, 0, 4, 12])
    # the tail bounds sum k c_k^2 / v, so that of sum c_k^2 it is smaller; rounding below 1e-13
    assert abs(found - float(exact)) < max(error, 1e-13) * v
    assert own.rows(v) <= named(activation(formula)).rows(v)


def test_a_larger_error_takes_fewer_terms():
    rows = [named(activation(sp.atan(x), error=error)).rows(1.0) for error in (1e-3, 1e-6, 1e-13)]
    assert rows[0] < rows[1] < rows[2]


@pytest.mark.parametrize("formula", [sp.tan(x / 2) + x, sp.exp(-sp.sqrt(x**2 + sp.Rational(1, 10**6)))])
def test_what_quadrature_does_not_resolve_is_refused_by_the_network(formula):
    with pytest.raises(ValueError, match="a pole, a kink or a bend so sharp that quadrature"):
        fcn(10, activation=activation(formula))


def test_exponentials_beside_a_kink_stop_where_digits_do():
    elu = named(activation(sp.Piecewise((x, x > 0), (sp.exp(x) - 1, True))))
    elu.statistics(np.full((1, 2, 3), 6.0))
    with pytest.raises(OutOfRange, match="fewer than ten digits; lower weight_variance"):
        elu.statistics(np.full((1, 2, 3), 8.0))


def test_forward_maps_of_kinks_and_of_tails():
    h = np.array([-800.0, -40.0, -1.0, 0.0, 0.5, 30.0, 800.0])
    elu = activation(sp.Piecewise((x, x > 0), (sp.exp(x) - 1, True)))
    np.testing.assert_allclose(elu.phi(h), np.where(h > 0, h, np.expm1(np.minimum(h, 0))), rtol=1e-15)
    np.testing.assert_allclose(elu.dphi(h), np.where(h > 0, 1.0, np.exp(np.minimum(h, 0))), rtol=1e-15)
    swish = activation(x / (1 + sp.exp(-x)))
    values, slopes = swish.activate(h)
    assert np.isfinite(values).all()
    np.testing.assert_allclose(slopes[[0, -1]], [0.0, 1.0], atol=1e-15)
    single = elu.activate(h.astype(np.float32))
    assert single[0].dtype == single[1].dtype == np.float32


def test_a_file_with_another_tree_is_refused():
    header = archive.network_header(fcn((5,), activation=activation(sp.Abs(x))))
    assert archive.network_of(header).activation == activation(sp.Abs(x))
    header["activation"] = {"formula": ["os.system", ["x"]], "error": 0.0}
    with pytest.raises(ValueError, match="not known"):
        archive.network_of(header)
    pickled = pickle.loads(pickle.dumps(fcn((5,), activation=activation(sp.Abs(x)))))
    assert pickled.activation == activation(sp.Abs(x))
