"""Kernels over pre-activations with means, pair by pair: against adaptive quadrature, limits, differences."""

import mpmath
import numpy as np
import pytest
from deep_problems import OVERLAPPING, POOLED, arccosine_kernel
from mutants import breaks
from small_problems import symmetric

from numerics import ACTIVATIONS
from numerics.activations import named
from numerics.kernels.kernel_maps import KernelMap
from numerics.kernels.preactivations import HiddenKernel, InputKernel
from numerics.pixels import blocks, dense

ORDERS = ((0, 0), (1, 0), (0, 1), (2, 0), (1, 1), (0, 2))


def pairs(seed=0):
    """(K12, m1, K11, m2, K22): both signs, means that vanish or lie far out, correlations next to +-1."""
    rng = np.random.default_rng(seed)
    found = []
    for i in range(18):
        v1, v2 = np.exp(rng.normal(size=2))
        m1, m2 = 1.5 * rng.normal(size=2)
        m1, m2 = (m1, m2) if i % 4 else ((0, m2), (m1, 0), (0, 0))[i // 4 % 3]
        rho = (rng.uniform(-1, 1), 1 - 10 ** -rng.uniform(1, 6), -1 + 10 ** -rng.uniform(1, 6))[i % 3]
        found.append((rho * np.sqrt(v1 * v2), m1, v1, m2, v2))
    return [*found, (0.5, 8.0, 1.0, -3.0, 1.0), (0.5, -7.0, 1.0, -7.0, 1.0), (0.2, 30.0, 1.0, -30.0, 1.0)]


def moments(name, K12, m1, v1, m2, v2, number=6):
    activation = named(name)
    one, other = (
        activation.statistics(np.array([[[v], [m]]], dtype=float))[0] for v, m in ((v1, m1), (v2, m2))
    )
    M, orders = np.empty((number, 1)), {1: 0, 6: 2, 15: 4}[number]
    loops = activation.loops
    loops.moments(np.array([K12]), loops.expand(one, orders), 0, loops.expand(other, orders), M)
    return M[:, 0]


def relu_moments(K12, m1, v1, m2, v2):
    """E[relu^(i)(h1) relu^(j)(h2)] with i, j <= 1, adaptively over h1; h2 given h1 in closed form."""
    K12, m1, v1, m2, v2 = map(mpmath.mpf, (K12, m1, v1, m2, v2))
    s1, tilt, rest = mpmath.sqrt(v1), K12 / v1, mpmath.sqrt(v2 - K12**2 / v1)
    turn = m1 - m2 / tilt  # where h2 given h1 changes sign, within a width of rest/tilt
    marks = [m1 + k * s1 for k in range(-12, 13, 3)] + [turn + k * rest / tilt for k in range(-12, 13, 3)]
    marks = [0, *sorted(x for x in marks if 0 < x < m1 + 12 * s1)]

    def over_h1(outer, inner):
        def integrand(h):
            given = m2 + tilt * (h - m1)
            return outer(h) * inner(given) * mpmath.npdf(h, m1, s1)

        return mpmath.quad(integrand, marks, method="gauss-legendre") if len(marks) > 1 else mpmath.mpf(0)

    def relu(given):
        return given * mpmath.ncdf(given / rest) + rest * mpmath.npdf(given / rest)

    def step(given):
        return mpmath.ncdf(given / rest)

    value, by_m1 = over_h1(lambda h: h, relu), over_h1(lambda h: 1, relu)
    by_m2, price = over_h1(lambda h: h, step), over_h1(lambda h: 1, step)
    kink = mpmath.npdf(0, m1, s1) * relu(m2 - tilt * m1)  # E[delta(h1) relu(h2)]
    return value, by_m1, by_m2, kink, price


@pytest.mark.parametrize("pair", pairs(), ids=lambda pair: f"{pair[0] / np.sqrt(pair[2] * pair[4]):.6f}")
def test_relu_against_adaptive_quadrature(pair):
    found = moments("relu", *pair)
    with mpmath.workdps(20):
        expected = [float(value) for value in relu_moments(*pair)]
    rho = pair[0] / np.sqrt(pair[2] * pair[4])
    # rounding of K12 moves P by 1e-16/sqrt(1 - rho^2), which is 1e-13 at most here
    tolerance = 2e-15 / np.sqrt(1 - rho * rho) * max(1, *np.abs(pair))
    np.testing.assert_allclose(found[:5], expected, rtol=0, atol=tolerance)
    swapped = moments("relu", pair[0], *pair[3:], *pair[1:3])
    assert found[5] == pytest.approx(swapped[3], rel=1e-12, abs=1e-15)


def test_second_derivatives_of_relu_by_differences_of_order_two():
    """M_ij with i + j = 3, 4 from those with i + j <= 2, moving the means; J of 3 once the covariance."""
    for pair in pairs()[:18:2]:
        if abs(pair[0]) > 0.95 * np.sqrt(pair[2] * pair[4]):
            continue
        second = moments("relu", *pair, number=15)

        def at(K12=0.0, m1=0.0, m2=0.0, v1=0.0, pair=pair):
            return moments("relu", pair[0] + K12, pair[1] + m1, pair[2] + v1, pair[3] + m2, pair[4])

        # (what moves, its order of six, the moment it gives and a factor): Bonnet and Price
        for move, order, given, factor in (
            ("m1", 3, 6, 1), ("m2", 3, 7, 1), ("m1", 5, 8, 1), ("m2", 5, 9, 1),
            ("v1", 3, 10, 0.5), ("K12", 3, 11, 1), ("K12", 4, 12, 1), ("K12", 5, 13, 1),
        ):  # fmt: skip
            errors = []
            for h in (2e-3, 1e-3):
                difference = (at(**{move: h})[order] - at(**{move: -h})[order]) / (2 * h)
                errors.append(abs(difference - factor * second[given]))
            # rounding 1e-16/h below; above it the error falls by 4
            assert errors[1] < 1e-11 or errors[0] / errors[1] == pytest.approx(4, rel=0.05)
            assert errors[1] < 1e-3
        mirrored = moments("relu", pair[0], *pair[3:], *pair[1:3], number=15)
        np.testing.assert_allclose(second[14], mirrored[10], rtol=1e-12)


@breaks(
    "analytic/templates/relu_steps.py",
    "apart = rest > COINCIDENT",
    "apart = rest > 0.0",
    "rounding for a correlation",
)
def test_one_unit_with_itself():
    """E[relu^2] and, in the direction in which both copies move, its derivatives."""
    for m, v in ((0.0, 1.3), (0.7, 0.4), (-1.9, 2.2)):
        s = np.sqrt(v)
        a = m / s
        cdf, pdf = float(mpmath.ncdf(a)), float(mpmath.npdf(a))
        for K12 in (v, v * (1 - 2e-16), v * (1 + 4e-16)):
            M = moments("relu", K12, m, v, m, v, number=15)
            assert M[0] == pytest.approx((m * m + v) * cdf + m * s * pdf, rel=1e-14)
            assert M[1] + M[2] == pytest.approx(2 * (m * cdf + s * pdf), rel=1e-14)
            assert M[4] + (M[3] + M[5]) / 2 == pytest.approx(cdf, rel=1e-14)
            # d/dv of the last line: K12, K11 and K22 move together
            change = M[12] + M[11] + M[13] + (M[10] + 2 * M[12] + M[14]) / 4
            assert change == pytest.approx(-m * pdf / (2 * v * s), rel=1e-12, abs=1e-15)


def test_a_unit_that_is_always_zero():
    """An input of zeros: no variance, no mean; nothing may divide by it."""
    found = moments("relu", 0.0, 0.0, 0.0, 0.4, 1.0, number=15)
    assert np.isfinite(found).all()
    assert abs(found[0]) < 1e-40
    assert abs(moments("relu", 0.0, 0.0, 0.0, 0.0, 0.0)[0]) < 1e-40


@breaks(
    "analytic/templates/quadrant.py",
    "total = 0.5 * (cdf_a + cdf_b) - opposite",
    "total = 0.5 * (cdf_a + cdf_b)",
    "opposite signs not excluded",
)
def test_means_far_out_are_lines_or_nothing():
    """h > 0 with certainty: E = K12 + m1 m2; h < 0: zero."""
    found = moments("relu", 0.6, 50, 1, 40, 2)
    np.testing.assert_allclose(found, [2000.6, 40, 50, 0, 1, 0], rtol=1e-15, atol=1e-100)
    np.testing.assert_allclose(moments("relu", 0.6, -50, 1, 40, 2), 0, atol=1e-15)


def test_zero_means_are_the_arccosine_kernel():
    rng = np.random.default_rng(2)
    A = rng.standard_normal((30, 7))
    K = A @ A.T
    kernel = HiddenKernel.at(K, 1)
    Q = KernelMap(dense(1), 1.0, "relu").value(kernel)
    expected = arccosine_kernel(K[:, None, :, None])[:, 0, :, 0]
    np.testing.assert_allclose(np.tril(Q), np.tril(expected), rtol=0, atol=1e-14 * K.max())


MAPS = {"dense": dense(4), "pooled": POOLED, "convolution": blocks(4, 2), "overlap": OVERLAPPING}


def kernels(hidden, means, seed=3, n=9, scale=1.0):
    """A kernel as a function of a step along a direction, the direction, its inner product with slopes."""
    rng = np.random.default_rng(seed)
    if hidden:
        A = rng.standard_normal((4 * n, 50))
        K, m = scale**2 * (A @ A.T) / 50, 0.5 * scale * rng.standard_normal(4 * n)
        dK, dm = scale**2 * symmetric(rng, 4 * n) / 20, scale * rng.standard_normal(4 * n)
        return (
            lambda t: HiddenKernel.at(K + t * dK, 4, m + t * dm if means else None),
            HiddenKernel.at(dK, 4, dm if means else None),
            lambda V, u: np.sum(V * dK) + (u @ dm if means else 0),
        )
    X = scale * rng.standard_normal((4, n, 5))
    A = rng.standard_normal((5, 9))
    Sigma, m, dSigma, dm = (
        A @ A.T / 45,
        rng.standard_normal(5),
        symmetric(rng, 5) / 20,
        rng.standard_normal(5),
    )
    return (
        lambda t: InputKernel.at(X, Sigma + t * dSigma, m + t * dm if means else None),
        InputKernel.at(X, dSigma, dm if means else None),
        lambda V, u: np.sum(V * dSigma) + (u @ dm if means else 0),
    )


@breaks(
    "analytic/templates/mean_tile_loops.py",
    "row[1, a] += weight * M[1, b]",
    "row[1, a] += weight * M[2, b]",
    "dG/dm2 for dG/dm1",
    case="hidden-dense-relu",
)
@breaks(
    "analytic/templates/mean_tile_loops.py",
    "row[0, a] += 0.5 * weight * M[3",
    "row[0, a] += weight * M[3",
    "dG/dK11 without 1/2",
    case="hidden-dense-relu",
)
@breaks(
    "analytic/templates/mean_tile_loops.py",
    "d10 = M[7, b] * k + M[6, b]",
    "d10 = M[7, b] * k + M[7, b]",
    "d^3G/dm1^3 for d^3G/dm1^2 dm2",
    case="hidden-dense-relu",
)
@breaks(
    "analytic/templates/input_loops.py",
    "add_value(K, D_row[a, ..., top:bottom], D_col[b, ..., left:right], out)",
    "add_value(K, D_row[a, ..., top:bottom], D_col[a, ..., left:right], out)",
    "first pixel's functions for both",
    case="input-pooled-relu",
)
@breaks(
    "analytic/templates/input_loops.py",
    "there = X[b, left:right]\n        np.dot(Y[a, top:bottom], there.T, K)\n        adjoint(",
    "there = X[a, left:right]\n        np.dot(Y[a, top:bottom], there.T, K)\n        adjoint(",
    "first pixel's inputs for both",
    case="input-pooled-relu",
)
@pytest.mark.parametrize("activation", [name for name in ACTIVATIONS if named(name).with_means])
@pytest.mark.parametrize("field", MAPS)
@pytest.mark.parametrize("hidden", [True, False], ids=["hidden", "input"])
def test_adjoint_and_tangents_by_differences_of_order_two(activation, field, hidden):
    at, moving, along = kernels(hidden, means=not named(activation).odd)
    layer = KernelMap(MAPS[field], 1.7, activation, 0.3)
    rng = np.random.default_rng(4)
    size = layer.receptive.pixels_out * 9
    A, dA = symmetric(rng, size), symmetric(rng, size)
    lower = np.tri(size, dtype=bool)
    dQ = np.where(lower, layer.tangent(at(0), moving), 0)
    V, u = layer.adjoints(at(0), np.where(lower, A, np.nan))
    weighted = np.sum(A * (dQ + np.tril(dQ, -1).T))
    means = not layer.activation.odd
    assert u.size == means * (36 if hidden else 5)
    assert weighted == pytest.approx(along(V, u), rel=1e-12)  # <A, dQ> = <V, dK> + <u, dm>
    dV, du = layer.adjoint_tangents(at(0), moving, A, dA)
    np.testing.assert_array_equal(layer.adjoint_tangent(at(0), moving, A, dA), dV)
    errors = []
    for t in (2e-3, 1e-3):
        change = np.where(lower, layer.value(at(t)) - layer.value(at(-t)), 0) / (2 * t)
        ends = [layer.adjoints(at(s), A + s * dA) for s in (t, -t)]
        V_change, u_change = ((one - other) / (2 * t) for one, other in zip(*ends, strict=True))
        errors.append(
            [np.linalg.norm(change - dQ), np.linalg.norm(V_change - dV), np.linalg.norm(u_change - du)]
        )
    np.testing.assert_allclose(np.divide(*np.array(errors)[:, : 2 + means]), 4, rtol=0.05)
    assert max(errors[1]) < 1e-2
