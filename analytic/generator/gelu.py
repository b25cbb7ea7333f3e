"""The file of GELU: Mehler's series, the closed form for where that is long, the loops."""

from analytic.expectations.activations import activation
from analytic.expectations.gelu import moment
from analytic.expectations.relu import FIRST, SECOND
from analytic.generator import forward
from analytic.generator.means import listed
from analytic.generator.primitives import NUMBA, Import
from analytic.generator.printer import assembled, function, template
from analytic.generator.relu import owen_constants
from analytic.generator.series import SERIES_CONSTANTS
from analytic.symbols import A1, A2, K11, K12, K22, V11, V22, J, P, detK, detV, m1, m2, n1, n2

TERMS = 256  # the closed form takes as long as so many

_TITLE = """\
Activation gelu, (h1, h2) ~ N((m1, m2), [[K11, K12], [K12, K22]]), (g1, g2) = (h1, h2) + noise of variance 1:
    E[phi(h1) phi(h2)] = {value}
with V, detV of g, P = P(g1 > 0, g2 > 0), A1 = E[delta(g1) theta(g2)], A2 = E[theta(g1) delta(g2)],
J = E[delta(g1) delta(g2)], n1 = V22 m1 - K12 m2, n2 = V11 m2 - K12 m1. Derived in
analytic/expectations/gelu.py."""


def gelu_file(name: str) -> str:
    """numerics/_generated/gelu.py."""
    arguments = (K12, m1, K11, m2, K22, V11, V22, n1, n2, detK, detV, P, A1, A2, J)
    scalar = [
        function("value", arguments, [moment(0, 0)], doc="G."),
        function(
            "first",
            arguments,
            [moment(*orders) for orders in FIRST[1:]],
            doc=f"E[phi^(i) phi^(j)], (i, j) = {listed(FIRST[1:])}.",
        ),
        function(
            "second",
            arguments,
            [moment(*orders) for orders in SECOND],
            doc=f"The same for {listed(SECOND)}.",
        ),
    ]
    steps = map(template, ("quadrant", "difference", "gelu_steps"))
    loops = map(template, ("series_moments", "series_or_wide", "mean_tile_loops", "input_loops"))
    constants = f"WIDE = 5\nMOST_TERMS = {TERMS}\n"
    blocks = [owen_constants(), SERIES_CONSTANTS, constants, *scalar, *steps, *loops]
    # asin is not called where both means are zero
    providers = {**NUMBA, "asin": Import("math", "asin", "asin")}
    title = _TITLE.format(value=moment(0, 0))
    return assembled(title, [*blocks, *forward.compiled(activation(name).phi)], providers)
