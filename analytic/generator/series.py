"""Mehler's series: the file of kernels that activations without a closed form share, and their own."""

from analytic.expectations.activations import activation
from analytic.expectations.relu import FIRST, SECOND
from analytic.generator import forward
from analytic.generator.printer import assembled, template

SERIES_CONSTANTS = f"ORDERS = {(*FIRST, *SECOND)!r}\nROUNDING = 1e-17\n"


def shared_series_file() -> str:
    """numerics/_generated/series.py: the loops of units with means around Mehler's series."""
    loops = map(template, ("series_moments", "series_only", "mean_tile_loops", "input_loops"))
    return assembled(
        "Any activation given by its Hermite coefficients (numerics/hermite.py).", [SERIES_CONSTANTS, *loops]
    )


def series_file(name: str) -> str:
    """numerics/_generated/<name>.py: the forward map alone; the kernels are the series'."""
    return assembled(
        f"Activation {name}; its kernels are in series.py.", forward.compiled(activation(name).phi)
    )
