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
    Mul,
    Rational,
    Symbol,
    cse,
    numbered_symbols,
)
from sympy.printing.precedence import PRECEDENCE
from sympy.printing.pycode import PythonCodePrinter

JIT = '@njit(error_model="numpy")\n'


class Printer(PythonCodePrinter):
    """Floating-point Python: folded constants, products and square roots in place of ``**``.

    A power costs 27 ns an element where ``x*sqrt(x)`` costs 1 (LLVM calls libm's pow).
    """

    def __init__(self) -> None:
        super().__init__({"fully_qualified_modules": False, "allow_unknown_functions": True})

    def _number(self, value: Expr) -> str:
        """The float nearest to an exact number."""
        return repr(float(value.evalf(40)))

    def _print_Integer(self, expr: Expr) -> str:
        return self._number(expr)

    _print_Rational = _print_Pi = _print_Float = _print_Integer

    def _factors(self, base: Expr, exponent: Rational) -> list[str]:
        whole, half = divmod(int(2 * exponent), 2)
        text = self.parenthesize(base, PRECEDENCE["Pow"])
        root = [f"sqrt({self._print(base)})"] if half else []  # printing both is 2^depth
        return [text] * whole + root

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
    defaults: Mapping[str, str] | None = None,
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
    defaults : mapping of str to str, optional
        Default values of arguments, as text.
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
    given = {name: f"={value}" for name, value in (defaults or {}).items()}
    signature = ", ".join(f"{a}{given.get(str(a), '')}" for a in arguments)
    head = f'{decorator}def {name}({signature}):\n    """{doc}"""\n'
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
    if len(line) <= 90 or len(results) == 1:
        return [line]
    return ["return (", *(f"    {result}," for result in results), ")"]


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
