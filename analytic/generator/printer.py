"""From SymPy expressions to the text of self-contained Python modules.

A generated module is plain Python that Numba compiles: the scalar functions, the primitives they
call and the loops around them are all pasted into it, because Numba's cache does not notice a
change in another file. The text is the same on every run and for every SymPy ground type.
"""

import builtins
import hashlib
import symtable
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files as package_files

from sympy import Add, Expr, Mul, Pow, Rational, Symbol, cosh, cse, default_sort_key, exp, expand_mul, sinh
from sympy.printing.precedence import PRECEDENCE
from sympy.printing.pycode import PythonCodePrinter

from analytic.generator import single
from analytic.generator.primitives import NUMBA, Import, Provider
from analytic.symbols import cosh_exp, sinh_exp, temporaries

JIT = '@njit(error_model="numpy")\n'
SINGLE_JIT = single.JIT


class Printer(PythonCodePrinter):
    """Floating-point Python: folded constants, products and square roots in place of ``**``.

    A power costs 27 ns an element where ``x*sqrt(x)`` costs 1 (LLVM calls libm's pow).
    """

    def __init__(self) -> None:
        # an unknown function is printed by its name, which `unbound` finds if nothing provides it
        super().__init__({"fully_qualified_modules": False, "allow_unknown_functions": True, "strict": True})

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
            base, exponent = (part, Rational(1)) if isinstance(part, exp) else part.as_base_exp()
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

    def _print_Max(self, expr: Expr) -> str:
        """Branchless, and nan where an argument is."""
        *others, text = map(self._print, expr.args)
        for other in others:
            text = f"({other} if {text} < {other} else {text})"
        return text

    def _print_Heaviside(self, expr: Expr) -> str:
        """0 at 0, as automatic differentiation has the slope of a ReLU."""
        return f"(1.0 if {self._print(expr.args[0])} > 0.0 else 0.0)"

    def _print_Add(self, expr: Expr, order: str | None = None) -> str:
        # Positive terms first, then by text: the same order on every run.
        texts = [self._print(term) for term in Add.make_args(expr)]
        texts.sort(key=lambda text: (text.startswith("-"), text))
        return texts[0] + "".join(
            f" - {text[1:]}" if text.startswith("-") else f" + {text}" for text in texts[1:]
        )


class SinglePrinter(Printer):
    """Single precision: constants that do not widen it, and the vectorised functions of `single`."""

    def _number(self, value: Expr) -> str:
        return f"float32({super()._number(value)})"

    def _print_Heaviside(self, expr: Expr) -> str:
        return f"(float32(1.0) if {self._print(expr.args[0])} > float32(0.0) else float32(0.0))"

    def _fast(self, expr: Expr) -> str:
        return f"{type(expr).__name__}_single({self._print(expr.args[0])})"

    _print_erf = _print_exp = _print_tanh = _print_ncdf = _fast


class ArrayPrinter(Printer):
    """The same for NumPy arrays, whose truth is not a number's."""

    def _print_Heaviside(self, expr: Expr) -> str:
        return f"where({self._print(expr.args[0])} > 0.0, 1.0, 0.0)"

    def _print_Max(self, expr: Expr) -> str:
        *others, text = map(self._print, expr.args)
        for other in others:
            text = f"maximum({other}, {text})"
        return text


def function(
    name: str,
    arguments: Sequence[Symbol],
    outputs: Sequence[Expr],
    lets: Mapping[Symbol, Expr] | None = None,
    doc: str = "",
    decorator: str = JIT,
    defaults: Mapping[str, str] | None = None,
) -> str:
    """The text of one function returning `outputs`; for arrays where it is not decorated, of single precision
    where the decorator is `SINGLE_JIT`.

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
    printer = SinglePrinter() if decorator == SINGLE_JIT else Printer() if decorator else ArrayPrinter()
    common, results = _common([_without_overflow(output) for output in outputs])
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


def _without_overflow(expression: Expr) -> Expr:
    """Products of exp with sinh or cosh as one function, which is finite wherever the product is."""
    if not (expression.has(exp) and expression.has(sinh, cosh)):
        return expression
    return expand_mul(expression).replace(lambda part: isinstance(part, Mul), _joined)


def _joined(product: Expr) -> Expr:
    exponent = next((part.args[0] for part in product.args if isinstance(part, exp)), None)
    growing = next((part for part in product.args if isinstance(part, sinh | cosh)), None)
    if exponent is None or growing is None:
        return product
    joined = (sinh_exp if isinstance(growing, sinh) else cosh_exp)(growing.args[0], exponent)
    return Mul(joined, *(part for part in product.args if part not in (exp(exponent), growing)))


def _common(outputs: Sequence[Expr]) -> tuple[list[tuple[Symbol, Expr]], list[Expr]]:
    """Common subexpressions; constants such as 1/pi stay where they are, to be folded."""
    # a power is printed as a product: a function raised to one is a repetition too
    powers = set().union(*(output.atoms(Pow) for output in outputs))
    raised = sorted({power.base for power in powers if power.base.is_Function}, key=default_sort_key)
    common, results = cse([*outputs, *raised], symbols=temporaries(), order="canonical")
    results = results[: len(outputs)]
    constants: dict[Symbol, Expr] = {}
    names: dict[Symbol, Symbol] = {}
    free = temporaries()
    kept: list[tuple[Symbol, Expr]] = []
    for symbol, value in common:
        value = value.xreplace(constants).xreplace(names)
        if value.is_number:
            constants[symbol] = value
        else:
            names[symbol] = next(free)
            kept.append((names[symbol], value))
    return kept, [e.xreplace(constants).xreplace(names) for e in results]


def _return(results: list[str]) -> list[str]:
    line = "return " + ", ".join(results)
    if len(line) <= 90 or len(results) == 1:
        return [line]
    return ["return (", *(f"    {result}," for result in results), ")"]


def module(title: str, imports: str, body: str) -> str:
    """A whole file: header with the body's hash, imports, body.

    Raises
    ------
    NameError
        When something in it has a name that is neither defined there nor imported.
    """
    if missing := unbound(imports + body):
        raise NameError(f"{title.splitlines()[0]}: nothing provides {', '.join(sorted(missing))}")
    digest = hashlib.sha256((imports + body).encode()).hexdigest()[:16]
    comment = "".join(f"# {line}".rstrip() + "\n" for line in title.splitlines())
    header = f"# Generated by python -m analytic; do not edit. sha256 of what follows: {digest}\n"
    return f"{header}{comment}\n{imports}\n\n{body.rstrip()}\n"


def assembled(title: str, blocks: Sequence[str], providers: Mapping[str, Provider] = NUMBA) -> str:
    """A whole file of these blocks, with the imports and primitives that their names ask for."""
    body = "\n\n".join(blocks)
    imports: set[Import] = set()
    while known := sorted(unbound(body) & providers.keys() - {line.bound for line in imports}):
        for name in reversed(known):
            match providers[name]:
                case Import() as line:
                    imports.add(line)
                case str() as text:
                    body = f"{text}\n\n{body}"
                case made:
                    body = f"{made()}\n\n{body}"
    return module(title, _import_lines(imports), body)


def unbound(text: str) -> set[str]:
    """Names that a module reads and nobody gives it."""
    top = symtable.symtable(text, "generated", "exec")
    given = {s.get_name() for s in top.get_symbols() if s.is_assigned() or s.is_imported()}
    return {name for table in _scopes(top) for name in _read(table)} - given - set(dir(builtins))


def _scopes(table: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    yield table
    for inner in table.get_children():
        yield from _scopes(inner)


def _read(table: symtable.SymbolTable) -> Iterator[str]:
    for symbol in table.get_symbols():
        if symbol.is_referenced() and (table.get_type() == "module" or symbol.is_global()):
            yield symbol.get_name()


def _import_lines(imports: set[Import]) -> str:
    """In the order of isort: the standard library's math, whole packages, parts of packages."""
    whole = sorted(f"import {i.module} as {i.bound}\n" for i in imports if not i.name)
    parts = [
        f"from {i.module} import {i.name} as {i.bound}\n" for i in imports if i.name not in ("", i.bound)
    ]
    kept: dict[str, list[str]] = {}
    for i in sorted(imports, key=str):
        if i.name == i.bound:
            kept.setdefault(i.module, []).append(i.name)
    parts += [f"from {package} import {', '.join(names)}\n" for package, names in kept.items()]
    lines = [*whole, *sorted(parts)]
    groups = ([line for line in lines if line.startswith("from math ") is first] for first in (True, False))
    return "\n".join("".join(group) for group in groups if group)


def template(name: str) -> str:
    """The text of one file of analytic/templates, without its directives for linters."""
    text = package_files("analytic.templates").joinpath(f"{name}.py").read_text("utf-8")
    lines = text.splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith(("# ruff:", "# mypy:")))
