"""The parts of a generated scalar solver that all closures share."""

from collections.abc import Mapping, Sequence

from sympy import QQ, Expr, Function, Rational, Symbol, factor, ring
from sympy import asin as sympy_asin
from sympy.polys.ring_series import rs_asin

from analytic.emit.shared import status_constants
from analytic.generator.primitives import PRIMITIVES
from analytic.generator.printer import JIT, function, module, template
from analytic.scalar.closures import closure
from analytic.scalar.equation import Equation
from analytic.symbols import ARGUMENTS, IN_CODE, C, N, S, in_code, lam, sigma_a2, sigma_w2

COMPLEXITY = in_code("complexity")  # 1 with log det K_f, 0 without
GIVEN = [IN_CODE[symbol] for symbol in ARGUMENTS.values()]
LAM = IN_CODE[lam]


def solver_module(
    equation: Equation, title: str, functions: Sequence[str], templates: Sequence[str], imports: str = ""
) -> str:
    """numerics/_generated/reduced_<closure>.py: a closure's own functions, and the loops of all."""
    parts = [
        status_constants(),
        entry_function(),
        valid_function(closure(equation.closure).least_patch),
        *functions,
        *map(template, (*templates, "scalar_loops")),
    ]
    return module(
        title, f"from math import inf, nan, sqrt\n\n{imports}from numba import njit\n", "\n\n".join(parts)
    )


def entry_function() -> str:
    picked = ", ".join(f"arguments[{position}][i]" for position in range(len(ARGUMENTS)))
    return (
        f'{JIT}def entry(arguments, i):\n    """{", ".join(ARGUMENTS)} of entry i."""\n    return {picked}\n'
    )


def valid_function(least_patch: int) -> str:
    ranges = {symbol: f"0.0 < {symbol} < inf" for symbol in GIVEN}
    ranges[IN_CODE[C]] = f"{IN_CODE[C]} > 0.0"
    if least_patch:
        ranges[IN_CODE[S]] = f"{float(least_patch)} <= {IN_CODE[S]} < inf"
    tests = "\n        and ".join(ranges.values())
    head = f'{JIT}def valid({", ".join(map(str, GIVEN))}):\n    """Whether all arguments are in range."""\n'
    return f"{head}    return (\n        {tests}\n    )\n"


def scaled_function(outputs: Sequence[Expr], lets: Mapping[Symbol, Expr], doc: str) -> str:
    """The parameters of a closure from the arguments; 1/C is the last."""
    printed = [*outputs, 1 / IN_CODE[C]]
    return function("scaled", [*GIVEN, COMPLEXITY], printed, lets, f"{doc}, 1/C.")


def eigenvalue_let() -> dict[Symbol, Expr]:
    """lambda, by its generated function."""
    return {LAM: Function("eigenvalue")(*_variables(N, S, sigma_w2, sigma_a2))}


def rest_let() -> Expr:
    """T, by its generated function."""
    return Function("rest_of_trace")(*_variables(sigma_w2, sigma_a2))


def eigenvalue_function(equation: Equation) -> str:
    """lambda."""
    value = equation.eigenvalue.xreplace(IN_CODE)
    return function("eigenvalue", _variables(N, S, sigma_w2, sigma_a2), [value], doc="lambda of Eq. (9).")


def rest_functions(equation: Equation) -> list[str]:
    """T, with asin u = u + (asin u - u) put in, so that what cancels is gone."""
    (arc,) = equation.rest.atoms(sympy_asin)
    rest = equation.rest.subs(arc, arc.args[0] + Function("asin_excess")(arc.args[0]))
    arguments = _variables(sigma_w2, sigma_a2)
    of_trace = function("rest_of_trace", arguments, [factor(rest).xreplace(IN_CODE)], doc="T.")
    return [PRIMITIVES["asin"], _excess_function(), of_trace]


def _excess_function() -> str:
    """asin u - u without cancellation: its Taylor series below 0.35, where 20 terms are exact."""
    square = in_code("t")
    _, variable = ring("u", QQ)
    taylor = rs_asin(variable, variable, 43)
    coefficients = [Rational(str(taylor.coeff(variable ** (2 * i + 3)))) for i in range(20)]
    poly = coefficients[-1]
    for value in reversed(coefficients[:-1]):
        poly = value + square * poly
    small = function("asin_excess_small", [square], [poly], doc="(asin u - u)/u^3 in t = u^2, u < 0.35.")
    return small + (
        '\n\n@njit(error_model="numpy")\ndef asin_excess(u):\n    """asin u - u."""\n'
        "    return u * u * u * asin_excess_small(u * u) if u < 0.35 else asin(u) - u\n"
    )


def _variables(*symbols: Symbol) -> list[Symbol]:
    return [IN_CODE[symbol] for symbol in symbols]
