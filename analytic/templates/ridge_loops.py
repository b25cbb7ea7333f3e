# ruff: noqa: F821
# mypy: ignore-errors
# The generator pastes this file behind the functions of the ridge closure.


@njit(error_model="numpy")
def root(n, n_patches, patch_size, tau, y, c):
    """W = (lambda_* + kappa)/lambda as delta, floor; W = floor + delta: the only root with kappa, l_* > 0.

    f falls and k = W (1 - f) grows with W, so the closure's condition over kappa grows from -inf at
    k = 0 to n: one root. There r <= max(1, W at k = 0), r_0 <= 1, and n k = tau + sum of
    k r/(r + k) <= tau + sum of r: the upper end.
    """
    b, d = floor_of_W(y, c)
    floor = positive_root(b, d)
    learned = max(1.0, floor)
    low, high = 0.0, (learned - floor) + (tau + n_patches * learned + n_patches * (patch_size - 1.0)) / n
    delta, last = high, inf
    for _ in range(200):  # bisection alone needs 53 + log2 log(high/low)
        G, slope = residual(delta, floor, n, n_patches, patch_size, tau, y, c)
        low = delta if G < 0.0 else low
        high = delta if G > 0.0 else high
        step = abs(G / slope)
        rounding = last <= step < 1.0e-13 * delta  # that of G is reached
        if step <= 4.0e-16 * delta or rounding or high - low <= 1.0e-15 * high:
            return delta, floor
        trial, last = delta - G / slope, step
        if not low < trial < high:
            trial, last = (sqrt(low) * sqrt(high) if low > 0.0 else 1.0e-3 * high), inf
        delta = trial
    return nan, floor


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
    complexity,
    alpha,
    alpha_test,
    ratio,
    inert,
    chi,
    status,
):
    """Fill alpha, alpha_test, r, r_0, chi and status: 0 solved, 1 bad argument, 2 no root found."""
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
        lam, tau, y, c = scaled(
            n[i],
            C[i],
            n_patches[i],
            patch_size[i],
            noise_variance[i],
            weight_variance[i],
            readout_variance[i],
            target_norm2[i],
            complexity,
        )
        in_range = 0.0 < tau < inf and y < inf and (y > 0.0 or C[i] == inf)
        delta, floor = nan, nan
        if good and in_range:
            delta, floor = root(n[i], n_patches[i], patch_size[i], tau, y, c)
        W, share, rest_of_target = target(delta, floor, y)
        alpha[i] = 1.0 / (n[i] * lam * W)
        alpha_test[i] = unlearned(rest_of_target) / noise_variance[i]
        ratio[i] = W * share
        inert[i] = inert_ratio(W * rest_of_target, c) if W > 0.0 else nan
        chi[i] = y / (W * W)
        status[i] = 1 if not good else (0 if alpha[i] > 0.0 else 2)


@njit(error_model="numpy", nogil=True, cache=True)
def first_order(
    n,
    n_patches,
    patch_size,
    noise_variance,
    weight_variance,
    readout_variance,
    target_norm2,
    complexity,
    out,
):
    """out = d alpha/d(1/C) at C = inf."""
    for i in range(n.size):
        lam, tau, y, c = scaled(  # y/C and c/C
            n[i],
            1.0,
            n_patches[i],
            patch_size[i],
            noise_variance[i],
            weight_variance[i],
            readout_variance[i],
            target_norm2[i],
            complexity,
        )
        top, b, d = gaussian_quadratic(n[i], n_patches[i], patch_size[i], tau)
        W = 1.0 + positive_root(b / top, d / top)
        by_W, by_y, by_c = slopes_at_gp(W, n[i], n_patches[i], patch_size[i], tau)
        out[i] = (by_y * y + by_c * c) / (by_W * n[i] * lam * W * W)
