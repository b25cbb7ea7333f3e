"""An empty figure, the colours that all share, a figure's file; and numbers with their errors."""

from __future__ import annotations

import functools
import io
import math
from pathlib import Path
from typing import Any

from numerics.machine.files import write_atomically

MATRIX, TANGENT, SCALAR, RIDGE, GREY = "#1b4f9c", "#d1495b", "#3b8f5a", "#e09f3e", "#777777"
BEYOND = {"finite_fan_in": "#8d5fb3", "scalar_fan_in": "#b99bd0", "cavity": "#00838f"}
DPI = 150
MOST_DIGITS = 12  # behind the point


def new(size: tuple[float, float]) -> Any:
    """An empty matplotlib Figure, in inches, that a notebook shows when it is a cell's value.

    Raises
    ------
    ImportError
        With the remedy, when matplotlib is missing.
    """
    return _figure()(figsize=size, layout="constrained")


@functools.cache
def _figure() -> Any:
    """The class of our figures, made on demand because matplotlib may be missing."""
    try:
        from matplotlib.figure import Figure
    except ImportError as missing:
        raise ImportError("plots need matplotlib: pip install 'feature-eos[plot]'") from missing

    class Shown(Figure):
        """A Figure that needs neither pyplot nor a magic to be seen in a notebook."""

        def _repr_png_(self) -> bytes:
            png = io.BytesIO()
            self.savefig(png, dpi=DPI, format="png")
            return png.getvalue()

    return Shown


def save(figure: Any, path: str | Path) -> None:
    """Write a figure; the ending of the name chooses the format."""
    form = Path(path).suffix.removeprefix(".") or "png"
    write_atomically(path, lambda file: figure.savefig(file, dpi=DPI, format=form))


def short(mean: float, error: float) -> str:
    """.3141(12): two digits of the error, on the last digits of the mean."""
    if not (math.isfinite(mean) and math.isfinite(error) and error > 0):
        return f"{mean:.6g}"
    digits = min(1 - math.floor(math.log10(error)), MOST_DIGITS)
    if round(error * 10**digits) >= 100:  # .0996 is 1.0e-1, not 100 of the last digits
        digits -= 1
    if digits <= 0:
        return f"{round(mean, digits):.0f}({round(error, digits):.0f})"
    return f"{mean:.{digits}f}({round(error * 10**digits):d})"
