"""One task of a sweep, as a worker does it: a problem made, solved at one width or along a path, and read."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from numerics.machine import parallel
from numerics.problem import Problem
from numerics.sampling.sampler import sample
from numerics.solutions.path import ConvergenceError
from numerics.solver import THEORIES, solve_path
from numerics.sweeps import quantities
from numerics.sweeps.quantities import Found, Values

SAMPLED = "sampled"
CHOICES = (*THEORIES, SAMPLED)
LONGEST = 300  # characters of a reason


@dataclass(frozen=True)
class Work:
    """What all tasks have in common; it can be sent to another process.

    Attributes
    ----------
    problem_of : callable
    widths : tuple of float or None
        Of a path, widest first.
    asked : tuple
        Quantities.
    theory : str
        Where it is no parameter.
    options : dict of str to dict
        Arguments of the solver, by theory, or of the sampler, by "sampled".
    """

    problem_of: Callable[..., Any]
    widths: tuple[float, ...] | None
    asked: tuple[Any, ...]
    theory: str
    options: dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Outcome:
    """What a task gave.

    Attributes
    ----------
    position : tuple of int
        In the grid.
    values : list of dict of str to array
        Of every width of a path, or of the one; None where it was not reached.
    reason : str
        Why it failed, or "".
    seconds : float
    """

    position: tuple[int, ...]
    values: list[Values | None]
    reason: str
    seconds: float


def perform(work: Work, position: tuple[int, ...], parameters: dict[str, Any]) -> Outcome:
    """On one thread; what goes wrong is the outcome."""
    began = time.perf_counter()
    values: list[Values | None] = [None] * len(work.widths or (0,))
    reason = ""
    try:
        with parallel.threads(1):
            for k, found in _found(work, parameters):
                values[k] = quantities.of(found, work.asked)
    except Exception as failure:
        reason = f"{type(failure).__name__}: {failure}"[:LONGEST]
    return Outcome(position, values, reason, time.perf_counter() - began)


def _found(work: Work, parameters: dict[str, Any]) -> Any:
    own, others = split(work.problem_of, parameters)
    theory = others.pop("theory", work.theory)
    options = work.options.get(theory, {}) | others
    made = work.problem_of(**own)
    problem, X_test, y_test = made if isinstance(made, tuple) else (made, None, None)
    if not isinstance(problem, Problem):
        raise TypeError("problem_of must return a Problem, or (problem, X_test, y_test)")
    if theory == SAMPLED:
        options.setdefault("method", "collapsed")  # "auto" times both, and may choose otherwise next time
        for k, width in enumerate(work.widths or (None,)):
            at = problem if width is None else problem.with_widths(width)
            yield k, Found(sample(at, **options), X_test, y_test)
        return
    widths = [problem.widths] if work.widths is None else list(work.widths)
    order = np.argsort([-float(np.max(width)) for width in widths], kind="stable")
    try:
        path = list(solve_path(problem, widths=[widths[k] for k in order], theory=theory, **options))
        failure = None
    except ConvergenceError as stopped:  # what was reached is kept
        path, failure = list(stopped.path or ()), stopped
    for k, sol in zip(order, path, strict=False):
        yield int(k), Found(sol, X_test, y_test)
    if failure is not None:
        raise failure


def split(
    problem_of: Callable[..., Any], parameters: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Those that problem_of takes, and the others, which the solver does."""
    taken = inspect.signature(problem_of).parameters
    kinds = {parameter.kind for parameter in taken.values()}
    if inspect.Parameter.VAR_KEYWORD in kinds:
        own = {name: value for name, value in parameters.items() if name != "theory" or name in taken}
    else:
        own = {name: value for name, value in parameters.items() if name in taken}
    return own, {name: value for name, value in parameters.items() if name not in own}
