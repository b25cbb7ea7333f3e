# ruff: noqa: F821
# mypy: ignore-errors


@njit(error_model="numpy")
def positive_root(b, d):
    """The root > 0 of z^2 + b z + d for d <= 0, without cancellation."""
    half = 0.5 * b
    size = sqrt(half * half - d)
    return size - half if half <= 0.0 else -d / (half + size)


@njit(error_model="numpy")
def inert_ratio(k, c):
    """r_0 = l_0/l_GP, in (0, 1]."""
    b, d = inert_quadratic(k, c)
    return positive_root(b, d) if c > 0.0 else 1.0
