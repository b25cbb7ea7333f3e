"""The cavity equations: a functional whose stationary points they are, its limits, and its descent."""

import math
from dataclasses import replace

import numpy as np
import pytest
from deep_problems import POOLED, small
from mutants import breaks

from numerics import Problem, cnn, datasets, fcn, solve, solve_path
from numerics.cavity.attempts import Attempts
from numerics.cavity.descent import descend
from numerics.cavity.first_order import _moment, _terms, exact_first_order
from numerics.cavity.functional import Functional, sweep
from numerics.cavity.moves import Tilt
from numerics.cavity.scaled import Scaled
from numerics.cavity.session import Session
from numerics.cavity.solution import CavitySolution
from numerics.machine import parallel
from numerics.readout_laws.blocks import Grid
from numerics.readout_laws.fan_in_terms import pixels
from numerics.readout_laws.noise_root import NoiseRoot
from numerics.solving.outcome import Status
from numerics.unit.fields import Pull, Readouts, weighted
from numerics.unit.population import Population, gaussian, told_apart

ONE_LAYER = {
    "dense with biases": (fcn(20, 1.5, 0.7, bias_variance=0.3), True),
    "a weight per pixel": (cnn(20, 1.5, 0.7), False),
    "global pooling with biases": (cnn(11, 1.5, 0.9, readout="global_pooling", bias_variance=0.2), False),
    "pools of relu units": (cnn(12, 1.5, 0.9, activation="relu", readout=POOLED), False),
    "dense gelu units": (fcn(9, 1.5, 0.7, activation="gelu"), True),
}
EACH = pytest.mark.parametrize("name", ONE_LAYER)


def problem_of(name, outputs=2):
    """14 samples, noise from datum to datum, one datum taken out."""
    net, flat = ONE_LAYER[name]
    X, y = small(flat, outputs=outputs)
    noise = np.linspace(0.05, 0.1, 14)
    noise[3] = math.inf
    return Problem(net, X, y, noise)


def functional_of(name, draws=64, width=None, own=False):
    """F with draws of the prior, and a state off its stationary point."""
    problem = problem_of(name)
    scaled = Scaled(problem)
    population = gaussian(scaled.hidden, draws, np.eye(scaled.hidden.size), 1)
    functional = scaled.functional(population, problem.net.width if width is None else width)
    functional = replace(functional, own=own)
    rng = np.random.default_rng(3)
    K, eps = scaled.gaussian_process()
    L = rng.standard_normal(K.shape)
    return functional, eps * 1.1, np.linalg.inv(K) + 1e-2 * L @ L.T / len(L), rng


def symmetric_direction(rng, H):
    root = np.linalg.cholesky(H)
    M = rng.standard_normal(H.shape)
    return 0.1 * root @ (M + M.T) @ root.T


@EACH
def test_infinite_width_is_the_gaussian_process(name):
    problem = problem_of(name).with_widths(math.inf)
    sol = solve(problem, theory="cavity", draws=64)
    gp = solve(problem)
    X = problem.X[:5] + 0.3
    assert sol.alpha == pytest.approx(gp.alpha, rel=1e-10)
    assert sol.free_energy == pytest.approx(gp.free_energy, abs=1e-10)
    assert sol.log_evidence == pytest.approx(gp.log_evidence, abs=1e-10)
    assert sol.degrees_of_freedom == pytest.approx(gp.degrees_of_freedom, rel=1e-10)
    np.testing.assert_allclose(sol.eps, gp.eps, atol=1e-10)
    np.testing.assert_allclose(sol.f_bar, gp.f_bar, atol=1e-10)
    np.testing.assert_allclose(sol.Q_f, gp.Q_f, atol=1e-10)
    mean, covariance = sol.predict(X, return_cov=True)
    expected, theirs = gp.predict(X, return_cov=True)
    np.testing.assert_allclose(mean, expected, atol=1e-10)
    np.testing.assert_allclose(covariance, [theirs, theirs], atol=1e-10)


@breaks("numerics/cavity/functional.py", "- 0.5 * quadratic", "- 0.4 * quadratic", "F in eps")
@breaks("numerics/cavity/functional.py", "-self.width * pull.log_z", "-pull.log_z", "one unit for all")
@breaks("numerics/unit/fields.py", "b) / width - readouts", "b) - readouts", "pull on the readout times C")
@EACH
def test_the_functional_is_what_is_printed(name):
    """Draw by draw, with features over (output, slot) written out as one matrix."""
    functional, eps, H, _ = functional_of(name)
    population, C, (outputs, n) = functional.population, functional.width, functional.y.shape
    z = []
    for Z, log_ratio in zip(population.Z, population.log_ratio, strict=True):
        phi = np.kron(np.eye(outputs), population.hidden.features(Z[None])[0].T)  # (D n, D m)
        A = np.eye(phi.shape[1]) + phi.T @ H @ phi / C
        b = phi.T @ eps.ravel() / math.sqrt(C)
        z.append(math.exp(log_ratio + 0.5 * b @ np.linalg.solve(A, b)) / math.sqrt(np.linalg.det(A)))
    S = np.kron(np.eye(outputs), functional.S_p)
    flat, y = eps.ravel(), functional.y.ravel()
    expected = (
        -C * math.log(np.mean(z))
        + y @ flat
        - 0.5 * flat @ S @ flat
        - 0.5 * np.linalg.slogdet(H)[1]
        + 0.5 * np.trace(S @ H)
        - 0.5 * outputs * n
    )
    assert functional.value(eps, H) == pytest.approx(expected, rel=1e-10)


@breaks(
    "numerics/unit/fields.py",
    "(part / total)[:, None, None]",
    "(1.01 * part / total)[:, None, None]",
    "mean output",
    case="dense gelu units",
)
@breaks(
    "numerics/unit/own.py",
    "g[:, None, :] / width)\n\n",
    "g[:, None, :])\n\n",
    "second moment of the means times C",
    case="dense gelu units",
)
@breaks(
    "numerics/unit/fields.py",
    "P = blocks[span, d, :, e].astype(kind)",
    "P = blocks[span, d, :, d].astype(kind)",
    "outputs mixed up",
    case="dense gelu units",
)
@EACH
def test_the_equations_are_the_functional_s_stationarity(name):
    """dF = slope . deps + 1/2 tr (S_q + Q_q - H^{-1}) dH, by differences at any state."""
    functional, eps, H, rng = functional_of(name)
    readouts = functional.readouts(H)
    pull = functional.pull(readouts, eps)
    h = 1e-5
    deps = rng.standard_normal(eps.shape)
    up, down = (functional.value(eps + s * h * deps, H) for s in (1, -1))
    averages = functional.averages(readouts, pull)
    slope = functional.slope(pull, eps, functional.source(pull, averages))
    assert np.sum(slope * deps) == pytest.approx((up - down) / (2 * h), rel=1e-6)
    dH = symmetric_direction(rng, H)
    up, down = (functional.value(eps, H + s * h * dH) for s in (1, -1))
    expected = 0.5 * np.sum((functional.covariance(averages) - np.linalg.inv(H)) * dH)
    assert expected == pytest.approx((up - down) / (2 * h), rel=1e-5)
    # the mean output is Q_p eps
    population = functional.population
    Q_p = weighted(population, pull.weights[:, None, None] * readouts.inverse, len(eps))
    np.testing.assert_allclose(Q_p @ eps.ravel(), pull.mean_output.ravel(), rtol=1e-9, atol=1e-12)


@EACH
def test_a_solution_is_stationary(name):
    problem = problem_of(name)
    scaled = Scaled(problem)
    K, eps = scaled.gaussian_process()
    population = gaussian(scaled.hidden, 2048, np.eye(scaled.hidden.size), 1)
    functional = scaled.functional(population, problem.net.width)
    assert functional.own
    found = descend(functional, K, eps, 1e-9, 100)
    assert found.status is Status.CONVERGED
    assert found.sweeps < 40
    at, rng, h = found.at, np.random.default_rng(0), 1e-4
    deps, dH = rng.standard_normal(eps.shape), symmetric_direction(rng, at.H)
    for change in ((deps, 0 * dH), (0 * deps, dH)):
        up, down = (functional.value(at.eps + s * h * change[0], at.H + s * h * change[1]) for s in (1, -1))
        # h^2 times third derivatives, and rounding / h
        assert (up - down) / (2 * h) == pytest.approx(0, abs=2e-5)
    assert functional.value(at.eps, at.H) == pytest.approx(at.F, rel=1e-12)


@breaks(
    "numerics/cavity/functional.py",
    "residual = max(float(np.abs(moved).max()), ",
    "residual = max(0.0, ",
    "a residual blind to K",
)
def test_the_descent_never_climbs_and_ends_where_it_began_elsewhere():
    functional, eps, H, _ = functional_of("dense with biases", draws=2048)
    K = 30.0 * np.linalg.inv(H)
    F, states = [], []
    for _ in range(12):
        here = sweep(functional, K, eps, K, 1e-10)
        F.append(here.F)
        K, eps = here.target, here.eps
        states.append(here)
    assert (np.diff(F) <= 1e-10).all()
    far = descend(functional, 30.0 * np.linalg.inv(H), 0 * eps, 1e-9, 100)
    near = descend(functional, K, eps, 1e-9, 100)
    np.testing.assert_allclose(far.at.F, near.at.F, rtol=1e-10)
    np.testing.assert_allclose(far.at.eps, near.at.eps, rtol=1e-6, atol=1e-8)


def test_f_is_concave_in_eps():
    functional, eps, H, rng = functional_of("pools of relu units")
    readouts = functional.readouts(H)
    for _ in range(5):
        one, two = eps + 3 * rng.standard_normal(eps.shape), eps - 3 * rng.standard_normal(eps.shape)
        ends = [functional.concave_part(functional.pull(readouts, e), e) for e in (one, two)]
        middle = (one + two) / 2
        assert functional.concave_part(functional.pull(readouts, middle), middle) > np.mean(ends)


@breaks(
    "numerics/cavity/moves.py",
    "M[:, d, :, e, :] @ through[e, d]",
    "M[:, e, :, e, :] @ through[e, d]",
    "outputs mixed up in the slope",
    case="dense gelu units",
)
@breaks(
    "numerics/unit/hidden.py",
    "back = G * scale",
    "back = G",
    "slope without the scale",
    case="dense gelu units",
)
@EACH
def test_the_slope_of_the_tilt(name):
    functional, eps, H, rng = functional_of(name)
    tilt = Tilt(functional, H.reshape(*eps.shape, *eps.shape), eps)
    Z = functional.population.Z[:6] + 0.05  # away from the kink of relu
    dZ, h = rng.standard_normal(Z.shape), 1e-6
    values, slopes = tilt(Z)
    expected = (tilt(Z + h * dZ)[0] - tilt(Z - h * dZ)[0]) / (2 * h)
    np.testing.assert_allclose(np.sum(slopes * dZ, axis=1), expected, rtol=1e-5, atol=1e-7)
    pull = functional.pull(functional.readouts(H), eps)
    np.testing.assert_allclose(
        tilt(functional.population.Z)[0], pull.log_weights - functional.population.log_ratio, atol=1e-12
    )
    assert np.isfinite(values).all()


@breaks("numerics/cavity/first_order.py", "quartic - 0.5 * s", "quartic - s", "twice the pull of the tilt")
@breaks(
    "numerics/cavity/first_order.py", "(Q_eps @ G) * Q_eps", "(Q_eps @ G) * eps", "self-term with one Q less"
)
def test_first_order_in_the_width():
    """d alpha/d(1/C) from the four-point function of one unit, at the same draws: Q_p moves by the tilt and
    by A^{-1} = 1 - X. (The network's own first order has -eps.Q G Q.eps besides, the self-term.)"""
    problem = problem_of("a weight per pixel", outputs=1)
    scaled = Scaled(problem)
    population = gaussian(scaled.hidden, 512, np.eye(scaled.hidden.size), 1)
    population = replace(population, log_ratio=np.zeros(512), _kept={})
    phi = population.hidden.features(population.Z)
    q = np.einsum("bin,bik->bnk", phi, phi)
    Q = q.mean(axis=0)
    y = scaled.y[0]
    G = np.linalg.inv(scaled.S + Q)
    eps = G @ y
    s = np.einsum("n,bnk,k->b", eps, q, eps)
    t = np.einsum("nk,bnk->b", G, q)
    slope = -0.5 * np.mean((s - s.mean()) * (s - t - (s - t).mean()))
    slope += np.mean(np.einsum("n,bnk,kl,blm,m->b", eps, q, G, q, eps, optimize=True))
    width = 1e5
    functional = replace(scaled.functional(population, width), own=False)
    found = descend(functional, scaled.S + Q, eps[None], 1e-12, 20)
    change = (found.at.eps[0] - eps) @ y * width
    assert change == pytest.approx(slope, rel=1e-3)
    terms = _terms(population, Q, G, eps[None])
    network = terms.alpha.mean() + terms.known
    moment = _moment(population.Z, terms.tilt)
    assert network == pytest.approx(change - eps @ Q @ G @ Q @ eps, rel=1e-3)
    Z, weights = population.Z, found.at.pull.weights
    np.testing.assert_allclose(moment, (Z * (weights - 1 / 512)[:, None]).T @ Z * width, rtol=1e-2, atol=1e-2)


def test_the_public_first_order_has_exact_means_and_errors():
    """For Sigma it is mean field's own slope, by Stein's identity."""
    problem = problem_of("a weight per pixel", outputs=1)
    found = exact_first_order(problem, draws=8192)
    # controls have mean zero: without them the same slope, less sharply
    scaled = Scaled(problem)
    population = gaussian(scaled.hidden, 8192, np.eye(scaled.hidden.size), 0)
    Q = scaled.kernel(np.eye(scaled.hidden.size))
    G = np.linalg.inv(scaled.S + Q)
    plain = _terms(population, Q, G, scaled.y @ G)
    batches = (plain.alpha.reshape(8, -1).mean(axis=1) + plain.known) / problem.target_norm2
    error = batches.std(ddof=1) / math.sqrt(8)
    assert found.alpha_error < error
    assert abs(found.alpha_slope - batches.mean()) < 4 * error
    gp = solve(problem.with_widths(math.inf))
    mean_field = solve(problem.with_widths(1e6), tol=1e-12)
    expected = (mean_field.overlap_ratio - np.eye(3)) * 1e6
    np.testing.assert_array_less(
        np.abs(found.overlap_slope - expected), 6 * found.overlap_error + 1e-3 * np.abs(expected).max()
    )
    assert 0 < found.alpha_error < 1
    assert found.alpha(math.inf) == pytest.approx(gp.alpha, rel=1e-10)
    np.testing.assert_array_equal(found.overlap_ratio(math.inf), np.eye(3))


def test_linear_units_have_the_proportional_limit_s_scale():
    """Kernel renormalisation, exact for one hidden linear layer as n and the width grow together."""
    n, d, width = 120, 24, 120.0
    rng = np.random.default_rng(0)
    X, w = rng.standard_normal((n, d)), rng.standard_normal(d) / math.sqrt(d)
    y = X @ w
    net = fcn(width, 1.0, 1.0, activation="linear")
    sol = solve(net, X, y, 0.1, theory="cavity", draws=4096)
    Q = X @ X.T / d

    def gap(scale):
        K = 0.1 * np.eye(n) + scale * Q
        eps = np.linalg.solve(K, y)
        return 1 + (np.trace(np.linalg.solve(K, Q)) - eps @ Q @ eps) / width - 1 / scale

    low, high = 0.05, 20.0
    for _ in range(60):
        middle = math.sqrt(low * high)
        low, high = (low, middle) if gap(middle) > 0 else (middle, high)
    eps = np.linalg.solve(0.1 * np.eye(n) + low * Q, y)
    exact = eps @ y / (y @ y)
    assert abs(solve(net, X, y, 0.1).alpha / exact - 1) > 0.1  # mean field
    # three errors of .7 %, and the limit's own 1/n
    assert sol.alpha == pytest.approx(exact, rel=0.03)


@pytest.mark.parametrize(("width", "alpha"), [(100, 0.3180), (40, 0.3517)])
def test_a_small_dense_network_as_sampled(width, alpha):
    """Sampled by an independent code; mean field gives .267 and .259."""
    rng = np.random.default_rng(1)
    X, w = rng.standard_normal((100, 8)), rng.standard_normal(8)
    y = X @ w / np.linalg.norm(w)
    sol = solve(fcn(width), X, y, 0.1, theory="cavity")
    assert sol.alpha == pytest.approx(alpha, rel=0.03)
    assert sol.errors["alpha"] < 0.01 * alpha
    assert sol.unit_law.excess_kurtosis(w) < 0  # erf saturates


def test_moving_draws_lead_to_where_fixed_ones_do(monkeypatch):
    problem = problem_of("dense with biases", outputs=1)
    fixed = solve(problem, theory="cavity", draws=4096)
    assert fixed.method == "gaussian"
    monkeypatch.setattr("numerics.cavity.ladder.ENOUGH", 2.0)
    moved = solve(problem, theory="cavity", draws=4096)
    assert moved.method == "moved"
    assert moved.effective_sample > 0.9 * moved.draws
    for name in ("alpha", "readout_load"):
        error = math.hypot(fixed.errors[name], moved.errors[name])
        assert getattr(moved, name) == pytest.approx(getattr(fixed, name), abs=6 * error)
    assert moved.free_energy == pytest.approx(fixed.free_energy, abs=0.1)
    assert moved.found.functional.value(moved.found.at.eps, moved.found.at.H) == (
        pytest.approx(moved.found.at.F, rel=1e-10)
    )


def test_the_error_is_the_spread_over_seeds_and_falls_with_the_draws():
    problem = problem_of("a weight per pixel", outputs=1).with_widths(6.0)
    spread, quoted = {}, {}
    for draws in (256, 2048):
        found = [solve(problem, theory="cavity", draws=draws, seed=seed) for seed in range(4)]
        spread[draws] = np.std([sol.alpha for sol in found], ddof=1)
        quoted[draws] = np.mean([sol.errors["alpha"] for sol in found])
    assert quoted[2048] < quoted[256] / 2  # 2.8 at random, more with a Sobol sequence
    for draws in (256, 2048):
        assert 0.2 < spread[draws] / quoted[draws] < 3


def test_a_seed_repeats_bit_by_bit():
    problem = problem_of("global pooling with biases")
    one, two, other = (solve(problem, theory="cavity", draws=512, seed=seed) for seed in (1, 1, 2))
    assert one.alpha == two.alpha
    assert one.free_energy == two.free_energy
    np.testing.assert_array_equal(
        one.predict(problem.X, return_cov=True)[1], two.predict(problem.X, return_cov=True)[1]
    )
    assert one.alpha != other.alpha


@EACH
@pytest.mark.parametrize("outputs", [1, 2])
def test_a_draw_so_unlikely_that_its_weight_is_zero_counts_for_nothing(name, outputs):
    problem = problem_of(name, outputs)
    scaled = Scaled(problem)
    population = gaussian(scaled.hidden, 64, np.eye(scaled.hidden.size), 1)
    K, eps = scaled.gaussian_process()
    found = []
    for position in (0, 63):  # whichever it is
        log_ratio = population.log_ratio.copy()
        log_ratio[position] = -1e4
        functional = scaled.functional(replace(population, log_ratio=log_ratio), 20.0)
        readouts = functional.readouts(np.linalg.inv(K))
        pull = functional.pull(readouts, eps)
        assert pull.weights[position] == 0
        covariance = functional.covariance(functional.averages(readouts, pull))
        assert np.linalg.eigvalsh(covariance)[0] > 0
        found.append(covariance)
    assert not np.array_equal(*found)


@pytest.mark.parametrize("single", [False, True])
def test_any_number_of_threads_adds_up_alike(single):
    found = []
    for count in (1, 2, 3):
        with parallel.threads(count):
            functional, eps, H, _ = functional_of("a weight per pixel", draws=32768, own=True)
            population = replace(functional.population, single=single)
            assert population.entries > parallel.WORTH_A_THREAD
            assert len(population.spans()) > 3
            functional = replace(functional, population=population)
            readouts = functional.readouts(H)
            pull = functional.pull(readouts, eps)
            tilt = Tilt(functional, H.reshape(*eps.shape, *eps.shape), eps)
            averages = functional.averages(readouts, pull)
            each = (pull.mean_output, averages.moment, functional.covariance(averages), *tilt(population.Z))
            found.append(each)
    for one, two, three in zip(*found, strict=True):
        np.testing.assert_array_equal(one, two)
        np.testing.assert_array_equal(one, three)


@EACH
def test_single_precision_gives_what_double_does(name):
    functional, eps, H, _ = functional_of(name, draws=256, own=True)
    outcomes = []
    for single in (False, True):
        both = replace(functional, population=replace(functional.population, single=single, _kept={}))
        readouts = both.readouts(H)
        pull = both.pull(readouts, eps)
        tilt = Tilt(both, H.reshape(*eps.shape, *eps.shape), eps)
        covariance = both.covariance(both.averages(readouts, pull))
        outcomes.append((pull.log_weights, pull.mean_output, covariance, *tilt(both.population.Z)))
    for exact, rounded in zip(*outcomes, strict=True):
        np.testing.assert_allclose(rounded, exact, rtol=0, atol=1e-5 * np.abs(exact).max())


def test_a_large_problem_is_solved_in_single_precision_unless_the_tolerance_rules_it_out():
    data = datasets.make_linear_cnn(100, 4, 16, seed=0)
    session = [Session(Problem(cnn(40), data.X, data.y, 0.1), 8192, 0, tol, 100) for tol in (1e-5, 1e-9)]
    fast, exact = (each.at(40.0) for each in session)
    assert fast.population.single
    assert not exact.population.single
    assert fast.at.residual <= 1e-5
    np.testing.assert_allclose(fast.at.eps, exact.at.eps, rtol=0, atol=1e-4)
    assert pytest.approx(exact.at.F, rel=1e-6) == fast.at.F
    # at a noise so small that single precision would be felt
    steep = Scaled(Problem(cnn(40), data.X, data.y, 1e-6))
    K, eps = steep.gaussian_process()
    found = Attempts(steep, 0, 2).rough(40.0, K, eps, np.eye(16), 8192, 0)
    assert not found.population.single


def test_learned_directions_are_told_from_the_noise_of_the_draws():
    rng = np.random.default_rng(0)
    Z = rng.standard_normal((2000, 40))
    weights = np.full(2000, 1 / 2000)
    np.testing.assert_allclose(told_apart(Z, weights), np.eye(40), atol=0.01)
    Z[:, 0] *= 2.0
    found = np.linalg.eigvalsh(told_apart(Z, weights))
    assert found[-1] == pytest.approx(4, rel=0.1)
    np.testing.assert_allclose(found[:-1], 1, atol=0.01)
    # fewer draws than weights tell next to nothing
    few = np.linalg.eigvalsh(told_apart(Z[:30, 1:], np.full(30, 1 / 30)))
    assert np.count_nonzero(np.abs(few - np.median(few)) > 1e-10) <= 2


@breaks(
    "numerics/unit/population.py",
    "[0][:, others.shape[1] :]",
    "[0][:, : -others.shape[1]]",
    "axes that are not orthogonal",
)
@pytest.mark.parametrize("learned", [[1, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 1], [1, 2, -1, 0, 3, 1], [0] * 6])
def test_draws_of_equal_variances_do_not_depend_on_rounding(learned):
    """One direction learned, or none, wherever it points: the covariance asked for, along axes that a change
    in the last digits leaves where they are."""
    scaled = Scaled(Problem(fcn(5), np.eye(6), np.ones(6), 0.1))
    u = np.array(learned) / max(np.linalg.norm(learned), 1.0)
    covariance = 0.9 * np.eye(6) + np.multiply.outer(u, u)
    one = gaussian(scaled.hidden, 16384, covariance, 3)
    np.testing.assert_allclose(one.Z.T @ one.Z / len(one), covariance, atol=0.02)  # quasi-random draws
    noise = 1e-15 * np.random.default_rng(0).standard_normal((6, 6))
    two = gaussian(scaled.hidden, 16384, covariance + noise + noise.T, 3)
    np.testing.assert_allclose(two.Z, one.Z, atol=1e-10)


def test_a_population_of_one_batch_is_a_population():
    functional, *_ = functional_of("dense with biases", draws=64)
    part = functional.population.batch(3)
    assert isinstance(part, Population)
    np.testing.assert_array_equal(part.Z, functional.population.Z[24:32])
    assert isinstance(functional, Functional)


def test_a_path_comes_down_and_its_table_is_full():
    problem = problem_of("a weight per pixel", outputs=1)
    seen = []
    path = solve_path(problem, [10, math.inf, 40], theory="cavity", draws=1024, callback=seen.append)
    assert [sol.width for sol in path] == [10, math.inf, 40]
    assert [sol.width for sol in seen] == [math.inf, 40, 10]
    alone = solve(problem.with_widths(10), theory="cavity", draws=1024)
    assert path[0].alpha == pytest.approx(alone.alpha, abs=6 * alone.errors["alpha"])
    assert isinstance(path[0], CavitySolution)
    assert set(path.table()) >= {"alpha", "overlap", "free_energy", "readout_load"}
    assert len(repr(path[0]).splitlines()) == 1
    assert len(str(path).splitlines()) == 4


@breaks(
    "numerics/unit/fields.py",
    "rows[:, low:], root[low:, low:high]",
    "rows[:, high:], root[high:, low:high]",
    "the blocks on a triangle's diagonal left out",
    case="a weight per pixel-1",
)
@breaks(
    "numerics/unit/fields.py",
    "whole /= width\n",
    "whole /= 2 * width\n",
    "half of what a unit's readout sees of the data",
    case="a weight per pixel-1",
)
@pytest.mark.parametrize("outputs", [1, 2])
@pytest.mark.parametrize("name", ["dense with biases", "a weight per pixel", "pools of relu units"])
def test_finite_fan_in_is_the_closure_of_these_fields(name, outputs):
    """With A replaced by its mean and a law that does not tilt, the same functions give p^{-1} = E A and
    q = p + p E[b b^T] p, at the p and q that the readout law finds for the kernel of the same draws."""
    problem = problem_of(name, outputs)
    scaled = Scaled(problem)
    population = gaussian(scaled.hidden, 256, np.eye(scaled.hidden.size), 1)
    (phi,) = (features for _, features in population.features())
    draws, slots, n = phi.shape
    G = np.einsum("bim,bjn->ijmn", phi, phi) / draws
    width = problem.net.width
    bias = problem.net.bias_variance
    noise = NoiseRoot(problem.noise_variance[problem.observed], bias)
    std = scaled.noise_std
    plain = np.multiply.outer(std, std)  # features are in units of the noise
    flat = [noise.inward(G[i, j] * plain).ravel() for i, j in np.ndindex(slots, slots)]
    blocks = Grid(np.array(flat), slots, n, outputs)
    term = pixels(blocks, problem.targets[problem.observed], noise, width)
    eps = np.ascontiguousarray((term.summary.eps * std[:, None]).T)
    H = term.H * std[:, None, None] * std
    readouts = Readouts.of(population, H, width)
    order = np.arange(slots * outputs).reshape(slots, outputs).T.ravel()  # (output, slot) of (slot, output)
    p, q = (w[np.ix_(order, order)] for w in (term.p, term.q))
    mean_A = np.linalg.inv(readouts.inverse).mean(axis=0)
    np.testing.assert_allclose(mean_A, np.linalg.inv(p), rtol=1e-8, atol=1e-10)
    gain = Pull.of(population, readouts, eps, width).gain.reshape(draws, -1)
    b = np.einsum("bij,bj->bi", np.linalg.inv(readouts.inverse), gain)
    np.testing.assert_allclose(q, p + p @ (b.T @ b / draws / width) @ p, rtol=1e-8, atol=1e-10)
