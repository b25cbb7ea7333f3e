# ruff: noqa: E501, F821
# mypy: ignore-errors
# The generator pastes this file behind `expand` and `moments` (rows of M in the order ORDERS) of an activation whose units have means.
#
# A tile is the block K[rows, columns] of one pre-activation covariance. `D` holds what the kernel needs of
# each datum (`statistics`), one column per datum. Everything below is Bonnet's and Price's theorem for
# G = E[phi(h1) phi(h2)], h ~ N(m, K): with M_ij = E[phi^(i)(h1) phi^(j)(h2)],
#     dG/dm1 = M_10,   dG/dK12 = M_11,   dG/dK11 = M_20 / 2,
# and so on for second derivatives. Pairs of rows (variance, mean) are what moves, `row` and `col` what a
# weighted sum answers with.
CHUNK = 64  # columns at a time: what `moments` reads of them stays in the first caches


@njit(error_model="numpy", nogil=True, cache=True)
def add_value(K, D_row, D_col, out):
    """out += G(K)."""
    rows, columns = K.shape
    left = expand(D_row, 0)
    for low in range(0, columns, CHUNK):
        high = min(low + CHUNK, columns)
        right = expand(D_col[:, low:high], 0)
        M = np.empty((1, high - low))
        for a in range(rows):
            moments(K[a, low:high], left, a, right, M)
            for b in range(high - low):
                out[a, low + b] += M[0, b]


@njit(error_model="numpy", nogil=True, cache=True)
def adjoint(K, D_row, D_col, B, row, col):
    """K <- B dG/dK12;  row += sum_b B (dG/dK11, dG/dm1);  col += sum_a B (dG/dK22, dG/dm2)."""
    rows, columns = K.shape
    left = expand(D_row, 2)
    for low in range(0, columns, CHUNK):
        high = min(low + CHUNK, columns)
        right = expand(D_col[:, low:high], 2)
        M = np.empty((6, high - low))
        for a in range(rows):
            moments(K[a, low:high], left, a, right, M)
            for b in range(high - low):
                c = low + b
                weight = B[a, c]
                K[a, c] = weight * M[4, b]
                row[0, a] += 0.5 * weight * M[3, b]
                row[1, a] += weight * M[1, b]
                col[0, c] += 0.5 * weight * M[5, b]
                col[1, c] += weight * M[2, b]


@njit(error_model="numpy", nogil=True, cache=True)
def add_tangent(K, dK, D_row, D_col, moving_row, moving_col, out):
    """out += dG, the change of G along dK and, per datum, (dv, dm)."""
    rows, columns = K.shape
    left = expand(D_row, 2)
    for low in range(0, columns, CHUNK):
        high = min(low + CHUNK, columns)
        right = expand(D_col[:, low:high], 2)
        M = np.empty((6, high - low))
        for a in range(rows):
            moments(K[a, low:high], left, a, right, M)
            dv1 = 0.5 * moving_row[0, a]
            dm1 = moving_row[1, a]
            for b in range(high - low):
                c = low + b
                dv2 = 0.5 * moving_col[0, c]
                dm2 = moving_col[1, c]
                out[a, c] += (
                    M[4, b] * dK[a, c] + M[3, b] * dv1 + M[5, b] * dv2 + M[1, b] * dm1 + M[2, b] * dm2
                )


@njit(error_model="numpy", nogil=True, cache=True)
def adjoint_tangent(K, dK, D_row, D_col, moving_row, moving_col, B, dB, row, col):
    """The change of what `adjoint` gives when (K, v, m) moves along (dK, dv, dm) and B along dB; K is overwritten."""
    rows, columns = K.shape
    left = expand(D_row, 4)
    for low in range(0, columns, CHUNK):
        high = min(low + CHUNK, columns)
        right = expand(D_col[:, low:high], 4)
        M = np.empty((15, high - low))
        for a in range(rows):
            moments(K[a, low:high], left, a, right, M)
            dv1 = 0.5 * moving_row[0, a]
            dm1 = moving_row[1, a]
            for b in range(high - low):
                c = low + b
                w = B[a, c]
                dw = dB[a, c]
                k = dK[a, c]
                dv2 = 0.5 * moving_col[0, c]
                dm2 = moving_col[1, c]
                # each line: the change of M_ij is M_(i+1)(j+1) k + M_(i+2)j dv1 + M_i(j+2) dv2 + M_(i+1)j dm1 + M_i(j+1) dm2
                d11 = M[12, b] * k + M[11, b] * dv1 + M[13, b] * dv2 + M[7, b] * dm1 + M[8, b] * dm2
                d20 = M[11, b] * k + M[10, b] * dv1 + M[12, b] * dv2 + M[6, b] * dm1 + M[7, b] * dm2
                d02 = M[13, b] * k + M[12, b] * dv1 + M[14, b] * dv2 + M[8, b] * dm1 + M[9, b] * dm2
                d10 = M[7, b] * k + M[6, b] * dv1 + M[8, b] * dv2 + M[3, b] * dm1 + M[4, b] * dm2
                d01 = M[8, b] * k + M[7, b] * dv1 + M[9, b] * dv2 + M[4, b] * dm1 + M[5, b] * dm2
                K[a, c] = dw * M[4, b] + w * d11
                row[0, a] += 0.5 * (dw * M[3, b] + w * d20)
                row[1, a] += dw * M[1, b] + w * d10
                col[0, c] += 0.5 * (dw * M[5, b] + w * d02)
                col[1, c] += dw * M[2, b] + w * d01
