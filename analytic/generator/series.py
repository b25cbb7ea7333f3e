"""The file of kernels by Mehler's series, which all activations without a closed form share."""

from analytic.expectations.relu import FIRST, SECOND
from analytic.generator.printer import module, template


def series_module() -> str:
    """numerics/_generated/series.py: the loops of units with means around Mehler's series."""
    orders = f"ORDERS = {(*FIRST, *SECOND)!r}\nROUNDING = 1e-17\n"
    loops = map(template, ("series_moments", "mean_tile_loops", "input_loops"))
    body = "\n\n".join([orders, *loops])
    imports = "from math import log, sqrt\n\nimport numpy as np\nfrom numba import njit\n"
    return module("Any activation given by its Hermite coefficients (numerics/hermite.py).", imports, body)
