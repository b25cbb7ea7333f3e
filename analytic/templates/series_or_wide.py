# ruff: noqa: F821
# mypy: ignore-errors
# The generator pastes this file behind the series of an activation and `wide_moments`, what it has instead
# where pre-activations vary so much that the series is long. The last WIDE rows of D are for that, made by
# `statistics`; it is used where the series has no terms, the rows before being 1/s alone, on either side.


@njit(error_model="numpy")
def expand(D, orders):
    """What `moments` reads of one side of a tile."""
    rows = D.shape[0] - WIDE
    return series_side(D[:rows], orders), D[rows:].copy()


@njit(error_model="numpy")
def moments(K, left, a, right, M):
    """Rows of M: E[phi^(i)(h_a) phi^(j)(h_b)] over the columns b; 1, 6 or 15 orders (i, j)."""
    series_a, wide_a = left
    series, wide = right
    if min(series_a[1].shape[1], series[1].shape[1]) > 0:
        series_sums(K, series_a, a, series, M)
    else:
        wide_moments(K, wide_a, a, wide, M)
