"""Files: written whole or not at all, checked before the work; what is no file of arrays is said to be so."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable, Collection
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

ZIP, NPY = b"PK\x03\x04", b"\x93NUMPY"  # what they begin with
KINDS = {ZIP: "an .npz of arrays", NPY: "an .npy of one array"}
LONGEST = 200  # characters that a message quotes of another


def write_atomically(path: str | Path, write: Callable[[IO[bytes]], Any]) -> None:
    """Write beside the target, then move into place: a reader sees the old file or the new one.

    Raises
    ------
    OSError
        Naming the target and, if that is what is missing, its folder.
    """
    target = Path(path)
    if not target.parent.is_dir():
        raise FileNotFoundError(f"{path}: the folder {target.parent} does not exist; make it first")
    if target.is_dir():
        raise IsADirectoryError(f"{path} is a folder; give the name of a file in it")
    # named before it is there, so that an interrupt at any moment finds it to take away
    unfinished = target.with_name(f".{secrets.token_hex(8)}.part")
    try:
        with _created(unfinished, path) as file:
            write(file)
        os.replace(unfinished, target)
    finally:
        unfinished.unlink(missing_ok=True)


def _created(unfinished: Path, path: str | Path) -> IO[bytes]:
    try:
        return open(unfinished, "xb")
    except OSError as refused:
        raise type(refused)(f"{path}: cannot be written ({refused.strerror}); name another folder") from None


def usable_target(path: str | Path, endings: Collection[str] = ()) -> Path:
    """The path, if a file can be written there; a ValueError before the work instead of after it."""
    target = Path(path)
    if endings and target.suffix.lower() not in endings:
        *others, last = endings
        raise ValueError(f"{path}: must end in {', '.join(others)}{' or ' if others else ''}{last}")
    if not target.parent.is_dir():
        raise ValueError(f"{path}: the folder {target.parent} does not exist; make it first")
    if target.is_dir() or not os.access(target.parent, os.W_OK):
        raise ValueError(f"{path}: cannot be written; name a file in a folder you own")
    return target


def array_names(path: str | Path) -> list[str]:
    """Names of the arrays of an .npz; errors as of `read_arrays`."""
    return _read(path, lambda file: list(file.files))


def read_arrays(path: str | Path, wanted: Collection[str] | None = None) -> dict[str, NDArray[Any]]:
    """The arrays of an .npz by name, or those of the wanted ones that it has.

    Raises
    ------
    ValueError
        When the file is something else, damaged, or holds Python objects.
    OSError
        When it is not there or may not be read.
    """

    def arrays(file: Any) -> dict[str, NDArray[Any]]:
        return {name: file[name] for name in file.files if wanted is None or name in wanted}

    return _read(path, arrays)


def read_with_header(path: str | Path, otherwise: str) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """The arrays of an .npz and its header, an object in JSON in the array of that name.

    Raises
    ------
    ValueError
        Where there is none: `otherwise`, in whose place {} the reason is put.
    OSError
        When it is not there or may not be read.
    """
    try:
        arrays = read_arrays(path)
        header = json.loads(str(arrays["header"]))
        header.get("format")
    except (KeyError, ValueError, AttributeError, RecursionError) as broken:
        reason = "no header" if isinstance(broken, KeyError) else in_short(broken).removeprefix(f"{path} is ")
        raise ValueError(f"{path} {otherwise.format(reason)}") from None
    return arrays, header


def read_array(path: str | Path) -> NDArray[Any]:
    """The array of an .npy; errors as of `read_arrays`."""
    return _read(path, lambda array: array, NPY)


def _read(path: str | Path, read: Callable[[Any], Any], wanted: bytes = ZIP) -> Any:
    with open(path, "rb") as file:
        start = file.read(len(NPY))
        if not start.startswith(wanted):
            raise ValueError(f"{path} is {_kind(start, Path(path).suffix)}, not {KINDS[wanted]}")
        file.seek(0)
        try:
            return read(np.load(file, allow_pickle=False))
        except OSError as refused:
            if refused.errno is not None:
                raise
            raise ValueError(f"{path} is damaged ({refused})") from None
        except MemoryError:
            raise ValueError(
                f"{path} is damaged, or too large: what it holds does not fit in memory"
            ) from None
        except Exception as broken:  # whatever zipfile, zlib and NumPy raise on a damaged file
            if "allow_pickle" in str(broken):
                raise ValueError(
                    f"{path} holds Python objects; save numbers, such as X.astype(float)"
                ) from None
            raise ValueError(f"{path} is damaged ({in_short(broken)})") from None


def in_short(value: Any) -> str:
    """What an error says, or a value, in one line of at most LONGEST characters."""
    text = " ".join(str(value).split()) or type(value).__name__
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def _kind(start: bytes, ending: str) -> str:
    """What a file is that is not what was wanted."""
    if not start:
        return "empty"
    for mark, kind in KINDS.items():
        if start.startswith(mark):
            return kind
    return {".csv": "a csv file"}.get(ending.lower(), "something else")
