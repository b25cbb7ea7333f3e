"""Solutions back from disk, of any theory."""

from __future__ import annotations

import json
from pathlib import Path

from numerics.cavity import archive as cavity_archive
from numerics.cavity.solution import CavitySolution
from numerics.machine.files import read_arrays
from numerics.solutions import archive
from numerics.solutions.solution import Solution


def load(path: str | Path) -> Solution | CavitySolution:
    """Read what `save` of a Solution or a CavitySolution wrote.

    Raises
    ------
    ValueError
        When the file is something else, or was written by a later version.
    """
    if _format(path) == cavity_archive.FORMAT:
        return CavitySolution(*cavity_archive.read(path))
    return Solution(**archive.read(path))


def _format(path: str | Path) -> str | None:
    """What the file says it is; None where it cannot: the reader of solutions says why."""
    try:
        header = json.loads(str(read_arrays(path, {"header"})["header"]))
        return str(header["format"])
    except (KeyError, ValueError, TypeError, RecursionError):
        return None
