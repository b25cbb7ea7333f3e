# ruff: noqa: F821
# mypy: ignore-errors
# The generator pastes this file behind the functions of the ridge closure. Parameters: lambda, n, N, S,
# sigma^2, tau, y, c, the floor of W and x = 1/C.


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


@njit(error_model="numpy")
def bracket(lam, n, n_patches, patch_size, noise_variance, tau, y, c, floor, x):
    """Ends of delta, W = floor + delta = (lambda_* + kappa)/lambda, where to start, and the status.

    f falls and k = W (1 - f) grows with W, so the closure's condition over kappa grows from -inf at
    k = 0 to n: one root with kappa, l_* > 0. There r <= max(1, W at k = 0), r_0 <= 1, and
    n k = tau + sum of k r/(r + k) <= tau + sum of r: the upper end.
    """
    learned = max(1.0, floor)
    high = (learned - floor) + (tau + n_patches * learned + n_patches * (patch_size - 1.0)) / n
    in_range = 0.0 < tau < inf and y < inf and (y > 0.0 or x == 0.0)
    return 0.0, high, high, SOLVED if in_range else NO_ROOT


@njit(error_model="numpy")
def observables(delta, lam, n, n_patches, patch_size, noise_variance, tau, y, c, floor, x):
    """alpha, alpha_test, r, r_0 and chi."""
    W, share, rest_of_target = target(delta, floor, y)
    inert = inert_ratio(W * rest_of_target, c) if W > 0.0 else nan
    return 1.0 / (n * lam * W), unlearned(rest_of_target) / noise_variance, W * share, inert, y / (W * W)


@njit(error_model="numpy")
def slope_at_gp(lam, n, n_patches, patch_size, noise_variance, tau, y, c, floor, x):
    """d alpha/d(1/C) at C = inf."""
    top, b, d = gaussian_quadratic(n, n_patches, patch_size, tau)
    W = 1.0 + positive_root(b / top, d / top)
    by_W, by_y, by_c = slopes_at_gp(W, n, n_patches, patch_size, tau)
    return (by_y * y + by_c * c) / (by_W * n * lam * W * W) / x
