"""The file of the ReLU: its kernels with means, and the loops around them."""

from collections.abc import Iterable

from sympy import Expr, factorial
from sympy.integrals.quadrature import gauss_legendre

from analytic.expectations.activations import activation
from analytic.expectations.relu import FIRST, SECOND, finite_at_coincidence, moment
from analytic.generator import forward
from analytic.generator.means import listed
from analytic.generator.primitives import NUMBA, Import
from analytic.generator.printer import assembled, function, template
from analytic.symbols import A1, A2, K11, K12, K22, Delta, J, P, m1, m2

# An even rule for the even integrand of Owen's T, half of which is used: 20 nodes reach 1e-16, and 12 of 24
# fill vector registers.
LEGENDRE_ORDER = 24
# exp(z/128), z > -40, to order 11: error below 2e-15 there, and after seven squarings below 1e-16 of 1
EXP_ORDER = 11

_TITLE = """\
Activation relu, (h1, h2) ~ N((m1, m2), [[K11, K12], [K12, K22]]):
    E[phi(h1) phi(h2)] = {value}
with P = P(h1 > 0, h2 > 0), A1 = E[delta(h1) theta(h2)], A2 = E[theta(h1) delta(h2)],
J = E[delta(h1) delta(h2)], Delta = det K J. Derived in analytic/expectations/relu.py."""

_CONSTANTS = """\
STATISTICS = 5
SMALLEST = 1e-90  # a variance below is none
COINCIDENT = 1e-14  # 1 - rho^2 below is rounding: the same h twice
"""


def relu_file(name: str) -> str:
    """numerics/_generated/relu.py."""
    order = (K12, m1, K11, m2, K22, P, A1, A2, Delta)
    firsts = [finite_at_coincidence(moment(*orders)) for orders in FIRST]
    seconds = [finite_at_coincidence(moment(*orders)) for orders in SECOND]
    scalar = [
        function("first", order, firsts, doc=f"E[phi^(i) phi^(j)], (i, j) = {listed(FIRST)}."),
        function("second", (*order, J), seconds, doc=f"The same for {listed(SECOND)}."),
    ]
    loops = map(template, ("quadrant", "relu_steps", "mean_tile_loops", "input_loops"))
    blocks = [owen_constants(), _CONSTANTS, *scalar, *loops, *forward.compiled(activation(name).phi)]
    # asin is called only where both means are zero: libm's will do
    providers = {**NUMBA, "asin": Import("math", "asin", "asin")}
    return assembled(_TITLE.format(value=firsts[0]), blocks, providers)


def owen_constants() -> str:
    """What the probability of a quadrant reads."""
    nodes, weights = gauss_legendre(LEGENDRE_ORDER, 30)
    kept = [(x**2, w) for x, w in zip(nodes, weights, strict=True) if x > 0]
    return (
        f"# Gauss-Legendre, {LEGENDRE_ORDER} nodes: squares of those above 0.\n"
        f"SQUARES = np.array({listing(x for x, _ in kept)})\n"
        f"WEIGHTS = np.array({listing(w for _, w in kept)})\n"
        f"TAYLOR = {listing(1 / factorial(k) for k in range(EXP_ORDER, -1, -1))}\n"
    )


def listing(values: Iterable[Expr]) -> str:
    """A tuple of floats, one a line."""
    return "(\n" + "".join(f"    {float(value)!r},\n" for value in values) + ")"
