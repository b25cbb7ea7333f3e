# ruff: noqa: E501, F821
# mypy: ignore-errors
# The generator pastes this file behind the loops over a tile, `add_value`, `adjoint`, `add_tangent` and `adjoint_tangent`.
#
# The same for the kernels K_ab = Y_a X_b^T made from inputs, tile after tile over pairs (a, b) of pixels: Y is (P, m, S),
# X is (P, n, S), a tile's rows and columns are spans (low, high). One call per panel: between calls the threads
# would wait for the interpreter. K, dK and part are scratch of a tile's shape and of (rows, S).


@njit(error_model="numpy", nogil=True, cache=True)
def add_values(Y, X, pairs, rows, cols, D_row, D_col, K, out):
    """out += sum over pairs of G(K_ab)."""
    top, bottom = rows
    left, right = cols
    for a, b in pairs:
        np.dot(Y[a, top:bottom], X[b, left:right].T, K)
        add_value(K, D_row[a, ..., top:bottom], D_col[b, ..., left:right], out)


@njit(error_model="numpy", nogil=True, cache=True)
def adjoints(Y, X, pairs, rows, cols, D, B, K, part, diagonal, W):
    """W_a += (B dG/dK_ab) X_b, and `diagonal` takes what belongs to the rows of a and to those of b."""
    top, bottom = rows
    left, right = cols
    for a, b in pairs:
        there = X[b, left:right]
        np.dot(Y[a, top:bottom], there.T, K)
        adjoint(
            K,
            D[a, ..., top:bottom],
            D[b, ..., left:right],
            B,
            diagonal[a, ..., top:bottom],
            diagonal[b, ..., left:right],
        )
        np.dot(K, there, part)
        add_to(W[a, top:bottom], part)


@njit(error_model="numpy", nogil=True, cache=True)
def add_tangents(Y, dY, X, pairs, rows, cols, D, moving, K, dK, out):
    """out += the change of `add_values` along (dY, moving)."""
    top, bottom = rows
    left, right = cols
    for a, b in pairs:
        there = X[b, left:right].T
        np.dot(Y[a, top:bottom], there, K)
        np.dot(dY[a, top:bottom], there, dK)
        add_tangent(
            K,
            dK,
            D[a, ..., top:bottom],
            D[b, ..., left:right],
            moving[a, ..., top:bottom],
            moving[b, ..., left:right],
            out,
        )


@njit(error_model="numpy", nogil=True, cache=True)
def adjoint_tangents(Y, dY, X, pairs, rows, cols, D, moving, B, dB, K, dK, part, diagonal, W):
    """The change of what `adjoints` gives along (dY, moving) and dB."""
    top, bottom = rows
    left, right = cols
    for a, b in pairs:
        there = X[b, left:right]
        np.dot(Y[a, top:bottom], there.T, K)
        np.dot(dY[a, top:bottom], there.T, dK)
        adjoint_tangent(
            K,
            dK,
            D[a, ..., top:bottom],
            D[b, ..., left:right],
            moving[a, ..., top:bottom],
            moving[b, ..., left:right],
            B,
            dB,
            diagonal[a, ..., top:bottom],
            diagonal[b, ..., left:right],
        )
        np.dot(K, there, part)
        add_to(W[a, top:bottom], part)


@njit(error_model="numpy", nogil=True)
def add_to(total, part):
    rows, columns = total.shape
    for a in range(rows):
        for b in range(columns):
            total[a, b] += part[a, b]
