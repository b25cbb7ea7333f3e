"""Every layout that a matrix can have, tiles that do not divide, and the library that does the work."""

import numpy as np
import pytest
from mutants import breaks

from numerics.gaussian.root import Triangular
from numerics.machine import dense, parallel

SIZE = dense.TILE + 5
rng = np.random.default_rng(0)
MATRIX, OTHER = rng.standard_normal((2, SIZE, SIZE))
ROUNDING = {"rtol": 0, "atol": 1e-12 * SIZE}

LAYOUTS = {
    "C": MATRIX,
    "Fortran": np.asfortranarray(MATRIX),
    "turned": MATRIX.T,
    "cut": MATRIX[:, 3:],
    "turned and cut": MATRIX.T[2:],
    "strided": MATRIX[::2],
}


@pytest.mark.parametrize("left", LAYOUTS)
@pytest.mark.parametrize("right", LAYOUTS)
def test_product_in_every_layout(left, right):
    A, B = LAYOUTS[left], LAYOUTS[right]
    A = A[:, : len(B)]
    B = B[: A.shape[1]]
    np.testing.assert_allclose(dense.product(A, B), A @ B, **ROUNDING)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_gram_is_exactly_symmetric(layout):
    A = LAYOUTS[layout]
    G = dense.gram(A)
    np.testing.assert_allclose(G, A @ A.T, **ROUNDING)
    np.testing.assert_array_equal(G, G.T)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("tile", [dense.TILE, 2])
def test_a_product_that_is_symmetric(monkeypatch, order, tile):
    monkeypatch.setattr(dense, "TILE", tile)  # whole, and in strips
    S, D = MATRIX + MATRIX.T, OTHER + OTHER.T
    A = np.array(S @ D, order=order)
    found = dense.symmetric_product(A, S)
    np.testing.assert_allclose(np.tril(found), np.tril(S @ D @ S), rtol=0, atol=1e-12 * SIZE**2)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("size", [1, dense.TILE, SIZE, 2 * dense.TILE + 1])
def test_triangles(order, size):
    M = np.array(rng.standard_normal((size, size)), order=order)
    np.testing.assert_array_equal(dense.mirrored(M), np.tril(M) + np.tril(M, -1).T)
    expected = (M + M.T) / 2
    np.testing.assert_array_equal(dense.symmetrise(M), expected)


@breaks("numerics/machine/dense.py", "lower=turned", "lower=1 - turned", "the other triangle", case="C")
@pytest.mark.parametrize("layout", ["C", "Fortran"])
def test_eigenvectors_of_the_lower_triangle(layout):
    lower = np.tril(LAYOUTS[layout]) if layout == "C" else np.asfortranarray(np.tril(MATRIX))
    values, U = dense.eigh(lower)
    S = dense.mirrored(lower)
    np.testing.assert_allclose((U * values) @ U.T, S, **ROUNDING)
    np.testing.assert_allclose(U.T @ U, np.eye(SIZE), **ROUNDING)
    assert (np.diff(values) >= 0).all()


@pytest.mark.parametrize("on_a_range", [False, True])
def test_a_factor_does_what_its_dense_form_does(on_a_range):
    rank, dim = 7, 9 if on_a_range else 7
    basis = np.linalg.qr(rng.standard_normal((dim, rank)))[0] if on_a_range else None
    l = np.ascontiguousarray(np.tril(rng.standard_normal((rank, rank))) + 3 * np.eye(rank))  # noqa: E741
    factor = Triangular(l, basis)
    L = factor.dense
    inverse = np.linalg.pinv(L)
    M, T = rng.standard_normal((rank, rank)), rng.standard_normal((dim, dim))
    M, T = M + M.T, T + T.T
    A, B = rng.standard_normal((rank, 4)), rng.standard_normal((dim, 4))
    W = inverse @ T @ inverse.T
    pairs = [
        (factor.outer(M), L @ M @ L.T),
        (factor.inner(T), L.T @ T @ L),
        (factor.product(A), L @ A),
        (factor.transposed_product(B), L.T @ B),
        (factor.square, L @ L.T),
        (factor.pull_back(M), inverse.T @ M @ inverse),
        (factor.split(T), np.tril(W) - np.diag(np.diagonal(W)) / 2),
    ]
    for found, expected in pairs:
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12 * np.abs(expected).max())


def test_numpy_s_own_blas_waits_while_scipy_s_works():
    libraries = {
        library.filepath: library
        for library in parallel._blas().lib_controllers
        if library.user_api == "blas"  # scikit-learn brings OpenMP
    }
    own = [library.filepath for library in parallel._numpy_s_own_blas().lib_controllers]
    if not own:
        pytest.skip("NumPy and SciPy share one BLAS here")
    with parallel.threads(2), parallel.for_factorisation(parallel.WORTH_TWO_BLAS_THREADS):
        threads = {path: library.num_threads for path, library in libraries.items()}
    assert all(threads[path] == 1 for path in own)
    assert [number for path, number in threads.items() if path not in own] == [2]
