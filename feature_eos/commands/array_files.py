"""Arrays from .npz, .npy and .csv files that a user names; every mistake is one sentence."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from feature_eos.commands.text_files import table_of
from numerics.machine import files

Array = NDArray[np.float64]

ENDINGS = (".npz", ".npy", ".csv")


def read_array(given: Any, name: str, folder: Path, required: bool = True) -> Any:
    """The array that `given` names: a path, or a table {file, array} for one in an .npz.

    Parameters
    ----------
    given : str or table
    name : str
        What it is for, in messages; the array of that name is read from an .npz by default.
    folder : Path
        That relative paths start from.
    required : bool
        Otherwise None, if an .npz has no array of that name.

    Raises
    ------
    ValueError
        When there is no such file or array, or no numbers in it.
    """
    array = name
    if isinstance(given, Mapping):
        if set(given) - {"file", "array"} or "file" not in given:
            raise ValueError(f'{name} must be a path, or {{file = "data.npz", array = "{name}"}}')
        given, array = given["file"], given.get("array", name)
    if not isinstance(array, str):
        raise ValueError(f"array={array!r} of {name} must be the name of one in {given}")
    if not isinstance(given, str) or not given or "\0" in given:
        shown = files.in_short(repr(given))
        raise ValueError(f"{name}={shown} must be the path of an {', '.join(ENDINGS[:-1])} or .csv file")
    path = folder / Path(given).expanduser()
    ending = path.suffix.lower()
    if ending not in ENDINGS:
        raise ValueError(f"{name}: {path} must end in {', '.join(ENDINGS)}")
    if not path.is_file():
        raise ValueError(f"{name}: {path}: no such file")
    try:
        if ending == ".csv":
            return _shaped(table_of(path), name)
        if ending == ".npy":
            return files.read_array(path)
        arrays = files.read_arrays(path, (array,))
    except ValueError as broken:
        raise ValueError(f"{name}: {broken}") from None
    if array in arrays:
        return arrays[array]
    if not required:
        return None
    names = ", ".join(files.array_names(path)) or "nothing"
    raise ValueError(f"{name}: {path} has no array {array!r} but {names}")


def _shaped(table: Array, name: str) -> Array:
    """Inputs stay a table; of targets and noise, one row or one column is a vector, one number a number."""
    if name in ("X", "X_test") or min(table.shape) > 1:
        return table
    return table.squeeze() if name == "noise_variance" else table.ravel()
