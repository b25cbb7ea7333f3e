"""Quasi-Newton steps in theta: their slope, their matrix, and the valleys that they get through."""

import fuzz
import numpy as np
import pytest
from deep_problems import NETWORKS, RELU_NETWORKS, small
from mutants import breaks
from states import direction, theory_of

from numerics import solve
from numerics.gaussian.metric import FisherMetric
from numerics.solving import newton, quasi_newton
from numerics.solving.outcome import Status
from numerics.solving.quasi_newton import Learned, Leash

NOISE = 0.05


@breaks(
    "numerics/solving/quasi_newton.py",
    "np.divide(np.sinh(d), d",
    "np.divide(np.tanh(d), d",
    "another derivative of the exponential",
    case="erf",
)
@pytest.mark.parametrize("networks", [NETWORKS, RELU_NETWORKS], ids=["erf", "relu"])
def test_slope_is_that_of_F_in_theta_itself(networks):
    theory, x = theory_of(networks["three dense layers"][0], *small(True), NOISE)
    metric = FisherMetric(theory.sizes, theory.odd, x)
    state, H = direction(theory, 1, 1.5), direction(theory, 2, 1.0)
    slope = quasi_newton._place(theory.at(state, x), metric, x).slope
    h = 1e-5
    up, down = (
        theory.at(tuple(s.plus(c.times(e * h)) for s, c in zip(state, H, strict=True)), x).F for e in (1, -1)
    )
    assert slope @ metric.vector(H) / (2 * max(x)) == pytest.approx((up - down) / (2 * h), rel=1e-6)


@breaks(
    "numerics/solving/quasi_newton.py",
    "(1 + float(y @ along) / bend) / 2 * s - along",
    "(1 + float(y @ along) / bend) * s - along",
    "twice the part along the step",
)
def test_matrix_learns_the_inverse_of_a_quadratic():
    rng = np.random.default_rng(0)
    Z = rng.standard_normal((8, 8))
    D = Z @ Z.T + np.eye(8)
    learned, steps = Learned(8), []
    for _ in range(8):  # conjugate steps: what was learned along one stays
        s = rng.standard_normal(8)
        for before in steps:
            s -= before * (before @ D @ s) / (before @ D @ before)
        steps.append(s)
        learned.see(s, D @ s)
    inverse = np.tril(learned.inverse) + np.tril(learned.inverse, -1).T
    np.testing.assert_allclose(inverse, np.linalg.inv(D), atol=1e-8)
    kept = learned.copy()
    learned.see(steps[0], -D @ steps[0])  # F bends down: nothing is learned
    assert learned.updates == kept.updates == 8
    kept.forget()
    np.testing.assert_allclose(kept.step(np.arange(8.0)), -np.arange(8.0))
    assert learned.updates == 8


@pytest.mark.parametrize("networks", [NETWORKS, RELU_NETWORKS], ids=["erf", "relu"])
def test_it_finds_what_newton_steps_find(networks):
    theory, x = theory_of(networks["three dense layers"][0], *small(True), NOISE)
    one, other = (m.solve(theory, x, theory.prior, 1e-9, 2000) for m in (quasi_newton, newton))
    assert one.status is other.status is Status.CONVERGED
    assert one.method == "bfgs"
    assert pytest.approx(other.point.F, rel=1e-12) == one.point.F


@breaks("numerics/solving/quasi_newton.py", "not leash.holds(place.v)", "False", "a leash that does not hold")
def test_a_descent_that_leaves_its_leash_is_given_up():
    theory, x = theory_of(NETWORKS["three dense layers"][0], *small(True), NOISE)
    metric = FisherMetric(theory.sizes, theory.odd, x)
    free = quasi_newton.solve(theory, x, theory.prior, 1e-9, 2000)
    way = np.linalg.norm(metric.vector(free.point.state))
    start = metric.vector(theory.prior)
    held = quasi_newton.solve(theory, x, theory.prior, 1e-9, 2000, leash=Leash(start, way / 2))
    assert held.status is Status.MAX_ITERATIONS
    assert held.gradients < free.gradients
    longer = quasi_newton.solve(theory, x, theory.prior, 1e-9, 2000, leash=Leash(start, 4 * way))
    assert longer.gradients == free.gradients


def test_it_ends_where_rounding_hides_all_descent():
    theory, x = theory_of(NETWORKS["three dense layers"][0], *small(True), NOISE)
    outcome = quasi_newton.solve(theory, x, theory.prior, 1e-30, 5000)
    assert outcome.status is Status.ROUNDING
    assert outcome.point.residual < 1e-11
    assert outcome.curvature > 0  # that of rounding is not counted
    assert outcome.gradients < 500


@pytest.mark.filterwarnings("ignore::numerics.NegativeCurvature")
@pytest.mark.parametrize("seed", [10184, 10081])  # 4,000 gradients did not do before; 296 did
def test_a_curved_valley_is_followed(seed):
    """Widths of about one under several layers, little noise: Newton steps were cut short at every turn."""
    p = fuzz.random_problem(seed)
    sol = solve(p.net, p.X, p.y, p.noise_variance)
    assert (sol.status, sol.method) == (Status.CONVERGED, "bfgs")
    assert sol.gradients < 600
    assert sol.stability > 0
