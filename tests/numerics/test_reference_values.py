"""Recipe (a): n = 400, 20 patches of 64 pixels, sigma^2 = 0.1, both variances 2, default_rng(0).

The numbers come from two independent solvers of Eq. (7) and (8), which agreed in the digits given.
"""

import math

import numpy as np
import pytest

from numerics import cnn, datasets, solve_path

# C: alpha, w.Sigma.w S/sigma_w^2, Tr Sigma/sigma_w^2
TABLE = {
    2560: (0.7544853857, 1.02256113, 0.99978397),
    1280: (0.7488411615, 1.04548918, 0.99955890),
    640: (0.7377423552, 1.09240030, 0.99908241),
    320: (0.7163338228, 1.19009953, 0.99802899),
    160: (0.6768142310, 1.39811372, 0.99556125),
    80: (0.6106718375, 1.84338383, 0.98948188),
}
FREE_ENERGY = {2560: 167.426510, 640: 165.851211, 160: 159.885206}
ALPHA_GP = 0.760191070856
CHI_PAPER_C, CHI_RESPONSE_C = 420.622, 253.559  # C chi of the Gaussian process
ALPHA_1, ALPHA_2 = -14.684016, 196.7073  # alpha = ALPHA_GP + ALPHA_1 / C + ALPHA_2 / C^2 + ...


def printed(value, digits):
    """Half a unit in the last digit printed, or 1e-7 of the value where that is more."""
    return pytest.approx(value, rel=1e-7, abs=0.51 * 10.0**-digits)


@pytest.fixture(scope="module")
def data():
    return datasets.make_linear_cnn(n=400, n_patches=20, patch_size=64, seed=0, n_test=3)


@pytest.fixture(scope="module")
def path(data):
    # tol 1e-9: alpha inherits at most about ten times that
    return solve_path(cnn(640), data.X, data.y, 0.1, widths=[math.inf, *TABLE], tol=1e-9)


def test_data_are_the_recipe_s(data):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((400, 20, 64))
    a, w = rng.standard_normal(20), rng.standard_normal(64)
    a, w = a / np.linalg.norm(a), w / np.linalg.norm(w)
    assert np.array_equal(data.X, X)
    np.testing.assert_allclose(data.y[:3], [1.17678871, -0.41449353, -0.30596693], atol=5.1e-9)
    np.testing.assert_allclose(data.y, np.einsum("nis,i,s->n", X, a, w), atol=1e-14)
    np.testing.assert_allclose([np.linalg.norm(data.a_star), np.linalg.norm(data.w_star)], 1, rtol=1e-15)


def test_alpha_overlap_and_trace_along_the_table(data, path):
    assert path[0].alpha == printed(ALPHA_GP, 12)
    for sol, (alpha, overlap, trace) in zip(path[1:], TABLE.values(), strict=True):
        assert sol.alpha == printed(alpha, 10)
        assert data.w_star @ sol.Sigma @ data.w_star * 64 / 2 == printed(overlap, 8)
        assert data.w_star @ sol.overlap_ratio @ data.w_star == printed(overlap, 8)
        assert np.trace(sol.Sigma) / 2 == printed(trace, 8)


def test_free_energy(path):
    found = {sol.width: sol for sol in path}
    for width, F in FREE_ENERGY.items():
        assert found[width].free_energy == printed(F, 6)
        assert sum(found[width].free_energy_terms.values()) == pytest.approx(F, rel=1e-7)


def test_chi_of_the_gaussian_process_is_quoted_for_the_network_s_own_width(path):
    for sol in path[1:]:
        assert sol.gp.chi_paper * sol.width == printed(CHI_PAPER_C, 3)
        assert sol.gp.chi_response * sol.width == printed(CHI_RESPONSE_C, 3)
        assert sol.gp.alpha == printed(ALPHA_GP, 12)


def test_first_order_in_1_over_C(path):
    assert path[1].first_order.alpha_slope == pytest.approx(ALPHA_1, rel=1e-7)
    assert path[1].first_order.alpha_gp == printed(ALPHA_GP, 12)
    assert path[1].first_order.alpha(1280) == pytest.approx(ALPHA_GP + ALPHA_1 / 1280, rel=1e-9)


def test_first_and_second_coefficients_by_extrapolation(data):
    # alpha(x), x = 1/C, interpolated by the polynomial of degree 6 on Chebyshev nodes up to x = 1/700. The
    # series converges for C > about 40 (ratio a4/a3), so what is left out is (40/700)^6 = 4e-8 of a2, and
    # rounding of the solves, 1e-13, becomes 1e-13 * 700^2 * 50 = 3e-6 absolute in a2.
    reach = 1 / 700
    x = reach / 2 * (1 - np.cos(np.pi * (np.arange(1, 7) - 0.5) / 6))
    path = solve_path(cnn(640), data.X, data.y, 0.1, widths=[math.inf, *(1 / x)], tol=1e-13)
    scaled = np.append(0.0, x / reach)
    coefficients = np.linalg.solve(np.vander(scaled, increasing=True), path.alpha) / reach ** np.arange(7)
    assert coefficients[1] == pytest.approx(ALPHA_1, rel=1e-7)
    assert coefficients[2] == pytest.approx(ALPHA_2, rel=1e-5)


def test_all_solutions_converged_and_say_so(path):
    for sol in path:
        assert sol.converged
        assert sol.residual <= 1e-9
