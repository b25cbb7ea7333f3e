"""Solutions back from disk."""

from __future__ import annotations

from pathlib import Path

from numerics.solutions import archive
from numerics.solutions.solution import Solution


def load(path: str | Path) -> Solution:
    """Read what `Solution.save` wrote.

    Raises
    ------
    ValueError
        When the file is something else, or was written by a later version.
    """
    return Solution(**archive.read(path))
