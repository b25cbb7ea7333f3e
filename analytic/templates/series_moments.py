# ruff: noqa: F821
# mypy: ignore-errors
# Mehler's formula: with the coefficients c_k = E[phi(m + s z) He_k(z)]/sqrt(k!), z ~ N(0, 1), of each unit,
#     E[phi(h1) phi(h2)] = sum_k c_k(1) c_k(2) rho^k,   rho = K12/(s1 s2),
# and the same for derivatives of phi, whose coefficients are d_k (of phi') and, integrating by parts,
# sqrt(k + 1) d_(k+1)/s (of phi''), and so on.


@njit(error_model="numpy")
def expand(D, orders):
    """1/s and the coefficients of phi, phi', ... (orders + 1 of them); rows of D: 1/s or 0, c_0.., d_0.."""
    terms, columns = (D.shape[0] - 1) // 2, D.shape[1]
    inverse = D[0].copy()
    out = np.zeros((orders + 1, terms, columns))
    for i in range(min(orders + 1, 2)):
        out[i] = D[1 + i * terms : 1 + (i + 1) * terms]
    for i in range(2, orders + 1):
        for k in range(terms - 1):
            for b in range(columns):
                out[i, k, b] = sqrt(k + 1.0) * out[i - 1, k + 1, b] * inverse[b]
    return inverse, out


@njit(error_model="numpy", fastmath={"contract"})
def moments(K, left, a, right, M):
    """Rows of M: E[phi^(i)(h_a) phi^(j)(h_b)] over the columns b, by Horner's rule; 1, 6 or 15 (i, j)."""
    inverse_a, one = left
    inverse, other = right
    columns = K.size
    terms = min(one.shape[1], other.shape[1])
    rho = np.empty(columns)
    for b in range(columns):
        rho[b] = min(max(K[b] * inverse_a[a] * inverse[b], -1.0), 1.0)
    for row in range(M.shape[0]):
        i, j = ORDERS[row]
        total = M[row]
        total[:] = 0.0
        for k in range(terms - 1, -1, -1):
            c = one[i, k, a]
            for b in range(columns):
                total[b] = total[b] * rho[b] + c * other[j, k, b]
