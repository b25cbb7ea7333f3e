"""The generated scalar solver of the one_over_n closure: see `analytic.one_over_n_branch`."""

from sympy import Function, Symbol, diff

from analytic import one_over_n_branch
from analytic.equation import Equation
from analytic.generator.primitives import PRIMITIVES
from analytic.generator.printer import function, module, template
from analytic.one_over_n_branch import d, e, mu, rest, w0
from analytic.one_over_n_branch import v as vv
from analytic.ridge_module import eigenvalue_function, excess_function, rest_function
from analytic.symbols import ARGUMENTS, C, N, S, lam, n, sigma2, sigma_a2, sigma_w2

_NAMED = {symbol: Symbol(name) for name, symbol in ARGUMENTS.items()}
_LAM, _REST, _W0, _RHO = (Symbol(name) for name in ("lam", "rest", "w0", "rho"))


def one_over_n_module(equation: Equation) -> str:
    """numerics/_generated/reduced_one_over_n.py."""
    found = one_over_n_branch.branch(equation)
    A, top, fold = found.A, found.vanishing.all_coeffs(), found.fold.all_coeffs()
    named = {**_NAMED, lam: _LAM}
    split = {mu: _LAM / _W0}
    names = list(_NAMED.values())
    lets = {
        _LAM: Function("eigenvalue")(*(_NAMED[s] for s in (N, S, sigma_w2, sigma_a2))),
        _W0: _LAM + _NAMED[sigma2] / _NAMED[n],
        _REST: Function("rest_of_trace")(_NAMED[sigma_w2], _NAMED[sigma_a2]) / _W0,
        _RHO: _NAMED[sigma2] / (_NAMED[n] * _W0),
    }
    plain = {w0: _W0, rest: _REST}
    outputs = [
        _W0,
        _LAM / _W0,
        *(
            x.subs(plain).subs(1 - mu, _RHO).subs(mu - 1, -_RHO).xreplace(named).subs(split)
            for x in (found.d, found.e)
        ),
        found.t1.xreplace({w0: _W0}).xreplace(named) / _NAMED[C],
    ]
    t = Symbol("t")
    phi = t * (vv + mu) * Symbol("A") ** 2 - vv
    slope = t * Symbol("A") ** 2 + 2 * t * (vv + mu) * Symbol("A") * Symbol("A_slope") - 1
    A_lets = {Symbol("A"): A, Symbol("A_slope"): diff(A, vv)}
    body = "\n\n".join(
        [
            PRIMITIVES["asin"],
            excess_function(),
            eigenvalue_function(equation),
            rest_function(equation),
            function("scaled", names, outputs, lets, "w0, mu, d, e and t = t1/C."),
            function("discrepancy", [vv, mu, d, e], [A], doc="A = n alpha w0."),
            function("unlearned", [vv, mu, d, e], [found.unlearned], doc="sigma^2 alpha_test."),
            function("vanishing", [mu, d, e], top, doc="(1 + v)^3 A, highest power first."),
            function("fold", [mu, d, e], fold, doc="Sign of d(1/C)/dv, highest power first."),
            function(
                "residual", [vv, mu, d, e, t], [phi, slope], A_lets, "t (v + mu) A^2 - v and its slope."
            ),
            function(
                "gaussian_slope", [mu, d, e], [A.subs(vv, 0), diff(A, vv).subs(vv, 0)], doc="A, A' at 0."
            ),
            template("one_over_n_loops"),
        ]
    )
    title = (
        f"Closure one_over_n, activation {equation.activation}; derived in docs/derivations.md, section 6.\n"
        f"A(v) = {A}, 1/C = v/(t1 (v + mu) A^2), r = 1 + v/mu."
    )
    return module(
        title, "from math import inf, nan, sqrt\n\nimport numpy as np\nfrom numba import njit\n", body
    )
