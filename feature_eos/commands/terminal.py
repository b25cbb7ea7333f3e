"""What is printed: results to standard output, announcements to standard error, as wide as there is room."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from collections.abc import Sequence
from typing import TextIO

from numerics.solutions.summary import aligned

WIDEST = 110  # columns of what is printed into a file or a pipe
NARROWEST = 40
GAP = 2  # spaces between columns, as `aligned` puts them


def say(text: str) -> None:
    """A result."""
    _print(text, sys.stdout)


def note(text: str) -> None:
    """An announcement."""
    _print(text, sys.stderr)


def _print(text: str, stream: TextIO | None) -> None:
    """A reader who has gone (`| head`) is no reason to lose the files that are written afterwards."""
    if stream is None:
        return
    try:
        print(text, file=stream, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def columns() -> int:
    """Of the terminal, or of a file."""
    if sys.stdout is None or not sys.stdout.isatty():
        return WIDEST
    return max(shutil.get_terminal_size().columns, NARROWEST)


def paragraph(text: str) -> str:
    """A sentence in as many lines as it takes, the others indented."""
    return textwrap.fill(text, columns(), subsequent_indent="  ", break_on_hyphens=False)


def table(cells: Sequence[Sequence[str]], names: int = 1) -> list[str]:
    """Right-aligned columns below their headings; what does not fit stands below, beside the first columns.

    Parameters
    ----------
    names : int
        Columns that name a row.
    """
    room = columns()
    sizes = [max(map(len, column)) + GAP for column in zip(*cells, strict=True)]
    blocks: list[list[int]] = [[]]
    for k in range(names, len(sizes)):
        used = sum(sizes[:names]) + sum(sizes[j] for j in blocks[-1])
        if blocks[-1] and used + sizes[k] - GAP > room:
            blocks.append([])
        blocks[-1].append(k)
    lines: list[str] = []
    for block in blocks:
        picked = [*range(names), *block]
        lines += [*([""] if lines else []), *aligned([[row[k] for k in picked] for row in cells])]
    return lines
