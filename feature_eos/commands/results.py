"""A folder of solutions, one file per width, that a rerun picks up where the last one stopped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numerics import storage
from numerics.gaussian.theory import Theory
from numerics.machine.files import write_atomically
from numerics.problem import Problem
from numerics.solutions.path import Path as WidthPath
from numerics.solutions.solution import Solution

Array = NDArray[np.float64]

TABLE = "table.npz"
LEADING = 50  # eigenvalues of K - Q that the table keeps per layer
LARGEST_TABLE = 2**27  # numbers of all Sigma in it: a gigabyte


@dataclass(frozen=True)
class Predicted:
    """Mean and standard deviation at test inputs, (m,) or (m, D), and the targets if they are known."""

    mean: Array
    std: Array
    y: Array | None

    @property
    def error(self) -> float | None:
        """Mean square error over the targets' mean square."""
        if self.y is None:
            return None
        return float(np.mean((self.y - self.mean) ** 2) / np.mean(self.y**2))


def usable_folder(path: Path) -> Path:
    """The folder, made if need be; a ValueError before the work instead of after it."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        (path / ".writable").touch()
        (path / ".writable").unlink()
    except OSError as refused:
        raise ValueError(f"{path}: cannot write there ({refused.strerror}); name another folder") from None
    return path


def file_of(folder: Path, widths: Sequence[float]) -> Path:
    """The file of a solution: width-640.npz, or width-500x400.npz for unequal layers."""
    different = widths if len(set(widths)) > 1 else widths[:1]
    return folder / f"width-{'x'.join(f'{width:.12g}' for width in different)}.npz"


def find(
    folder: Path, target: Problem, equations: Theory, tol: float, overwrite: bool = False
) -> Solution | None:
    """The solution of this very problem that is there, if it is solved to `tol`.

    Raises
    ------
    ValueError
        When the file holds something else, unless that may be overwritten.
    """
    path = file_of(folder, target.widths)
    if overwrite or not path.exists():
        return None
    try:
        found = storage.load(path)
    except ValueError as other:
        raise ValueError(f"{other}; --overwrite solves it anew, in place of this file") from None
    if not isinstance(found, Solution) or found.problem != target or found.theory != equations.law.name:
        raise ValueError(
            f"{path} is of another problem (network, data, noise or theory); choose another folder, or "
            "--overwrite"
        )
    if not (found.converged and found.residual <= tol):
        return None
    if not equations.space.has_coordinates_of(found.equations.space):
        return found
    # the Gaussian process is shared along the path
    return replace(found, problem=target, equations=equations)


def save(folder: Path, sol: Solution) -> None:
    """Write a solution to its file."""
    sol.save(file_of(folder, sol.widths))


def save_table(folder: Path, solutions: Sequence[Solution], predicted: Sequence[Predicted]) -> Path:
    """Write what varies along a path as arrays with the solutions as first axis.

    `Sigma_eigenvalues` are over the prior's; `load_l` are the leading eigenvalues of K - Q of hidden layer l.
    `Sigma` itself is left out where all together would take a gigabyte: each solution's file has its own.

    Parameters
    ----------
    predicted : sequence of Predicted
        One per solution, or none.
    """
    columns: dict[str, Any] = {
        **WidthPath(solutions).table(),
        "widths": [sol.widths for sol in solutions],
        "Sigma_eigenvalues": [sol.overlap_eigenvalues for sol in solutions],
    }
    if len(solutions) * len(solutions[0].overlap_eigenvalues) ** 2 <= LARGEST_TABLE:
        columns["Sigma"] = [sol.Sigma for sol in solutions]
    for layer in range(1, len(solutions[0].widths)):
        columns[f"load_{layer}"] = [sol.feature_load(layer).values[:LEADING] for sol in solutions]
    if predicted:
        columns["test_mean"] = [law.mean for law in predicted]
        columns["test_std"] = [law.std for law in predicted]
        if predicted[0].y is not None:
            columns["test_error"] = [law.error for law in predicted]
    arrays: dict[str, Any] = {name: np.array(values) for name, values in columns.items()}
    path = folder / TABLE
    write_atomically(path, lambda file: np.savez(file, **arrays))
    return path
