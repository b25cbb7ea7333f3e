"""The residual of any reduced equation with its derivatives, compiled."""

from collections.abc import Callable

from sympy import diff

from analytic.generator.cache import load_source
from analytic.generator.printer import function, module
from analytic.scalar.equation import Equation
from analytic.symbols import ARGUMENTS, DEFAULTS, IN_CODE, alpha


def compile_residual(equation: Equation) -> Callable[..., tuple[float, ...]]:
    """P and its derivatives with respect to alpha and every argument, as one Numba kernel."""
    by = [alpha, *ARGUMENTS.values()]
    outputs = [equation.residual, *(diff(equation.residual, symbol) for symbol in by)]
    text = function(
        "residual",
        [alpha, *(IN_CODE[symbol] for symbol in ARGUMENTS.values())],
        [output.xreplace(IN_CODE) for output in outputs],
        doc="P, then its derivatives with respect to the arguments, in their order.",
        decorator='@njit(error_model="numpy", cache=True)\n',
        defaults={name: repr(float(value)) for name, value in DEFAULTS.items()},
    )
    title = f"P(alpha) of closure {equation.closure}, activation {equation.activation}."
    imports = ("from math import asin, sqrt\n\n" if "asin(" in text else "") + "from numba import njit\n"
    source = module(title, imports, text)
    return load_source(f"residual_{equation.closure}_{equation.activation}", source).residual
