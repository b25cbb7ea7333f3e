"""How cavity solutions are come by: tolerances, attempts that fail, rungs, draws that move."""

import math
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from deep_problems import small
from mutants import breaks

from numerics import Problem, cnn, estimate_cost, fcn, load, solve
from numerics.cavity.functional import Indefinite
from numerics.cavity.ladder import Ladder
from numerics.cavity.session import SHARP, Session
from numerics.cavity.tracking import track
from numerics.solutions.path import ConvergenceError
from numerics.solving.outcome import Status

DESCENT, SESSION, TRACKING = (f"numerics/cavity/{name}.py" for name in ("descent", "session", "tracking"))
LADDER, ATTEMPTS = "numerics/cavity/ladder.py", "numerics/cavity/attempts.py"


@pytest.fixture(scope="module")
def problem():
    """60 data, 20 units: a readout load of 1.1."""
    rng = np.random.default_rng(0)
    X, w = rng.standard_normal((60, 10)), rng.standard_normal(10)
    return Problem(fcn(20), X, X @ w / np.linalg.norm(w), 0.1)


@breaks(DESCENT, "(25, 5e-3))", "(25, 0.0))", "given up on the way to a small residual")
@breaks(DESCENT, "Status.ROUNDING if rounded", "Status.STALLED if rounded", "rounding taken for failure")
def test_a_smaller_tolerance_changes_the_digits_beyond_a_larger_one_only(problem):
    """The draws stay what they are, and with them the answer, down to rounding."""
    found = {
        tol: solve(problem, theory="cavity", draws=1024, tol=tol) for tol in (1e-3, 1e-5, 1e-8, 1e-12, 1e-15)
    }
    exact = found.pop(1e-15)
    assert exact.status is Status.ROUNDING
    assert exact.residual < 1e-13  # 2^-52 times K's largest eigenvalue, about 50
    for tol, sol in found.items():
        assert sol.status is Status.CONVERGED
        assert sol.method == "gaussian"
        assert sol.residual <= tol
        assert sol.alpha == pytest.approx(exact.alpha, rel=5 * tol)
        assert sol.errors["alpha"] == pytest.approx(exact.errors["alpha"], rel=1e-2)


@breaks(SESSION, "or found.share < SHARP", "", "few draws that count kept")
def test_fixed_draws_of_which_few_count_give_way_to_moving_ones(problem, monkeypatch):
    """Rungs have 2,048 draws, too few to tell; the solution's own share decides."""
    fixed = solve(problem, theory="cavity", draws=4096)
    share = fixed.effective_sample / fixed.draws
    for bound, method in ((share - 0.01, "gaussian"), (share + 0.01, "moved")):
        monkeypatch.setattr("numerics.cavity.session.SHARP", bound)
        assert solve(problem, theory="cavity", draws=4096).method == method


@breaks(
    TRACKING, "average += K / (SNAPSHOTS * BETWEEN)", "average += K / 25", "an average of 24 of 25 states"
)
@breaks(TRACKING, "F=at.F - width * shift", "F=at.F + width * shift", "the draws' own density turned over")
def test_moving_draws_come_to_where_many_fixed_ones_are(problem, monkeypatch):
    fixed = solve(problem, theory="cavity", draws=16384)
    monkeypatch.setattr("numerics.cavity.session.SHARP", 2.0)
    moved = solve(problem, theory="cavity", draws=8192)
    assert moved.status is Status.CONVERGED
    assert moved.method == "moved"
    for name in ("alpha", "readout_load"):
        # their bias is half of n/(draws m), here .7 %
        assert getattr(moved, name) == pytest.approx(getattr(fixed, name), rel=0.02)
    assert moved.free_energy == pytest.approx(fixed.free_energy, abs=0.2)


@breaks(SESSION, "NOISY = 3.0", "NOISY = 9.0", "any residual taken for noise")
@breaks(SESSION, "together * hidden.slots", "draws * hidden.slots", "the noise of one step for that of all")
@breaks(SESSION, "effective_share >= RESTED", "effective_share >= 0.0", "draws that fled taken for rest")
def test_moving_draws_that_do_not_come_to_rest_are_told(problem, monkeypatch):
    """By a residual that the noise of all their draws does not explain, or weights that differ."""
    monkeypatch.setattr("numerics.cavity.session.SHARP", 2.0)
    for noise, fled, status in (
        (1.0, False, Status.CONVERGED),
        (2.9, False, Status.CONVERGED),
        (3.1, False, Status.TOO_FEW_DRAWS),
        (1.0, True, Status.TOO_FEW_DRAWS),
    ):
        monkeypatch.setattr("numerics.cavity.session.track", partial(tracked, noise, fled))
        assert Session(problem, 512, 0, 1e-5, 100).at(20.0).descent.status is status


def tracked(noise, fled, *arguments):
    """As it ends, but for its residual, in units of the noise, and for weights of which a third count."""
    found = track(*arguments)
    logs = np.zeros(len(found.functional.population))
    logs[len(logs) // (3 if fled else 1) :] = -100.0
    pull = replace(found.at.pull, log_weights=logs)
    return replace(found, at=replace(found.at, pull=pull, residual=noise * math.sqrt(60 / len(logs))))


def test_moving_draws_keep_no_features(problem, monkeypatch):
    """A snapshot's would be gigabytes at paper size."""
    monkeypatch.setattr("numerics.cavity.session.SHARP", 2.0)
    session = Session(problem, 512, 0, 1e-5, 100)
    found = session.at(20.0)
    assert found.population.covariance is None
    assert not any(one.population._kept for one in found.replicates)


@breaks(
    SESSION,
    "replace(self.scaled.functional(rung.population, width), own=False)",
    "self.scaled.functional(rung.population, width)",
    "what draws owe, where it is more than there is",
)
def test_a_lost_way_is_said_and_leaves_no_errors(problem, monkeypatch, tmp_path):
    """Errors that nothing tells are NaN, not zero."""

    def lost(*_):
        raise Indefinite

    monkeypatch.setattr("numerics.cavity.session.SHARP", 2.0)
    monkeypatch.setattr("numerics.cavity.session.track", lost)
    with pytest.raises(ConvergenceError, match="more of them"):
        solve(problem, theory="cavity", draws=512)
    sol = solve(problem, theory="cavity", draws=512, raise_on_failure=False)
    assert sol.status is Status.TOO_FEW_DRAWS
    assert not sol.found.functional.own
    assert 0 < sol.alpha < 1
    assert math.isnan(sol.errors["alpha"])
    assert np.isnan(sol.errors["Sigma"]).all()
    assert np.isnan(sol.predict_error(problem.X)).all()
    assert math.isnan(sol.biases["alpha"])
    assert "nan" not in str(sol)
    sol.save(tmp_path / "lost.npz")
    assert math.isnan(load(tmp_path / "lost.npz").errors["alpha"])


@breaks(LADDER, "self.rungs[min(known)] if known", "self.rungs[max(known)] if known", "the widest rung")
@breaks(LADDER, "at > width and", "", "a rung below")
@breaks(LADDER, "rung.share >= share]", "rung.share < share]", "a rung of which little counts")
def test_moving_draws_start_from_the_narrowest_rung_of_which_enough_counts():
    ladder = Ladder(None, 512)
    ladder.rungs = {
        width: SimpleNamespace(share=share, width=width)
        for width, share in ((80.0, 0.9), (160.0, 0.3), (320.0, 0.5), (640.0, 0.9))
    }
    assert ladder.least_above(80.0, SHARP).width == 320
    assert ladder.least_above(80.0, 0.8).width == 640
    assert ladder.least_above(640.0, SHARP) is None


@pytest.mark.parametrize(
    ("width", "covariance", "share", "draws", "promising"),
    [
        (20.0, 1.0, SHARP + 0.01, 1024, True),
        (20.0, 1.0, SHARP - 0.01, 1024, False),
        (20.0, 1.0, SHARP - 0.01, 512, True),  # so few fit the fields to themselves
        (20.0, None, 1.0, 1024, False),  # they move already
        (40.0, 1.0, 1.0, 1024, False),  # the ladder did not come down
    ],
)
def test_when_fixed_draws_are_tried(problem, width, covariance, share, draws, promising):
    rung = SimpleNamespace(width=width, share=share, population=_Sized(covariance, draws))
    assert Session(problem, 1024, 0, 1e-5, 100)._promising(rung, 20.0) is promising


class _Sized:
    def __init__(self, covariance, size):
        self.covariance, self.size = covariance, size

    def __len__(self):
        return self.size


def test_draws_are_refused_alike_by_a_solve_and_its_estimate():
    X, y = small(False, outputs=1)
    for verb in (solve, estimate_cost):
        with pytest.raises(ValueError, match="draws"):
            verb(Problem(cnn(5), X, y, 0.1), theory="cavity", draws=16)
