"""Both finite-S values of lambda against Monte Carlo, the spectrum of a kernel, and what Eq. (9) needs."""

import math

import mpmath
import numpy as np
import pytest

from analytic.scalar.finite_patch import finite_patch

# S: Rayleigh quotient, eigenvalue; from an independent program, to the digits printed.
PRINTED = {16: (0.9793, 0.99758), 64: (0.99495, 0.99984), 256: (0.99875, 0.99999)}
VARIANCE = 2.0


@pytest.fixture(scope="module")
def found():
    return {size: finite_patch(size, 2) for size in PRINTED}


def erf_kernel(dot, left, right):
    return 2 / np.pi * np.arcsin(2 * dot / np.sqrt((1 + 2 * left) * (1 + 2 * right)))


def large_patch(size):
    return 4 * VARIANCE / (np.pi * (1 + 2 * VARIANCE) * size)


def test_printed_digits(found):
    for size, (rayleigh, eigenvalue) in PRINTED.items():
        assert float(found[size].rayleigh) == pytest.approx(rayleigh, abs=6e-6 if size > 16 else 6e-5)
        assert float(found[size].eigenvalue) == pytest.approx(eigenvalue, abs=6e-6)


@pytest.mark.parametrize("size", PRINTED)
def test_rayleigh_quotient_by_monte_carlo(found, size):
    """E[y y' G] with the part of G that is linear in the cosine as a control variate."""
    rng = np.random.default_rng(41)
    chunks = []
    for _ in range(16):
        x, z = (rng.standard_normal((200_000 // size * 4, size)) for _ in range(2))
        dot, left, right = (np.einsum("ms,ms->m", p, q) for p, q in ((x, z), (x, x), (z, z)))
        scale = VARIANCE / size
        G = erf_kernel(scale * dot, scale * left, scale * right)
        ends = np.sqrt((1 + 2 * scale * left) * (1 + 2 * scale * right))
        linear = 2 / np.pi * 2 * scale * dot / ends
        # Given the lengths, E[dot linear] is known: E[dot^2] = left right/S.
        known = 4 / np.pi * scale * left * right / size / ends
        chunks.append(np.mean(dot * (G - linear) + known) / size / large_patch(size))
    error = np.std(chunks) / math.sqrt(len(chunks) - 1)
    assert error < 2e-3
    assert abs(np.mean(chunks) - float(found[size].rayleigh)) < 4 * error


@pytest.mark.parametrize("size", PRINTED)
def test_eigenvalue_by_the_spectrum_of_the_kernel(found, size):
    """The radial operator by Gauss-Laguerre and the angle by Gauss-Gegenbauer quadrature: a matrix."""
    from scipy.special import roots_gegenbauer, roots_genlaguerre

    nodes, weights = roots_genlaguerre(40, size / 2 - 1)
    lengths, radial = np.sqrt(2 * nodes), weights / weights.sum()
    cosine, angular = roots_gegenbauer(60, size / 2 - 1)
    angular = angular / angular.sum()
    scale = VARIANCE / size
    left, right = np.meshgrid(lengths**2 * scale, lengths**2 * scale, indexing="ij")
    dot = np.sqrt(left * right)[..., None] * cosine
    projected = (erf_kernel(dot, left[..., None], right[..., None]) * cosine) @ angular
    matrix = np.sqrt(radial)[:, None] * projected * np.sqrt(radial)
    top = np.linalg.eigvalsh(matrix)[-1] / large_patch(size)
    # Gauss quadrature of smooth functions: to rounding.
    assert top == pytest.approx(float(found[size].eigenvalue), rel=1e-8)
    y = np.sqrt(radial) * lengths / math.sqrt(size)
    assert y @ matrix @ y / large_patch(size) == pytest.approx(float(found[size].rayleigh), rel=1e-8)


def test_eq_9_wants_the_rayleigh_quotient(found):
    """alpha/n = <y, (Q + s)^{-1} y>, read as 1/(lambda + s): lambda -> quotient for s >> lambda.

    It never exceeds the quotient (Jensen), and the eigenvalue does: no s makes the eigenvalue right.
    """
    for result in found.values():
        for ridge in (0.03, 0.3, 3, 300):
            effective = 1 / result.discrepancy(ridge) - ridge
            assert effective < result.rayleigh < result.eigenvalue
        effective = 1 / result.discrepancy(1e4) - 10**4
        assert abs(effective - result.rayleigh) < 1e-5


def test_linear_network_has_one_eigenfunction_of_degree_one():
    """G = x.x' v/S has the eigenvalue v/S exactly, on w.x itself."""
    result = finite_patch(5, 2, "linear")
    assert abs(result.rayleigh - 1) < mpmath.mpf("1e-15")
    assert abs(result.eigenvalue - 1) < mpmath.mpf("1e-15")


def test_an_activation_whose_kernel_is_no_function_of_the_cosine_is_refused():
    with pytest.raises(
        ValueError, match=r"'sin' is no function of one normalised product.*choose one of erf"
    ):
        finite_patch(64, 2, "sin")
