"""The file of an activation whose kernel with means is given."""

from sympy import Expr, diff

from analytic.expectations.activations import activation
from analytic.expectations.proof import prove
from analytic.expectations.relu import FIRST, SECOND
from analytic.generator import forward
from analytic.generator.printer import assembled, function, template
from analytic.symbols import K11, K12, K22, m1, m2

ARGUMENTS = (K12, m1, K11, m2, K22)


def given_file(name: str) -> str:
    """numerics/_generated/<name>.py: every E[phi^(i) phi^(j)] is a slope of G in the means (Bonnet)."""
    entry = activation(name)
    prove(name, entry.phi, entry.G)

    def slopes(orders: tuple[tuple[int, int], ...]) -> list[Expr]:
        return [diff(entry.G, m1, i, m2, j) for i, j in orders]

    scalar = [
        function("value", ARGUMENTS, [entry.G], doc="G."),
        function("first", ARGUMENTS, slopes(FIRST), doc=f"E[phi^(i) phi^(j)], (i, j) = {listed(FIRST)}."),
        function("second", ARGUMENTS, slopes(SECOND), doc=f"The same for {listed(SECOND)}."),
    ]
    loops = map(template, ("given_moments", "mean_tile_loops", "input_loops"))
    title = (
        f"Activation {name}, (h1, h2) ~ N((m1, m2), [[K11, K12], [K12, K22]]):\n"
        f"    E[phi(h1) phi(h2)] = {entry.G}\n"
        "Given, and proved in analytic/expectations/proof.py."
    )
    return assembled(title, [*scalar, *loops, *forward.compiled(entry.phi)])


def listed(orders: tuple[tuple[int, int], ...]) -> str:
    """Orders of derivatives as a docstring writes them."""
    return " ".join(f"{i}{j}" for i, j in orders)
