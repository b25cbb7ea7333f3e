"""Small steps from the Gaussian process: the branch that joins it, and what is said where they stop."""

import fuzz
import numpy as np
import pytest
from mutants import breaks
from states import theory_of

from numerics import NegativeCurvature, solve
from numerics.solving import small_steps
from numerics.solving.continuation import Curve
from numerics.solving.outcome import Status


@breaks(
    "numerics/solving/small_steps.py",
    "taken.strayed <= stray",
    "True",
    "a solution far from the prediction is taken for the next one",
)
def test_the_branch_is_the_one_that_smaller_steps_lead_to(monkeypatch):
    """Targets of 1,600: direct descents, and those from half way, end 2 and 13 % higher."""
    p = fuzz.random_problem(10202)
    sol = solve(p.net, p.X, p.y, p.noise_variance)
    assert sol.converged
    monkeypatch.setattr(small_steps, "FIRST_STEP", 0.15)
    monkeypatch.setattr(small_steps, "CHEAP", 0)
    monkeypatch.setattr(small_steps, "CLOSE", 0.0)
    slow = solve(p.net, p.X, p.y, p.noise_variance)
    assert sol.free_energy == pytest.approx(slow.free_energy, rel=1e-9)
    assert sol.free_energy < 3.43e6


def test_a_leap_is_said_aloud(monkeypatch):
    """Steps that are all held to have strayed: what is left of the budget goes to a descent."""
    p = fuzz.random_problem(10060)
    joined = fuzz.run(10060)
    assert joined.solution.converged
    assert not joined.warned
    monkeypatch.setattr(small_steps, "STRAYED", 0.0)
    monkeypatch.setattr(small_steps, "SURE", (0.0, 0.0))
    with pytest.warns(NegativeCurvature, match="another branch"):
        sol = solve(p.net, p.X, p.y, p.noise_variance)
    assert sol.converged
    assert sol.gradients <= 4000


def test_gradients_of_all_steps_count_and_stay_in_the_budget(monkeypatch):
    p = fuzz.random_problem(10082)
    theory, x = theory_of(p.net, p.X, p.y, p.noise_variance)
    counted = []
    gradient = theory.gradient

    def counting(*args):
        counted.append(1)
        return gradient(*args)

    monkeypatch.setattr(theory, "gradient", counting)
    with np.errstate(all="ignore"):
        curve = Curve(theory, 1e-8)
        counted.clear()
        outcome = curve.solve(x, 700)
    assert outcome.status is Status.MAX_ITERATIONS
    # Hessian products, of Newton steps alone, count for two and are no gradients
    assert len(counted) <= outcome.gradients <= 700
