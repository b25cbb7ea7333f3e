# mypy: ignore-errors
# ruff: noqa: F821
# The generator pastes this file behind `entry`, `valid`, `eigenvalue`, `rest_of_trace`, `equations` (the
# residuals, their Jacobian in the logarithms of the unknowns, and their slopes in x = 1/C) and `outcome`.
# Parameters: n, N, S, sigma^2, lambda, T and the target's norm.


@njit(error_model="numpy")
def gaussian_ridge(n, n_patches, patch_size, lam, tau):
    """kappa at C = inf: n kappa^2 + (n lambda - sigma^2 - T - N S lambda) kappa = lambda (sigma^2 + T)."""
    half = 0.5 * (lam - (tau + n_patches * patch_size * lam) / n)
    size = sqrt(half * half + lam * tau / n)
    return size - half if half <= 0.0 else lam * tau / n / (half + size)


@njit(error_model="numpy")
def assembled(u, parameters, x):
    """Residuals, Jacobian and slopes in x at the logarithms u."""
    z = np.exp(u)
    values = np.array(equations(z[0], z[1], z[2], z[3], z[4], z[5], z[6], z[7], *parameters, x))
    return values[:8], values[8:72].reshape(8, 8), values[72:]


@njit(error_model="numpy")
def newton(u, parameters, x):
    """u at this x, and whether it was reached, from a guess that is near."""
    last = inf
    for _ in range(30):
        value, jacobian, _ = assembled(u, parameters, x)
        step = np.linalg.solve(jacobian, value)
        size = np.max(np.abs(step))
        if not size < 1.0:  # further than the guess is good for
            return u, False
        u = u - step
        if size < 1.0e-14 or (size < 1.0e-11 and size >= 0.5 * last):
            return u, True
        last = size
    return u, False


@njit(error_model="numpy")
def continued(parameters, x):
    """u at x, followed from C = inf in steps that grow and shrink with what Newton's method does."""
    n, n_patches, patch_size, noise_variance, lam, rest, _ = parameters
    u = np.zeros(8)
    u[6:] = log(gaussian_ridge(n, n_patches, patch_size, lam, noise_variance + rest))
    at, step = 0.0, x
    if not u[6] > -inf:
        return u, False
    if x == 0.0:
        return u, True
    for _ in range(2000):
        _, jacobian, by_x = assembled(u, parameters, at)
        slope = -np.linalg.solve(jacobian, by_x)
        while step > 1.0e-14 * x:
            ahead = min(at + step, x)
            guess = u + (ahead - at) * slope
            found, good = newton(guess, parameters, ahead)
            if good and np.max(np.abs(found - guess)) < 0.5:
                break
            step *= 0.25
        else:
            return u, False
        u, at = found, ahead
        if at >= x:
            return u, True
        step *= 2.0
    return u, False


@njit(error_model="numpy")
def scaled(n, C, n_patches, patch_size, noise_variance, weight_variance, readout_variance, target_norm2):
    """The parameters."""
    lam = eigenvalue(n_patches, patch_size, weight_variance, readout_variance)
    rest = rest_of_trace(weight_variance, readout_variance)
    return n, n_patches, patch_size, noise_variance, lam, rest, target_norm2


@njit(error_model="numpy", nogil=True, cache=True)
def solve(arguments, alpha, alpha_test, ratio, inert, chi, p_along, q_along, p_across, q_across, status):
    """Fill alpha, alpha_test, r, r_0, chi, the p and q along and across a*, and status."""
    for i in range(status.size):
        given = entry(arguments, i)
        z, found = np.full(8, nan), BAD_ARGUMENT
        parameters = scaled(*given)
        if valid(*given):
            u, good = continued(parameters, 1.0 / given[1])
            found = NO_ROOT
            if good:
                z, found = np.exp(u), SOLVED
        n, _, _, noise_variance, lam, _, target_norm2 = parameters
        alpha[i], alpha_test[i] = outcome(z[0], z[2], z[6], n, noise_variance, lam)
        ratio[i], inert[i] = z[0], z[1]
        p_along[i], q_along[i], p_across[i], q_across[i] = z[2], z[3], z[4], z[5]
        chi[i] = z[2] * alpha[i] * alpha[i] * n * n * lam * target_norm2 / given[1]
        status[i] = found


@njit(error_model="numpy", nogil=True, cache=True)
def first_order(arguments, slope, status):
    """Fill d alpha/d(1/C) at C = inf and status, at any finite C."""
    for i in range(status.size):
        given = entry(arguments, i)
        slope[i], status[i] = nan, BAD_ARGUMENT
        if valid(*given):
            parameters = scaled(*given)
            u, _ = continued(parameters, 0.0)
            _, jacobian, by_x = assembled(u, parameters, 0.0)
            moved = -np.linalg.solve(jacobian, by_x)
            z = np.exp(u)
            target = z[2] * parameters[4] * z[0]
            change = target * (moved[0] + moved[2]) + z[6] * moved[6]
            slope[i] = -change / (given[0] * (target + z[6]) * (target + z[6]))
            status[i] = SOLVED if abs(slope[i]) < inf else NO_ROOT
