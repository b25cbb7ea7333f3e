# ruff: noqa: F821
# mypy: ignore-errors
# The generator pastes this file behind SQUARES and WEIGHTS, the squared nodes above 0 of a Gauss-Legendre
# rule of even order, and TAYLOR, the series of exp.


@njit(error_model="numpy")
def cdf(x):
    """Standard normal distribution function."""
    return 0.5 * erfc(-0.7071067811865476 * x)


@njit(error_model="numpy", fastmath={"reassoc", "contract"})
def owen(h, k):
    """Owen's T(h, k/h) for 0 <= k <= h, 0 < h; absolute error below 1e-15.

    (1/2 pi) of the integral of exp(-h^2 (1 + x^2)/2)/(1 + x^2) from 0 to k/h, even in x. The inner
    exponential is a Taylor series of z/128 squared seven times: no branch and no call, so that the loop
    is vectorised. exp(-40) and below are zero here.
    """
    slope = k / h
    squared = slope * slope
    scale = -0.5 * k * k
    total = 0.0
    for i in range(SQUARES.size):
        z = 0.0078125 * max(scale * SQUARES[i], -40.0)
        p = TAYLOR[0]
        for j in range(1, len(TAYLOR)):
            p = p * z + TAYLOR[j]
        p *= p
        p *= p
        p *= p
        p *= p
        p *= p
        p *= p
        p *= p
        total += WEIGHTS[i] * p / (1.0 + squared * SQUARES[i])
    return 0.15915494309189535 * slope * total * exp(-0.5 * h * h)


@njit(error_model="numpy")
def wedge(h, k, half_h, half_k):
    """T(h, k/h), odd in both, for any h and k (not both 0); half_h = cdf(h) - 1/2. Zero counts as positive.

    T(h, k/h) + T(k, h/k) = 1/4 - half_h half_k for h, k > 0 keeps the integral short.
    """
    x = abs(h)
    y = abs(k)
    sign = -1.0 if (h < 0.0) != (k < 0.0) else 1.0
    if y <= x:
        return sign * owen(x, y)
    return sign * (0.25 - owen(y, x)) - half_h * half_k


@njit(error_model="numpy")
def quadrant(a, b, rho, x1, x2, cdf_a, cdf_b, C1, C2):
    """P(h1 > 0, h2 > 0) = Phi2(a, b; rho), a and b the means over the standard deviations (Owen 1956).

    x1 = (a - rho b)/q and x2 = (b - rho a)/q with q^2 = 1 - rho^2, C = cdf(x).
    """
    if a == 0.0 and b == 0.0:
        return 0.25 + 0.15915494309189535 * asin(rho)
    opposite = 0.5 if (a < 0.0) != (b < 0.0) else 0.0
    total = 0.5 * (cdf_a + cdf_b) - opposite
    total -= wedge(a, x2, cdf_a - 0.5, C2 - 0.5) + wedge(b, x1, cdf_b - 0.5, C1 - 0.5)
    return max(total, 0.0)
