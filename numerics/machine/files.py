"""Files written whole or not at all, and checked before the work instead of after it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any


def write_atomically(path: str | Path, write: Callable[[IO[bytes]], Any]) -> None:
    """Write beside the target, then move into place: a reader sees the old file or the new one."""
    target = Path(path)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(name, 0o666 & ~umask)  # a temporary file is the owner's alone
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
