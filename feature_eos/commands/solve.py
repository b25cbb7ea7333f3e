"""The subcommand `solve` of the command line: any network from a TOML file, along a path of widths."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from feature_eos.commands import options, problem_file, results, terminal
from feature_eos.commands.problem_file import ProblemFile
from feature_eos.commands.results import Predicted
from numerics import checks
from numerics.costs.cost import estimate_cost
from numerics.free_energy.problem import Problem, problem
from numerics.machine import files
from numerics.solutions import summary
from numerics.solutions.solution import Solution
from numerics.solutions.starts import theta_of
from numerics.solver import METHODS, admit, solve_on
from numerics.solving.continuation import Branch

Array = NDArray[np.float64]

TOLERANCE = 1e-8
MAX_ITER = 300
PICTURES = ("spectra.png", "path.png")
WORDS = {  # of the library, and of a problem file
    "check_memory=False": "check_memory = false in [solve]",
    "math.inf": "inf",
    "for one patch per sample use X[:, None, :]": "say shape = [patches, pixels] in [data]",
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
  kind = "fcn"                     # X is (n, d); or "cnn" with channels = ..., X (n, pixels, channels)
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
    output = add.add_argument_group("output")
    output.add_argument(
        "--folder", metavar="FOLDER", help="for the results, instead of the one the file names"
    )
    output.add_argument(
        "--overwrite", action="store_true", help="solve again what is in the folder, whatever it is"
    )


def _solve(given: argparse.Namespace) -> None:
    asked = problem_file.read(given.file)
    readout = asked.options.get("readout", "mean_field")
    bound = problem(asked.net, asked.X, asked.y, asked.noise_variance, readout)
    targets = [bound.at_widths(_layers(widths)) for widths in asked.widths]
    _refuse_the_same_width_twice(targets)
    tol = checks.positive(asked.options.get("tol", TOLERANCE), "tol")
    max_iter = checks.count(asked.options.get("max_iter", MAX_ITER), "max_iter")
    method = checks.choice(asked.options.get("method", "auto"), METHODS, "method")
    X_test, y_test = _test_set(asked, bound)
    if asked.plots:
        _need_matplotlib()
    folder = results.usable_folder(Path(given.folder) if given.folder else asked.folder)
    for name in (results.TABLE, *(PICTURES if asked.plots else ())):
        files.usable_target(folder / name)
    found = [results.find(folder, target, tol, given.overwrite) for target in targets]
    admit(targets, asked.options.get("check_memory", True))
    _announce(asked, targets, found)
    solved = _solutions(lambda: Branch(bound.field, tol, method), targets, found, folder, max_iter)
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
    names = [results.file_of(Path(), target.net.widths).stem for target in targets]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"widths in [solve] has {name.removeprefix('width-')} twice; leave one out")


def _test_set(asked: ProblemFile, bound: Problem) -> tuple[Array | None, Array | None]:
    """X_test and y_test as `predict` takes and gives them."""
    if asked.X_test is None:
        return None, None
    X = checks.inputs_like(asked.X_test, bound.field.shape, asked.net.flat)
    X = X[:, 0] if asked.net.flat else X
    if len(X) == 0:
        return None, None
    if asked.y_test is None:
        return X, None
    y = checks.targets(asked.y_test, len(X), "y_test")
    if y.shape[1] != bound.field.y.shape[1]:
        raise ValueError(f"y_test has {y.shape[1]} outputs, but y has {bound.field.y.shape[1]}")
    return X, y[:, 0] if bound.field.one_output else y


def _need_matplotlib() -> None:
    from numerics import plots

    plots.new((1.0, 1.0))


def _announce(asked: ProblemFile, targets: Sequence[Problem], found: Sequence[Solution | None]) -> None:
    """What is to be done and what it takes, before it is begun."""
    left = [target for target, sol in zip(targets, found, strict=True) if sol is None]
    if len(left) < len(targets):
        terminal.note(f"{len(targets) - len(left)} of {len(targets)} widths are there already")
    if not left:
        return
    field = targets[0].field
    narrowest = min(left, key=lambda target: min(target.net.widths))
    shape = (len(field.y), field.shape[1]) if asked.net.flat else (len(field.y), *field.shape)
    cost = estimate_cost(narrowest.net, shape, field.y.shape[1], readout=field.readout)
    terminal.note(str(cost))
    if len(left) > 1:
        terminal.note(f"  path    {len(left)} widths, this is for the narrowest")


def _solutions(
    new_branch: Callable[[], Branch],
    targets: Sequence[Problem],
    found: Sequence[Solution | None],
    folder: Path,
    max_iter: int,
) -> list[Solution]:
    """What is missing, from wide to narrow, written as it is found; in the order of the targets."""
    solved = {k: sol for k, sol in enumerate(found) if sol is not None}
    if len(solved) == len(targets):
        return [solved[k] for k in range(len(targets))]
    branch = new_branch()
    order = sorted(range(len(targets)), key=lambda k: targets[k].inverse_widths)
    with tqdm(total=len(targets), unit="width", leave=False, disable=None) as bar:
        for k in order:
            bar.set_description(f"width {targets[k].net.width:g}")
            if k in solved:
                branch.remember(targets[k].inverse_widths, theta_of(solved[k], targets[k]))
            else:
                solved[k] = solve_on(branch, targets[k], max_iter)
                results.save(folder, solved[k])
            bar.update()
    return [solved[k] for k in range(len(targets))]


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
