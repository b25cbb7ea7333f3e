"""`solve` against the oracle's own solutions, by another algorithm, and by what a solution must satisfy."""

import math

import numpy as np
import pytest
from mutants import breaks
from scipy.optimize import brentq, minimize
from small_problems import Small, symmetric

from numerics import cnn, from_sigma, reduced, solve, solve_path

WIDTHS = (300.0, 30.0, 10.0)  # load .03, .26, .7 (erf): from a small correction to strong learning
# the equations are solved to 1e-11 by `solve` and to 1e-14 by the oracle; the Hessian is of order one
TIGHT = 1e-11


@pytest.fixture(scope="module")
def solved(small):
    return [(C, solve(small.net(C), *small.data, tol=TIGHT), small.oracle.solve(C)) for C in WIDTHS]


@breaks(
    "numerics/problem.py", "else 1.0 / width for", "else 2.0 / width for", "1/N is not 1/width", case="erf"
)
@breaks(
    "numerics/kernels/kernel_maps.py",
    "group.weight\n                    total += part\n                panel.of(Q,",
    "group.weight / self.variance\n                    total += part\n                panel.of(Q,",
    "value without sigma_a^2",
    case="erf",
)
def test_alpha_sigma_and_free_energy_are_the_oracle_s(small, solved):
    for C, sol, Sigma in solved:
        oracle = small.oracle
        np.testing.assert_allclose(sol.Sigma, Sigma, rtol=0, atol=1e-9 * np.abs(Sigma).max())
        assert sol.alpha == pytest.approx(oracle.alpha(Sigma), rel=1e-9)
        assert sol.free_energy == pytest.approx(oracle.free_energy(Sigma, C), rel=1e-11)


@breaks(
    "numerics/solutions/observables.py",
    "self.point.data.eps * self._mean_output",
    "self.point.data.eps * self.problem.targets",
    "chi_response with y for f_bar",
    case="erf",
)
@breaks(
    "numerics/solutions/observables.py",
    "* overlaps**2)",
    "* abs(overlaps))",
    "chi_paper linear in eps",
    case="erf",
)
def test_fields_are_the_oracle_s(small, solved):
    for C, sol, Sigma in solved:
        oracle = small.oracle
        np.testing.assert_allclose(sol.eps, oracle.eps(Sigma), rtol=1e-7, atol=1e-8)
        np.testing.assert_allclose(sol.Q_f, oracle.Q(Sigma), rtol=0, atol=1e-9)
        np.testing.assert_allclose(sol.f_bar, oracle.Q(Sigma) @ oracle.eps(Sigma), rtol=0, atol=1e-8)
        assert sol.chi_paper == pytest.approx(oracle.chi_paper(Sigma, C), rel=1e-8)
        assert sol.chi_response == pytest.approx(oracle.chi_response(Sigma, C), rel=1e-8)
        assert sol.readout_load == pytest.approx(oracle.readout_load(Sigma, C), rel=1e-9)


@breaks(
    "numerics/solutions/solution.py",
    "self.equations, outcome, self.chi_width)",
    "self.equations, outcome, math.inf)",
    "chi of the process at infinite width",
    case="erf",
)
def test_gaussian_process_of_a_solution_has_its_own_eps_and_the_network_s_width(small, solved):
    prior = small.oracle.Sigma_0
    for C, sol, _ in solved:
        assert sol.gp.alpha == pytest.approx(small.oracle.alpha(prior), rel=1e-12)
        assert sol.gp.chi_paper == pytest.approx(small.oracle.chi_paper(prior, C), rel=1e-12)
        assert sol.gp.chi_response == pytest.approx(small.oracle.chi_response(prior, C), rel=1e-12)
        assert sol.gp.free_energy == pytest.approx(small.oracle.data_term(prior), rel=1e-12)
        assert sol.gp.readout_load == 0
        assert math.isinf(sol.gp.width)


@breaks("numerics/gaussian/layer.py", "E *= -x", "E *= x", "sign of T in Eq. (8)", case="erf")
@breaks(
    "numerics/readout_laws/mean_field.py",
    "Q[np.diag_indices(n)] += noise_variance",
    "Q[np.diag_indices(n)] += noise_variance**0.5",
    "sigma for sigma^2 in K_f",
    case="erf",
)
@breaks(
    "numerics/solutions/starts.py", "np.multiply.outer(std, std)", "std", "units of the start", case="erf"
)
def test_residual_is_that_of_equation_8_recomputed_by_the_oracle(small, solved):
    for C, sol, _ in solved:
        assert sol.residual == pytest.approx(small.oracle.residual(sol.Sigma, C), abs=1e-12)
    # and of a state that is far from solved: 1 gradient is spent on the start alone
    for start in (np.eye(4) * 0.3, small.Sigma()):
        sol = solve(small.net(20), *small.data, start=start, max_iter=1, raise_on_failure=False)
        np.testing.assert_allclose(sol.Sigma, start, atol=1e-14)
        assert sol.residual == pytest.approx(small.oracle.residual(start, 20), rel=1e-10)
        assert not sol.converged


def test_minimising_the_oracle_s_free_energy_ends_in_the_same_state(small):
    C, oracle = 30.0, small.oracle
    rows, cols = np.tril_indices(oracle.S)

    def covariance(theta):
        L = np.zeros((oracle.S, oracle.S))
        L[rows, cols] = theta
        return oracle.Sigma_0[0, 0] * L @ L.T

    # values of F alone, no gradient of ours: BFGS stops at about sqrt(1e-8) in theta
    best = minimize(lambda theta: oracle.free_energy(covariance(theta), C), np.eye(oracle.S)[rows, cols])
    sol = solve(small.net(C), *small.data)
    assert sol.free_energy == pytest.approx(best.fun, rel=1e-9)
    np.testing.assert_allclose(sol.Sigma, covariance(best.x), atol=1e-4)


def test_free_energy_of_nearby_states_is_higher(small, solved):
    rng = np.random.default_rng(0)
    for C, sol, _ in solved:
        for _ in range(5):
            L = np.linalg.cholesky(sol.Sigma)
            H = np.eye(4) + 0.03 * symmetric(rng, 4)
            assert small.oracle.free_energy(L @ H @ H.T @ L.T, C) > sol.free_energy


@breaks(
    "numerics/readout_laws/mean_field.py",
    "np.sqrt(noise_variance)[:, None]",
    "noise_variance[:, None]",
    "sigma^2 for sigma in the units of a linear network",
)
@breaks(
    "numerics/readout_laws/mean_field.py",
    "beta=-outputs",
    "beta=-0.0 * outputs",
    "A without K_f^{-1}",
)
def test_one_linear_pixel_is_the_root_of_a_cubic():
    x, y = np.array([1.0, 2.0, -1.5, 0.3]), np.array([1.1, 2.5, -1.0, 0.2])
    C, noise, weight, readout = 3.0, 0.2, 1.5, 0.7
    x2, xy = x @ x, x @ y

    def equation(s):  # Eq. (8) with K_f^{-1} by Sherman-Morrison
        k = noise + readout * s * x2
        return 1 / s - 1 / weight + readout / C * (xy**2 / k**2 - x2 / k)

    root = brentq(equation, 1e-3, 1e3, xtol=1e-14)
    net = cnn(C, weight_variance=weight, readout_variance=readout, activation="linear")
    sol = solve(net, x[:, None, None], y, noise, tol=1e-12)
    assert sol.Sigma[0, 0] == pytest.approx(root, rel=1e-10)


@breaks(
    "numerics/gaussian/root.py",
    "return self.std[:, None] * M * self.std",
    "return self.std[:, None] * M",
    "T in the wrong units",
    case="erf",
)
@breaks(
    "numerics/series/perturbation.py",
    "LayerState(layer.root.inner(T.theta),",
    "LayerState(T.theta,",
    "slope not per prior variance",
    case="erf",
)
@breaks(
    "numerics/readout_laws/mean_field.py",
    "return -quadratic_form",
    "return quadratic_form",
    "sign of d alpha",
    case="erf",
)
@breaks(
    "numerics/readout_laws/mean_field.py",
    "term.eps) / problem.target_norm2",
    "term.eps)",
    "d alpha not per y.y",
    case="erf",
)
@breaks(
    "numerics/readout_laws/mean_field.py",
    "off_diagonal = 2.0 *",
    "off_diagonal = 1.0 *",
    "off-diagonal responses once",
    case="erf",
)
def test_distance_to_the_tangent_falls_with_the_square_of_1_over_C(small):
    C = np.array([1e3, 2e3, 5e3, 1e4])
    path = solve_path(small.net(1.0), *small.data, widths=C, tol=1e-12)
    first = path[0].first_order
    distance = np.abs(path.alpha - first.alpha(C))
    slope = np.polyfit(np.log(1 / C), np.log(distance), 1)[0]
    assert slope == pytest.approx(2, abs=0.1)
    drift = [np.linalg.norm(sol.Sigma - first.Sigma_gp - first.Sigma_slope / sol.width) for sol in path]
    assert np.polyfit(np.log(1 / C), np.log(drift), 1)[0] == pytest.approx(2, abs=0.1)
    # the zeroth order misses by 1/C
    plain = [np.linalg.norm(sol.Sigma - first.Sigma_gp) for sol in path]
    assert np.polyfit(np.log(1 / C), np.log(plain), 1)[0] == pytest.approx(1, abs=0.1)


def test_series_in_1_over_C_is_that_of_the_oracle_at_complex_width(small):
    expected = small.oracle.series(2, radius=1 / 1000)
    first = solve(small.net(100), *small.data).first_order
    assert first.alpha_gp == pytest.approx(expected[0], rel=1e-12)
    assert first.alpha_slope == pytest.approx(expected[1], rel=1e-9)
    # second difference about 1/C = 0 by polynomial interpolation, degree 5 on [0, 1/2000]
    x = np.linspace(0.2, 1, 5) / 2000
    path = solve_path(small.net(1.0), *small.data, widths=1 / x, tol=1e-13)
    rest = (path.alpha - first.alpha(1 / x)) / x**2
    # a5/a2 x^3 with a ratio near 1/100 per order: (1/20)^5 = 3e-7, and rounding 1e-15 * 1e8 / a2
    assert np.polyval(np.polyfit(x, rest, 4), 0.0) == pytest.approx(expected[2], rel=1e-5)


def test_first_order_is_exact_differentiation(small):
    Sigma_1, alpha_1 = small.oracle.first_order()
    first = solve(small.net(math.inf), *small.data).first_order
    np.testing.assert_allclose(first.Sigma_slope, Sigma_1, rtol=0, atol=1e-12 * np.abs(Sigma_1).max())
    assert first.alpha_slope == pytest.approx(alpha_1, rel=1e-11)


def test_infinite_width_is_the_prior_without_iteration(small):
    sol = solve(small.net(math.inf), *small.data)
    np.testing.assert_allclose(sol.Sigma, small.oracle.Sigma_0, rtol=1e-15)
    assert sol.alpha == pytest.approx(small.oracle.alpha(small.oracle.Sigma_0), rel=1e-12)
    assert sol.converged
    assert sol.chi_paper == sol.chi_response == 0
    # a large finite width is next to it: first order over C
    close = solve(small.net(1e9), *small.data)
    assert close.alpha == pytest.approx(sol.alpha, rel=1e-6)


def test_starting_elsewhere_ends_in_the_same_state(small):
    C = 30.0
    sol = solve(small.net(C), *small.data, tol=1e-10)
    for start in (small.Sigma(), solve(small.net(300.0), *small.data), sol.Sigma.tolist()):
        again = solve(small.net(C), *small.data, start=start, tol=1e-10)
        np.testing.assert_allclose(again.Sigma, sol.Sigma, atol=1e-9)
    assert solve(small.net(C), *small.data, start=sol, tol=1e-9).gradients <= 2


def test_very_strong_learning_is_solved_too():
    small = Small("erf")
    for C in (2.0, 0.5):
        sol = solve(small.net(C), *small.data)
        assert small.oracle.residual(sol.Sigma, C) <= 1e-8


def test_arrays_of_a_solution_belong_to_it(small):
    X, y = small.X.copy(), small.y.copy()
    sol = solve(small.net(30.0), X, y, small.noise_variance)
    before = sol.predict(small.X_test)
    X[:] = 0
    y[:] = 0
    np.testing.assert_array_equal(sol.predict(small.X_test), before)


def test_a_given_sigma_makes_the_process_that_solving_ends_in(small):
    sol = solve(small.net(30.0), *small.data, tol=1e-11)
    given = from_sigma(small.net(30.0), *small.data[:2], sol.Sigma, noise_variance=small.data[2])
    # log and exp of Sigma in between
    assert given.alpha == pytest.approx(sol.alpha, rel=1e-11)
    assert given.free_energy == pytest.approx(sol.free_energy, rel=1e-11)
    assert given.residual < 1e-10
    assert not given.converged
    np.testing.assert_allclose(given.predict(small.X_test), sol.predict(small.X_test), atol=1e-11)


def test_a_given_sigma_that_is_no_solution_has_its_own_residual(small):
    Sigma = small.Sigma()
    given = from_sigma(small.net(30.0), *small.data[:2], Sigma, noise_variance=small.data[2])
    assert given.residual == pytest.approx(small.oracle.residual(Sigma, 30.0), rel=1e-9)
    assert given.alpha == pytest.approx(small.y @ small.oracle.eps(Sigma) / (small.y @ small.y), rel=1e-10)
    with pytest.raises(ValueError, match="Sigma"):
        from_sigma(small.net(30.0), *small.data[:2], -Sigma, noise_variance=0.1)


def test_sigma_of_the_reduced_theory():
    """Variance l_* along w*, l_0 across it, for any length of w*."""
    found = reduced.solve(1600, 160, weight_variance=1.5)
    w = np.arange(1.0, 65.0)
    Sigma = found.Sigma(w)
    scale = 1.5 / 64
    np.testing.assert_allclose(Sigma @ w, scale * found.overlap_ratio * w, rtol=1e-13)
    across = np.zeros(64)
    across[:2] = 2.0, -1.0
    np.testing.assert_allclose(Sigma @ across, scale * found.inert_ratio * across, atol=1e-15)
    with pytest.raises(ValueError, match="scalar arguments"):
        reduced.solve(1600, [160, 80]).Sigma(w)
    with pytest.raises(ValueError, match="w_star must be one vector"):
        found.Sigma(np.zeros(64))
