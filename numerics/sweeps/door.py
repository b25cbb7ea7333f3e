"""`sweep`: many problems into one store, on any executor, to be stopped and gone on with at any moment."""

from __future__ import annotations

import math
import pickle
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numerics import checks
from numerics.sweeps import quantities as reading
from numerics.sweeps import store as stores
from numerics.sweeps.grid import Grid
from numerics.sweeps.store import Store, SweepFull
from numerics.sweeps.task import CHOICES, Outcome, Work, perform

__all__ = ["SweepFull", "SweepLost", "SweepProgress", "sweep"]

AT_ONCE = 64  # tasks that an executor has in hand, at most: what a killed run loses


class SweepLost(RuntimeError):
    """Workers were lost; what was done is in the store."""


@dataclass(frozen=True)
class SweepProgress:
    """What a callback is told.

    Attributes
    ----------
    done, failed, total : int
        Tasks: done so far, failed among them, and in all; those of earlier runs are counted.
    fresh : int
        Done by this run.
    seconds_left : float
        By this run's pace; NaN before its first task.
    """

    done: int
    failed: int
    total: int
    fresh: int
    seconds_left: float


def sweep(
    problem_of: Callable[..., Any],
    grid: Mapping[str, Sequence[Any]] | Sequence[Mapping[str, Any]],
    executor: Executor | None = None,
    *,
    store: str | Path,
    quantities: Any = reading.DEFAULT,
    path: str | None = None,
    theory: str = "mean_field",
    options: Mapping[str, Mapping[str, Any]] | None = None,
    callback: Callable[[SweepProgress], None] | None = None,
) -> Any:
    """Solve, or sample, a problem at every point of a grid; results stream into a Zarr store.

    A second call with the same arguments does only what is missing, and what had failed. At most the tasks
    in hand are lost when the run is killed. Results do not depend on the executor: every task runs on one
    thread.

    Parameters
    ----------
    problem_of : callable
        Takes parameters by name and returns a Problem, or (problem, X_test, y_test).
    grid : dict or list of dict
        {name: values} for every combination, or one dictionary per case. What problem_of does not take goes
        to the solver: `theory`, also "sampled" for `numerics.sample`, `seed`, `draws`, `tol`, ...
    executor : concurrent.futures.Executor, optional
        Processes, joblib's loky, `dask.distributed.Client.get_executor()`; by default one after another here.
    store : path
        Folder of the Zarr store; `xarray.open_zarr` reads it.
    quantities : sequence of str or callable
        Names (`numerics.sweeps.quantities.NAMED`), or functions of a solution or of samples that return a
        dictionary of numbers and arrays.
    path : str, optional
        The parameter that is the width: all its values are one task, from wide to narrow, each from the one
        before.
    theory : str
        Where it is no parameter: as in `solve`, or "sampled".
    options : dict of dict, optional
        Arguments of the solver or sampler that are no parameters, by theory: {"sampled": {"draws": 100}}.
    callback : callable, optional
        Given a `SweepProgress` after every task; `numerics.sweeps.bar.SweepBar` shows a bar.

    Returns
    -------
    xarray.Dataset
        Dimensions are the parameters, or "case"; with `status` (1 done, 2 failed), `reason` and `seconds`.

    Raises
    ------
    ValueError
        With the remedy, for bad arguments, or a store that holds something else; SweepFull when another sweep
        is writing there.
    SweepLost
        When workers die; run it again to go on.
    """
    if not callable(problem_of):
        raise ValueError("problem_of must be a function of the grid's parameters that returns a Problem")
    over = Grid.of(grid, path)
    asked, settings = reading.checked(quantities), _options(options)
    for one in over.values.get("theory", (theory,)):
        checks.choice(one, CHOICES, "theory")
    work = Work(problem_of, over.widths, asked, theory, settings)
    if isinstance(executor, ProcessPoolExecutor):
        _can_be_sent(work, over.parameters(next(over.positions())))
    with Store(store, over, _definition(work, over)) as kept:
        missing = kept.missing()
        progress = _Progress(math.prod(over.task_shape), len(missing), callback)
        tasks = ((position, over.parameters(position)) for position in missing)
        for outcome in _performed(work, tasks, executor, kept.path):
            progress.after(kept.write(outcome))
    return stores.read(kept.path)


def _options(given: Any) -> dict[str, dict[str, Any]]:
    found = {} if given is None else dict(given)
    for theory, arguments in found.items():
        checks.choice(theory, CHOICES, "options")
        if not isinstance(arguments, Mapping):
            raise ValueError(f"options[{theory!r}] must be a dictionary of arguments")
    return {theory: dict(arguments) for theory, arguments in found.items()}


def _definition(work: Work, grid: Grid) -> dict[str, Any]:
    described = getattr(work.problem_of, "described", None)
    return {
        "problem_of": reading.named(work.problem_of) if described is None else described(),
        "grid": grid.described(),
        "theory": work.theory,
        "quantities": reading.described(work.asked),
        "options": {theory: {k: str(v) for k, v in given.items()} for theory, given in work.options.items()},
    }


def _can_be_sent(work: Work, parameters: dict[str, Any]) -> None:
    try:
        pickle.dumps((work, parameters))
    except Exception as refused:
        raise ValueError(
            f"problem_of, quantities or a parameter cannot be sent to a worker process ({refused}); define "
            "functions with def at the top of a module, or take joblib's loky"
        ) from None


def _performed(
    work: Work, tasks: Iterator[tuple[tuple[int, ...], dict[str, Any]]], executor: Executor | None, path: Path
) -> Iterator[Outcome]:
    """Outcomes as they come, a few tasks in hand at a time."""
    if executor is None:
        for position, parameters in tasks:
            yield perform(work, position, parameters)
        return
    in_hand: set[Future[Outcome]] = set()
    try:
        for position, parameters in tasks:
            in_hand.add(executor.submit(perform, work, position, parameters))
            if len(in_hand) >= AT_ONCE:
                ready, in_hand = wait(in_hand, return_when=FIRST_COMPLETED)
                yield from (one.result() for one in ready)
        while in_hand:
            ready, in_hand = wait(in_hand, return_when=FIRST_COMPLETED)
            yield from (one.result() for one in ready)
    except (BrokenExecutor, OSError, RuntimeError) as lost:
        raise SweepLost(
            f"workers were lost ({type(lost).__name__}); what was done is in {path}: run the sweep again to "
            "go on"
        ) from lost
    finally:
        for one in in_hand:
            one.cancel()


class _Progress:
    def __init__(self, total: int, missing: int, callback: Callable[[SweepProgress], None] | None):
        self.total, self.before, self.missing = total, total - missing, missing
        self.fresh, self.failed, self.callback = 0, 0, callback
        self.began = time.monotonic()
        self._tell(math.nan)

    def after(self, outcome: Outcome) -> None:
        self.fresh += 1
        self.failed += bool(outcome.reason)
        pace = (time.monotonic() - self.began) / self.fresh
        self._tell(pace * (self.missing - self.fresh))

    def _tell(self, left: float) -> None:
        if self.callback is not None:
            done = self.before + self.fresh
            self.callback(SweepProgress(done, self.failed, self.total, self.fresh, left))
