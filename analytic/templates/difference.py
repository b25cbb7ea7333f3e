# ruff: noqa: F821
# mypy: ignore-errors


@njit(error_model="numpy")
def difference(a, b, c, d):
    """a b - c d to the last digits also where they cancel; factors below 1e150.

    Each factor is cut in halves of 26 digits, whose products are exact (Dekker 1971).
    """
    p, q = a * b, c * d
    return (p - q) + (_lost(a, b, p) - _lost(c, d, q))


@njit(error_model="numpy")
def _lost(a, b, p):
    """a b - p, exactly, p = a b rounded."""
    t, u = 134217729.0 * a, 134217729.0 * b
    a1 = t - (t - a)
    b1 = u - (u - b)
    a2, b2 = a - a1, b - b1
    return ((a1 * b1 - p) + a1 * b2 + a2 * b1) + a2 * b2
