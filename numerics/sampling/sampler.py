"""`sample`: draws from the exact posterior of a network of finite width."""

from __future__ import annotations

import math
import pickle
import time
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from numerics import checks
from numerics.machine import files, parallel
from numerics.network import Network
from numerics.problem import Problem
from numerics.sampling import archive, choice, starts
from numerics.sampling.chain import COLLAPSED, DESCENT, LANGEVIN, METHODS, Chain, Plan, Stopped
from numerics.sampling.energies import Joint, Posterior
from numerics.sampling.footprint import refuse_what_does_not_fit
from numerics.sampling.langevin import Langevin, largest_rate
from numerics.sampling.run import NoDraws, Progress, Run, WorkerLost
from numerics.sampling.samples import Samples
from numerics.solutions.solution import Solution

Array = NDArray[np.float64]

CHECKPOINT_SECONDS = 60.0
REPORT_SECONDS = 0.5
REFERENCES = ("auto", "eos", "pooled", "prior")
PRECISIONS = ("auto", "single", "double")


class SamplingError(RuntimeError):
    """A run that could not go on. `samples` is what it had drawn, or None."""

    def __init__(self, message: str, samples: Samples | None = None):
        super().__init__(message)
        self.samples = samples

    def __reduce__(self) -> tuple[Any, ...]:
        return SamplingError, (str(self), self.samples)


def sample(
    net: Network | Problem,
    X: ArrayLike | None = None,
    y: ArrayLike | None = None,
    noise_variance: Any = None,
    *,
    draws: int = 200,
    chains: int = 4,
    method: str | Langevin = "auto",
    start: str | Solution = "both",
    seed: int = 0,
    executor: Executor | None = None,
    checkpoint: str | Path | None = None,
    callback: Callable[[Progress], None] | None = None,
    thin: int = 1,
    path_length: float = 1.2,
    reference: str = "auto",
    precision: str = "auto",
    check_memory: bool = True,
) -> Samples:
    """Draw hidden weights from the exact posterior of a network, and everything that follows from them.

    Hamiltonian Monte Carlo on several chains; what is known exactly is not sampled: outputs, losses and
    overlaps are averaged over the readout given the hidden weights. No step size is to be set: chains warm up
    by themselves. With X and y of no data (n = 0) it is the prior.

    Parameters
    ----------
    net, X, y, noise_variance
        As in `solve`; widths are finite whole numbers.
    draws, chains : int
        Draws of each chain, and chains.
    method : "auto", "collapsed", "joint", "langevin" or Langevin
        "collapsed" samples the hidden weights with the readout integrated out; "joint" all weights, with the
        readout drawn anew exactly with every draw; "auto" times both and takes the first unless the second is
        clearly cheaper; "langevin" is Eq. (15), the paper's dynamics, with settings from
        `numerics.sampling.Langevin`: slow, and biased by its step.
    start : "both", "prior", "eos" or Solution
        Draws of the prior, or of the Gaussian of the equations of state; "both": every second chain from the
        latter, so that R-hat tests what it should.
    seed : int
    executor : concurrent.futures.Executor, optional
        Runs the chains; by default threads of this process, one per core. The draws do not depend on it.
    checkpoint : path, optional
        An .npz, written every minute and at the end. If it is there the run goes on from it, bit for bit as
        if it had not stopped; with more `draws`, to these.
    callback : callable, optional
        Given a `Progress` twice a second; `numerics.sampling.progress_bar` shows a bar.
    thin : int
        Paths from draw to draw.
    path_length : float
        Of a path, an angle: pi/2 makes what the data do not see independent of its start.
    reference : "auto", "eos", "pooled" or "prior"
        Covariance of the first layer's weights against which they are drawn: of the equations of state, of
        all chains' descent, or the prior's; "auto" is the first, or the second where there is none.
    precision : "auto", "single" or "double"
        Of activations, products and gradients; states, factorisations and acceptances are in double. "auto"
        is single for large problems whose energies agree, checked at three states.
    check_memory : bool
        Refuse a run that would not fit in the memory that is available.

    Returns
    -------
    Samples
        After an interrupt (Ctrl-C) with the draws so far.

    Raises
    ------
    ValueError
        For what cannot be sampled, with the remedy.
    SamplingError
        When a worker process is lost, Langevin dynamics blow up, or the posterior cannot be evaluated; its
        `samples` are what there was.
    """
    problem = Problem.of(net, X, y, noise_variance)
    refuse_widths(problem)
    settings = _Settings(draws, chains, method, start, seed, thin, path_length, reference, precision)
    _refuse_what_cannot_be_sent(problem, executor)
    if check_memory:
        refuse_what_does_not_fit(problem, settings.draws, settings.chains, parallel.thread_count())
    file = None if checkpoint is None else Path(checkpoint)
    if file is not None:
        files.usable_target(file, (".npz",))
        archive.network_header(problem.net)  # refuses what a file cannot hold
    if file is not None and file.exists():
        run, notes = _taken_up(file, problem, settings)
    else:
        with parallel.threads(1):
            run, notes = _begun(problem, settings)
    return _finished(run, notes, settings, executor, file, callback)


class _Settings:
    """Arguments, checked."""

    def __init__(
        self,
        draws: int,
        chains: int,
        method: str | Langevin,
        start: str | Solution,
        seed: int,
        thin: int,
        path_length: float,
        reference: str,
        precision: str,
    ):
        self.draws, self.chains = checks.count(draws, "draws"), checks.count(chains, "chains")
        self.langevin = method if isinstance(method, Langevin) else Langevin()
        named = LANGEVIN if isinstance(method, Langevin) else method
        self.method = checks.choice(named, ("auto", *METHODS), "method")
        self.solution = start if isinstance(start, Solution) else None
        self.start = "eos" if isinstance(start, Solution) else checks.choice(start, starts.WORDS, "start")
        self.seed = checks.count(seed, "seed", least=0)
        self.thin = checks.count(thin, "thin")
        self.length = checks.positive(path_length, "path_length")
        self.reference = checks.choice(reference, REFERENCES, "reference")
        self.precision = checks.choice(precision, PRECISIONS, "precision")

    @property
    def asked(self) -> dict[str, Any]:
        """What a run that goes on must ask for too."""
        names = ("chains", "method", "start", "seed", "thin", "length", "reference", "precision")
        settings = asdict(self.langevin) if self.method == LANGEVIN else None
        return {name: getattr(self, name) for name in names} | {"langevin": settings}


def refuse_widths(problem: Problem) -> None:
    """A ValueError where units cannot be counted."""
    for width in problem.widths:
        if math.isinf(width) or width != int(width):
            raise ValueError(
                f"widths={problem.widths} cannot be sampled: units are counted; give finite whole numbers"
            )


def _refuse_what_cannot_be_sent(problem: Problem, executor: Executor | None) -> None:
    if executor is None or isinstance(executor, ThreadPoolExecutor):
        return
    try:
        pickle.dumps(problem.net)
    except (pickle.PicklingError, AttributeError, TypeError):
        raise ValueError(
            f"activation {problem.net.activation!s} cannot be sent to another process; define its functions "
            "in a module, or leave executor out"
        ) from None


def _begun(problem: Problem, settings: _Settings) -> tuple[Run, list[str]]:
    """Chains at their starts, with the method, the precision and the reference measure chosen."""
    notes: list[str] = []
    gaussian = _gaussian(problem, settings, notes)
    root = None
    if gaussian is not None and settings.reference in ("auto", "eos") and settings.method != LANGEVIN:
        root = gaussian.reference
    posterior = Posterior(problem, root=root)
    *seeds, spare = np.random.SeedSequence(settings.seed).spawn(settings.chains + 1)
    generators = [np.random.default_rng(seed) for seed in seeds]
    shapes, coordinates = posterior.forward.shapes, posterior.coordinates
    given = starts.states(shapes, generators, settings.start, gaussian)
    states = [coordinates.state(weights) for weights in given]
    posterior = Posterior(problem, _single(posterior, states, settings, notes), root)
    plan = Plan(
        posterior,
        COLLAPSED if settings.method == "auto" else settings.method,
        settings.length,
        settings.thin,
        pooled=root is None and settings.reference in ("auto", "pooled") and settings.method != LANGEVIN,
        langevin=settings.langevin,
    )
    if settings.method == "auto":
        method, why = choice.method_of(plan, states[-1], spare)
        plan = replace(plan, method=method)
        notes.append(f"method {method}: {why}")
    joint = Joint(posterior)
    if plan.method != COLLAPSED:
        states = [
            np.concatenate([z, rng.standard_normal(joint.size - joint.hidden)])
            for z, rng in zip(states, generators, strict=True)
        ]
    begun = [Chain(z, rng) for z, rng in zip(states, generators, strict=True)]
    if plan.method == LANGEVIN:
        rate = plan.langevin.rate
        for chain in begun:
            chain.step = plan.langevin.share * largest_rate(joint, chain.z) if rate is None else rate
    return Run(plan, begun, settings.draws), notes


def _gaussian(problem: Problem, settings: _Settings, notes: list[str]) -> starts.Gaussian | None:
    sol = settings.solution
    if sol is not None:
        same = sol.problem.input_shape == problem.input_shape
        if not same or sol.problem.net.with_widths(1.0) != problem.net.with_widths(1.0):
            raise ValueError("start is a solution of another network; solve this one, or drop start")
        return starts.Gaussian.of(sol)
    if problem.samples == 0 or (settings.start == "prior" and settings.reference not in ("auto", "eos")):
        return None
    demanded = settings.start == "eos" or settings.reference == "eos"
    found, missing = starts.solution_for(problem, math.inf if demanded else starts.PATIENCE)
    if found is None:
        if demanded:
            raise ValueError(f"{missing.split(';')[0]}; take start='prior' and reference='pooled'")
        notes.append(missing)
        return None
    return starts.Gaussian.of(found)


def _single(posterior: Posterior, states: list[Array], settings: _Settings, notes: list[str]) -> bool:
    if settings.precision != "auto":
        return settings.precision == "single"
    tried = [states[0], states[-1], (states[0] + states[-1]) / math.sqrt(2)]
    chosen = choice.precision_of(posterior, tried)
    if chosen == "single":
        notes.append("single precision: energies agree with double at three states")
    return chosen == "single"


def _taken_up(file: Path, problem: Problem, settings: _Settings) -> tuple[Run, list[str]]:
    """The run of a checkpoint, if it is this one."""
    run, asked, notes = archive.read(file)
    if run.plan.posterior.problem != problem:
        raise ValueError(
            f"{file} is a checkpoint of another network, other data or another noise; name another file, or "
            "remove it"
        )
    different = [name for name, value in settings.asked.items() if asked.get(name) != value]
    if different:
        raise ValueError(
            f"{file} is a checkpoint with other {', '.join(different)}; ask for these, or name another file"
        )
    run.draws = settings.draws
    return run, list(notes)


def _finished(
    run: Run,
    notes: list[str],
    settings: _Settings,
    executor: Executor | None,
    file: Path | None,
    callback: Callable[[Progress], None] | None,
) -> Samples:
    clock = _Clock(run, callback)
    written = time.monotonic()

    def write(run: Run) -> None:
        nonlocal written
        if file is not None and time.monotonic() - written > CHECKPOINT_SECONDS:
            archive.write(file, run, settings.asked, tuple(notes))
            written = time.monotonic()

    lost = stuck = ""
    try:
        run.go(executor, clock, write)
    except WorkerLost as broken:
        lost = f"a worker was lost ({broken})"
    except Stopped as stopped:  # a run that goes on from a file would stop again
        stuck = str(stopped)
    except Exception:  # of a callback: what was drawn is kept
        if file is not None:
            archive.write(file, run, settings.asked, tuple(notes))
        raise
    if file is not None and not stuck:
        archive.write(file, run, settings.asked, tuple(notes))
    samples: Samples | None = None
    with suppress(NoDraws):
        samples = Samples.of(run, settings.asked, tuple(notes))
    if lost or stuck:
        kept = "nothing had been drawn" if samples is None else f"{samples.shape[1]} draws a chain are kept"
        remedy = "" if file is None or stuck else f", and {file} goes on from there"
        raise SamplingError(f"{lost}{stuck}; {kept}{remedy}", samples)
    if samples is None:  # interrupted in the warm-up
        raise KeyboardInterrupt
    return samples


class _Clock:
    """Tells a callback, not more often than it can be read."""

    def __init__(self, run: Run, callback: Callable[[Progress], None] | None):
        self.callback = callback
        self.told = 0.0
        self.phase, self.began, self.before = "", 0.0, 0

    def __call__(self, run: Run) -> None:
        now = time.monotonic()
        phase = run.phase
        done, total = run.counted
        if phase != self.phase:
            self.phase, self.began, self.before = phase, now, done
        if self.callback is None or (now - self.told < REPORT_SECONDS and done < total):
            return
        self.told = now
        rate = (done - self.before) / max(now - self.began, 1e-9)
        left = (total - done) / rate if rate > 0 else math.nan
        self.callback(Progress(phase, done, total, left, {} if phase == DESCENT else run.series()))
