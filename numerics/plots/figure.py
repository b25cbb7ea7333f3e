"""An empty figure, the colours that all share, and a figure's file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numerics.machine.files import write_atomically

MATRIX, TANGENT, SCALAR, RIDGE, GREY = "#1b4f9c", "#d1495b", "#3b8f5a", "#e09f3e", "#777777"


def new(size: tuple[float, float]) -> Any:
    """An empty matplotlib Figure, in inches.

    Raises
    ------
    ImportError
        With the remedy, when matplotlib is missing.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as missing:
        raise ImportError("plots need matplotlib: pip install 'feature-eos[plot]'") from missing
    return Figure(figsize=size, layout="constrained")


def save(figure: Any, path: str | Path) -> None:
    """Write a figure; the ending of the name chooses the format."""
    form = Path(path).suffix.removeprefix(".") or "png"
    write_atomically(path, lambda file: figure.savefig(file, dpi=150, format=form))
