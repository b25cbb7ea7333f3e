"""The map Sigma -> Q_f against dense NumPy, at sizes on both sides of every panel edge."""

import numpy as np
import pytest
from mutants import breaks
from small_problems import ReadoutMap, Small, symmetric

from numerics import Problem, cnn, pixels
from numerics._generated import HOLOMORPHIC
from numerics.gaussian.theory import Theory
from numerics.kernels import panels
from numerics.kernels.preactivations import InputKernel
from numerics.machine import parallel

# sums of at most 257^2 products of order one, in another order
TOLERANCE = 1e-12


@pytest.fixture(params=["cache-sized panels", "tiny panels"])
def panel_sizes(request, monkeypatch):
    """Sample counts that straddle the edges of the row panels (128) or of 4 x 8 panels."""
    if request.param == "cache-sized panels":
        return [1, 2, 127, 128, 129, 257]
    monkeypatch.setattr(panels, "ROWS", 4)
    monkeypatch.setattr(panels, "COLUMNS", 8)
    return [1, 3, 4, 5, 8, 9, 13, 33]


@pytest.fixture(params=HOLOMORPHIC)
def problems(request, panel_sizes):
    return [Small(request.param, n=n, N=2, S=3) for n in panel_sizes]


def readout_map(small):
    return ReadoutMap(small)


def lower_with_poison(M):
    """The lower triangle of M; the upper one is NaN, as `value` leaves it undefined."""
    return np.where(np.tri(len(M), dtype=bool), M, np.nan)


@breaks(
    "analytic/generator/primitives.py",
    "return -s if x < 0.0 else s",
    "return s",
    "an odd function made even",
    case="sin-tiny panels",
)
def test_value_is_the_readout_kernel(problems):
    for small in problems:
        Sigma = small.Sigma()
        np.testing.assert_allclose(
            np.tril(readout_map(small).value(Sigma)), np.tril(small.oracle.Q(Sigma)), rtol=0, atol=TOLERANCE
        )


@breaks(
    "numerics/kernels/kernel_maps.py",
    "2 * scale, out=out",
    "scale, out=out",
    "mirror images counted once",
    case="erf-tiny panels",
)
@breaks(
    "numerics/kernels/kernel_maps.py",
    "if panel.on_diagonal:",
    "if not panel.on_diagonal:",
    "diagonal blocks weighed as mirrored",
    case="erf-tiny panels",
)
def test_adjoint_is_the_weighted_derivative_and_reads_the_lower_triangle_alone(problems):
    for small in problems:
        Sigma = small.Sigma()
        A = symmetric(np.random.default_rng(3), len(small.y))
        expected = small.oracle.adjoint(Sigma, A)
        got = readout_map(small).adjoint(Sigma, lower_with_poison(A))
        np.testing.assert_allclose(got, expected, rtol=0, atol=TOLERANCE * max(1, np.abs(expected).max()))


def test_tangent_is_the_complex_step_of_the_value(problems):
    for small in problems:
        Sigma, dSigma = small.Sigma(), symmetric(np.random.default_rng(4), small.X.shape[2])
        expected = small.oracle.tangent(Sigma, dSigma)
        np.testing.assert_allclose(
            np.tril(readout_map(small).tangent(Sigma, dSigma)), np.tril(expected), rtol=0, atol=TOLERANCE
        )


def test_adjoint_tangent_is_the_complex_step_of_the_adjoint(problems):
    for small in problems:
        rng = np.random.default_rng(5)
        n, S = len(small.y), small.X.shape[2]
        Sigma, dSigma, A, dA = small.Sigma(), symmetric(rng, S), symmetric(rng, n), symmetric(rng, n)
        h = 1e-20
        expected = small.oracle.adjoint(Sigma + 1j * h * dSigma, A + 1j * h * dA).imag / h
        got = readout_map(small).adjoint_tangent(Sigma, dSigma, lower_with_poison(A), lower_with_poison(dA))
        np.testing.assert_allclose(got, expected, rtol=0, atol=TOLERANCE * max(1, np.abs(expected).max()))


def test_cross_is_the_kernel_between_any_two_sets(problems):
    for small in problems:
        Sigma, readout = small.Sigma(), readout_map(small)
        others = np.random.default_rng(6).standard_normal((11, *small.X.shape[1:]))
        for rows, cols in ((others, small.X), (others, others), (small.X, others)):
            expected = small.oracle.Q(Sigma, rows, cols)
            np.testing.assert_allclose(readout.cross(Sigma, rows, cols), expected, rtol=0, atol=TOLERANCE)


def test_more_columns_than_one_cache_sized_panel():
    small = Small("erf", n=panels.COLUMNS + 70, N=1, S=2)
    Sigma, readout = small.Sigma(), readout_map(small)
    A = symmetric(np.random.default_rng(7), len(small.y))
    np.testing.assert_allclose(np.tril(readout.value(Sigma)), np.tril(small.oracle.Q(Sigma)), atol=TOLERANCE)
    # 1e6 random signs times rounding
    expected = small.oracle.adjoint(Sigma, A)
    np.testing.assert_allclose(readout.adjoint(Sigma, A), expected, atol=1e-10)


def test_two_threads_give_what_one_gives():
    small = Small("erf", n=330, N=3, S=4)
    Sigma, readout = small.Sigma(), readout_map(small)
    A = symmetric(np.random.default_rng(8), len(small.y))
    with parallel.threads(1):
        Q_1, T_1 = np.tril(readout.value(Sigma)), readout.adjoint(Sigma, A)
    with parallel.threads(2):
        Q_2, T_2 = np.tril(readout.value(Sigma)), readout.adjoint(Sigma, A)
    # panels are the same, only the order of a few sums differs
    np.testing.assert_allclose(Q_2, Q_1, rtol=1e-12)
    np.testing.assert_allclose(T_2, T_1, atol=1e-12 * np.abs(T_1).max())


def test_panels_cover_every_row_once():
    for rows in (1, 2, 63, 64, 65, 1000):
        spans = parallel.panels(rows, 64)
        assert [m for low, high in spans for m in range(low, high)] == list(range(rows))
        assert max(high - low for low, high in spans) <= 64


@pytest.mark.parametrize("readout", ["per_pixel", "global_pooling"])
def test_pairs_of_pixels_are_weighted_as_they_are_asked_for(readout):
    """What a readout law of matrices needs: blocks, their weighted sum, its adjoint and tangent."""
    rng = np.random.default_rng(0)
    net = cnn(10, 1.5, 0.7, readout=pixels.Receptive(np.array([[0, 1]]), ((0, 1), (2,))))
    net = net if readout == "global_pooling" else cnn(10, 1.5, 0.7)
    theory = Theory(Problem(net, rng.standard_normal((9, 3, 4)), rng.standard_normal(9), 0.1))
    kernel = next(theory.prior_kernels())
    blocks = theory.readout.blocks(kernel)
    N = len(blocks)
    assert (2 if readout == "global_pooling" else 3) == N
    np.testing.assert_allclose(blocks, blocks.transpose(2, 3, 0, 1), atol=1e-15)
    np.testing.assert_allclose(
        np.tril(theory.readout.value(kernel)), np.tril(np.einsum("imin->mn", blocks)), atol=1e-14
    )
    weights = symmetric(rng, N)
    seen = theory.readout.weighted(weights * 0.7 / N)
    expected = np.einsum("ij,imjn->mn", weights, blocks)
    np.testing.assert_allclose(np.tril(seen.value(kernel)), np.tril(expected), atol=1e-14)
    # the adjoint in Sigma, by differences of the weighted sum
    A, D = symmetric(rng, 9), symmetric(rng, 4)
    Sigma = np.diag(theory.prior_variance)

    def value(h):
        Q = seen.value(InputKernel.at(theory.X, Sigma + h * D))
        return np.sum(A * (np.tril(Q) + np.tril(Q, -1).T))

    slope = np.sum(seen.adjoint(kernel, A) * D)
    errors = [abs((value(h) - value(-h)) / (2 * h) - slope) for h in (0.02, 0.01)]
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.1)
