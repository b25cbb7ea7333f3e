"""The ridge and one_over_n closures: 40-digit stationarity written out by hand, limits, ranges, series."""

import math
import warnings
from importlib import import_module
from pathlib import Path

import mpmath
import numpy as np
import pytest
from mutants import breaks

from analytic import reduced_equation
from analytic.scalar.closures import CLOSURES
from analytic.symbols import ARGUMENTS
from numerics import reduced
from numerics._generated import reduced_one_over_n, reduced_ridge

# n = 1600 and the defaults; from an independent solver, to the digits printed.
RIDGE = {1280: (0.4257, 1.389), 640: (0.3653, 1.695), 320: (0.2981, 2.183), 160: (0.2335, 2.916)}
anywhere = pytest.mark.filterwarnings("ignore:closure 'one_over_n'")  # also where that is off
VARIANTS = [("one_over_n", None), ("ridge", False), ("ridge", True)]


def draw(count, seed, decades=1.5):
    """Parameters around the defaults; patch_size from 1 up."""
    rng = np.random.default_rng(seed)
    centres = (1600.0, 640.0, 20.0, 64.0, 0.1, 2.0, 2.0, 1.0)
    rows = np.array([c * 10 ** rng.uniform(-decades, decades, count) for c in centres])
    rows[3] = np.maximum(rows[3], 1.0)
    return rows


def gradient(closure, complexity, point, unknowns):
    """Every stationarity condition, by hand: unknowns (w = lambda_* + kappa, r, kappa, r_0)."""
    n, C, N, S, noise, weight, readout, norm2 = (mpmath.mpf(v) for v in point)
    w, r, kappa, r0 = unknowns
    c = 2 * weight / (1 + 2 * weight)
    lam = 2 * readout * c / (mpmath.pi * N * S)
    T = 2 * readout / mpmath.pi * (mpmath.asin(c) - c)
    s, learned, on = noise / n, lam * r, int(bool(complexity))
    if closure == "ridge":
        share = N * learned / (learned + kappa) + N * (S - 1) * lam * r0 / (lam * r0 + kappa)
        ridge = n * kappa - noise - T - kappa * share
        balance = w - learned - kappa
    else:
        posterior = T + N * s * learned / (learned + s) + N * (S - 1) * s * lam / (lam + s)
        ridge = kappa - s - posterior / n
        balance = 1 / w - 1 / (learned + s) + (kappa - s) / (learned + s) ** 2
    return [
        ridge / noise,
        balance / (1 if closure == "one_over_n" else lam),
        C * (1 - 1 / r) - norm2 * lam / w**2 + on * N * lam / w,
        C * (1 - 1 / r0) + on * N * lam / (lam * r0 + kappa),
    ]


def start(closure, complexity, point, solution):
    """Unknowns that belong to the double-precision answer."""
    n, C, N, S, noise, weight, readout, _ = (float(v) for v in point)
    lam = 4 * readout * weight / (math.pi * (1 + 2 * weight) * N * S)
    w = 1 / (n * solution.alpha)
    kappa = w - lam * solution.overlap_ratio
    if closure == "one_over_n":
        T = 2 * readout / math.pi * math.asin(2 * weight / (1 + 2 * weight)) - N * S * lam
        s, learned = noise / n, lam * solution.overlap_ratio
        kappa = s + (T + N * s * learned / (learned + s) + N * (S - 1) * s * lam / (lam + s)) / n
    b = (kappa / lam - 1 + N / C) / 2
    return [w, solution.overlap_ratio, kappa, math.sqrt(b * b + kappa / lam) - b if complexity else 1.0]


def test_table_of_the_ridge_closure():
    for C, (alpha, ratio) in RIDGE.items():
        found = reduced.solve(1600, C)
        assert round(found.alpha, 4) == alpha
        assert round(found.overlap_ratio, 3) == ratio
    assert round(reduced.alpha(1600, math.inf), 4) == 0.5392
    assert round(reduced.alpha(1600, math.inf, closure="one_over_n"), 3) == 0.603


@anywhere
@pytest.mark.parametrize(("closure", "complexity"), VARIANTS)
def test_stationarity_conditions_to_40_digits(closure, complexity):
    """Newton on all four conditions at once moves alpha by less than 1e-12."""
    checked = 0
    for point in draw(60, seed=21).T:
        try:
            found = reduced.solve(*point, closure=closure, include_complexity=complexity)
        except ValueError:
            assert closure == "one_over_n"
            continue
        with mpmath.workdps(40):
            first = start(closure, complexity, point, found)
            exact = mpmath.findroot(
                lambda *u: gradient(closure, complexity, point, u),  # noqa: B023
                first,
                tol=1e-45,
                verify=False,
            )
            error = abs(1 / (mpmath.mpf(point[0]) * exact[0]) / found.alpha - 1)
            # one_over_n cancels where alpha nearly vanishes: relative to the equivalent kernel's alpha.
            scale = reduced.alpha(*point, closure="equivalent_kernel") / found.alpha
            assert error < 1e-12 * max(1.0, scale if closure == "one_over_n" else 1.0)
            assert abs(exact[1] / found.overlap_ratio - 1) < 1e-11
            assert abs(exact[3] / found.inert_ratio - 1) < 1e-11
            if closure == "ridge":  # kappa/(lambda_* + kappa) = 1 - f; f = r/W inherits the error of r
                assert abs(exact[2] / exact[0] - point[4] * found.alpha_test) < 1e-11
        checked += 1
    assert checked >= 10


@breaks(
    "analytic/templates/scalar_ridge.py",
    "W * share, inert",
    "share, inert",
    "r in units of W",
    case="ridge-True",
)
@breaks(
    "analytic/templates/scalar_ridge.py",
    "inert, y / (W * W)",
    "inert, y / W",
    "chi without its square",
    case="ridge-True",
)
@pytest.mark.parametrize(("closure", "complexity"), VARIANTS)
def test_polynomial_and_generated_kernel_agree(closure, complexity):
    """The eliminated polynomial, isolated exactly, against the bracketed solver; N = 1 included."""
    eq = reduced_equation(closure, include_complexity=complexity)
    for given in ({"n": 1600, "C": 640}, {"n": 900, "C": 80, "n_patches": 1}, {"n": 2000, "C": math.inf}):
        state = eq.solve(**given)
        found = reduced.solve(**given, closure=closure, include_complexity=complexity)
        assert found.alpha == pytest.approx(float(state.alpha), rel=1e-12)
        assert found.overlap_ratio == pytest.approx(float(state.ratio), rel=1e-12)
        assert found.chi == pytest.approx(float(state.chi), rel=1e-12)
        assert found.inert_ratio == pytest.approx(float(state.inert_ratio), rel=1e-12)
        assert (0.1 * found.alpha_test) ** 2 == pytest.approx(float(state.test_error), rel=1e-11)


@pytest.mark.parametrize(("closure", "complexity"), VARIANTS)
def test_first_order(closure, complexity):
    found = reduced.first_order(1600, closure=closure, include_complexity=complexity)
    series = reduced_equation(closure, include_complexity=complexity).series(1, n=1600)
    assert found == pytest.approx(float(series[1]), rel=1e-11)
    C = 1e7  # the second order is 1e-4 of the first there; two widths cancel it
    ends = [
        reduced.alpha(1600, w, closure=closure, include_complexity=complexity) for w in (C, 2 * C, math.inf)
    ]
    slope = (4 * (ends[1] - ends[2]) - (ends[0] - ends[2])) * C
    assert slope == pytest.approx(found, rel=1e-6)


def test_first_order_of_the_ridge_closure_at_the_paper_point():
    assert reduced.first_order(1600) == pytest.approx(-213.947, abs=5e-4)
    assert reduced.first_order(1600, include_complexity=False) == pytest.approx(-219.671, abs=5e-4)


def test_many_data_make_all_closures_the_same():
    """kappa -> sigma^2/n as n/(N S) grows: the correction falls as 1/n."""
    gaps = []
    for n in (1e7, 1e8):
        values = [reduced.alpha(n, 1e9, closure=name, target_norm2=1e-9) for name in CLOSURES]
        gaps.append(max(values) / min(values) - 1)
    assert gaps[1] < 0.2 * gaps[0] < 0.2


def test_one_over_n_says_where_it_ends():
    with pytest.raises(ValueError, match="use closure='ridge'"):
        reduced.alpha(380, 640, closure="one_over_n")
    with pytest.raises(ValueError, match="no physical root"):
        reduced.first_order(380, closure="one_over_n")
    with pytest.warns(RuntimeWarning, match="1 of 2"):
        found = reduced.solve([380, 1600], 640, closure="one_over_n")
    assert list(found.status) == [reduced.ReducedStatus.NOT_PHYSICAL, reduced.ReducedStatus.SOLVED]
    assert np.isnan(found.alpha[0])


def test_complexity_belongs_to_the_ridge_closure():
    for call in (
        reduced_equation,
        lambda closure, include_complexity: reduced.alpha(
            1600, 640, closure=closure, include_complexity=include_complexity
        ),
    ):
        with pytest.raises(ValueError, match="needs closure='ridge'"):
            call(closure="equivalent_kernel", include_complexity=True)
    with pytest.raises(ValueError, match=r"patch_size=0\.5"):
        reduced.alpha(1600, 640, patch_size=0.5)


def test_arcsine_excess():
    with mpmath.workdps(40):
        for u in (1e-8, 1e-3, 0.1, 0.349, 0.351, 0.99):
            exact = mpmath.asin(mpmath.mpf(u)) - mpmath.mpf(u)
            # asin u - u of two doubles loses 6/u^2 = 50 units at u = 0.351.
            assert abs(reduced_ridge.asin_excess(u) / exact - 1) < 1.2e-14


def test_observables_are_series_of_the_same_state():
    """l_*, chi and both errors at C = 1e6 from order 4 and from the root."""
    eq = reduced_equation("ridge")
    state = eq.solve(n=1600, C=10**6)
    for name in ("alpha", "l_star", "chi", "train_error", "test_error"):
        series = eq.series(4, name, n=1600)
        total = sum(c / mpmath.mpf(10) ** (6 * k) for k, c in enumerate(series))
        # The fifth order is (1044/1e6)^5 = 1e-15 of the first.
        assert abs(total / getattr(state, name) - 1) < 1e-12
    with pytest.raises(ValueError, match="train_error"):
        eq.series(2, "loss", n=1600)
    with pytest.raises(ValueError, match="give numbers"):
        eq.series(2)


@pytest.mark.parametrize(("closure", "complexity"), VARIANTS)
def test_every_entry_over_eight_decades_is_answered(closure, complexity):
    """The solvers stop at the rounding of their residual, wherever that is."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # entries of one_over_n without a physical root, or far off
        found = reduced.solve(*draw(50_000, 22, 4), closure=closure, include_complexity=complexity)
    assert not np.any(found.status == reduced.ReducedStatus.NO_ROOT)
    assert np.all(found.alpha[found.status == reduced.ReducedStatus.SOLVED] > 0)
    if closure == "ridge":
        assert np.all(found.overlap_ratio > 0)
        # 1 - 2 ulp: r = W f with f rounded.
        assert complexity or np.all(found.overlap_ratio > 1 - 1e-15)


@pytest.mark.parametrize("closure", ["one_over_n", "ridge"])
def test_equation_object(closure):
    """Limits against the solver, the compiled residual at the root, LaTeX, the committed source."""
    eq = reduced_equation(closure, include_complexity=False)
    values = {eq.symbols[k]: v for k, v in zip(ARGUMENTS, (1600, 1, 20, 64, 0.1, 2, 2, 1), strict=True)}
    gaussian = float(eq.limits()["C -> inf"].subs(values))
    assert gaussian == pytest.approx(reduced.alpha(1600, math.inf, closure=closure), rel=1e-10)
    frozen = float(eq.limits()["alpha/sqrt(C), C -> 0"].subs(values))
    narrow = reduced.alpha(1600, 1e-6, closure=closure, **no_complexity(closure)) / 1e-3
    assert narrow == pytest.approx(frozen, rel=1e-3)  # the correction is of order sqrt(C/(n^2 lambda))
    root = reduced.alpha(1600, 640, closure=closure, **no_complexity(closure))
    residual, slope = eq.compile()(root, 1600.0, 640.0)[:2]
    assert abs(residual / slope) < 1e-12 * root
    assert r"\alpha" in eq.latex
    assert eq.source == Path(import_module(f"numerics._generated.reduced_{closure}").__file__).read_text()


def no_complexity(closure):
    return {"include_complexity": False} if closure == "ridge" else {}


def test_limits_with_complexity_are_those_without():
    plain = reduced_equation("ridge", include_complexity=False).limits()["C -> inf"]
    assert reduced_equation("ridge").limits() == {"C -> inf": plain}


@breaks(
    "analytic/templates/scalar_one_over_n.py",
    "            return 0.0, 0.0, 0.0, NOT_PHYSICAL\n        high = end",
    "            high = end",
    "past the fold",
)
@anywhere
def test_the_two_layers_agree_on_where_one_over_n_ends():
    """Past its fold another branch still has positive alpha, r and kappa: neither layer takes it."""
    eq = reduced_equation("one_over_n")
    for given in ({"n": 395, "C": 30}, {"n": 350, "C": 10}, {"n": 300, "C": 10, "noise_variance": 0.15}):
        for ask in (lambda **g: reduced.alpha(**g, closure="one_over_n"), eq.solve):
            with pytest.raises(ValueError, match="no physical root"):
                ask(**given)
        roots = eq.roots(**given)
        assert any("another branch" in root.why for root in roots)
        assert not any(root.physical for root in roots)
    assert float(eq.solve(n=395, C=1280).alpha) == pytest.approx(
        reduced.alpha(395, 1280, closure="one_over_n"), rel=1e-11
    )


def test_very_narrow_networks_keep_all_digits():
    """As C -> 0 with complexity, alpha -> N/(n g2) and r, alpha_test freeze; without it alpha ~ sqrt(C)."""
    limit = reduced.solve(1600, 1e-100)
    assert limit.alpha == pytest.approx(20 / 1600, rel=1e-14)
    eq = reduced_equation("ridge")
    for C in (1e-3, 1e-6, 1e-12):
        found, state = reduced.solve(1600, C), eq.solve(n=1600, C=C)
        assert found.overlap_ratio == pytest.approx(float(state.ratio), rel=1e-12)
        assert found.inert_ratio == pytest.approx(float(state.inert_ratio), rel=1e-12)
        assert (0.1 * found.alpha_test) ** 2 == pytest.approx(float(state.test_error), rel=1e-12)
    assert limit.overlap_ratio == pytest.approx(found.overlap_ratio, rel=1e-10)
    plain = [reduced.alpha(1600, C, include_complexity=False) for C in (1e-20, 1e-22)]
    assert plain[0] / plain[1] == pytest.approx(10, rel=1e-8)


def test_patches_below_one_pixel_are_refused_by_both_layers():
    for closure in ("ridge", "one_over_n"):
        with pytest.raises(ValueError, match=r"patch_size=0\.5 must be at least 1"):
            reduced_equation(closure).solve(n=1600, C=640, patch_size=0.5)
    assert reduced_equation("equivalent_kernel").solve(n=1600, C=640, patch_size=0.5).alpha > 0


def test_lambda_at_finite_patch_size_as_an_option():
    """Of Eq. (9) at C = inf: alpha = 1/(n lambda + sigma^2) with the lambda that was asked for."""
    lam = 16 / (5 * math.pi * 20 * 64)
    for patch, ratio in (("large", 1.0), ("rayleigh", 0.99495), ("eigenvalue", 0.99984)):
        state = reduced_equation("equivalent_kernel", patch=patch).solve(n=1600, C=math.inf)
        assert float(state.alpha) == pytest.approx(1 / (1600 * lam * ratio + 0.1), rel=1e-5)
    finite = reduced_equation("ridge", patch="rayleigh")
    assert float(finite.solve(n=1600, C=640).alpha) != pytest.approx(reduced.alpha(1600, 640), rel=1e-3)
    with pytest.raises(ValueError, match="choose one of"):
        reduced_equation(patch="small")
    with pytest.raises(ValueError, match="patch='large'"):
        finite.compile()


@pytest.mark.parametrize(("n", "off"), [(1490, 0.12), (1000, 0.2), (500, 0.26), (400, 0.9)])
def test_first_order_in_1_over_n_warns_where_it_is_far_off(n, off):
    """At C = inf alpha is that far from the ridge; both layers name n, the same number and the remedy."""
    eq = reduced_equation("one_over_n")
    said = []
    for ask in (
        lambda: reduced.alpha(n, math.inf, closure="one_over_n"),
        lambda: reduced.solve(n, math.inf, closure="one_over_n"),
        lambda: reduced.first_order(n, closure="one_over_n"),
        lambda: eq.roots(n=n, C=640),
        lambda: eq.solve(n=n, C=640),
    ):
        with pytest.warns(UserWarning, match=f"one_over_n' at n = {n}.*closure='ridge'") as caught:
            ask()
        assert len(caught) == 1
        assert caught[0].filename == __file__
        said.append(str(caught[0].message).replace(f"{n}.0", f"{n}"))
    assert len(set(said)) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", reduced.NotSmall)
        wrong = reduced.alpha(n, math.inf, closure="one_over_n") / reduced.alpha(n, math.inf) - 1
    assert abs(wrong) > off


def test_first_order_in_1_over_n_is_silent_where_it_is_near_the_ridge():
    for n in (1600, 5000, 10**6):
        found = reduced.solve(n, [math.inf, 640, 80], closure="one_over_n")
        assert np.all(
            abs(found.alpha / reduced.alpha(n, [math.inf, 640, 80], include_complexity=False) - 1) < 0.12
        )
        reduced_equation("one_over_n").roots(n=n, C=640)
    reduced.alpha([400, 1600], 640)  # nor do the other closures say anything
    reduced.first_order(400, closure="equivalent_kernel")


def test_an_array_is_warned_of_once_and_of_its_worst_entry():
    with pytest.warns(reduced.NotSmall, match="at n = 400") as caught:
        reduced.solve([5000, 400, 1000], [[640], [80]], closure="one_over_n")
    assert len(caught) == 1
    assert reduced.alpha(np.empty(0), 640, closure="one_over_n").size == 0


@breaks(
    "analytic/scalar/closures/base.py",
    "self.growth / (1 - self.growth)",
    "self.growth",
    "a series summed to one term",
)
@breaks(
    "analytic/scalar/closures/base.py",
    "limit(other_modes(), lam_star, oo)",
    "limit(other_modes(), lam_star, 0)",
    "modes along w* not learned",
)
@breaks(
    "analytic/templates/scalar_truncation.py",
    "if growth < 1.0 else inf",
    "if growth < 2.0 else inf",
    "a sum of orders that grow",
)
def test_what_the_warning_says_is_left_out_bounds_the_distance_to_the_ridge():
    """alpha of both closures on random settings, learning included; the bound written out by hand."""
    points = draw(20_000, 33)
    n, _, N, S, noise, weight, readout, _ = points
    c = 2 * weight / (1 + 2 * weight)
    lam = 2 * readout * c / (np.pi * N * S)
    T, s = 2 * readout / np.pi * (np.arcsin(c) - c), noise / n
    share = lam / (lam + s)
    correction = (T / n + s / n * N * (1 + (S - 1) * share)) / (lam + s)
    growth = N * (1 + (S - 1) * share**2) / n
    with np.errstate(divide="ignore"):
        bound = np.where(growth < 1, correction * (correction + growth / (1 - growth)), np.inf)
    left_out = np.empty(n.size)
    reduced_one_over_n.left_out(tuple(points), left_out)
    np.testing.assert_allclose(left_out, bound, rtol=1e-8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        first = reduced.alpha(*points, closure="one_over_n")
    wrong = abs(first / reduced.alpha(*points, include_complexity=False) - 1)
    known = np.isfinite(first) & np.isfinite(bound)
    assert known.sum() > 5000
    assert np.all(wrong[known] <= bound[known] + 1e-9)
