"""The door of the cavity theory: solutions at given widths, or a path of them."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numerics import checks
from numerics.cavity.branches import Start, fields_of, from_start, same_branch
from numerics.cavity.scaled import Scaled
from numerics.cavity.session import MOST, Session
from numerics.cavity.solution import CavitySolution
from numerics.cavity.summary import RARE, rare_units
from numerics.costs.cost import NotEnoughMemory
from numerics.machine import memory
from numerics.problem import Problem
from numerics.solutions.branches import FROM_GP, Branches
from numerics.solutions.path import ConvergenceError, Path
from numerics.unit.population import BATCHES, KEPT

Array = NDArray[np.float64]

THEORY = "cavity"
TOLERANCE = 1e-5  # of the residual: a hundredth of what the draws leave open
LEAST_DRAWS = 8192
LEAST_ROWS = 32768  # draws times slots
DRAWS_PER_DATUM = 64  # over the slots of the readout: n/(M m) = 1.6 % at most
SQUARES = 22  # (D n)^2 arrays at once, those that acceleration keeps among them
EACH = 3  # of every solution, and of the batches that its errors are from


class RareUnits(UserWarning):
    """A rare kind of unit carries the output of a cavity solution."""


def default_draws(problem: Problem) -> int:
    """M, a power of two: so many that their own load n/(M m), m the slots of the readout, is below two per
    cent; what they owe to themselves, of that order, is taken off (`numerics.unit.own`)."""
    slots = problem.net.receptive_windows(problem.input_shape[0])[-1].fan_in
    wanted = max(LEAST_DRAWS, LEAST_ROWS / slots, DRAWS_PER_DATUM * problem.samples / slots)
    return int(2 ** math.ceil(math.log2(wanted)))


def solve_cavity(
    problem: Problem,
    widths: Sequence[Any] | Array,
    draws: int | None,
    seed: int,
    tol: float,
    max_iter: int,
    raise_on_failure: bool,
    callback: Callable[[Any], None] | None,
    check_memory: bool,
) -> Path:
    """Solutions at widths, by continuation from wide to narrow, in the order that they were asked for.

    Raises
    ------
    ValueError
        For networks with several hidden layers, and bad arguments.
    ConvergenceError
        Carrying the failed `solution` and the solved part of the `path`.
    """
    targets = [problem.with_widths(width) for width in widths]
    session = _session(problem, draws, seed, tol, max_iter, check_memory)
    found: dict[int, CavitySolution] = {}

    def path() -> Path:
        return Path([found[position] for position in sorted(found)])  # type: ignore[misc]

    for position, sol in _along(session, [target.net.width for target in targets]):
        if raise_on_failure and not sol.converged:
            raise ConvergenceError(sol, tol, path())  # type: ignore[arg-type]
        found[position] = sol
        if math.isfinite(sol.width) and sol.heaviest_unit > RARE:
            warnings.warn(f"at width {sol.width:g} {rare_units(sol.heaviest_unit)}", RareUnits, stacklevel=4)
        if callback is not None:
            callback(sol)
        if not sol.converged:
            break
    return path()


def cavity_branches(
    problem: Problem,
    starts: int | Sequence[Start],
    draws: int | None,
    seed: int,
    tol: float,
    max_iter: int,
    check_memory: bool,
) -> Branches:
    """From the Gaussian process down to the network's width, and from other starts at it.

    Raises
    ------
    ConvergenceError
        When no start led to a solution; it carries what came of the Gaussian process.
    """
    session = _session(problem, draws, seed, tol, max_iter, check_memory)
    width = problem.net.width
    others = list(fields_of(session.scaled, starts, seed)) if math.isfinite(width) else []
    solved: list[tuple[str | int, CavitySolution]] = [(FROM_GP, CavitySolution.of(session, width))]
    solved.extend((position, from_start(session, width, fields)) for position, fields in enumerate(others))
    found = Branches.among(solved, same_branch)
    if not found:
        raise ConvergenceError(solved[0][1], tol)  # type: ignore[arg-type]
    return found


def _session(
    problem: Problem, draws: int | None, seed: int, tol: float, max_iter: int, check_memory: bool
) -> Session:
    count = default_draws(problem) if draws is None else checks.count(draws, "draws")
    session = Session(problem, count, seed, tol, max_iter)
    if check_memory:
        _refuse_what_does_not_fit(session.scaled, session.draws)
    return session


def _along(session: Session, widths: Sequence[float]) -> Iterator[tuple[int, CavitySolution]]:
    for position in sorted(range(len(widths)), key=lambda k: -widths[k]):
        yield position, CavitySolution.of(session, widths[position])


def peak_memory(scaled: Scaled, draws: int) -> float:
    """Bytes of a solve."""
    hidden = scaled.hidden
    size, most = hidden.slots * len(scaled.y), MOST * draws
    per_draw = 5 * size**2 + 4 * size + 2 * hidden.size
    squares = SQUARES + EACH * (BATCHES + 1)
    kept = min(KEPT, 8.0 * most * hidden.slots * hidden.samples)
    return 8.0 * (squares * scaled.y.size**2 + most * per_draw) + kept + 3e8


def _refuse_what_does_not_fit(scaled: Scaled, draws: int) -> None:
    left = memory.available()
    outputs, n = scaled.y.shape
    need = peak_memory(scaled, draws)
    if left is not None and need > left:
        raise NotEnoughMemory(
            f"{draws} draws of units with {scaled.hidden.slots * outputs} readout weights on {n} "
            f"data take about {need / 1e9:.3g} GB, but {left / 1e9:.3g} GB are available; give fewer draws=, "
            "or try all the same with check_memory=False"
        )
