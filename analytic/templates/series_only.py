# ruff: noqa: F821
# mypy: ignore-errors
# The generator pastes this file behind the series of an activation that has nothing else.


@njit(error_model="numpy")
def expand(D, orders):
    """What `moments` reads of one side of a tile."""
    return series_side(D, orders)


@njit(error_model="numpy")
def moments(K, left, a, right, M):
    """Rows of M: E[phi^(i)(h_a) phi^(j)(h_b)] over the columns b; 1, 6 or 15 orders (i, j)."""
    series_sums(K, left, a, right, M)
