"""From SymPy expressions to the text of self-contained Python modules.

A generated module is plain Python that Numba compiles: the scalar functions, the primitives they
call and the loops around them are all pasted into it, because Numba's cache does not notice a
change in another file. The text is the same on every run and for every SymPy ground type.
"""

import hashlib
from collections.abc import Mapping, Sequence
from importlib.resources import files as package_files

from sympy import (
    Add,
    Expr,
    Function,
    Mul,
    Pow,
    Rational,
    Symbol,
    count_ops,
    cse,
    factor,
    numbered_symbols,
    sqrt,
)
from sympy.printing.precedence import PRECEDENCE
from sympy.printing.pycode import PythonCodePrinter

from analytic.activations import ACTIVATIONS
from analytic.expectations import Kernel, kernel
from analytic.primitives import PRIMITIVES
from analytic.symbols import D1, D2, K11, K12, K22, r, u, v

JIT = '@njit(error_model="numpy")\n'
FIRST = ((K12,), (K11,), (K22,))
SECOND = ((K12, K12), (K12, K11), (K12, K22), (K11, K11), (K11, K22), (K22, K22))


class Printer(PythonCodePrinter):
    """Floating-point Python: folded constants, products and square roots in place of ``**``.

    A power costs 27 ns an element where ``x*sqrt(x)`` costs 1 (LLVM calls libm's pow).
    """

    def __init__(self) -> None:
        super().__init__({"fully_qualified_modules": False})

    def _number(self, value: Expr) -> str:
        """The float nearest to an exact number."""
        return repr(float(value.evalf(40)))

    def _print_Integer(self, expr: Expr) -> str:
        return self._number(expr)

    _print_Rational = _print_Pi = _print_Float = _print_Integer

    def _factors(self, base: Expr, exponent: Rational) -> list[str]:
        whole, half = divmod(int(2 * exponent), 2)
        text = self.parenthesize(base, PRECEDENCE["Pow"])
        return [text] * whole + [f"sqrt({self._print(base)})"] * half

    def _print_Pow(self, expr: Expr, rational: bool = False) -> str:
        return self._print_Mul(expr)

    def _print_Mul(self, expr: Expr) -> str:
        coefficient: Expr = Rational(1)
        above: list[str] = []
        below: list[str] = []
        for part in Mul.make_args(expr) if expr.is_Mul else (expr,):
            if part.is_number:
                coefficient *= part
                continue
            base, exponent = part.as_base_exp()
            if not (2 * exponent).is_Integer:
                raise NotImplementedError(f"cannot print the power {part}")
            (above if exponent > 0 else below).extend(self._factors(base, abs(exponent)))
        above.sort()
        below.sort()
        if coefficient == -1 and above:
            above[0] = "-" + above[0]
        elif coefficient != 1 or not above:
            above.insert(0, self._number(coefficient))
        numerator = " * ".join(above)
        if not below:
            return numerator
        return f"{numerator} / " + (below[0] if len(below) == 1 else f"({' * '.join(below)})")

    def _print_Add(self, expr: Expr, order: str | None = None) -> str:
        # Positive terms first, then by text: the same order on every run.
        texts = [self._print(term) for term in Add.make_args(expr)]
        texts.sort(key=lambda text: (text.startswith("-"), text))
        return texts[0] + "".join(
            f" - {text[1:]}" if text.startswith("-") else f" + {text}" for text in texts[1:]
        )


def function(
    name: str,
    arguments: Sequence[Symbol],
    outputs: Sequence[Expr],
    lets: Mapping[Symbol, Expr] | None = None,
    doc: str = "",
    decorator: str = JIT,
) -> str:
    """The text of one function returning `outputs`.

    Parameters
    ----------
    name, arguments, doc, decorator
        Of the function.
    outputs : sequence of Expr
        In `arguments` and in the keys of `lets`.
    lets : mapping of Symbol to Expr, optional
        Named intermediate values, in order; those that no output needs are left out.
    """
    printer = Printer()
    common, results = _common(outputs)
    lines: list[str] = []
    needed = set().union(*(e.free_symbols for e in results), *(e.free_symbols for _, e in common))
    for symbol, value in reversed(list((lets or {}).items())):
        if symbol in needed:
            needed |= value.free_symbols
            lines.insert(0, f"{symbol} = {printer.doprint(value)}")
    lines += [f"{symbol} = {printer.doprint(value)}" for symbol, value in common]
    lines += _return([printer.doprint(result) for result in results])
    head = f'{decorator}def {name}({", ".join(str(a) for a in arguments)}):\n    """{doc}"""\n'
    return head + "".join(f"    {line}\n" for line in lines)


def _common(outputs: Sequence[Expr]) -> tuple[list[tuple[Symbol, Expr]], list[Expr]]:
    """Common subexpressions; constants such as 1/pi stay where they are, to be folded."""
    common, results = cse(list(outputs), symbols=numbered_symbols("t"), order="canonical")
    constants: dict[Symbol, Expr] = {}
    names: dict[Symbol, Symbol] = {}
    kept: list[tuple[Symbol, Expr]] = []
    for symbol, value in common:
        value = value.xreplace(constants).xreplace(names)
        if value.is_number:
            constants[symbol] = value
        else:
            names[symbol] = Symbol(f"t{len(kept)}")
            kept.append((names[symbol], value))
    return kept, [e.xreplace(constants).xreplace(names) for e in results]


def _return(results: list[str]) -> list[str]:
    line = "return " + ", ".join(results)
    if len(line) <= 90:
        return [line]
    return ["return (", *(f"    {result}," for result in results), ")"]


# The named intermediate values of an activation's kernel. (1 - u)(1 + u) keeps the digits that
# 1 - u^2 loses near |u| = 1.
LETS = {u: K12 * D1 * D2, r: 1 / sqrt(Mul(1 - u, 1 + u, evaluate=False))}


def _in_u_and_r(expression: Expr) -> Expr:
    """An expression in K12, D1, D2 rewritten in u, r, D1, D2 where that makes it shorter."""
    normal = expression.subs(K12, u / (D1 * D2))
    normal = normal.replace(
        lambda e: isinstance(e, Pow) and e.base == 1 - u**2, lambda e: r ** (-2 * e.exp)
    )
    return min(expression, factor(normal), key=count_ops)


def kernel_functions(derived: Kernel, decorator: str = JIT, second: bool = True) -> str:
    """`statistic`, `value`, `first` and (if asked) `second` of one activation, as text."""
    G = _in_u_and_r(derived.G_statistic)
    firsts = [_in_u_and_r(derived.derivative(*entries)) for entries in FIRST]
    arguments = (K12, D1, D2)
    blocks = [
        function(
            "statistic", (v,), [derived.statistic], None, "D(v), v = variance of one h.", decorator
        ),
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


def module(title: str, imports: str, body: str) -> str:
    """A whole file: header with the body's hash, imports, body."""
    digest = hashlib.sha256((imports + body).encode()).hexdigest()[:16]
    comment = "".join(f"# {line}".rstrip() + "\n" for line in title.splitlines())
    header = f"# Generated by python -m analytic; do not edit. sha256 of what follows: {digest}\n"
    return f"{header}{comment}\n{imports}\n\n{body.rstrip()}\n"


def template(name: str) -> str:
    """The text of one file of analytic/templates, without its directives for linters."""
    text = package_files("analytic.templates").joinpath(f"{name}.py").read_text("utf-8")
    lines = text.splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith(("# ruff:", "# mypy:")))


def _kernel_title(derived: Kernel) -> str:
    return (
        f"Activation {derived.name}, (h1, h2) ~ N(0, [[K11, K12], [K12, K22]]):\n"
        f"    E[phi(h1) phi(h2)] = {derived.G}\n"
        f"with D = {derived.statistic} at v = K11, K22. Derived in analytic/expectations.py."
    )


def activation_module(name: str) -> str:
    """numerics/_generated/<name>.py: scalar kernels for Numba and the tile loops around them."""
    derived = kernel(name)
    called = [
        text
        for primitive, text in PRIMITIVES.items()
        if any(f.func.__name__ == primitive for f in derived.G.atoms(Function))
    ]
    loops = template("tile_loops")
    scalar = kernel_functions(derived)
    body = "\n\n".join([*called, scalar, loops])
    imports = ("from math import sqrt\n\n" if "sqrt(" in body else "") + "from numba import njit\n"
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


def registry_module() -> str:
    """numerics/_generated/__init__.py: the names, and import on demand."""
    body = f'''\
ACTIVATIONS = {tuple(ACTIVATIONS)!r}


def load(name: str) -> ModuleType:
    """The Numba kernels of one activation; importing compiles nothing."""
    return _load(name, "")


def load_numpy(name: str) -> ModuleType:
    """The same kernels on NumPy arrays, real or complex."""
    return _load(name, "_numpy")


def _load(name: str, suffix: str) -> ModuleType:
    if name not in ACTIVATIONS:
        raise ValueError(f"unknown activation {{name!r}}; available: {{', '.join(ACTIVATIONS)}}")
    return import_module(f"numerics._generated.{{name}}{{suffix}}")
'''
    title = "Which activations have generated kernels, loaded on demand."
    imports = "from importlib import import_module\nfrom types import ModuleType\n"
    return module(title, imports, body)


def generated_files() -> dict[str, str]:
    """File name under numerics/_generated -> text, for everything that is committed there."""
    files = {"__init__.py": registry_module()}
    for name in ACTIVATIONS:
        files[f"{name}.py"] = activation_module(name)
        files[f"{name}_numpy.py"] = numpy_module(name)
    return files
