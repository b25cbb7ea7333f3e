"""Arrays from .npz, .npy and .csv files that a user names; every mistake is one sentence."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

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
    if not isinstance(given, str) or not given:
        raise ValueError(f"{name}={given!r} must be the path of an {', '.join(ENDINGS[:-1])} or .csv file")
    path = folder / given
    if path.suffix.lower() not in ENDINGS:
        raise ValueError(f"{name}: {path} must end in {', '.join(ENDINGS)}")
    if not path.is_file():
        raise ValueError(f"{name}: {path}: no such file")
    try:
        if path.suffix.lower() == ".csv":
            return np.loadtxt(path, delimiter=",")
        loaded = np.load(path, allow_pickle=False)
        if path.suffix.lower() == ".npy":
            return loaded
        with loaded as archive:
            if array in archive.files:
                return archive[array]
            names = ", ".join(archive.files) or "nothing"
    except (ValueError, OSError, EOFError, AttributeError, zipfile.BadZipFile) as broken:
        raise ValueError(f"{name}: {path} does not hold numbers ({' '.join(str(broken).split())})") from None
    if not required:
        return None
    raise ValueError(f"{name}: {path} has no array {array!r} but {names}")
