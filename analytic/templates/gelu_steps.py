# ruff: noqa: F821
# mypy: ignore-errors
# The generator pastes this file behind `first` and `second`, the probability of a quadrant and `difference`.


@njit(error_model="numpy")
def steps(K12, m1, v1, i1, f1, cdf_a, m2, v2, i2, f2, cdf_b):
    """V11, V22, n1, n2, detK, detV, P, A1, A2 and J of g = h + noise; v is the variance of h, i = V^{-1/2}.

    Where K12 rounds to more than a covariance, detK < 0, it is taken for the largest one.
    """
    V11 = 1.0 + v1
    V22 = 1.0 + v2
    detK = max(difference(v1, v2, K12, K12), 0.0)
    detV = detK + (1.0 + v1 + v2)
    n1 = difference(v2, m1, K12, m2) + m1
    n2 = difference(v1, m2, K12, m1) + m2
    root = sqrt(detV)
    x1 = n1 * i2 / root
    x2 = n2 * i1 / root
    C1 = cdf(x1)
    C2 = cdf(x2)
    if m1 == 0.0 and m2 == 0.0:
        P = 0.25 + 0.15915494309189535 * atan2(K12, root)
    else:
        P = quadrant(m1 * i1, m2 * i2, K12 * i1 * i2, x1, x2, cdf_a, cdf_b, C1, C2)
    J = 0.15915494309189535 * exp(-0.5 * (m1 * m1 * i1 * i1 + x2 * x2)) / root
    return V11, V22, n1, n2, detK, detV, P, f1 * C2, f2 * C1, J


@njit(error_model="numpy", nogil=True, cache=True)
def statistics(v, m, out):
    """Rows of out: of h the mean and the variance, of g variance^{-1/2}, density at 0 and P(g > 0)."""
    for i in range(v.size):
        inverse = 1.0 / sqrt(1.0 + v[i])
        a = m[i] * inverse
        out[0, i] = m[i]
        out[1, i] = v[i]
        out[2, i] = inverse
        out[3, i] = 0.3989422804014327 * inverse * exp(-0.5 * a * a)
        out[4, i] = cdf(a)


@njit(error_model="numpy")
def wide_moments(K, left, a, right, M):
    """What `moments` does, in closed form."""
    m1, v1, i1, f1, c1 = left[0, a], left[1, a], left[2, a], left[3, a], left[4, a]
    for b in range(K.size):
        m2, v2 = right[0, b], right[1, b]
        found = steps(K[b], m1, v1, i1, f1, c1, m2, v2, right[2, b], right[3, b], right[4, b])
        if M.shape[0] == 1:
            M[0, b] = value(K[b], m1, v1, m2, v2, *found)
        else:
            values = first(K[b], m1, v1, m2, v2, *found)
            for i in range(5):
                M[1 + i, b] = values[i]
        if M.shape[0] > 6:
            values_2 = second(K[b], m1, v1, m2, v2, *found)
            for i in range(9):
                M[6 + i, b] = values_2[i]
