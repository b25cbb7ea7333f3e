# ruff: noqa: E501, F821
# mypy: ignore-errors
# The generator pastes this file behind the scalar kernels `statistic`, `value`, `first` and `second`
# of one activation: a generated file is self-contained, so that Numba's cache cannot go stale.
#
# A tile is the block K[rows, columns] of one pre-activation kernel, C-contiguous. `v` is the
# diagonal of that kernel (the variances), `D = statistic(v)` what the kernel function needs of it.
# Sums may be reassociated (that is what lets LLVM vectorise a reduction); nothing else may.


@njit(error_model="numpy", nogil=True, cache=True)
def statistics(v, out):
    """out = statistic(v), element by element."""
    for m in range(v.size):
        out[m] = statistic(v[m])


@njit(error_model="numpy", nogil=True, cache=True)
def add_value(K, D_row, D_col, out):
    """out += G(K)."""
    rows, columns = K.shape
    for a in range(rows):
        D1 = D_row[a]
        for b in range(columns):
            out[a, b] += value(K[a, b], D1, D_col[b])


@njit(error_model="numpy", nogil=True, cache=True, fastmath={"reassoc"})
def adjoint(K, D_row, D_col, B, row, col):
    """K <- B dG/dK12;  row += sum_b B dG/dK11;  col += sum_a B dG/dK22."""
    rows, columns = K.shape
    for a in range(rows):
        D1 = D_row[a]
        total = 0.0
        for b in range(columns):
            _, d12, d11, d22 = first(K[a, b], D1, D_col[b])
            weight = B[a, b]
            K[a, b] = weight * d12
            total += weight * d11
            col[b] += weight * d22
        row[a] += total


@njit(error_model="numpy", nogil=True, cache=True)
def add_tangent(K, dK, D_row, D_col, dv_row, dv_col, out):
    """out += dG, the change of G along (dK, dv)."""
    rows, columns = K.shape
    for a in range(rows):
        D1 = D_row[a]
        dv1 = dv_row[a]
        for b in range(columns):
            _, d12, d11, d22 = first(K[a, b], D1, D_col[b])
            out[a, b] += d12 * dK[a, b] + d11 * dv1 + d22 * dv_col[b]


@njit(error_model="numpy", nogil=True, cache=True, fastmath={"reassoc"})
def adjoint_tangent(K, dK, D_row, D_col, dv_row, dv_col, B, dB, row, col):
    """The change of what `adjoint` gives when (K, v) moves along (dK, dv) and B along dB; K is overwritten."""
    rows, columns = K.shape
    for a in range(rows):
        D1 = D_row[a]
        dv1 = dv_row[a]
        total = 0.0
        for b in range(columns):
            d12, d11, d22, d12_12, d12_11, d12_22, d11_11, d11_22, d22_22 = second(K[a, b], D1, D_col[b])
            weight = B[a, b]
            dweight = dB[a, b]
            dk = dK[a, b]
            dv2 = dv_col[b]
            K[a, b] = dweight * d12 + weight * (d12_12 * dk + d12_11 * dv1 + d12_22 * dv2)
            total += dweight * d11 + weight * (d12_11 * dk + d11_11 * dv1 + d11_22 * dv2)
            col[b] += dweight * d22 + weight * (d12_22 * dk + d11_22 * dv1 + d22_22 * dv2)
        row[a] += total
