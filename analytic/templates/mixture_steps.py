# ruff: noqa: E501, F821
# mypy: ignore-errors
# The generator pastes this file behind NOISE and WEIGHTS, of which phi is the mixture sum_j WEIGHTS_j E[sign(h + sqrt(NOISE_j) z)],
# `first` and `second` of signs, `difference`, and the constants of the series.


@njit(error_model="numpy", nogil=True, cache=True)
def statistics(v, m, out):
    """Rows of out: the variance, and that with each noise to the power -1/2. The mean is zero."""
    for i in range(v.size):
        out[0, i] = v[i]
        for j in range(NOISE.size):
            out[1 + j, i] = 1.0 / sqrt(v[i] + NOISE[j])


@njit(error_model="numpy")
def angle(K12, root, D1, D2):
    """|asin(K12 D1 D2)|, root the square root of 1/(D1 D2)^2 - K12^2: from whichever is the smaller."""
    size = abs(K12)
    small = asin((size if size < root else root) * (D1 * D2))
    return small if size < root else 1.5707963267948966 - small


@njit(error_model="numpy", fastmath={"contract"})
def wide_moments(K, left, a, right, M):
    """What `moments` does, by sums over the pairs of noises; odd orders vanish.

    Where K12 rounds to more than a covariance, detK < 0, it is taken for the largest one.
    """
    v1 = left[0, a]
    detK = np.empty(K.size)
    for b in range(K.size):
        detK[b] = max(difference(v1, right[0, b], K[b], K[b]), 0.0)
    M[:] = 0.0
    for j in range(NOISE.size):
        D1 = left[1 + j, a]
        for k in range(NOISE.size):
            weight = WEIGHTS[j] * WEIGHTS[k]
            apart = v1 * NOISE[k] + NOISE[j] * NOISE[k]
            if M.shape[0] == 1:
                for b in range(K.size):
                    root = sqrt(detK[b] + apart + right[0, b] * NOISE[j])
                    M[0, b] += weight * angle(K[b], root, D1, right[1 + k, b])
            else:
                for b in range(K.size):
                    r = 1.0 / sqrt(detK[b] + apart + right[0, b] * NOISE[j])
                    m20, m11, m02 = first(K[b], D1, right[1 + k, b], r)
                    M[3, b] += weight * m20
                    M[4, b] += weight * m11
                    M[5, b] += weight * m02
            if M.shape[0] > 6:
                for b in range(K.size):
                    r = 1.0 / sqrt(detK[b] + apart + right[0, b] * NOISE[j])
                    m40, m31, m22, m13, m04 = second(K[b], D1, right[1 + k, b], r)
                    M[10, b] += weight * m40
                    M[11, b] += weight * m31
                    M[12, b] += weight * m22
                    M[13, b] += weight * m13
                    M[14, b] += weight * m04
    if M.shape[0] == 1:
        for b in range(K.size):
            M[0, b] = (-TWO_OVER_PI if K[b] < 0.0 else TWO_OVER_PI) * M[0, b]
