# ruff: noqa: F821
# mypy: ignore-errors
# Mehler's formula: with the coefficients c_k = E[phi(m + s z) He_k(z)]/sqrt(k!), z ~ N(0, 1), of each unit,
#     E[phi(h1) phi(h2)] = sum_k c_k(1) c_k(2) rho^k,   rho = K12/(s1 s2),
# and the same for derivatives of phi, whose coefficients are d_k (of phi') and, integrating by parts,
# sqrt(k + 1) d_(k+1)/s (of phi''), and so on.


@njit(error_model="numpy")
def series_side(D, orders):
    """1/s, the coefficients of phi, phi', ... (orders + 1 of them), and whether phi is odd and m = 0.

    Rows of D: 1/s or 0, c_0.., d_0... Columns are padded with zeros to CHUNK: loops of constant length are
    what LLVM unrolls.
    """
    terms, columns = (D.shape[0] - 1) // 2, D.shape[1]
    width = max(columns, CHUNK)
    inverse = np.zeros(width)
    inverse[:columns] = D[0]
    out = np.zeros((orders + 1, terms, width))
    for i in range(min(orders + 1, 2)):
        out[i, :, :columns] = D[1 + i * terms : 1 + (i + 1) * terms]
    for i in range(2, orders + 1):
        for k in range(terms - 1):
            for b in range(columns):
                out[i, k, b] = sqrt(k + 1.0) * out[i - 1, k + 1, b] * inverse[b]
    return inverse, out, not np.any(out[0, 0::2])


@njit(error_model="numpy", fastmath={"contract"})
def series_sums(K, left, a, right, M):
    """Rows of M: E[phi^(i)(h_a) phi^(j)(h_b)] over at most CHUNK columns b; 1, 6 or 15 orders (i, j).

    Horner's rule. What |rho|^k makes smaller than rounding is left out; with several orders M_00, which no
    derivative needs, is not made. Where phi is odd, coefficients of phi^(i) vanish unless k - i is odd.
    """
    inverse_a, one, odd_a = left
    inverse, other, odd = right
    odd = odd and odd_a
    step = 2 if odd else 1
    rho = np.zeros(CHUNK)
    power = np.zeros(CHUNK)
    top = 0.0
    for b in range(K.size):
        rho[b] = min(max(K[b] * inverse_a[a] * inverse[b], -1.0), 1.0)
        power[b] = rho[b] * rho[b] if odd else rho[b]
        top = max(top, abs(rho[b]))
    terms = min(one.shape[1], other.shape[1])
    if 0.0 < top < 1.0:
        terms = int(min(float(terms), 2.0 + log(ROUNDING) / log(top)))
    total = np.empty(CHUNK)
    for row in range(1 if M.shape[0] > 1 else 0, M.shape[0]):
        i, j = ORDERS[row]
        total[:] = 0.0
        first = (i + 1) % 2 if odd else 0
        if not (odd and (i + j) % 2 == 1):
            for k in range(terms - 1 - (terms - 1 - first) % step, -1, -step):
                c = one[i, k, a]
                for b in range(CHUNK):
                    total[b] = total[b] * power[b] + c * other[j, k, b]
        for b in range(K.size):
            M[row, b] = total[b] * rho[b] if first == 1 else total[b]
