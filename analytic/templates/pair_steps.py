# ruff: noqa: F821
# mypy: ignore-errors
# The generator pastes this file behind the probability of a quadrant and `difference`, for pairs of steps:
# y ~ N(x, K), g = y + noise of variances S1, S2, V the covariance of (g1, g2).
DEAD = 1e-89  # a variance below is none
COINCIDENT = 1e-14  # 1 - rho^2 below is rounding: the same g twice


@njit(error_model="numpy")
def alone(x, V):
    """P(g > 0) and the density of g at 0."""
    i = 1.0 / sqrt(V) if V > DEAD else 0.0
    a = x * i
    P = cdf(a) if V > DEAD or x == 0.0 else (1.0 if x > 0.0 else 0.0)
    return P, 0.3989422804014327 * i * exp(-0.5 * a * a)


@njit(error_model="numpy")
def together(K12, x1, v1, S1, x2, v2, S2):
    """P, A1, A2, J of two steps, and det V J.

    Correlations of +-1 up to rounding are +-1. J is left out there: where the same g stands twice its terms
    cancel.
    """
    V11 = v1 + S1
    V22 = v2 + S2
    P1, f1 = alone(x1, V11)
    P2, f2 = alone(x2, V22)
    if V11 <= DEAD or V22 <= DEAD:
        return P1 * P2, f1 * P2, f2 * P1, f1 * f2, 0.0
    i1 = 1.0 / sqrt(V11)
    i2 = 1.0 / sqrt(V22)
    detK = max(difference(v1, v2, K12, K12), 0.0)
    rest = (detK + (S1 * v2 + S2 * v1 + S1 * S2)) * (i1 * i1) * (i2 * i2)
    apart = rest > COINCIDENT
    rho = min(max(K12 * i1 * i2, -1.0), 1.0)
    rho = rho if apart else (1.0 if rho > 0.0 else -1.0)
    q = sqrt(rest) if apart else 1e-150
    a = x1 * i1
    b = x2 * i2
    far1 = i1 * i2 * i2 * difference(V22, x1, K12, x2) / q if apart else (a - rho * b) / q
    far2 = i1 * i1 * i2 * difference(V11, x2, K12, x1) / q if apart else (b - rho * a) / q
    C1 = cdf(far1)
    C2 = cdf(far2)
    if x1 == 0.0 and x2 == 0.0:
        P = 0.25 + 0.15915494309189535 * atan2(rho, q)
    else:
        P = quadrant(a, b, rho, far1, far2, P1, P2, C1, C2)
    joint = 0.15915494309189535 * exp(-0.5 * (a * a + far2 * far2)) * i1 * i2
    J = joint / q if apart else 0.0
    return P, f1 * C2, f2 * C1, J, V11 * V22 * q * joint
