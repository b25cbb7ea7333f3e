"""Results on disk, written whole or not at all."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Callable
from dataclasses import asdict, fields
from pathlib import Path
from typing import IO, Any

import numpy as np

from numerics.compare import Comparison, Row


def save_comparison(result: Comparison, path: str | Path) -> None:
    """An .npz: an array per column of the table, Sigma per finite width, the verdict, the settings."""
    net, field = result.problem.net, result.problem.field
    arrays: dict[str, Any] = {
        column.name: np.array([asdict(row)[column.name] for row in result.rows]) for column in fields(Row)
    }
    arrays |= {
        "Sigma_width": np.array([sol.width for sol in result.solutions]),
        "Sigma": np.array([sol.Sigma for sol in result.solutions]),
        "alpha_slope": result.first_order.alpha_slope,
        "threshold": np.array([crossing.threshold for crossing in result.crossings]),
        "threshold_width": np.array([crossing.width for crossing in result.crossings]),
        "threshold_searched_to": np.array([crossing.searched_to for crossing in result.crossings]),
        "scalar_radius": result.scalar_radius,
        "noise_variance": field.noise_variance[0],
        "weight_variance": net.weight_variances[0],
        "readout_variance": net.readout_variance,
        "activation": net.activation,
        "shape": np.array([len(field.y), *field.shape]),
    }
    write_atomically(path, lambda file: np.savez(file, **arrays))


def write_atomically(path: str | Path, write: Callable[[IO[bytes]], Any]) -> None:
    """Write beside the target, then move into place: a reader sees the old file or the new one."""
    target = Path(path)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
        os.replace(name, target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def usable_target(path: str | Path) -> Path:
    """The path, if a file can be written there; a ValueError before the work instead of after it."""
    target = Path(path)
    if not target.parent.is_dir():
        raise ValueError(f"{path}: the folder {target.parent} does not exist; make it first")
    if target.is_dir() or not os.access(target.parent, os.W_OK):
        raise ValueError(f"{path}: cannot be written; name a file in a folder you own")
    return target


def gigabytes(count: float) -> float:
    """Of that many doubles."""
    return 8 * count / math.pow(1024, 3)
