"""The generated files of one activation: kernels for Numba with their loops, and for NumPy."""

from sympy import Expr, Function, Mul, Pow, count_ops, factor, sqrt

from analytic.expectations.kernels import Kernel, kernel
from analytic.generator.primitives import PRIMITIVES
from analytic.generator.printer import JIT, function, module, template
from analytic.symbols import D1, D2, K11, K12, K22, r, u, v

FIRST = ((K12,), (K11,), (K22,))
SECOND = ((K12, K12), (K12, K11), (K12, K22), (K11, K11), (K11, K22), (K22, K22))

# The named intermediate values of an activation's kernel. (1 - u)(1 + u) keeps the digits that
# 1 - u^2 loses near |u| = 1.
LETS = {u: K12 * D1 * D2, r: 1 / sqrt(Mul(1 - u, 1 + u, evaluate=False))}


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


def _kernel_title(derived: Kernel) -> str:
    return (
        f"Activation {derived.name}, (h1, h2) ~ N(0, [[K11, K12], [K12, K22]]):\n"
        f"    E[phi(h1) phi(h2)] = {derived.G}\n"
        f"with D = {derived.statistic} at v = K11, K22. Derived in analytic/expectations/kernels.py."
    )


def activation_module(name: str) -> str:
    """numerics/_generated/<name>.py: scalar kernels for Numba and the tile loops around them."""
    derived = kernel(name)
    called = [
        text
        for primitive, text in PRIMITIVES.items()
        if any(f.func.__name__ == primitive for f in derived.G.atoms(Function))
    ]
    loops = template("tile_loops") + "\n\n" + template("input_loops")
    scalar = kernel_functions(derived)
    body = "\n\n".join([*called, scalar, loops])
    imports = "from math import sqrt\n\n" if "sqrt(" in body else ""
    imports += "import numpy as np\nfrom numba import njit\n"
    return module(_kernel_title(derived), imports, body)


def numpy_module(name: str) -> str:
    """numerics/_generated/<name>_numpy.py: the same bodies on arrays, real or complex."""
    derived = kernel(name)
    body = kernel_functions(derived, decorator="", second=False)
    imports = [line for key, line in _NUMPY.items() if f"{key}(" in body]
    return module(
        _kernel_title(derived) + "\nFor NumPy arrays, real or complex (holomorphic).",
        "".join(f"{line}\n" for line in imports),
        body,
    )


_NUMPY = {"asin": "from numpy import arcsin as asin", "sqrt": "from numpy import sqrt"}
