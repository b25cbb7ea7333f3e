# ruff: noqa: F821
# mypy: ignore-errors
# The generator pastes this file behind the functions of the equivalent-kernel closure. Parameters: alpha_GP,
# mu, t, sigma^2 and x = 1/C.


@njit(error_model="numpy")
def bracket(alpha_gp, mu, t, noise_variance, x):
    """Ends of a = alpha/alpha_GP with 0 < a and chi = t a^2 < 1, where to start, and the status.

    P falls with a there (its slope has three terms, all negative) and with mu, which lies in
    (0, 1); so the root lies between those at mu = 1, where P is quadratic, and at mu = 0.
    """
    low = 2.0 / (1.0 + sqrt(1.0 + 4.0 * t))
    high = min(1.0, 1.0 / sqrt(t))
    in_range = mu > 0.0 and (t > 0.0 or x == 0.0)  # no underflow
    return low, high, low, SOLVED if in_range else NO_ROOT


@njit(error_model="numpy")
def observables(a, alpha_gp, mu, t, noise_variance, x):
    """alpha, alpha_test, r, r_0 and chi.

    r is the better conditioned of 1/(1 - chi) and (1 - sigma^2 alpha)/(mu a).
    """
    unfrozen = 1.0 - t * a * a
    gap = (1.0 - a) + mu * a
    ratio = 1.0 / unfrozen if unfrozen > gap else gap / (mu * a)
    alpha = alpha_gp * a
    inert = 1.0 if a > 0.0 else nan
    return alpha, unlearned(alpha, noise_variance) / noise_variance, ratio, inert, t * a * a


@njit(error_model="numpy", nogil=True, cache=True)
def branch_points(arguments, complexity, physical, other, status):
    """Fill the two complex C where roots meet; the series in 1/C converges for C > |physical|.

    Real, at t < 0, if lambda >= 8 sigma^2/n: the physical root, which leaves t = 0 downwards, is
    one of the pair at the larger |t|. Otherwise they are conjugates and it is in both pairs.
    """
    for i in range(status.size):
        given = entry(arguments, i)
        status[i] = SOLVED if valid(*given) else BAD_ARGUMENT
        physical[i] = other[i] = complex(nan, nan)
        if status[i] != SOLVED:
            continue
        _, mu, t, _, x = scaled(*given, complexity)
        t1 = t / x  # t = t1/C
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
