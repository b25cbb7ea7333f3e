# ruff: noqa: F821
# mypy: ignore-errors
# The generator pastes this file behind the functions of the one_over_n closure. Parameters: n w0, mu, d, e,
# t, sigma^2 and x = 1/C.


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
def bracket(nw0, mu, d, e, t, noise_variance, x):
    """Ends of nu on the branch that starts at nu = 0, C = inf, where to start, and the status.

    A <= 1/(1 + nu) bounds nu (1 + nu) <= t. The branch ends where 1/C stops growing with nu (a fold) or
    where A, that is alpha, vanishes; before that the root is the only one.
    """
    if not (mu > 0.0 and t < inf and (t > 0.0 or x == 0.0) and d < inf):
        return 0.0, 0.0, 0.0, NO_ROOT
    if not discrepancy(0.0, mu, d, e) > 0.0:
        return 0.0, 0.0, 0.0, NOT_PHYSICAL
    high = 2.0 * t / (1.0 + sqrt(1.0 + 4.0 * t))
    end = high
    if high > 0.0:
        end = min(first_root(np.array(vanishing(mu, d, e)), high), first_root(np.array(fold(mu, d, e)), high))
    if end < high:
        if residual(end, nw0, mu, d, e, t, noise_variance, x)[0] > 0.0:
            return 0.0, 0.0, 0.0, NOT_PHYSICAL
        high = end
    return 0.0, high, high, SOLVED


@njit(error_model="numpy")
def observables(nu, nw0, mu, d, e, t, noise_variance, x):
    """alpha, alpha_test, r, r_0 and chi."""
    test = unlearned(nu, mu, d, e) / noise_variance
    inert = 1.0 if nu >= 0.0 else nan
    return discrepancy(nu, mu, d, e) / nw0, test, 1.0 + nu / mu, inert, nu / (nu + mu)


@njit(error_model="numpy")
def slope_at_gp(nw0, mu, d, e, t, noise_variance, x):
    """d alpha/d(1/C) at C = inf; NaN without a physical root there."""
    A, A_slope = gaussian_slope(mu, d, e)
    return A_slope * t * mu * A * A / nw0 / x if A > 0.0 else nan
