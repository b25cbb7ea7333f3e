"""The generated solver of the reduced theory at finite fan-in: eight equations and their Jacobian."""

from sympy import diff

from analytic.emit.shared import status_constants
from analytic.emit.solver import eigenvalue_function, entry_function, rest_functions, valid_function
from analytic.generator.printer import function, module, template
from analytic.scalar.equation import derived
from analytic.scalar.fan_in import UNKNOWNS, jacobian, system
from analytic.symbols import (
    IN_CODE,
    N,
    S,
    T,
    g2,
    in_code,
    kappa_p,
    lam,
    n,
    p_along,
    ratio,
    sigma2,
    x,
)

_PARAMETERS = (n, N, S, sigma2, lam, T, g2, x)


def fan_in_source() -> str:
    """numerics/_generated/reduced_fan_in.py."""
    found, equation = system(), derived("ridge", "erf", True)
    names = IN_CODE | {T: in_code("rest"), x: in_code("x")} | {u: in_code(u.name) for u in UNKNOWNS}
    outputs = [
        *found.residuals,
        *(entry for row in jacobian(found.residuals) for entry in row),
        *(diff(residual, x) for residual in found.residuals),
    ]
    equations = function(
        "equations",
        [names[symbol] for symbol in (*UNKNOWNS, *_PARAMETERS)],
        [output.xreplace(names) for output in outputs],
        doc="The residuals, their Jacobian in the logarithms of the unknowns row by row, their slopes in x.",
    )
    outcome = function(
        "outcome",
        [names[symbol] for symbol in (ratio, p_along, kappa_p, n, sigma2, lam)],
        [expression.xreplace(names) for expression in (found.alpha, found.alpha_test)],
        doc="alpha and alpha_test.",
    )
    parts = [
        status_constants(),
        entry_function(),
        valid_function(1),
        *rest_functions(equation),
        eigenvalue_function(equation),
        equations,
        outcome,
        template("scalar_fan_in"),
    ]
    title = "The ridge closure at finite fan-in, activation erf; derived in docs/derivations-fan-in.md."
    imports = "from math import inf, log, nan, sqrt\n\nimport numpy as np\nfrom numba import njit\n"
    return module(title, imports, "\n\n".join(parts))
