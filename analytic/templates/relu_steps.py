# ruff: noqa: F821
# mypy: ignore-errors
# The generator pastes this file behind `first` and `second`, and the probability of a quadrant.


@njit(error_model="numpy")
def steps(K12, m1, v1, i1, f1, cdf_a, m2, v2, i2, f2, cdf_b):
    """P, A1, A2, Delta and J.

    i = v^{-1/2} and f, the density of h at 0, are zero where the variance is. Correlations of +-1 up to
    rounding are +-1: Delta, of order (1 - rho)^{1/2}, would be noise there. J is then left out: where the
    same h stands twice its terms cancel.
    """
    rho = min(max(K12 * i1 * i2, -1.0), 1.0)
    rest = (1.0 - rho) * (1.0 + rho)
    apart = rest > COINCIDENT
    rho = rho if apart else (1.0 if rho > 0.0 else -1.0)
    q = sqrt(rest) if apart else 1e-150
    a = m1 * i1
    b = m2 * i2
    x1 = (a - rho * b) / q
    x2 = (b - rho * a) / q
    C1 = cdf(x1)
    C2 = cdf(x2)
    P = quadrant(a, b, rho, x1, x2, cdf_a, cdf_b, C1, C2)
    joint = 0.15915494309189535 * exp(-0.5 * (a * a + x2 * x2))
    Delta = sqrt(v1 * v2) * q * joint
    J = i1 * i2 * joint / q if apart else 0.0
    return P, f1 * C2, f2 * C1, Delta, J


@njit(error_model="numpy", nogil=True, cache=True)
def statistics(v, m, out):
    """Rows of out: mean, variance (never quite 0), its power -1/2 (0 at 0), density at 0, P(h > 0)."""
    for i in range(v.size):
        alive = v[i] > SMALLEST
        inverse = 1.0 / sqrt(v[i]) if alive else 0.0
        a = m[i] * inverse
        out[0, i] = m[i]
        out[1, i] = v[i] if alive else SMALLEST
        out[2, i] = inverse
        out[3, i] = 0.3989422804014327 * inverse * exp(-0.5 * a * a)
        out[4, i] = cdf(a) if alive or m[i] == 0.0 else (1.0 if m[i] > 0.0 else 0.0)


@njit(error_model="numpy")
def expand(D, orders):
    """What `moments` reads of one side of a tile."""
    return D.copy()


@njit(error_model="numpy")
def moments(K, left, a, right, M):
    """Rows of M: E[phi^(i)(h_a) phi^(j)(h_b)] over the columns b; 1, 6 or 15 orders (i, j)."""
    m1, v1, i1, f1, c1 = left[0, a], left[1, a], left[2, a], left[3, a], left[4, a]
    for b in range(K.size):
        m2, v2 = right[0, b], right[1, b]
        P, A1, A2, Delta, J = steps(K[b], m1, v1, i1, f1, c1, m2, v2, right[2, b], right[3, b], right[4, b])
        values = first(K[b], m1, v1, m2, v2, P, A1, A2, Delta)
        M[0, b] = values[0]
        if M.shape[0] > 1:
            for i in range(1, 6):
                M[i, b] = values[i]
        if M.shape[0] > 6:
            values_2 = second(K[b], m1, v1, m2, v2, P, A1, A2, Delta, J)
            for i in range(9):
                M[6 + i, b] = values_2[i]
