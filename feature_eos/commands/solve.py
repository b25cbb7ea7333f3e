"""The subcommand `solve` of the command line: any network from a TOML file, along a path of widths."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from feature_eos.commands import problem_file, results
from feature_eos.commands.problem_file import ProblemFile
from feature_eos.commands.results import Predicted
from numerics import checks
from numerics.continuation import MAX_ITER, TOLERANCE, Continuation
from numerics.costs.cost import estimate_cost
from numerics.problem import Problem
from numerics.solutions import summary
from numerics.solutions.path import ConvergenceError
from numerics.solutions.solution import Solution

Array = NDArray[np.float64]


def register(commands: Any) -> None:
    """Add the subcommand."""
    add = commands.add_parser(
        "solve",
        help="the equations of state of any network, from a TOML file",
        description="Solve the problem of a TOML file (see examples/). Solutions are written as they are "
        "found; a rerun skips those that are there.",
    )
    add.set_defaults(run=_solve)
    add.add_argument("file", metavar="PROBLEM.toml")
    add.add_argument("--folder", metavar="FOLDER", help="for the results, instead of the file's")
    add.add_argument("--overwrite", action="store_true", help="solve again what is there, whatever it is")


def _solve(options: argparse.Namespace) -> None:
    asked = problem_file.read(options.file)
    given = asked.options
    problem = Problem(asked.net, asked.X, asked.y, asked.noise_variance)
    session = Continuation(
        problem,
        given.get("theory", "mean_field"),
        given.get("method", "auto"),
        given.get("tol", TOLERANCE),
        given.get("max_iter", MAX_ITER),
    )
    targets = [problem.with_widths(_layers(widths)) for widths in asked.widths]
    X_test, y_test = _test_set(asked, problem)
    if asked.plots:
        _need_matplotlib()
    folder = results.usable_folder(Path(options.folder) if options.folder else asked.folder)
    found = {
        position: sol
        for position, target in enumerate(targets)
        if (sol := results.find(folder, target, session.equations, session.tol, options.overwrite))
    }
    session.admit([target.widths for target in targets], given.get("check_memory", True))
    _announce(session, targets, found)
    solved = _solutions(session, targets, found, folder)
    laws = [] if X_test is None else [sol.predict(X_test, return_std=True) for sol in solved]
    predicted = [Predicted(mean, std, y_test) for mean, std in laws]
    errors = [law.error for law in predicted if law.error is not None]
    print(_report(solved, errors))
    written = [results.save_table(folder, solved, predicted)]
    if asked.plots:
        written += _plots(folder, solved, errors)
    names = ", ".join(path.name for path in written)
    print(f"written to {folder.resolve()}: a file per width, {names}", file=sys.stderr)


def _layers(widths: Any) -> Any:
    return tuple(widths) if isinstance(widths, list) else widths


def _test_set(asked: ProblemFile, problem: Problem) -> tuple[Array | None, Array | None]:
    """X_test and y_test as `predict` takes and gives them."""
    if asked.X_test is None:
        return None, None
    X = checks.inputs_like(asked.X_test, problem.input_shape, asked.net.flat)
    X = X[:, 0] if asked.net.flat else X
    if asked.y_test is None:
        return X, None
    y = checks.targets(asked.y_test, len(X), "y_test")
    if y.shape[1] != problem.outputs:
        raise ValueError(f"y_test has {y.shape[1]} outputs, but y has {problem.outputs}")
    return X, y[:, 0] if problem.one_output else y


def _need_matplotlib() -> None:
    from numerics import plots

    plots.new((1.0, 1.0))


def _announce(session: Continuation, targets: Sequence[Problem], found: Mapping[int, Solution]) -> None:
    """What is to be done and what it takes, before it is begun."""
    left = [target for position, target in enumerate(targets) if position not in found]
    if found:
        print(f"{len(found)} of {len(targets)} widths are there already", file=sys.stderr)
    if not left:
        return
    narrowest = min(left, key=lambda target: min(target.widths))
    print(estimate_cost(narrowest, theory=session.equations.law.name), file=sys.stderr)
    if len(left) > 1:
        print(f"  path    {len(left)} widths, this is for the narrowest", file=sys.stderr)


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
        return summary.path_text(solved, test_error=errors)
    text = summary.text(solved[0])
    if not errors:
        return text
    return f"{text}\n  test error    {errors[0]:.4g}, mean square over the targets' mean square"


def _plots(folder: Path, solved: Sequence[Solution], errors: Sequence[float]) -> list[Path]:
    from numerics import plots

    figures = {"spectra.png": plots.spectrum(solved)}
    if len({sol.width for sol in solved if math.isfinite(sol.width)}) > 1:
        figures["path.png"] = plots.path(solved, errors)
    for name, figure in figures.items():
        plots.save(figure, folder / name)
    return [folder / name for name in figures]
