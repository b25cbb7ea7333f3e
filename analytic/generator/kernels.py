"""The files of one activation: kernels for Numba with their loops and the forward map, and for NumPy."""

from sympy import Expr, Mul, Pow, count_ops, factor, sqrt

from analytic.expectations.activations import activation
from analytic.expectations.kernels import Kernel, kernel
from analytic.expectations.proof import prove
from analytic.generator import forward
from analytic.generator.primitives import NUMPY
from analytic.generator.printer import JIT, assembled, function, template
from analytic.symbols import D1, D2, K11, K12, K22, r, u, v

FIRST = ((K12,), (K11,), (K22,))
SECOND = ((K12, K12), (K12, K11), (K12, K22), (K11, K11), (K11, K22), (K22, K22))

# The named intermediate values of an activation's kernel. (1 - u)(1 + u) keeps the digits that
# 1 - u^2 loses near |u| = 1.
LETS = {u: K12 * D1 * D2, r: 1 / sqrt(Mul(1 - u, 1 + u, evaluate=False))}

CLOSED = ("derived", "given")  # kernels at zero means, for which this file is


def _in_u_and_r(expression: Expr) -> Expr:
    """An expression in K12, D1, D2 rewritten in u, r, D1, D2 where that makes it shorter."""
    normal = expression.subs(K12, u / (D1 * D2))
    normal = normal.replace(lambda e: isinstance(e, Pow) and e.base == 1 - u**2, lambda e: r ** (-2 * e.exp))
    return min(expression, factor(normal), key=count_ops)


def kernel_functions(derived: Kernel, decorator: str = JIT, second: bool = True) -> str:
    """`statistic`, `value`, `first` and (if asked) `second` of one activation, as text."""
    G = _in_u_and_r(derived.G_statistic)
    firsts = [_in_u_and_r(derived.derivative(*entries)) for entries in FIRST]
    arguments = (K12, D1, D2)
    blocks = [
        function("statistic", (v,), [derived.statistic], None, "D(v), v = variance of one h.", decorator),
        function("value", arguments, [G], LETS, "G.", decorator),
        function(
            "first",
            arguments,
            [G, *firsts],
            LETS,
            "G and its derivatives with respect to K12, K11, K22 (independent entries).",
            decorator,
        ),
    ]
    if second:
        seconds = [_in_u_and_r(derived.derivative(*entries)) for entries in SECOND]
        doc = "First derivatives (12, 11, 22), then (12,12 12,11 12,22 11,11 11,22 22,22)."
        blocks.append(function("second", arguments, firsts + seconds, LETS, doc, decorator))
    return "\n\n".join(blocks)


def _proved(name: str) -> Kernel:
    """The kernel of an activation, of which nothing is printed if it is given and wrong."""
    entry = activation(name)
    if entry.kernel == "given":
        prove(name, entry.phi, entry.G)
    return kernel(name)


def _kernel_title(derived: Kernel) -> str:
    source = {
        "derived": "Derived in analytic/expectations/kernels.py.",
        "given": "Given, and proved in analytic/expectations/proof.py.",
    }[activation(derived.name).kernel]
    return (
        f"Activation {derived.name}, (h1, h2) ~ N(0, [[K11, K12], [K12, K22]]):\n"
        f"    E[phi(h1) phi(h2)] = {derived.G}\n"
        f"with D = {derived.statistic} at v = K11, K22. {source}"
    )


def closed_form_file(name: str) -> str:
    """numerics/_generated/<name>.py: scalar kernels for Numba, the loops around them, the forward map."""
    derived = _proved(name)
    blocks = [kernel_functions(derived), template("tile_loops"), template("input_loops")]
    return assembled(_kernel_title(derived), [*blocks, *forward.compiled(activation(name).phi)])


def numpy_file(name: str) -> str:
    """numerics/_generated/<name>_numpy.py: forward map, kernels at zero means, on arrays, real or complex."""
    phi = activation(name).phi
    if activation(name).kernel not in CLOSED:
        return assembled(f"Activation {name}, for NumPy arrays.", forward.on_arrays(phi), NUMPY)
    derived = _proved(name)
    return assembled(
        f"{_kernel_title(derived)}\nFor NumPy arrays, real or complex (holomorphic).",
        [kernel_functions(derived, decorator="", second=False), *forward.on_arrays(phi)],
        NUMPY,
    )
