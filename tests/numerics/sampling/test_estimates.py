"""Effective sample sizes, R-hat, errors that cover, control variates that do not bias, and how they print."""

import math

import numpy as np
import pytest
from mutants import breaks
from naive_networks import one_unit

from numerics import Estimate, sample
from numerics.figures import short
from numerics.sampling import diagnostics, stein

DIAGNOSTICS = "numerics/sampling/diagnostics.py"


def chains(kind):
    rng = np.random.default_rng(7)
    x = rng.standard_normal((4, 250))
    if kind == "ar":
        for t in range(1, 250):
            x[:, t] += 0.7 * x[:, t - 1]
    return {
        "independent": x,
        "ar": x,
        "shifted": x + np.array([0, 0, 0, 0.5])[:, None],
        "wide": x * np.array([1, 1, 1, 3.0])[:, None],
        "cubes": x**3,
        "odd": x[:2, :101],
    }[kind]


# arviz_stats 0.8.0: base.array_stats.ess(x, chain_axis=0, draw_axis=1, method=) of "bulk", "tail" with
# prob=(.05, .95), and "mean"; rhat(method="rank"); mcse(method="mean")
ARVIZ = {
    "independent": (967.289115, 881.388333, 963.683827, 1.00455203, 0.03033800),
    "ar": (145.486036, 282.309415, 146.231673, 1.04536628, 0.11191423),
    "shifted": (104.178946, 912.001395, 103.569682, 1.04825799, 0.09605414),
    "wide": (997.303915, 32.474760, 983.482097, 1.13040759, 0.05157276),
    "cubes": (967.289115, 881.388333, 950.513702, 1.00455203, 0.10112332),
    "odd": (205.229517, 185.197447, 202.214584, 1.00215016, 0.06499343),
}


@breaks(DIAGNOSTICS, "+ between / within)", "+ within / between)", "R-hat upside down", case="shifted")
@breaks(DIAGNOSTICS, "-1.0 + 2.0 * float(kept", "-1.0 + 1.0 * float(kept", "half the correlations", case="ar")
@breaks(DIAGNOSTICS, "for q in (0.05, 0.95))", "for q in (0.5, 0.5))", "tails in the middle", case="wide")
@breaks(
    DIAGNOSTICS,
    "max(_rhat(_normal_scores(halves)), _rhat(_normal_scores(folded)))",
    "_rhat(_normal_scores(halves))",
    "no folded R-hat",
    case="wide",
)
@pytest.mark.parametrize("kind", ARVIZ)
def test_diagnostics_are_those_of_arviz(kind):
    """R-hat exactly; the others but for the last term of Geyer's sum, and the definition of a quantile."""
    x = chains(kind)
    bulk, tail, mean, rhat, error = ARVIZ[kind]
    assert diagnostics.ess_bulk(x) == pytest.approx(bulk, rel=0.01)
    assert diagnostics.ess_tail(x) == pytest.approx(tail, rel=0.03)
    assert diagnostics.ess_mean(x) == pytest.approx(mean, rel=0.01)
    assert diagnostics.rhat(x) == pytest.approx(rhat, abs=1e-8)
    assert diagnostics.mean_error(x) == pytest.approx(error, rel=0.005)


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.9, -0.4])
def test_effective_draws_of_an_autoregression(phi):
    rng = np.random.default_rng(1)
    x = rng.standard_normal((4, 20_000))
    x[:, 0] /= math.sqrt(1 - phi**2)
    for t in range(1, x.shape[1]):
        x[:, t] += phi * x[:, t - 1]
    exact = x.size * (1 - phi) / (1 + phi)
    assert diagnostics.ess_mean(x) == pytest.approx(exact, rel=0.08)
    assert diagnostics.ess_bulk(x) == pytest.approx(exact, rel=0.08)
    spread = 1 / math.sqrt(1 - phi**2)
    assert diagnostics.mean_error(x) == pytest.approx(spread / math.sqrt(exact), rel=0.06)
    assert diagnostics.rhat(x) == pytest.approx(1, abs=2e-3)


def test_split_chains_see_a_drift():
    """Two chains that drift alike: their means agree, their halves do not."""
    rng = np.random.default_rng(0)
    drift = rng.standard_normal((2, 400)) + np.linspace(0, 3, 400)
    assert diagnostics.rhat(drift) > 1.2
    assert diagnostics.ess_bulk(drift) < 30


def test_what_does_not_vary_and_what_is_too_short():
    constant = np.full((3, 20), 2.5)
    assert diagnostics.mean_error(constant) == 0
    assert diagnostics.ess_bulk(constant) == 60
    assert math.isnan(diagnostics.rhat(constant))
    assert math.isnan(diagnostics.rhat(np.arange(10.0)[None]))
    short_one = Estimate.of(np.ones((4, 3)))
    assert math.isnan(short_one.error)
    assert "too few draws" in str(short_one)
    with_nan = Estimate.of(np.full((4, 30), np.nan), "name", np.zeros((2, 4, 30)))
    assert math.isnan(with_nan.mean)


@breaks(
    DIAGNOSTICS,
    "spread / math.sqrt(ess_mean(series))",
    "spread / ess_mean(series) ** 0.45",
    "errors 40 % high",
)
def test_two_errors_cover_the_truth_in_95_per_cent():
    rng = np.random.default_rng(3)
    repeats, inside = 300, 0
    for _ in range(repeats):
        x = rng.standard_normal((4, 200))
        for t in range(1, 200):
            x[:, t] += 0.6 * x[:, t - 1]
        estimate = Estimate.of(x)
        inside += abs(estimate.mean) < 2 * estimate.error
    assert 0.91 < inside / repeats < 0.985


@breaks(DIAGNOSTICS, "return min(found, _ess_by_spread(halves))", "return found", "slow modes unseen")
def test_errors_see_a_slow_mode_behind_draws_that_alternate():
    """A sum of correlations ends in the noise of the fast part; the spread of half chains has both."""
    rng = np.random.default_rng(3)

    def autoregression(phi):
        x = rng.standard_normal((4, 200))
        x[:, 0] /= math.sqrt(1 - phi**2)
        for t in range(1, 200):
            x[:, t] += phi * x[:, t - 1]
        return x * math.sqrt(1 - phi**2)

    inside, runs = 0, 2000
    for _ in range(runs):
        estimate = Estimate.of(autoregression(-0.8) + 0.2 * autoregression(0.97))
        inside += abs(estimate.mean) < 2 * estimate.error
    # of independent errors 95 %; by correlations alone 76.5 %, by both 81.5 %, to .9 %
    assert inside / runs > 0.79


def drawn_with_controls(rng, chains_, draws, noise=0.1):
    """A skewed number of mean 3, and two controls of mean zero that explain most of it."""
    g = rng.standard_normal((2, chains_, draws))
    controls = np.array([g[0] ** 2 - 1, np.exp(g[1]) - math.exp(0.5)])
    return 3 + 0.8 * controls[0] - 1.5 * controls[1] + noise * g[0] * g[1], controls


@breaks(
    "numerics/sampling/stein.py",
    "for fitted, applied in (parts, parts[::-1]):",
    "for fitted, applied in (parts,):",
    "half of the draws uncontrolled",
)
@pytest.mark.parametrize("count", [4, 1])
def test_control_variates_take_the_variance_and_leave_the_mean(count):
    rng = np.random.default_rng(5)
    means, covered = [], 0
    for _ in range(200):
        series, controls = drawn_with_controls(rng, count, 200 // count)
        estimate = Estimate.of(series, "number", controls)
        assert estimate.error < 0.15 * estimate.plain.error
        assert estimate.plain.mean == pytest.approx(series.mean())
        means.append(estimate.mean)
        covered += abs(estimate.mean - 3) < 2 * estimate.error
    error = np.std(means, ddof=1) / math.sqrt(len(means))
    assert abs(np.mean(means) - 3) < 3.5 * error
    assert error < 0.002
    assert covered > 0.88 * 200


def test_with_few_draws_there_are_no_controls():
    series, controls = drawn_with_controls(np.random.default_rng(0), 2, 20)
    assert stein.controlled(series, controls) is series
    estimate = Estimate.of(series, "", controls)
    assert estimate.plain is estimate
    assert Estimate.of(series, "", controls[:0]).without is None


@breaks(
    "numerics/sampling/stein.py",
    "np.mean(along * pull, axis=-1) - 1.0",
    "np.mean(along * pull, axis=-1)",
    "Stein's -1",
)
@breaks(
    "numerics/sampling/records.py",
    "float(np.mean(W * (W + slope))) - 1.0 for",
    "float(np.mean(W * (W + 0.5 * slope))) - 1.0 for",
    "virial of half the likelihood",
)
@breaks(
    "numerics/sampling/energies.py",
    "slopes = forward.adjoint(passed, marginal.slope(passed.features))",
    "slopes = forward.adjoint(passed, 1.5 * marginal.slope(passed.features))",
    "control variates of a wrong gradient",
)
def test_control_variates_of_a_posterior_have_mean_zero():
    samples = sample(one_unit(), draws=700, seed=3, method="collapsed", start="prior", reference="prior")
    for name, control in samples.check().items():
        assert abs(control.mean) < 3.5 * control.error, name
        assert 0 < control.error < 0.05, name
    # with one unit of one weight the direction is the layer
    along = stein.direction_control(samples._first, samples.draws.slope, np.ones(1))
    np.testing.assert_allclose(along, samples.series("virial_1"), atol=1e-12)


def test_a_direction_s_control_by_hand():
    rng = np.random.default_rng(2)
    W, slope = rng.standard_normal((2, 3, 5, 4, 6))
    u = rng.standard_normal(4)
    found = stein.direction_control(W, slope, u)
    for chain, draw in np.ndindex(3, 5):
        total = 0.0
        for unit in range(6):
            w, g = W[chain, draw, :, unit], (W + slope)[chain, draw, :, unit]
            total += (u @ w) * (u @ g) / 6
        assert found[chain, draw] == pytest.approx(total - 1)


@pytest.mark.parametrize(
    ("mean", "error", "text"),
    [
        (0.31412, 0.00123, "0.3141(12)"),
        (-0.31412, 0.00123, "-0.3141(12)"),
        (0.31412, 0.000996, "0.3141(10)"),
        (12.3456, 0.0996, "12.35(10)"),
        (5.0, 1.24, "5.0(12)"),
        (5.0, 9.96, "5(10)"),
        (1234.5, 45.4, "1234(45)"),
        (1234.5, 99.7, "1230(100)"),
        (123456.0, 4321.0, "123500(4300)"),
        (2.0, 0.0, "2"),
        (math.nan, 0.1, "nan"),
        (2.0, math.nan, "2"),
    ],
)
def test_two_digits_of_the_error_on_the_last_of_the_mean(mean, error, text):
    assert short(mean, error) == text


def test_doubts_name_the_remedy():
    rng = np.random.default_rng(0)
    good = rng.standard_normal((4, 300))
    assert Estimate.of(good).converged
    apart = good + 3 * np.arange(4)[:, None]
    assert not Estimate.of(apart).converged
    assert "raise draws" in str(Estimate.of(apart))
    assert "R-hat" in " ".join(Estimate.of(apart).doubts())
    assert "chains=4" in " ".join(Estimate.of(good[:1]).doubts())
    few = str(Estimate.of(good[:, :20]))
    assert "effective draws" in few
    assert few.endswith("raise draws]")
    estimate = Estimate.of(good, "alpha")
    assert float(estimate) == good.mean()
    assert "ess=" in repr(estimate)
    assert short(estimate.mean, estimate.error) in estimate._repr_html_()
