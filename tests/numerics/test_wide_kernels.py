"""Kernels of tanh and GELU at large variances: against mpmath, the series, differences, limits."""

import mpmath
import numpy as np
import pytest
from deep_problems import small
from mutants import breaks
from test_mean_kernels import ORDERS, kernels, moments
from test_means import check_gradient

from numerics import fcn, solve
from numerics._generated import load
from numerics.activations import OutOfRange, named, quadrature
from numerics.kernels.kernel_maps import KernelMap
from numerics.pixels import dense

ALL_ORDERS = (*ORDERS, (3, 0), (2, 1), (1, 2), (0, 3), (4, 0), (3, 1), (2, 2), (1, 3), (0, 4))
WIDE = ("tanh", "gelu")


def wide(name, K12, m1, v1, m2, v2):
    """What replaces the series, at any variance; the fifteen moments."""
    loops = load(name)

    def side(v, m):
        rows = np.empty((loops.WIDE, 1))
        loops.statistics(np.array([v], dtype=float), np.array([m], dtype=float), rows)
        return rows

    value, slopes = np.empty((1, 1)), np.empty((15, 1))
    for M in (value, slopes):
        loops.wide_moments(np.array([K12], dtype=float), side(v1, m1), 0, side(v2, m2), M)
    return np.append(value[0], slopes[1:])


def tanh_slopes(h):
    """tanh and four derivatives, as polynomials in tanh."""
    t = mpmath.tanh(h)
    s = 1 - t * t
    return t, s, -2 * t * s, (6 * t * t - 2) * s, (16 - 24 * t * t) * t * s


def gelu_slopes(h):
    density = mpmath.npdf(h)
    cdf = mpmath.ncdf(h)
    polynomials = (2 - h**2, h**3 - 4 * h, -(h**4) + 7 * h**2 - 4)
    return h * cdf, cdf + h * density, *(p * density for p in polynomials)


SLOPES = {"tanh": tanh_slopes, "gelu": gelu_slopes}


def by_quadrature(name, K12, m1, v1, m2, v2, spacing):
    """E[phi^(i) phi^(j)] by the trapezoidal rule in (h1, h2), on a lattice that a bend of width one needs."""
    K12, m1, v1, m2, v2 = map(mpmath.mpf, (K12, m1, v1, m2, v2))
    tilt, rest = K12 / v1, mpmath.sqrt(v2 - K12**2 / v1)

    def lattice(centre, s):
        low, high = (int(mpmath.nint((centre + side * 10.5 * s) / spacing)) for side in (-1, 1))
        return range(low, high + 1)

    known = {}

    def slopes(k):
        if k not in known:
            known[k] = SLOPES[name](k * spacing)
        return known[k]

    total = dict.fromkeys(ALL_ORDERS, mpmath.mpf(0))
    for k in lattice(m1, mpmath.sqrt(v1)):
        outer = spacing * mpmath.npdf(k * spacing, m1, mpmath.sqrt(v1))
        centre = m2 + tilt * (k * spacing - m1)
        inside = lattice(centre, rest)
        weights = [spacing * mpmath.npdf(b * spacing, centre, rest) for b in inside]
        inner = [mpmath.fdot(weights, column) for column in zip(*map(slopes, inside), strict=True)]
        for i, j in ALL_ORDERS:
            total[i, j] += outer * slopes(k)[i] * inner[j]
    return total


# K12, m1, v1, m2, v2: correlations of .6, -.97, .998; the first is in the range of both
PAIRS = {
    "both ranges": (3.0, 0.0, 5.0, 0.0, 5.0),
    "negative": (-33.0, 0.0, 60.0, 0.0, 19.3),
    "nearly one": (59.88, 0.0, 60.0, 0.0, 60.0),
    "one side narrow": (3.0, 0.0, 40.0, 0.0, 0.4),
}


@breaks(
    "analytic/expectations/gelu.py",
    "(K12 / V11, (detK + K22) / V11)",
    "(K12 / V11, (detK + K22 + 1) / V11)",
    "noise of h2 that GELU does not have",
    case="negative-gelu",
)
@breaks(
    "analytic/templates/mixture_steps.py",
    "apart = v1 * NOISE[k] +",
    "apart = v1 * NOISE[j] +",
    "noises of the wrong sides",
    case="negative-tanh",
)
@breaks("analytic/expectations/tanh.py", "NODES = 13", "NODES = 8", "too few noises", case="negative-tanh")
@breaks(
    "analytic/expectations/tanh.py",
    "return 4 * mpmath.fsum(terms)",
    "return 4 * kappa * mpmath.fsum(terms)",
    "another law of the noise",
    case="negative-tanh",
)
@pytest.mark.parametrize("name", WIDE)
@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
def test_moments_against_a_quadrature_of_many_digits(name, pair):
    K12, m1, v1, m2, v2 = pair
    if name == "gelu":
        m1, m2 = 1.3, -0.6
    found = wide(name, K12, m1, v1, m2, v2)
    with mpmath.workdps(22):
        spacing = mpmath.mpf(1) / (5 if name == "tanh" else 4)
        expected = by_quadrature(name, K12, m1, v1, m2, v2, spacing)
    for order, value in zip(ALL_ORDERS, found, strict=True):
        # measured: 4e-13 in the fourth slope of the tanh of the narrow h, elsewhere below 1e-13
        tolerance = 1e-12 if sum(order) == 4 else 1e-13
        assert value == pytest.approx(float(expected[order]), rel=tolerance, abs=1e-13), order


@pytest.mark.parametrize("name", WIDE)
def test_moments_do_not_jump_where_the_series_ends(name):
    """Both resolve variances of four and eight; fourth slopes of the series to 5e-12, others to 3e-13."""
    series = quadrature(f"own {name}", named(name).phi, named(name).dphi)
    rng = np.random.default_rng(0)
    for v in (4.0, 8.0):
        for rho in (-0.9, 0.2, 0.99):
            m1, m2 = rng.standard_normal(2) * (name == "gelu")
            K12 = rho * v * np.sqrt(0.7)
            sides = [series.statistics(np.array([[[u], [m]]]))[0] for u, m in ((v, m1), (0.7 * v, m2))]
            for number, orders in ((1, 0), (6, 2), (15, 4)):
                M = np.empty((number, 1))
                loops = series.loops
                left, right = (loops.expand(side, orders) for side in sides)
                loops.moments(np.array([K12]), left, 0, right, M)
                first = 0 if number == 1 else 1
                rest = wide(name, K12, m1, v, m2, 0.7 * v)[first:number]
                np.testing.assert_allclose(M[first:, 0], rest, rtol=0, atol=1e-11)


@pytest.mark.parametrize("variance", [100.0, 1e4, 1e8])
@pytest.mark.parametrize("name", WIDE)
def test_a_unit_with_itself_at_any_variance(name, variance):
    """Correlation one: one-dimensional integrals, of which those of slopes are local."""
    m = 0.7 if name == "gelu" else 0.0
    found = moments(name, variance, m, variance, m, variance, number=15)
    s = np.sqrt(variance)
    with mpmath.workdps(30):
        marks = sorted({*range(-24, 25, 3), *(m + k * s for k in range(-13, 14))})

        def integral(i, j):
            return mpmath.quad(
                lambda h: SLOPES[name](h)[i] * SLOPES[name](h)[j] * mpmath.npdf(h, m, s), marks
            )

        for order in ((1, 1), (2, 0), (2, 2), (3, 1)):
            exact = float(integral(*order))
            assert found[ALL_ORDERS.index(order)] == pytest.approx(exact, rel=1e-12), order
        value = moments(name, variance, m, variance, m, variance, number=1)[0]
        assert value == pytest.approx(float(integral(0, 0)), rel=1e-13)


def test_very_wide_units_are_steps_and_ramps():
    """sign and ReLU, but for terms of relative order 1/variance."""
    v, rho = 1e10, 0.4
    assert moments("tanh", rho * v, 0, v, 0, v, number=1)[0] == pytest.approx(
        2 / np.pi * np.arcsin(rho), rel=1e-9
    )
    relu = moments("relu", rho * v, 3e4, v, -1e5, v, number=1)[0]
    assert moments("gelu", rho * v, 3e4, v, -1e5, v, number=1)[0] == pytest.approx(relu, rel=1e-9)


@breaks(
    "analytic/templates/difference.py",
    "(p - q) + (_lost(a, b, p) - _lost(c, d, q))",
    "(p - q)",
    "determinant without its last digits",
    case="gelu",
)
@pytest.mark.parametrize("name", WIDE)
def test_nearly_equal_units_keep_their_digits(name):
    """1 - rho^2 of 1e-13, which rounds to three digits in products of variances."""
    v = 3e11 + 1.0
    K12 = v - 0.125  # exact in binary
    found = moments(name, K12, 0, v, 0, v, number=15)
    with mpmath.workdps(25):
        a, b = mpmath.mpf(v), mpmath.mpf(K12)
        # h1 - h2 ~ N(0, 1/4): E over the sum s of both, which is as good as flat where slopes are not zero
        rest = a - b
        density = mpmath.npdf(0, 0, mpmath.sqrt((a + b) / 2))
        exact = mpmath.mpf(0)
        for x in np.arange(-8, 8.1, 0.5):
            d = x * mpmath.sqrt(rest / 2)
            both = (SLOPES[name](h + d)[2] * SLOPES[name](h - d)[2] for h in np.arange(-20, 20.1, 0.25))
            exact += mpmath.npdf(x) / 2 * mpmath.fsum(both) / 4 * density
    assert found[ALL_ORDERS.index((2, 2))] == pytest.approx(float(exact), rel=1e-9)


@pytest.mark.parametrize("hidden", [True, False], ids=["hidden", "input"])
@pytest.mark.parametrize("name", WIDE)
def test_adjoint_and_tangents_at_large_variance(name, hidden):
    """The loops over tiles by differences of order two, where the series has no terms."""
    at, moving, along = kernels(hidden, means=name == "gelu", scale=30.0)
    layer = KernelMap(dense(4), 1.7, name, 0.3)
    assert layer.activation.statistics(layer._moments(at(0))[0]).shape[1] == 1 + layer.loops.WIDE
    rng = np.random.default_rng(4)
    A, dA = (B + B.T for B in rng.standard_normal((2, 9, 9)))
    lower = np.tri(9, dtype=bool)
    dQ = np.where(lower, layer.tangent(at(0), moving), 0)
    V, u = layer.adjoints(at(0), A)
    weighted = np.sum(A * (dQ + np.tril(dQ, -1).T))
    assert weighted == pytest.approx(along(V, u), rel=1e-11)
    dV, _ = layer.adjoint_tangents(at(0), moving, A, dA)
    errors = []
    for t in (2e-3, 1e-3):
        change = np.where(lower, layer.value(at(t)) - layer.value(at(-t)), 0) / (2 * t)
        ends = [layer.adjoint(at(s), A + s * dA) for s in (t, -t)]
        change_V = (ends[0] - ends[1]) / (2 * t)
        errors.append([np.linalg.norm(change - dQ), np.linalg.norm(change_V - dV)])
    np.testing.assert_allclose(np.divide(*np.array(errors)), 4, rtol=0.05)


@pytest.mark.parametrize("name", WIDE)
def test_gradient_of_the_free_energy_with_large_inputs(name):
    X, y = small(True)
    check_gradient(fcn((20, 30), (1.5, 2.0), 0.7, name), 15 * X, y)


@pytest.mark.parametrize("name", WIDE)
def test_large_inputs_are_solved_and_small_test_inputs_predicted(name):
    """Rows by the one and columns by the other, which needs a common form."""
    X, y = small(True)
    sol = solve(fcn(20.0, activation=name), 20 * X, y, 0.05, tol=1e-9)
    assert sol.residual <= 1e-9
    narrow, wider = X[:4] / 20, np.append(X[:4] / 20, 20 * X[:1], axis=0)
    alone = sol.predict(narrow)
    assert np.isfinite(alone).all()
    np.testing.assert_allclose(sol.predict(wider)[:4], alone, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(sol.predict(20 * X), sol.f_bar, atol=1e-8)


def test_what_double_precision_does_not_resolve_is_refused():
    with pytest.raises(
        OutOfRange, match=r"'gelu': pre-activations have the variance 1e\+15.*rescale X and y"
    ):
        named("gelu").statistics(np.array([[[1e15], [0.0]]]))
    with pytest.raises(OutOfRange, match="too steep"):  # tanh has no means, which the equations never ask for
        named("tanh").statistics(np.array([[[1e4], [0.1]]]))
