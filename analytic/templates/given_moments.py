# ruff: noqa: F821
# mypy: ignore-errors
# The generator pastes this file behind `value`, `first` and `second` of a kernel with means.
STATISTICS = 2
SMALLEST = 1e-90  # a variance below is none


@njit(error_model="numpy", nogil=True, cache=True)
def statistics(v, m, out):
    """Rows of out: mean, variance (never quite 0)."""
    for i in range(v.size):
        out[0, i] = m[i]
        out[1, i] = max(v[i], SMALLEST)


@njit(error_model="numpy")
def expand(D, orders):
    """What `moments` reads of one side of a tile."""
    return D.copy()


@njit(error_model="numpy")
def moments(K, left, a, right, M):
    """Rows of M: E[phi^(i)(h_a) phi^(j)(h_b)] over the columns b; 1, 6 or 15 orders (i, j)."""
    m1, v1 = left[0, a], left[1, a]
    for b in range(K.size):
        m2, v2 = right[0, b], right[1, b]
        if M.shape[0] == 1:
            M[0, b] = value(K[b], m1, v1, m2, v2)
        else:
            values = first(K[b], m1, v1, m2, v2)
            for i in range(6):
                M[i, b] = values[i]
        if M.shape[0] > 6:
            values_2 = second(K[b], m1, v1, m2, v2)
            for i in range(9):
                M[6 + i, b] = values_2[i]
