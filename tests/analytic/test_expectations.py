"""Derived Gaussian expectations against the printed formulas and against quadrature."""

import mpmath
import pytest
import sympy
from mutants import breaks
from sympy import asin, pi, sqrt

from analytic.expectations.activations import ACTIVATIONS, activation
from analytic.expectations.kernels import kernel, mean, price
from analytic.symbols import D1, D2, K11, K12, K22, h, v

CLOSED = [name for name, entry in ACTIVATIONS.items() if entry.kernel in ("derived", "given")]
PAIRS = ((K12,), (K11,), (K22,), (K12, K12), (K12, K11), (K11, K11), (K11, K22), (K22, K22))
# Covariances with correlations of both signs and unequal variances.
COVARIANCES = ((0.3, 0.8, 1.7), (-0.9, 0.6, 2.1), (0.05, 3.0, 0.4))


# Trapezoidal rule in two standard normals: nodes 0.2 apart up to 12. For entire phi its error is
# exp(-(2 pi/0.2)^2/(2 (1 + 2 K))) < 1e-27 at the variances K below, and exp(-72) from the ends.
SPACING, REACH = mpmath.mpf(1) / 5, 60


def quadrature(name, c12, c11, c22):
    """E[phi(h1) phi(h2)], h1 = sqrt(K11) x, h2 = K12/sqrt(K11) x + sqrt(K22 - K12^2/K11) y."""
    phi = sympy.lambdify(h, ACTIVATIONS[name].phi, "mpmath")
    c12, c11, c22 = map(mpmath.mpf, (c12, c11, c22))
    rest = mpmath.sqrt(c22 - c12**2 / c11)
    nodes = [SPACING * i for i in range(-REACH, REACH + 1)]
    weights = [SPACING * mpmath.npdf(node) for node in nodes]
    total = mpmath.mpf(0)
    for x, outer in zip(nodes, weights, strict=True):
        centre = c12 / mpmath.sqrt(c11) * x
        inner = sum(w * phi(centre + rest * y) for w, y in zip(weights, nodes, strict=True))
        total += outer * phi(mpmath.sqrt(c11) * x) * inner
    return total


def test_erf_is_the_arcsine_kernel():
    printed = 2 / pi * asin(2 * K12 / sqrt((1 + 2 * K11) * (1 + 2 * K22)))
    assert sympy.simplify(kernel("erf").G - printed) == 0


def test_linear_is_the_covariance():
    assert kernel("linear").G == K12


@breaks(
    "analytic/expectations/kernels.py",
    "sqrt(2 * pi * variance)",
    "sqrt(pi * variance)",
    "density of a Gaussian",
    case="entries0-erf",
)
@breaks(
    "analytic/expectations/kernels.py",
    "u / (D1 * D2)) / (D1 * D2))",
    "u / (D1 * D2)) * (D1 * D2))",
    "Jacobian of u",
    case="entries0-erf",
)
@pytest.mark.parametrize("name", CLOSED)
@pytest.mark.parametrize("entries", COVARIANCES)
def test_kernel_against_quadrature(name, entries):
    with mpmath.workdps(30):
        derived = sympy.lambdify((K12, K11, K22), kernel(name).G, "mpmath")
        expected = derived(*map(mpmath.mpf, entries))
        # 1e-24: the discretisation error above with a margin for the prefactors.
        assert abs(quadrature(name, *entries) - expected) < 1e-24


@pytest.mark.parametrize("name", CLOSED)
@pytest.mark.parametrize("entries", PAIRS, ids=str)
def test_derivatives_against_differences_of_the_value(name, entries):
    """Derivatives (written in D1, D2) against numerical differentiation of G in the covariance."""
    derived = kernel(name)
    value = sympy.lambdify((K12, K11, K22), derived.G, "mpmath")
    statistic = sympy.lambdify(v, derived.statistic, "mpmath")
    formula = sympy.lambdify((K12, D1, D2), derived.derivative(*entries), "mpmath")
    orders = tuple(entries.count(entry) for entry in (K12, K11, K22))
    with mpmath.workdps(50):
        for c12, c11, c22 in COVARIANCES:
            point = tuple(map(mpmath.mpf, (c12, c11, c22)))
            expected = mpmath.diff(value, point, orders)
            found = formula(point[0], statistic(point[1]), statistic(point[2]))
            # mpmath.diff keeps about a third of 50 digits for a second derivative.
            assert abs(found - expected) < 1e-15 * (1 + abs(expected))


def test_price_theorem_of_a_shifted_activation():
    """E[phi]^2 at K12 = 0: for phi = h^2, E[h1^2 h2^2] = K11 K22 + 2 K12^2 and E[h^2] = K11."""
    assert mean(h**2) == K11
    assert sympy.simplify(price(h**2) - 4 * K12) == 0


def test_unknown_activation_lists_what_exists():
    with pytest.raises(ValueError, match="erf, linear"):
        activation("step")


def test_derivative_refuses_other_symbols():
    with pytest.raises(ValueError, match="K12, K11, K22"):
        kernel("erf").derivative(D1)
