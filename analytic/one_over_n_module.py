"""The generated scalar solver of the one_over_n closure.

With w0 = lambda + sigma^2/n, the unknown is v = (lambda_* - lambda)/w0; mu = lambda/w0, and n alpha w0
= A(v) with two numbers, d from the inert modes and the rest of the trace, e from those along w*.
1/C = v/[t1 (v + mu) A(v)^2] is explicit: the physical branch is where it grows with v from v = 0.
"""

from sympy import Expr, Function, Poly, Symbol, cancel, diff, factor, numer

from analytic.codegen import function, module, template
from analytic.equation import Equation
from analytic.primitives import PRIMITIVES
from analytic.ridge_module import eigenvalue_function, excess_function, rest_function
from analytic.symbols import (
    ARGUMENTS,
    C,
    N,
    S,
    T,
    alpha,
    lam,
    lam_inert,
    lam_star,
    n,
    sigma2,
    sigma_a2,
    sigma_w2,
)

vv, mu, d, e = (Symbol(name) for name in ("v", "mu", "d", "e"))
_NAMED = {symbol: Symbol(name) for name, symbol in ARGUMENTS.items()}
_LAM, _REST, _W0, _RHO = (Symbol(name) for name in ("lam", "rest", "w0", "rho"))


def _scaled_alpha(equation: Equation) -> tuple[Expr, Expr, Expr, Expr]:
    """A(v) and sigma^2 alpha_test, and d and e in mu, rho = 1 - mu, T/w0 and the sizes."""
    w0 = Symbol("w0", positive=True)
    units = {lam_star: w0 * (vv + mu), lam_inert: w0 * mu, lam: w0 * mu, sigma2: n * w0 * (1 - mu)}
    A = cancel(n * w0 * equation.discrepancy.train.subs(units, simultaneous=True))
    correction = cancel((1 / (1 + vv) - A) * (1 + vv) ** 2)
    e_of = cancel(cancel(diff(correction, vv) * (1 + vv) ** 2 / (1 - mu)))
    d_of = cancel(correction - e_of * (vv + mu) / (1 + vv))
    if d_of.has(vv) or e_of.has(vv):
        raise AssertionError("alpha of one_over_n is not of the form that is solved")
    shift = d + e * (vv + mu) / (1 + vv)  # (kappa - sigma^2/n)/w0
    shape = 1 / (1 + vv) - shift / (1 + vv) ** 2
    unlearned = (1 - mu) / (1 + vv) + (vv + mu) * shift / (1 + vv) ** 2
    if cancel(shape.subs({d: d_of, e: e_of}) - A) != 0:
        raise AssertionError("the scaled alpha of one_over_n is not the closure's")
    derived = equation.discrepancy.unlearned.subs(units, simultaneous=True)
    if cancel(unlearned.subs({d: d_of, e: e_of}) - derived) != 0:
        raise AssertionError("sigma^2 alpha_test of one_over_n is not of the form that is printed")
    return shape, unlearned, d_of.subs(T, w0 * _REST), e_of


def one_over_n_module(equation: Equation) -> str:
    """numerics/_generated/reduced_one_over_n.py."""
    A, unlearned, d_of, e_of = _scaled_alpha(equation)
    # r = 1/(1 - chi) is 1/C = (r - 1)/(r chi C), with r = 1 + v/mu.
    chi_C = cancel((equation.chi * C).subs(alpha, Symbol("A") / (n * _W0)))
    t1 = cancel(chi_C / Symbol("A") ** 2)
    branch = vv / ((vv + mu) * A**2)
    top = Poly(numer(cancel(A)), vv)
    top = Poly(factor(top.as_expr() * (1 if top.subs({vv: 0, d: 0, e: 0}) > 0 else -1)), vv)
    fold = Poly(cancel(cancel(diff(branch, vv) / branch) * vv * (vv + mu) * (1 + vv) * top.as_expr()), vv)
    named = {**_NAMED, lam: _LAM}
    split = {mu: _LAM / _W0}
    names = list(_NAMED.values())
    lets = {
        _LAM: Function("eigenvalue")(*(_NAMED[s] for s in (N, S, sigma_w2, sigma_a2))),
        _W0: _LAM + _NAMED[sigma2] / _NAMED[n],
        _REST: Function("rest_of_trace")(_NAMED[sigma_w2], _NAMED[sigma_a2]) / _W0,
        _RHO: _NAMED[sigma2] / (_NAMED[n] * _W0),
    }
    plain = {Symbol("w0", positive=True): _W0}
    outputs = [
        _W0,
        _LAM / _W0,
        *(
            x.subs(plain).subs(1 - mu, _RHO).subs(mu - 1, -_RHO).xreplace(named).subs(split)
            for x in (d_of, e_of)
        ),
        t1.xreplace(named) / _NAMED[C],
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
            function("unlearned", [vv, mu, d, e], [unlearned], doc="sigma^2 alpha_test."),
            function("vanishing", [mu, d, e], top.all_coeffs(), doc="(1 + v)^3 A, highest power first."),
            function("fold", [mu, d, e], fold.all_coeffs(), doc="Sign of d(1/C)/dv, highest power first."),
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
