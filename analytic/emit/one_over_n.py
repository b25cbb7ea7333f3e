"""The generated scalar solver of the one_over_n closure: see `analytic.scalar.one_over_n_branch`."""

from sympy import diff

from analytic.emit.solver import (
    GIVEN,
    LAM,
    eigenvalue_function,
    eigenvalue_let,
    rest_functions,
    rest_let,
    scaled_function,
    solver_module,
)
from analytic.generator.printer import function
from analytic.scalar.closures import closure
from analytic.scalar.equation import Equation
from analytic.scalar.one_over_n_branch import branch
from analytic.symbols import IN_CODE, A, C, T, d, e, in_code, mu, n, nu, rest, sigma2, t, w0, x

_NW0, _RHO, _A_SLOPE = map(in_code, ("nw0", "rho", "A_slope"))
_NOISE, _n = IN_CODE[sigma2], IN_CODE[n]
_PARAMETERS = [_NW0, mu, d, e, t, _NOISE, x]


def solver(equation: Equation) -> str:
    """numerics/_generated/reduced_one_over_n.py."""
    found = branch(equation)
    lets = {**eigenvalue_let(), w0: LAM + _NOISE / _n, rest: rest_let() / w0, _RHO: _NOISE / (_n * w0)}
    sizes = [
        expression.subs(1 - mu, _RHO).subs(mu - 1, -_RHO).xreplace(IN_CODE).subs(mu, LAM / w0)
        for expression in (found.d, found.e)
    ]
    scaled = [_n * w0, LAM / w0, *sizes, found.t1.xreplace(IN_CODE) / IN_CODE[C], _NOISE]
    phi = t * (nu + mu) * A**2 - nu
    slope = t * A**2 + 2 * t * (nu + mu) * A * _A_SLOPE - 1
    A_lets = {A: found.A, _A_SLOPE: diff(found.A, nu)}
    at_gp = [expression.subs(nu, 0) for expression in A_lets.values()]
    functions = [
        *rest_functions(equation),
        eigenvalue_function(equation),
        scaled_function(scaled, lets, "n w0, mu, d, e, t = t1/C, sigma^2"),
        function("discrepancy", [nu, mu, d, e], [found.A], doc="A = n alpha w0."),
        function("unlearned", [nu, mu, d, e], [found.unlearned], doc="sigma^2 alpha_test."),
        function(
            "vanishing", [mu, d, e], found.vanishing.all_coeffs(), doc="(1 + nu)^3 A, highest power first."
        ),
        function("fold", [mu, d, e], found.fold.all_coeffs(), doc="Sign of d(1/C)/dnu, highest power first."),
        function("residual", [nu, *_PARAMETERS], [phi, slope], A_lets, "t (nu + mu) A^2 - nu and its slope."),
        function("gaussian_slope", [mu, d, e], at_gp, doc="A, A' at 0."),
        _left_out(equation),
    ]
    title = (
        f"Closure one_over_n, activation {equation.activation}; derived in docs/derivations.md, section 6.\n"
        f"A(nu) = {found.A}, 1/C = nu/(t1 (nu + mu) A^2), r = 1 + nu/mu."
    )
    templates = ["scalar_one_over_n", "scalar_truncation"]
    return solver_module(equation, title, functions, templates, imports="import numpy as np\n")


def _left_out(equation: Equation) -> str:
    truncation = closure(equation.closure).truncation
    assert truncation is not None
    outputs = [e.xreplace({**IN_CODE, T: in_code("rest")}) for e in (truncation.left_out, truncation.growth)]
    lets = {**eigenvalue_let(), in_code("rest"): rest_let()}
    doc = "What first order in 1/n leaves out of alpha where the growth, second, is below 1."
    return function("left_out_below", GIVEN, outputs, lets, doc)
