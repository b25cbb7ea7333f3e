"""Products and eigenvectors of large matrices, in C order, all by SciPy's BLAS and LAPACK.

NumPy's and SciPy's wheels bring an OpenBLAS each, and the threads of either go on spinning for a while after
a call: on two cores an `A @ B` and a dgemm of SciPy in turn take two to three times as long as two of a kind.
So one library does all the large work, and NumPy's is kept on one thread meanwhile
(`parallel.for_factorisation`).
"""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack
from scipy.linalg.blas import dgemm, dsyrk

Array = NDArray[np.float64]

STRIPS = 8  # of rows: a sixteenth of a symmetric product is made in vain
TILE = 256  # rows and columns that a core's L2 cache takes, of a block and of its mirror image


def product(A: Array, B: Array) -> Array:
    """A B."""
    b, turned_b = _transposed(B)
    a, turned_a = _transposed(A)
    return dgemm(1.0, b, a, trans_a=turned_b, trans_b=turned_a).T


def symmetric_product(A: Array, B: Array) -> Array:
    """A B with a symmetric B where the product is symmetric too: its lower triangle, in little more than half
    the work of `product`; what is above is undefined."""
    size = len(A)
    edges = [size * k // STRIPS for k in range(STRIPS + 1)] if size > STRIPS * TILE else [0, size]
    out = np.zeros((size, size))
    for low, high in pairwise(edges):
        out[low:high, :high] = product(A[low:high], B[:high].T)
    return out


def gram(A: Array) -> Array:
    """A A^T, both triangles: half of a product's work."""
    a, turned = _transposed(A)
    return mirror(dsyrk(1.0, a, trans=1 - turned).T)


def congruence(A: Array, M: Array) -> Array:
    """A M A^T for a symmetric M."""
    return symmetrise(product(product(A, M), A.T))


def symmetrise(M: Array) -> Array:
    """(M + M^T)/2 in the place of M, which is returned."""
    for rows, cols in _tiles(len(M)):
        block = M[rows, cols]
        block += M[cols, rows].T.copy() if rows == cols else M[cols, rows].T
        block /= 2
        if rows != cols:
            M[cols, rows] = block.T
    return M


def mirror(M: Array) -> Array:
    """The lower triangle of M written over the upper one, in the place of M, which is returned."""
    for rows, cols in _tiles(len(M)):
        if rows == cols:
            block = M[rows, cols]
            np.copyto(block, block.T.copy(), where=_above_diagonal(len(block)))
        else:
            M[cols, rows] = M[rows, cols].T
    return M


def mirrored(lower: Array) -> Array:
    """The symmetric matrix with this lower triangle."""
    return mirror(lower.copy())


def eigh(M: Array) -> tuple[Array, Array]:
    """Eigenvalues, rising, and eigenvectors of a symmetric M, whose lower triangle is read.

    Raises
    ------
    numpy.linalg.LinAlgError
        When they do not converge, or M is not finite.
    """
    m, turned = _transposed(M)
    values, vectors, info = lapack.dsyevd(m, lower=turned)
    if info != 0:
        raise np.linalg.LinAlgError("eigenvalues did not converge")
    return values, vectors


def _transposed(A: Array) -> tuple[Array, int]:
    """(a, turned) with A^T = a, or a^T if turned, and a in Fortran order without a copy."""
    if A.flags.f_contiguous and not A.flags.c_contiguous:
        return A, 1
    return np.ascontiguousarray(A).T, 0


@cache
def _above_diagonal(size: int) -> NDArray[np.bool_]:
    return np.triu(np.ones((size, size), bool), 1)


def _tiles(size: int) -> list[tuple[slice, slice]]:
    """Blocks of rows and columns that cover the lower triangle."""
    edges = [slice(low, min(low + TILE, size)) for low in range(0, size, TILE)]
    return [(rows, cols) for position, rows in enumerate(edges) for cols in edges[: position + 1]]
