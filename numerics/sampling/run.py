"""A run: several chains side by side, through warm-up and draws, on any executor.

What comes out depends on neither the executor nor its number of workers, nor on interruptions: every chain
has random numbers and a state of its own and computes on one thread, and the chains meet twice, after the
descent (the reference measure) and after the tuning (the step).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from numerics.machine import parallel
from numerics.sampling.adaptation import LONGEST_DESCENT, DualAveraging, tuned_step
from numerics.sampling.chain import (
    DESCENT,
    DRAWS,
    LANGEVIN,
    TUNING,
    Advanced,
    Chain,
    Plan,
    Stopped,
    advance,
)
from numerics.sampling.records import ALPHA, LOSS, RECORDED, Record, scalar_names

Array = NDArray[np.float64]

TASK_SECONDS = 1.0  # of work that is sent to a worker at a time
SHRUNK = 0.1  # of a pooled covariance to the prior's, at least
MOST_PATHS = 1000  # in a task


class NoDraws(RuntimeError):
    """A run ended before its first draw."""


class WorkerLost(RuntimeError):
    """A worker process ended; what it had delivered is kept."""


@dataclass(frozen=True)
class Progress:
    """What a callback is told.

    Attributes
    ----------
    phase : "descent", "tuning" or "draws"
    done, total : int
        Paths of a warm-up phase, or draws, of all chains; the descent's total is what it takes at most.
    seconds_left : float
        Of this phase, by what it has taken so far.
    series : dict of str to (chains, draws) arrays
        alpha and the loss so far, as many draws as every chain has; empty in the warm-up.
    """

    phase: str
    done: int
    total: int
    seconds_left: float
    series: dict[str, Array]


@dataclass
class Run:
    """Chains and their draws so far.

    Attributes
    ----------
    plan : Plan
    chains : list of Chain
    draws : int
        Of each chain that are asked for.
    records : list of list of Record
        Blocks of draws of each chain.
    seconds : float
        Of all workers together, in the draws.
    """

    plan: Plan
    chains: list[Chain]
    draws: int
    records: list[list[Record]] = field(default_factory=list)
    seconds: float = 0.0

    def __post_init__(self) -> None:
        self.records = self.records or [[] for _ in self.chains]

    @property
    def phase(self) -> str:
        return self.chains[0].phase

    @property
    def done(self) -> bool:
        return self.phase == DRAWS and all(chain.drawn >= self.draws for chain in self.chains)

    @property
    def counted(self) -> tuple[int, int]:
        """What is done of the phase, and in all: paths, or draws."""
        if self.phase == DESCENT and self.plan.method == LANGEVIN:
            epochs = [chain.schedule.epoch for chain in self.chains]
            left = [self.plan.langevin.left(chain.schedule) for chain in self.chains]
            return sum(epochs), sum(epochs) + sum(left)
        if self.phase == DESCENT:
            return sum(chain.warm_up.paths for chain in self.chains), LONGEST_DESCENT * len(self.chains)
        if self.phase == TUNING:
            counts = [chain.averaging.count for chain in self.chains]
            return sum(counts), self.plan.tuning * len(self.chains)
        return sum(chain.drawn for chain in self.chains), self.draws * len(self.chains)

    def series(self) -> dict[str, Array]:
        """alpha and the loss so far, (chains, draws) of as many draws as every chain has."""
        if not all(self.records):
            return {}
        joined = [np.concatenate([block.scalars for block in blocks]) for blocks in self.records]
        count = min(map(len, joined))
        scalars = np.stack([chain[:count] for chain in joined])
        names = scalar_names(len(self.plan.posterior.problem.widths))
        return {name: scalars[:, :, names.index(name)] for name in (ALPHA, LOSS)}

    def go(
        self,
        executor: Executor | None = None,
        report: Callable[[Run], None] = lambda _: None,
        every: Callable[[Run], None] = lambda _: None,
    ) -> bool:
        """To the end; False if it was interrupted.

        Parameters
        ----------
        executor : Executor, optional
            By default a thread per core of this process.
        report, every : callable
            Called after every task, and where the run could be stopped and taken up again.

        Raises
        ------
        WorkerLost
            When the executor breaks.
        Stopped
            When a chain cannot go on; the chains stay where they were before.
        """
        with parallel.threads(1):
            if executor is not None:
                return self._phases(executor, report, every)
            workers = max(1, min(len(self.chains), _cores()))
            with ThreadPoolExecutor(workers, thread_name_prefix="chains") as threads:
                return self._phases(threads, report, every)

    def _phases(
        self, executor: Executor, report: Callable[[Run], None], every: Callable[[Run], None]
    ) -> bool:
        tasks = _Tasks(executor)
        try:
            while not self.done:
                self._phase(tasks, report, every)
                if self.phase == DESCENT:
                    self._meet_after_descent()
                elif self.phase == TUNING:
                    self._meet_after_tuning()
                every(self)
        except KeyboardInterrupt:
            for advanced in tasks.finish():
                self._take(*advanced)
            return False
        except Stopped:
            for advanced in tasks.finish():
                self._take(*advanced)
            raise
        except BrokenExecutor as broken:
            raise WorkerLost(str(broken) or "a worker process ended") from None
        return True

    def _phase(self, tasks: _Tasks, report: Callable[[Run], None], every: Callable[[Run], None]) -> None:
        """Tasks, one per chain at a time, until every chain is through its phase."""
        pace = _Pace()
        for index in range(len(self.chains)):
            self._submit(tasks, index, pace)
        while tasks.running:
            for index, advanced in tasks.some():
                self._take(index, advanced)
                pace.learn(advanced, self.phase)
                self._submit(tasks, index, pace)
            report(self)
            every(self)

    def _submit(self, tasks: _Tasks, index: int, pace: _Pace) -> None:
        chain = self.chains[index]
        left = self.draws - chain.drawn if chain.phase == DRAWS else int(not chain.phase_ended) * MOST_PATHS
        if left > 0:
            tasks.submit(index, self.plan, chain, min(left, pace.count))

    def _take(self, index: int, advanced: Advanced) -> None:
        self.chains[index] = advanced.chain
        if advanced.records is not None:
            self.records[index].append(advanced.records)
            self.seconds += advanced.seconds

    def _meet_after_descent(self) -> None:
        """The reference measure from what all chains have seen, and on to the tuning."""
        before, plan = self.plan.posterior, self.plan
        if plan.pooled:
            units = before.forward.widths[0] * len(self.chains)
            pooled = np.mean([chain.moments for chain in self.chains], axis=0)
            size = len(pooled)
            shrunk = max(SHRUNK, size / (size + units))
            root = np.linalg.cholesky((1 - shrunk) * pooled + shrunk * np.eye(size))
            plan = replace(plan, posterior=before.with_root(root))
        after = plan.posterior.coordinates
        moved = []
        for chain in self.chains:
            hidden = after.state(before.coordinates.weights(chain.z))
            there = replace(
                chain,
                z=np.concatenate([hidden, chain.z[len(hidden) :]]),
                phase=TUNING,
                phase_ended=False,
                averaging=DualAveraging.around(chain.descent.step),
                at=None,
            )
            moved.append(there)
        self.plan, self.chains = plan, moved

    def _meet_after_tuning(self) -> None:
        """One step for all chains. Langevin dynamics have their rate."""
        if self.plan.method == LANGEVIN:
            self.chains = [replace(chain, phase=DRAWS, phase_ended=False) for chain in self.chains]
            return
        step = tuned_step([chain.averaging for chain in self.chains])
        self.chains = [replace(chain, phase=DRAWS, phase_ended=False, step=step) for chain in self.chains]

    def stacked(self) -> Record:
        """(chains, draws, ...): as many draws as every chain has, and were asked for."""
        if not all(self.records):
            raise NoDraws
        count = min(self.draws, *(sum(len(block.scalars) for block in chain) for chain in self.records))
        joined = [Record.joined(blocks) for blocks in self.records]
        stacked = Record(*(np.stack([getattr(chain, name)[:count] for chain in joined]) for name in RECORDED))
        # what is beyond, of chains that are ahead, is kept for a run that goes on
        self.records = [
            [stacked.part(index), chain.part(slice(count, None))] for index, chain in enumerate(joined)
        ]
        return stacked


class _Tasks:
    """What is being worked at: a task per chain at most."""

    def __init__(self, executor: Executor):
        self.executor = executor
        self.running: dict[Future[Advanced], int] = {}

    def submit(self, index: int, plan: Plan, chain: Chain, count: int) -> None:
        future = self.executor.submit(_task, os.getpid(), plan, chain, count)
        self.running[future] = index

    def some(self) -> list[tuple[int, Advanced]]:
        """Those that are ready, one at least."""
        ready, _ = wait(self.running, return_when=FIRST_COMPLETED)
        return [(self.running.pop(future), future.result()) for future in ready]

    def finish(self) -> list[tuple[int, Advanced]]:
        """What is under way when a run is interrupted, as far as it comes to an end."""
        found = []
        for future, index in self.running.items():
            try:
                if not future.cancel():
                    found.append((index, future.result()))
            except (Exception, KeyboardInterrupt):
                continue  # the chain stays where it was
        self.running = {}
        return found


def _task(parent: int, plan: Plan, chain: Chain, count: int) -> Advanced:
    """`advance`, on one thread of BLAS also in another process."""
    if os.getpid() == parent:
        return advance(plan, chain, count)
    with parallel.threads(1):
        return advance(plan, chain, count)


class _Pace:
    """How many paths or draws make a task."""

    def __init__(self) -> None:
        self.count = 1

    def learn(self, advanced: Advanced, phase: str) -> None:
        done = self.count
        if advanced.records is not None:
            done = len(advanced.records.scalars)
        each = advanced.seconds / max(1, done)
        self.count = max(1, min(MOST_PATHS, int(TASK_SECONDS / max(each, 1e-6)), 4 * self.count))


def _cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1
