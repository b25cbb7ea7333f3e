"""F, its gradient and its Hessian product: values by the oracle, derivatives by differences of order two."""

import math

import numpy as np
import pytest
from mutants import breaks
from small_problems import ReadoutMap, Small, symmetric

from numerics.gaussian.state import LayerState
from numerics.machine.dense import mirrored

C = 40.0


def matrix_function(f, M):
    values, U = np.linalg.eigh(M)
    return (U * f(values)) @ U.T


def log_ratio(small, Sigma):
    return matrix_function(np.log, Sigma / small.oracle.Sigma_0[0, 0])


def state(small, Sigma, C=C):
    return small.theory.at((LayerState(log_ratio(small, Sigma)),), (1 / C,))


def test_free_energy_and_its_terms_are_the_oracle_s(small):
    Sigma, oracle = small.Sigma(), small.oracle
    got = state(small, Sigma)
    assert abs(got.F - oracle.free_energy(Sigma, C)) < 1e-12 * abs(got.F)
    assert got.KL_terms[0] == pytest.approx(C * oracle.kl(Sigma), rel=1e-12)
    assert got.data.parts["fit"] == pytest.approx(small.y @ oracle.eps(Sigma) / 2, rel=1e-12)
    assert got.data.parts["complexity"] == pytest.approx(
        np.linalg.slogdet(oracle.K_f(Sigma))[1] / 2, rel=1e-12
    )
    assert got.data.degrees_of_freedom == pytest.approx(oracle.readout_load(Sigma, C) * 3 * C, rel=1e-12)
    assert got.residual == pytest.approx(oracle.residual(Sigma, C), rel=1e-11)


def test_divergence_keeps_its_digits_next_to_the_prior(small):
    t = 1e-7 * symmetric(np.random.default_rng(0), small.oracle.S)
    # KL = tr t^2/4 + O(t^3) of order 1e-14; the printed form cancels to 1e-16, two digits
    assert small.theory.at((LayerState(t),), (1.0,)).KL_terms[0] == pytest.approx(np.sum(t * t) / 4, rel=1e-6)


def test_A_is_the_outer_product_minus_the_inverse(small):
    Sigma = small.Sigma()
    data = ReadoutMap(small).data_term(Sigma)
    np.testing.assert_allclose(np.tril(data.A), np.tril(small.oracle.A(Sigma)), rtol=1e-10, atol=1e-10)


@breaks("numerics/gaussian/theory.py", "layer.KL / x if", "layer.KL * x if", "KL times 1/N", case="erf")
@breaks(
    "numerics/gaussian/layer.py", "np.expm1(t) - t)) / 2", "np.expm1(t) - t))", "KL loses 1/2", case="erf"
)
@breaks(
    "numerics/gaussian/layer.py", "np.expm1(t) - t", "np.expm1(t) + t", "sign of log det in KL", case="erf"
)
@breaks(
    "numerics/gaussian/layer.py",
    "for power in (1.0, 0.5, -0.5)",
    "for power in (1.0, 1.0, -0.5)",
    "R for its square root",
    case="erf",
)
def test_gradient_of_the_free_energy_by_central_differences_of_order_two(small):
    rng = np.random.default_rng(3)
    Sigma = small.Sigma()
    start = state(small, Sigma)
    L = matrix_function(np.sqrt, start.Sigma / small.oracle.Sigma_0[0, 0])
    for _ in range(3):
        H = symmetric(rng, small.oracle.S)

        def F(t, H=H):
            return state(small, small.oracle.Sigma_0[0, 0] * L @ matrix_function(np.exp, t * H) @ L).F

        slope = C / 2 * np.sum(start.E[0].theta * H)
        errors = [abs((F(h) - F(-h)) / (2 * h) - slope) for h in (0.02, 0.01)]
        # fourth-order terms change the ratio 4 by O(h^2); a wrong slope gives the ratio 1
        assert errors[0] / errors[1] == pytest.approx(4, rel=0.02)
        assert errors[1] < 1e-2 * abs(slope)


@breaks(
    "numerics/kernels/preactivations.py",
    "np.multiply(flat_diagonal[",
    "np.multiply(0 * flat_diagonal[",
    "variances' derivative dropped",
    case="erf",
)
@breaks(
    "numerics/readout_laws/mean_field.py",
    "beta=-outputs",
    "beta=outputs",
    "sign of K_f^{-1} in A",
    case="erf",
)
@breaks(
    "numerics/readout_laws/mean_field.py",
    '"complexity": 0.5 * outputs',
    '"complexity": outputs',
    "twice the complexity",
    case="erf",
)
@breaks(
    "numerics/kernels/kernel_maps.py",
    "np.tril(corner, -1)",
    "np.tril(corner, 0)",
    "diagonal counted twice",
    case="erf",
)
@breaks(
    "analytic/templates/tile_loops.py",
    "total += weight * d11",
    "total -= weight * d11",
    "sign of dG/dK11",
    case="erf",
)
@breaks(
    "analytic/templates/tile_loops.py",
    "col[b] += weight * d22",
    "col[b] += weight * d12",
    "dG/dK12 for dG/dK22",
    case="erf",
)
@breaks(
    "analytic/expectations/kernels.py",
    "(result, D1) * self",
    "(result, D1) * 2 * self",
    "dG/dK11 twice",
    case="erf",
)
@breaks(
    "analytic/generator/kernels.py", "Mul(1 - u, 1 + u", "Mul(1 - u, 1 - u", "1 - u for 1 + u", case="erf"
)
def test_pull_is_minus_twice_the_derivative_of_the_data_term(small):
    rng = np.random.default_rng(4)
    Sigma, field = small.Sigma(), ReadoutMap(small)
    T = field.pull(Sigma)
    for _ in range(3):
        D = small.oracle.Sigma_0[0, 0] * symmetric(rng, small.oracle.S)
        slope = -np.sum(T * D) / 2
        values = {h: field.data_term(Sigma + h * D).value for h in (-0.02, -0.01, 0.01, 0.02)}
        errors = [abs((values[h] - values[-h]) / (2 * h) - slope) for h in (0.02, 0.01)]
        assert errors[0] / errors[1] == pytest.approx(4, rel=0.02)


@breaks(
    "numerics/readout_laws/mean_field.py",
    "dA = symmetric_product(left, mirrored(self.H.T))",
    "dA = left.copy()",
    "K_f^{-1} dQ for K_f^{-1} dQ K_f^{-1}",
    case="erf",
)
@breaks(
    "numerics/readout_laws/mean_field.py",
    "deps = -dsymm(1.0",
    "deps = -dsymm(-1.0",
    "sign of d eps",
    case="erf",
)
@breaks(
    "numerics/readout_laws/mean_field.py",
    "left = dsymm(float(",
    "left = dsymm(-float(",
    "sign of d K_f^{-1}",
    case="erf",
)
@breaks(
    "analytic/templates/input_loops.py",
    "np.dot(dY[a, top:bottom], there, dK)",
    "np.dot(Y[a, top:bottom], there, dK)",
    "tangent along the kernel itself",
    case="erf",
)
@breaks(
    "analytic/templates/tile_loops.py",
    "d11 * dv1 + d22 * dv_col[b]",
    "d11 * dv1 - d22 * dv_col[b]",
    "dG along dK22",
    case="erf",
)
@breaks(
    "analytic/templates/tile_loops.py",
    "d11_11 * dv1 + d11_22 * dv2",
    "d11_11 * dv1 - d11_22 * dv2",
    "second derivative in (K11, K22)",
    case="erf",
)
def test_hessian_product_by_central_differences_of_order_two(small):
    rng = np.random.default_rng(5)
    Sigma, field = small.Sigma(), ReadoutMap(small)
    for _ in range(3):
        D = small.oracle.Sigma_0[0, 0] * symmetric(rng, small.oracle.S)
        dT = field.pull_tangent(Sigma, D)
        errors = []
        for h in (0.02, 0.01):
            difference = (field.pull(Sigma + h * D) - field.pull(Sigma - h * D)) / (2 * h)
            errors.append(np.linalg.norm(difference - dT))
        assert errors[0] / errors[1] == pytest.approx(4, rel=0.05)
        assert errors[1] < 0.1 * np.linalg.norm(dT)


def test_hessian_is_symmetric(small):
    rng = np.random.default_rng(6)
    Sigma, field = small.Sigma(), ReadoutMap(small)
    u, v = (symmetric(rng, small.oracle.S) for _ in range(2))
    left = np.sum(u * field.pull_tangent(Sigma, v))
    right = np.sum(v * field.pull_tangent(Sigma, u))
    # rounding through K_f^{-1}: 1e-16 times its condition number, below 1e3 here
    assert left == pytest.approx(right, rel=1e-10)


@breaks(
    "numerics/readout_laws/mean_field.py",
    "fit = 0.5 * float(np.sum(y * eps))",
    "fit = 1.0 * float(np.sum(y * eps))",
    "twice the fit",
    case="erf",
)
def test_infinite_width_is_the_log_evidence_of_the_process(small):
    at_prior = small.theory.at(small.theory.prior, (0.0,))
    K = small.oracle.K_f(small.oracle.Sigma_0)
    sign, log_det = np.linalg.slogdet(2 * math.pi * K)
    log_evidence = -(small.y @ np.linalg.solve(K, small.y) + log_det) / 2
    n = len(small.y)
    assert sign == 1
    assert at_prior.F + n / 2 * math.log(2 * math.pi) == pytest.approx(-log_evidence, rel=1e-12)
    assert at_prior.residual == 0


def test_memory_that_is_never_written_is_never_computed_with(monkeypatch):
    """Fresh memory can hold any bits; arithmetic on some of them warns or overflows."""
    small = Small("erf", n=130)  # three row panels: half of Q_f is above them
    field, Sigma, empty = ReadoutMap(small), small.Sigma(), np.empty
    expected = small.oracle.T(Sigma)
    # a signalling NaN, infinity, the largest number
    for bits in (0x7FF0000000000001, 0x7FF0000000000000, 0x7FEFFFFFFFFFFFFF):

        def dirty(shape, *arguments, bits=bits, **named):
            array = empty(shape, *arguments, **named)
            if array.dtype == float:
                array.view(np.uint64).fill(bits)
            return array

        monkeypatch.setattr(np, "empty", dirty)
        T = field.pull(Sigma)
        dT = field.pull_tangent(Sigma, Sigma)
        Q = mirrored(field.value(Sigma))
        monkeypatch.undo()
        np.testing.assert_allclose(T, expected, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(Q, small.oracle.Q(Sigma), rtol=0, atol=1e-12)
        assert np.isfinite(dT).all()
