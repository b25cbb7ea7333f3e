# ruff: noqa: F821
# mypy: ignore-errors
# The generator pastes this file behind `eigenvalue`, `scaled`, `residual`, `slope_at_gp` and
# `meeting` of one closure.


@njit(error_model="numpy")
def root(mu, t):
    """The root a = alpha/alpha_GP with 0 < a and chi = t a^2 < 1: Newton, kept inside a bracket.

    P falls with a there (its slope has three terms, all negative) and with mu, which lies in
    (0, 1); so the root lies between those at mu = 1, where P is quadratic, and at mu = 0.
    """
    low = 2.0 / (1.0 + sqrt(1.0 + 4.0 * t))
    high = min(1.0, 1.0 / sqrt(t))
    a = low
    for _ in range(100):  # bisection alone needs 53
        P, slope = residual(a, mu, t)
        low = a if P > 0.0 else low
        high = a if P < 0.0 else high
        trial = a - P / slope
        if not low <= trial <= high:
            trial = 0.5 * (low + high)
        if abs(trial - a) <= 4.0e-16 * a:  # two units in the last place
            return trial
        a = trial
    return nan


@njit(error_model="numpy")
def enhancement(a, mu, t):
    """r = l_*/l_GP: the better conditioned of 1/(1 - chi) and (1 - sigma^2 alpha)/(mu a)."""
    unfrozen = 1.0 - t * a * a
    gap = (1.0 - a) + mu * a
    return 1.0 / unfrozen if unfrozen > gap else gap / (mu * a)


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
    """Fill alpha, alpha_test, r, r_0, chi and status: 0 solved, 1 bad argument, 2 no root found."""
    for i in range(n.size):
        good = (
            (0.0 < n[i] < inf)
            and (C[i] > 0.0)
            and (0.0 < n_patches[i] < inf)
            and (0.0 < patch_size[i] < inf)
            and (0.0 < noise_variance[i] < inf)
            and (0.0 < weight_variance[i] < inf)
            and (0.0 < readout_variance[i] < inf)
            and (0.0 < target_norm2[i] < inf)
        )
        alpha_gp, mu, t = scaled(
            n[i],
            C[i],
            n_patches[i],
            patch_size[i],
            noise_variance[i],
            weight_variance[i],
            readout_variance[i],
            target_norm2[i],
        )
        good_scale = mu > 0.0 and (t > 0.0 or C[i] == inf)  # no underflow
        a = root(mu, t) if good and good_scale else nan
        alpha[i] = alpha_gp * a
        alpha_test[i] = unlearned(alpha[i], noise_variance[i]) / noise_variance[i]
        ratio[i] = enhancement(a, mu, t)
        inert[i] = 1.0 if a > 0.0 else nan
        chi[i] = t * a * a
        status[i] = 1 if not good else (0 if a > 0.0 else 2)


@njit(error_model="numpy", nogil=True, cache=True)
def first_order(
    n, n_patches, patch_size, noise_variance, weight_variance, readout_variance, target_norm2, out
):
    """out = d alpha/d(1/C) at C = inf."""
    for i in range(n.size):
        out[i] = slope_at_gp(
            n[i],
            n_patches[i],
            patch_size[i],
            noise_variance[i],
            weight_variance[i],
            readout_variance[i],
            target_norm2[i],
        )


@njit(error_model="numpy", nogil=True, cache=True)
def branch_points(
    n,
    n_patches,
    patch_size,
    noise_variance,
    weight_variance,
    readout_variance,
    target_norm2,
    physical,
    other,
):
    """Fill the two complex C where roots meet; the series in 1/C converges for C > |physical|.

    Real, at t < 0, if lambda >= 8 sigma^2/n: the physical root, which leaves t = 0 downwards, is
    one of the pair at the larger |t|. Otherwise they are conjugates and it is in both pairs.
    """
    for i in range(n.size):
        _, mu, t1 = scaled(  # t = t1/C
            n[i],
            1.0,
            n_patches[i],
            patch_size[i],
            noise_variance[i],
            weight_variance[i],
            readout_variance[i],
            target_norm2[i],
        )
        c2, c1, c0, own = meeting(mu)
        size = sqrt(abs(own))
        if own >= 0.0:
            t_physical = -(c1 + size) / (2.0 * c2)  # c1 > 0 here: a sum, not a difference
            physical[i] = complex(t1 / t_physical, 0.0)
            other[i] = complex(t1 * t_physical * c2 / c0, 0.0)
        else:
            # t = (-c1 +- i size)/(2 c2), |t|^2 = c0/c2, so 1/t = (-c1 -+ i size)/(2 c0).
            physical[i] = complex(-t1 * c1 / (2.0 * c0), t1 * size / (2.0 * c0))
            other[i] = physical[i].conjugate()
