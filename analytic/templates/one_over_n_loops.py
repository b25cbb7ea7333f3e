# ruff: noqa: F821
# mypy: ignore-errors
# The generator pastes this file behind the functions of the one_over_n closure.


@njit(error_model="numpy")
def horner(poly, z):
    """The polynomial poly (highest power first) at z."""
    value = 0.0
    for p in poly:
        value = value * z + p
    return value


@njit(error_model="numpy")
def bisected(poly, low, high):
    """A root between low and high, where the signs differ."""
    sign = horner(poly, low)
    for _ in range(200):
        middle = 0.5 * (low + high)
        if middle in (low, high):
            return middle
        if (horner(poly, middle) > 0.0) == (sign > 0.0):
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)


@njit(error_model="numpy")
def first_root(poly, end):
    """The first root in (0, end), inf if there is none: between the roots of the derivatives.

    A polynomial is monotone between the neighbouring roots of its derivative, whose roots come from
    its own derivative, and so on.
    """
    order = poly.size - 1
    roots = np.empty(order)
    count = 0
    for degree in range(1, order + 1):
        derived = poly[: degree + 1].copy()
        for i in range(degree + 1):  # the (order - degree)-th derivative, up to a positive factor
            for j in range(order - degree):
                derived[i] *= order - i - j
        marks = np.empty(count + 2)
        marks[0], marks[1 : count + 1], marks[count + 1] = 0.0, roots[:count], end
        found = 0
        for i in range(marks.size - 1):
            if horner(derived, marks[i]) * horner(derived, marks[i + 1]) < 0.0:
                roots[found] = bisected(derived, marks[i], marks[i + 1])
                found += 1
        count = found
    return roots[0] if count else inf


@njit(error_model="numpy")
def root(mu, d, e, t):
    """v on the branch that starts at v = 0, C = inf; -1 where that branch does not exist.

    A <= 1/(1 + v) bounds v (1 + v) <= t. The branch ends where 1/C stops growing with v (a fold) or
    where A, that is alpha, vanishes; before that the root is the only one.
    """
    if not discrepancy(0.0, mu, d, e) > 0.0:
        return -1.0
    high = 2.0 * t / (1.0 + sqrt(1.0 + 4.0 * t))
    if high == 0.0:
        return 0.0
    end = min(first_root(np.array(vanishing(mu, d, e)), high), first_root(np.array(fold(mu, d, e)), high))
    if end < high:
        if residual(end, mu, d, e, t)[0] > 0.0:
            return -1.0
        high = end
    low = 0.0
    v, last = high, inf
    for _ in range(200):  # bisection alone needs 53 + log2 log(high/low)
        P, slope = residual(v, mu, d, e, t)
        low = v if P > 0.0 else low
        high = v if P < 0.0 else high
        step = abs(P / slope)
        rounding = last <= step < 1.0e-13 * v  # that of P is reached
        if step <= 4.0e-16 * v or rounding or high - low <= 1.0e-15 * high:
            return v
        trial, last = v - P / slope, step
        if not low < trial < high:
            trial, last = (0.5 * (low + high) if low == 0.0 else sqrt(low) * sqrt(high)), inf
        v = trial
    return nan


@njit(error_model="numpy", nogil=True, cache=True)
def solve(
    n,
    C,
    n_patches,
    patch_size,
    noise_variance,
    weight_variance,
    readout_variance,
    target_norm2,
    alpha,
    alpha_test,
    ratio,
    inert,
    chi,
    status,
):
    """Fill alpha, alpha_test, r, r_0, chi and status: 0 solved, 1 bad argument, 2 no root, 3 unphysical."""
    for i in range(n.size):
        good = (
            (0.0 < n[i] < inf)
            and (C[i] > 0.0)
            and (0.0 < n_patches[i] < inf)
            and (1.0 <= patch_size[i] < inf)
            and (0.0 < noise_variance[i] < inf)
            and (0.0 < weight_variance[i] < inf)
            and (0.0 < readout_variance[i] < inf)
            and (0.0 < target_norm2[i] < inf)
        )
        w0, mu, d, e, t = scaled(
            n[i],
            C[i],
            n_patches[i],
            patch_size[i],
            noise_variance[i],
            weight_variance[i],
            readout_variance[i],
            target_norm2[i],
        )
        in_range = mu > 0.0 and t < inf and (t > 0.0 or C[i] == inf) and d < inf
        v = root(mu, d, e, t) if good and in_range else nan
        there = v >= 0.0
        alpha[i] = discrepancy(v, mu, d, e) / (n[i] * w0) if there else nan
        alpha_test[i] = unlearned(v, mu, d, e) / noise_variance[i] if there else nan
        ratio[i] = 1.0 + v / mu if there else nan
        inert[i] = 1.0 if there else nan
        chi[i] = v / (v + mu) if there else nan
        status[i] = 0 if there else (1 if not good else (3 if v < 0.0 else 2))


@njit(error_model="numpy", nogil=True, cache=True)
def first_order(
    n, n_patches, patch_size, noise_variance, weight_variance, readout_variance, target_norm2, out
):
    """out = d alpha/d(1/C) at C = inf; NaN without a physical root there."""
    for i in range(n.size):
        w0, mu, d, e, t1 = scaled(
            n[i],
            1.0,
            n_patches[i],
            patch_size[i],
            noise_variance[i],
            weight_variance[i],
            readout_variance[i],
            target_norm2[i],
        )
        A, A_slope = gaussian_slope(mu, d, e)
        out[i] = A_slope * t1 * mu * A * A / (n[i] * w0) if A > 0.0 else nan
