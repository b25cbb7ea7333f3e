"""The subcommand `sample` of the command line: trained networks beside the theory, from a TOML file."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from feature_eos.commands import options, problem_file, results, terminal
from feature_eos.commands.problem_file import ProblemFile
from feature_eos.commands.solve import WORDS, need_matplotlib
from numerics import checks
from numerics.continuation import Continuation
from numerics.costs.cost import GIGABYTE
from numerics.machine import files
from numerics.problem import Problem
from numerics.sampling.agreement import Agreement, compare_to_samples
from numerics.sampling.bar import ProgressBar
from numerics.sampling.footprint import run_memory
from numerics.sampling.sampler import refuse_widths, sample
from numerics.sampling.samples import Samples
from numerics.solutions.solution import Solution

DRAWS, CHAINS = 200, 4
DESCRIPTION = """
Sample networks of the given width from their exact posterior, the law that Langevin training ends in,
and compare what they learned with the equations of state.

Printed is a summary of the samples, with errors and what speaks against them, and a table: each
observable with its sampling error beside the Gaussian process, first order in 1/width and mean field.
The folder has, afterwards, the samples (read them with numerics.load_samples) and plots. The file is
also the checkpoint: run again after an interruption, or with more draws, and it goes on.
"""
EXAMPLES = """
  feature-eos sample problem.toml
  feature-eos sample problem.toml --draws 400 --workers 2

in the problem.toml, beside [network], [data] and noise_variance as for feature-eos solve:
  [sample]
  draws = 200                      # of each chain
  chains = 4
  widths = [160, 80]               # without it the network's own widths alone
"""


def register(commands: Any) -> None:
    """Add the subcommand."""
    line = "networks sampled from their posterior, beside the theory, from a TOML file"
    add = options.subcommand(commands, "sample", _sample, line, DESCRIPTION, EXAMPLES)
    add.set_defaults(words=WORDS | {"checkpoint": "samples"})
    group = add.add_argument_group("problem")
    group.add_argument("file", metavar="PROBLEM.toml", help="network, data, noise and [sample], as below")
    group.add_argument(
        "--draws", metavar="DRAWS", type=options.whole(1), help="of each chain, instead of the file's"
    )
    run = add.add_argument_group("run")
    run.add_argument(
        "--workers",
        metavar="WORKERS",
        type=options.whole(1),
        help="processes, one core each (default: threads of one process, a core each)",
    )
    options.add_folder(add, "sample anew")


def _sample(given: argparse.Namespace) -> None:
    asked = problem_file.read(given.file)
    settings = dict(asked.sample)
    widths = settings.pop("widths", [asked.net.widths])
    if given.draws is not None:
        settings["draws"] = given.draws
    base = Problem(asked.net, asked.X, asked.y, asked.noise_variance)
    problems = [base.with_widths(tuple(one) if isinstance(one, list) else one) for one in widths]
    if asked.plots:
        need_matplotlib()
    folder = results.usable_folder(Path(given.folder) if given.folder else asked.folder)
    session = Continuation(base, asked.options.get("theory", "mean_field"))
    with executor_of(given.workers) as executor:
        for problem in problems:
            _one(asked, problem, session, settings, folder, executor, given.overwrite)


def executor_of(workers: int | None) -> AbstractContextManager[Executor | None]:
    """So many processes that start anew, or none."""
    if workers is None:
        return nullcontext()
    return ProcessPoolExecutor(workers, mp_context=get_context("spawn"))


def _one(
    asked: ProblemFile,
    problem: Problem,
    session: Continuation,
    settings: dict[str, Any],
    folder: Path,
    executor: Executor | None,
    overwrite: bool,
) -> None:
    name = results.file_of(folder, problem.widths).stem.replace("width", "samples")
    file = folder / f"{name}.npz"
    if overwrite:
        file.unlink(missing_ok=True)
    files.usable_target(file)
    draws = checks.count(settings.get("draws", DRAWS), "draws in [sample]")
    chains = checks.count(settings.get("chains", CHAINS), "chains in [sample]")
    refuse_widths(problem)
    memory = run_memory(problem, draws, chains, chains) / GIGABYTE
    terminal.note(f"{name}: {chains} chains of {draws} draws, about {memory:.2g} GB at the peak")
    bar = ProgressBar(disable=None)
    samples = sample(problem, **settings, executor=executor, checkpoint=file, callback=bar)
    terminal.say(str(samples))
    sol = session.solve(problem.widths, raise_on_failure=False)
    agreement = compare_to_samples(sol, samples, None, *test_set(asked, problem))
    terminal.say("\n".join(["", *table(agreement), ""]))
    written = [file]
    if asked.plots:
        written += _plots(folder, name, samples, agreement)
    terminal.note(f"written to {folder.resolve()}: {', '.join(path.name for path in written)}")


def table(agreement: Agreement) -> list[str]:
    """As wide as there is room."""
    return terminal.table(agreement.cells, names=3)


def test_set(asked: ProblemFile, problem: Problem) -> tuple[Any, Any]:
    """X_test and y_test, if both are there."""
    if asked.X_test is None or asked.y_test is None or len(asked.X_test) == 0:
        return None, None
    return asked.X_test, asked.y_test


def _plots(folder: Path, name: str, samples: Samples, agreement: Agreement) -> list[Path]:
    from numerics import plots

    figures = {f"{name}-trace.png": samples.plot_trace(), f"{name}-agreement.png": agreement.plot()}
    for file, figure in figures.items():
        plots.save(figure, folder / file)
    return [folder / file for file in figures]


def direction_of(sol: Solution, w_star: np.ndarray | None) -> np.ndarray:
    """The teacher's direction, or the top one of the solution's Sigma."""
    return np.linalg.eigh(sol.overlap_ratio)[1][:, -1] if w_star is None else w_star


def dots(
    solutions: Sequence[Solution],
    w_star: np.ndarray | None,
    draws: int,
    seed: int,
) -> list[tuple[float, Samples, np.ndarray]]:
    """Samples at the widths of solutions, and the direction along which they learned."""
    found = []
    for sol in solutions:
        bar = ProgressBar(disable=None, desc=f"C = {sol.width:g}")
        samples = sample(sol.problem, draws=draws, start=sol, seed=seed, callback=bar)
        found.append((sol.width, samples, direction_of(sol, w_star)))
    return found
