# ruff: noqa: F821
# mypy: ignore-errors
# The generator pastes this file behind the functions of one closure: `entry`, `valid`, `scaled`, and in what
# `scaled` returns `bracket`, `residual`, `observables` and `slope_at_gp`.


@njit(error_model="numpy")
def root(low, high, start, parameters):
    """Where `residual`, falling, passes zero between low and high, from 0 up: Newton inside a bracket."""
    z, last = start, inf
    for _ in range(200):  # bisection alone needs 53 + log2 log(high/low)
        value, slope = residual(z, *parameters)
        low = z if value > 0.0 else low
        high = z if value < 0.0 else high
        trial, step = z - value / slope, abs(value / slope)
        rounding = last <= step < 1.0e-13 * z  # that of the residual is reached
        if step <= 4.0e-16 * z or rounding or high - low <= 1.0e-15 * high:
            return min(max(trial, low), high)
        z, last = trial, step
        if not low < trial < high:
            z, last = (sqrt(low) * sqrt(high) if low > 0.0 else 1.0e-3 * high), inf
    return nan


@njit(error_model="numpy", nogil=True, cache=True)
def solve(arguments, complexity, alpha, alpha_test, ratio, inert, chi, status):
    """Fill alpha, alpha_test, r, r_0, chi and status; with 1/2 log det K_f for complexity 1, not for 0."""
    for i in range(status.size):
        given = entry(arguments, i)
        parameters = scaled(*given, complexity)
        z, found = nan, BAD_ARGUMENT
        if valid(*given):
            low, high, start, found = bracket(*parameters)
            if found == SOLVED:
                z = root(low, high, start, parameters)
        alpha[i], alpha_test[i], ratio[i], inert[i], chi[i] = observables(z, *parameters)
        status[i] = NO_ROOT if found == SOLVED and not alpha[i] > 0.0 else found


@njit(error_model="numpy", nogil=True, cache=True)
def first_order(arguments, complexity, slope, status):
    """Fill d alpha/d(1/C) at C = inf and status, at any finite C."""
    for i in range(status.size):
        given = entry(arguments, i)
        good = valid(*given)
        slope[i] = slope_at_gp(*scaled(*given, complexity)) if good else nan
        status[i] = (SOLVED if slope[i] < inf else NOT_PHYSICAL) if good else BAD_ARGUMENT
