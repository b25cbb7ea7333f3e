"""The file of tanh: Mehler's series, a mixture of signs for where that is long, the loops."""

from sympy import Expr, pi

from analytic.expectations.activations import activation
from analytic.expectations.relu import FIRST, SECOND
from analytic.expectations.tanh import NODES, moment, rule
from analytic.generator import forward
from analytic.generator.printer import assembled, function, template
from analytic.generator.relu import listing
from analytic.generator.series import SERIES_CONSTANTS
from analytic.symbols import D1, D2, K12, r

TERMS = 1536  # of the series; the mixture, of pairs of noises, takes as long as so many

_TITLE = """\
Activation tanh: by Mehler's series or, for (h1, h2) ~ N(0, K) of large variances, as
    E[phi(h1) phi(h2)] = 2/pi sum_jk w_j w_k asin(K12/sqrt((K11 + kappa_j) (K22 + kappa_k)))
with kappa = NOISE, w = WEIGHTS. Derived in analytic/expectations/tanh.py."""


def tanh_file(name: str) -> str:
    """numerics/_generated/tanh.py."""

    def even(orders: tuple[tuple[int, int], ...]) -> list[tuple[tuple[int, int], Expr]]:
        return [(order, moment(*order)) for order in orders if sum(order) > 0 and moment(*order) != 0]

    scalar = [
        function(
            name,
            (K12, D1, D2, r),
            [slope for _, slope in even(orders)],
            doc="E[sign^(i) sign^(j)], (i, j) = " + " ".join(f"{i}{j}" for (i, j), _ in even(orders)) + ".",
        )
        for name, orders in (("first", FIRST), ("second", SECOND))
    ]
    constants = (
        f"# Gauss's rule for log kappa, {NODES} nodes.\n"
        f"NOISE = np.array({listing(kappa for kappa, _ in rule())})\n"
        f"WEIGHTS = np.array({listing(weight for _, weight in rule())})\n"
        f"TWO_OVER_PI = {float(2 / pi)!r}\n"
        f"WIDE = {NODES + 1}\nMOST_TERMS = {TERMS}\n"
    )
    steps = map(template, ("difference", "mixture_steps"))
    loops = map(template, ("series_moments", "series_or_wide", "mean_tile_loops", "input_loops"))
    blocks = [SERIES_CONSTANTS, constants, *scalar, *steps, *loops]
    return assembled(_TITLE, [*blocks, *forward.compiled(activation(name).phi)])
