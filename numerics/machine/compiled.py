"""A place for compiled loops: Numba refuses to import them where it cannot keep what it compiles."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
import warnings
from pathlib import Path

from numba import config
from platformdirs import user_cache_dir

GENERATED = Path(__file__).parent.parent / "_generated"
VARIABLE = "NUMBA_CACHE_DIR"


def ensure_cache() -> None:
    """See to it that Numba finds a folder: the user's choice, beside the loops, the user's cache; else a
    temporary one for this process, with a warning.

    Raises
    ------
    ImportError
        When there is no temporary folder either.
    """
    chosen = [Path(config.CACHE_DIR)] if config.CACHE_DIR else []
    if any(
        map(_writable, (*chosen, GENERATED / "__pycache__", Path(user_cache_dir("numba", appauthor=False))))
    ):
        return
    try:
        folder = tempfile.mkdtemp(prefix="feature-eos-numba-")
    except OSError:
        raise ImportError(
            f"compiled loops need a folder that can be written to, and there is none: set {VARIABLE} to one"
        ) from None
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ[VARIABLE] = folder  # for worker processes
    config.CACHE_DIR = folder
    warnings.warn(
        "neither the installed package nor your cache folder can be written to, so every process compiles "
        f"its loops anew, some seconds: set {VARIABLE} to a folder that is kept",
        RuntimeWarning,
        stacklevel=2,
    )


def _writable(folder: Path) -> bool:
    """As Numba tries it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return False
    return True
