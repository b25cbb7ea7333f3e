"""The reduced theory at finite fan-in: derived from one function, generated, and against other codes."""

import math

import mpmath
import numpy as np
import pytest
from mutants import breaks
from scipy.optimize import brentq

from analytic import reduced_equation
from analytic.scalar.fan_in import UNKNOWNS, ridge_condition, system
from analytic.symbols import (
    N,
    S,
    T,
    g2,
    kappa_p,
    kappa_q,
    lam,
    n,
    p_across,
    p_along,
    q_across,
    q_along,
    sigma2,
    x,
)
from numerics import cnn, datasets, reduced, solve

FAN_IN = "analytic/scalar/fan_in.py"
LAW = {"readout": "finite_fan_in"}


def numbers(samples, C, target=1.0, patches=20, size=64, noise=0.1):
    eigenvalue = 8 * 2 / (math.pi * 5 * patches * size)
    rest = 4 / math.pi * math.asin(4 / 5) - patches * size * eigenvalue
    return {n: samples, N: patches, S: size, sigma2: noise, lam: eigenvalue, T: rest, g2: target, x: 1 / C}


def ridge(w_along, w_across, given, r, r_0):
    """kappa by bisection of its condition, written out."""
    modes = [
        (1, w_along * given[lam] * r),
        (given[S] - 1, w_along * given[lam] * r_0),
        (given[N] - 1, w_across * given[lam] * r),
        ((given[N] - 1) * (given[S] - 1), w_across * given[lam] * r_0),
    ]
    noise = given[sigma2] + given[T] * (w_along + (given[N] - 1) * w_across) / given[N]

    def gap(log_k):
        k = math.exp(log_k)
        return given[n] * k - noise - k * sum(m * v / (v + k) for m, v in modes)

    return math.exp(brentq(gap, -40, 5, xtol=1e-14)), modes, noise


def F(values, given):
    """The free energy over C, with both ridges eliminated by bisection and nothing shared."""
    r, r_0, p, q, p_t, q_t = values
    k_p, _, _ = ridge(p, p_t, given, r, r_0)
    k_q, modes, noise = ridge(q, q_t, given, r, r_0)
    log_det = sum(m * math.log1p(v / k_q) for m, v in modes) + given[n] * math.log(k_q) + noise / k_q
    fit = given[g2] / (p * given[lam] * r + k_p)
    weights = r - math.log(r) + (given[S] - 1) * (r_0 - math.log(r_0))
    paid = q - q / p - math.log(p) + (given[N] - 1) * (q_t - q_t / p_t - math.log(p_t))
    return 0.5 * (weights + paid + given[x] * (fit + log_det))


@breaks(FAN_IN, "(N - 1, across * lam * ratio)", "(N, across * lam * ratio)", "a mode along a* twice")
@breaks(FAN_IN, "return (q - q / p - log(p)) / 2", "return (q - q / p - 2 * log(p)) / 2", "log p twice")
@breaks(FAN_IN, "direct - lift * answer", "direct", "kappa_p held fixed")
@pytest.mark.parametrize(("samples", "C"), [(800, 160), (400, 40), (1600, 640)])
def test_the_generated_solution_is_stationary(samples, C):
    """By differences of a free energy written by hand."""
    given = numbers(samples, C)
    sol = reduced.solve(samples, C, **LAW)
    at = np.array(
        [
            sol.overlap_ratio,
            sol.inert_ratio,
            sol.response,
            sol.fluctuation,
            sol.response_across,
            sol.fluctuation_across,
        ]
    )
    copies = [1, given[S] - 1, 1, 1, given[N] - 1, given[N] - 1]
    for position, count in enumerate(copies):
        step = np.zeros(6)
        step[position] = 1e-4 * at[position]
        slope = (F(at + step, given) - F(at - step, given)) / 2e-4
        far = (F(at + 1e3 * step, given) - F(at - 1e3 * step, given)) / 2e-1
        # of order h^2 = 1e-8, and rounding of F over h
        assert abs(slope) / count < 1e-6 + 1e-4 * abs(far) / count


def test_the_condition_of_a_ridge_is_the_stationarity_of_the_complexity():
    found = system()
    values = dict(zip(UNKNOWNS, (1.4, 0.95, 0.9, 1.3, 0.85, 0.92, 3e-3, 4e-3), strict=True))
    given = numbers(400, 100) | values
    slope = found.free_energy.diff(kappa_q).subs(given)
    condition = ridge_condition(q_along, q_across, kappa_q).subs(given)
    assert float(slope) == pytest.approx(float(condition) / (2 * 100 * 4e-3**2), rel=1e-12)
    assert float(ridge_condition(p_along, p_across, kappa_p).subs(given)) != 0


def test_first_order_is_that_of_an_independent_code():
    """d alpha/d(1/C) at C = inf, to the digits it was printed with; by differences too."""
    for samples, slope in ((400, 1.1), (800, -44.0)):
        found = reduced.first_order(samples, **LAW)
        assert found == pytest.approx(slope, abs=0.05)
        gp = reduced.alpha(samples, math.inf, **LAW)
        errors = [abs((reduced.alpha(samples, C, **LAW) - gp) * C - found) for C in (1e5, 2e5)]
        assert errors[0] / errors[1] == pytest.approx(2, rel=0.02)
        assert gp == pytest.approx(reduced.alpha(samples, math.inf), rel=1e-12)


def test_the_pixel_form_at_the_paper_s_point():
    """.7206 and 1.743 where the pair across a* is one number; sampled networks have .7215 and 1.7125."""
    ratio = reduced.alpha(1600, 640, **LAW) / reduced.alpha(1600, math.inf)
    assert ratio == pytest.approx(0.7215, rel=0.01)
    assert reduced.solve(1600, 640, **LAW).overlap_ratio == pytest.approx(1.743, abs=2e-3)
    mean_field = reduced.alpha(1600, 640) / reduced.alpha(1600, math.inf)
    assert abs(mean_field / 0.7215 - 1) > 0.04


def test_one_pixel_has_nothing_across():
    """N = 1: the pair along a* alone, against two unknowns of a scalar iteration."""
    given = numbers(300, 200, patches=1)
    sol = reduced.solve(300, 200, n_patches=1, **LAW)
    at = [sol.overlap_ratio, sol.inert_ratio, sol.response, sol.fluctuation, 1.0, 1.0]
    for position in range(4):
        step = np.zeros(6)
        step[position] = 1e-4 * at[position]
        assert abs(F(at + step, given) - F(at - step, given)) / 2e-4 < 1e-5


def test_digits_by_mpmath_are_those_of_the_generated_code():
    eq = reduced_equation(readout="finite_fan_in")
    for C in (math.inf, 160, 20):
        exact, fast = eq.solve(n=400, C=C, digits=20), reduced.solve(400, C, **LAW)
        for name, other in (
            ("alpha", "alpha"),
            ("alpha_test", "alpha_test"),
            ("ratio", "overlap_ratio"),
            ("inert_ratio", "inert_ratio"),
            ("response", "response"),
            ("fluctuation", "fluctuation"),
            ("response_across", "response_across"),
            ("fluctuation_across", "fluctuation_across"),
        ):
            assert getattr(fast, other) == pytest.approx(float(getattr(exact, name)), rel=1e-11)
    assert len(eq.equations) == len(eq.unknowns) == 8
    assert "kappa_{q}" in eq.latex
    assert "def equations(" in eq.source
    condition = eq.limits()["C -> inf"]
    at_gp = {eq.symbols[name]: value for name, value in (("n", 400), ("n_patches", 20), ("patch_size", 64))}
    at_gp |= {eq.symbols["noise_variance"]: 0.1, eq.symbols["weight_variance"]: 2}
    at_gp |= {eq.symbols["readout_variance"]: 2}
    (kappa,) = condition.subs(at_gp).free_symbols
    ridge_there = float(eq.solve(n=400, C=math.inf).ridge)
    assert abs(float(condition.subs(at_gp).subs(kappa, ridge_there))) < 1e-12


def test_the_series_continues_the_first_order():
    eq = reduced_equation(readout="finite_fan_in")
    c = eq.series(3, n=400, digits=12)
    assert float(c[1]) == pytest.approx(reduced.first_order(400, **LAW), rel=1e-8)
    errors = []
    for C in (3000, 6000):
        with mpmath.workdps(30):
            partial = sum(each / C**k for k, each in enumerate(c))
            errors.append(abs(float(eq.solve(n=400, C=C).alpha - partial)))
    assert errors[0] / errors[1] == pytest.approx(16, rel=0.1)  # the next term is the fourth


def test_arrays_of_settings_and_what_is_refused():
    alphas = reduced.alpha([400, 800], [[640], [80]], **LAW)
    assert alphas.shape == (2, 2)
    assert alphas[1, 0] == pytest.approx(reduced.alpha(400, 80, **LAW), rel=1e-14)
    assert "Sigma" in dir(reduced.solve(400, 80, **LAW))
    with pytest.warns(RuntimeWarning, match="1 of 2"):
        assert np.isnan(reduced.alpha(400, [80, -1], **LAW)[1])
    for arguments in ({"closure": "one_over_n"}, {"include_complexity": False}):
        with pytest.raises(ValueError, match="closure='ridge' with the complexity"):
            reduced.alpha(400, 80, **LAW, **arguments)
        with pytest.raises(ValueError, match="closure='ridge' with the complexity"):
            reduced_equation(**LAW, **arguments)
    for ask in (lambda: reduced.alpha(400, 80, readout="sharp"), lambda: reduced_equation(readout="sharp")):
        with pytest.raises(ValueError, match="readout='sharp'"):
            ask()
    with pytest.raises(ValueError, match="'alpha'"):
        reduced_equation(**LAW).series(2, "chi", n=400)


def test_it_is_near_the_matrix_theory():
    """Within 5 % of alpha/alpha_GP and l_*, as mean field's reduced theory is of its own."""
    data = datasets.make_linear_cnn(300, 6, 32, seed=1)
    norm = np.mean(data.y**2)
    given = {"n_patches": 6, "patch_size": 32, "target_norm2": norm}
    gp, scalar_gp = solve(cnn(math.inf), data.X, data.y, 0.1).alpha, reduced.alpha(300, math.inf, **given)
    for C in (320, 160):
        matrix = solve(cnn(C), data.X, data.y, 0.1, theory="finite_fan_in")
        scalar = reduced.solve(300, C, **given, **LAW)
        learned = data.w_star @ matrix.overlap_ratio @ data.w_star
        assert scalar.alpha / scalar_gp == pytest.approx(matrix.alpha / gp, rel=0.05)
        assert scalar.overlap_ratio == pytest.approx(learned, rel=0.05)
