"""The subcommand `solve` of the command line: any network from a TOML file, along a path of widths."""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from feature_eos.commands import options, problem_file, results, terminal
from feature_eos.commands.problem_file import ProblemFile
from feature_eos.commands.results import Predicted
from numerics import checks
from numerics.continuation import MAX_ITER, TOLERANCE, Continuation
from numerics.estimates import estimate_cost
from numerics.machine import files
from numerics.problem import Problem
from numerics.solutions import summary
from numerics.solutions.path import ConvergenceError
from numerics.solutions.solution import Solution

Array = NDArray[np.float64]

PICTURES = ("spectra.png", "path.png")
WORDS = {  # of the library, and of a problem file
    "check_memory=False": "check_memory = false in [solve]",
    "math.inf": "inf",
    "for one pixel per sample use X[:, None, :]": "say shape = [pixels, features] in [data]",
    "flatten it, for instance X.reshape(len(X), -1)": "say shape = the number of features, in [data]",
    "use sys.set_int_max_str_digits() to increase the limit": "give a smaller number",
}
DESCRIPTION = """
Solve the equations of state of the network and data that a TOML file describes, along a path of widths.

Printed is a summary, or a row per width. The folder has, afterwards, a file per width with the solution
(read it with numerics.load), table.npz with what varies along the path and the predictions at test
inputs, and plots. Solutions are written as they are found: run again after an interruption and it goes on.
"""
EXAMPLES = """
  feature-eos solve problem.toml
  feature-eos solve problem.toml --folder out/again --overwrite

a problem.toml (examples/ and docs/problem-files.md have more):
  noise_variance = 0.1

  [network]
  kind = "fcn"                     # X is (n, d); or "cnn" with channels = ..., X (n, pixels, features)
  widths = [200, 200]              # hidden layers

  [data]
  X = "inputs.csv"                 # .csv, .npy or .npz beside this file
  y = "targets.csv"

  [solve]
  widths = [800, 400, 200]         # a path; without it the network's own widths alone
"""


def register(commands: Any) -> None:
    """Add the subcommand."""
    line = "the equations of state of any network and data, from a TOML file"
    add = options.subcommand(commands, "solve", _solve, line, DESCRIPTION, EXAMPLES)
    add.set_defaults(words=WORDS)
    group = add.add_argument_group("problem")
    group.add_argument("file", metavar="PROBLEM.toml", help="network, data, noise and widths, as below")
    options.add_folder(add, "solve again")


def _solve(given: argparse.Namespace) -> None:
    asked = problem_file.read(given.file)
    options = asked.options
    problem = Problem(asked.net, asked.X, asked.y, asked.noise_variance)
    session = Continuation(
        problem,
        options.get("theory", "mean_field"),
        options.get("method", "auto"),
        options.get("tol", TOLERANCE),
        options.get("max_iter", MAX_ITER),
    )
    targets = [problem.with_widths(_layers(widths)) for widths in asked.widths]
    _refuse_the_same_width_twice(targets)
    X_test, y_test = _test_set(asked, problem)
    if asked.plots:
        need_matplotlib()
    folder = results.usable_folder(Path(given.folder) if given.folder else asked.folder)
    for name in (results.TABLE, *(PICTURES if asked.plots else ())):
        files.usable_target(folder / name)
    found = {
        position: sol
        for position, target in enumerate(targets)
        if (sol := results.find(folder, target, session.equations, session.tol, given.overwrite))
    }
    session.admit([target.widths for target in targets], options.get("check_memory", True))
    _announce(session, targets, found)
    solved = _solutions(session, targets, found, folder)
    laws = [] if X_test is None else [sol.predict(X_test, return_std=True) for sol in solved]
    predicted = [Predicted(mean, std, y_test) for mean, std in laws]
    errors = [law.error for law in predicted if law.error is not None]
    terminal.say(_report(solved, errors))
    written = [results.save_table(folder, solved, predicted)]
    if asked.plots:
        written += _plots(folder, solved, errors)
    names = ", ".join(path.name for path in written)
    terminal.note(f"written to {folder.resolve()}: a file per width, {names}")


def _layers(widths: Any) -> Any:
    return tuple(widths) if isinstance(widths, list) else widths


def _refuse_the_same_width_twice(targets: Sequence[Problem]) -> None:
    """A file each is what a rerun looks for."""
    names = [results.file_of(Path(), target.widths).stem for target in targets]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"widths in [solve] has {name.removeprefix('width-')} twice; leave one out")


def _test_set(asked: ProblemFile, problem: Problem) -> tuple[Array | None, Array | None]:
    """X_test and y_test as `predict` takes and gives them."""
    if asked.X_test is None:
        return None, None
    X = checks.inputs_like(asked.X_test, problem.input_shape, asked.net.flat)
    X = X[:, 0] if asked.net.flat else X
    if len(X) == 0:
        return None, None
    if asked.y_test is None:
        return X, None
    y = checks.targets(asked.y_test, len(X), "y_test")
    if y.shape[1] != problem.outputs:
        raise ValueError(f"y_test has {y.shape[1]} outputs, but y has {problem.outputs}")
    return X, y[:, 0] if problem.one_output else y


def need_matplotlib() -> None:
    from numerics import plots

    plots.new((1.0, 1.0))


def _announce(session: Continuation, targets: Sequence[Problem], found: Mapping[int, Solution]) -> None:
    """What is to be done and what it takes, before it is begun."""
    left = [target for position, target in enumerate(targets) if position not in found]
    if found:
        terminal.note(f"{len(found)} of {len(targets)} widths are there already")
    if not left:
        return
    narrowest = min(left, key=lambda target: min(target.widths))
    terminal.note(str(estimate_cost(narrowest, theory=session.equations.law.name)))
    if len(left) > 1:
        terminal.note(f"  path    {len(left)} widths, this is for the narrowest")


def _solutions(
    session: Continuation, targets: Sequence[Problem], found: Mapping[int, Solution], folder: Path
) -> list[Solution]:
    """What is missing, from wide to narrow, written as it is found; in the order of the targets."""
    solved = dict(found)
    if len(solved) < len(targets):
        with tqdm(total=len(targets), unit="width", leave=False, disable=None) as bar:
            for position, sol in session.along([target.widths for target in targets], found):
                if not sol.converged:
                    raise ConvergenceError(sol, session.tol)
                solved[position] = sol
                if position not in found:
                    results.save(folder, sol)
                bar.set_description(f"width {sol.width:g}")
                bar.update()
    return [solved[position] for position in range(len(targets))]


def _report(solved: Sequence[Solution], errors: Sequence[float]) -> str:
    if len(solved) > 1:
        more = ["test", *(f"{error:.4g}" for error in errors)] if errors else []
        return "\n".join(terminal.table(_path_cells(solved, more)))
    text = summary.text(solved[0])
    if not errors:
        return text
    return f"{text}\n  test error    {errors[0]:.4g}, mean square over the targets' mean square"


def _path_cells(solved: Sequence[Solution], more: Sequence[str]) -> list[list[str]]:
    """A row per width below the headings, with a last column of more, if there is one."""
    cells = [[name for name, _ in summary.PATH_COLUMNS]]
    cells += [[cell(sol) for _, cell in summary.PATH_COLUMNS] for sol in solved]
    return [[*row, last] for row, last in zip(cells, more, strict=True)] if more else cells


def _plots(folder: Path, solved: Sequence[Solution], errors: Sequence[float]) -> list[Path]:
    from numerics import plots

    spectra, path = PICTURES
    figures = {spectra: plots.spectrum(solved)}
    if len({sol.width for sol in solved if math.isfinite(sol.width)}) > 1:
        figures[path] = plots.path(solved, errors)
    for name, figure in figures.items():
        plots.save(figure, folder / name)
    return [folder / name for name in figures]
