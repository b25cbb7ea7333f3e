"""The generated scalar solver of the effective-ridge closure.

In units of lambda: W = 1/(n alpha lambda), k = kappa/lambda, tau = (sigma^2 + T)/lambda, and the two
numbers in which 1/C acts, y = |a*|^2|w*|^2/(C lambda) from the target and c = N/C from log det K_f
(zero without it). Everything but r_0, the root of a quadratic, is then rational in W. What is solved for is
delta = W - floor, the distance to kappa = 0: at small C all terms of W^2 + c W - y nearly cancel.
"""

from sympy import (
    QQ,
    Expr,
    Function,
    Poly,
    Rational,
    Symbol,
    cancel,
    diff,
    expand,
    factor,
    numer,
    ring,
    solve,
    together,
)
from sympy import asin as sympy_asin
from sympy.polys.ring_series import rs_asin

from analytic.equation import Equation
from analytic.generator.primitives import PRIMITIVES
from analytic.generator.printer import function, module, template
from analytic.symbols import (
    ARGUMENTS,
    C,
    N,
    S,
    T,
    alpha,
    g2,
    kappa,
    lam,
    lam_inert,
    lam_star,
    n,
    r_inert,
    sigma2,
    sigma_a2,
    sigma_w2,
)

W, y, c, k, f, tau, r0 = (Symbol(name) for name in ("W", "y", "c", "k", "f", "tau", "r0"))
_NAMED = {symbol: Symbol(name) for name, symbol in ARGUMENTS.items()}
_LAM, _SHARE, _UNLEARNED = Symbol("lam"), Symbol("share"), Symbol("rest_of_target")
delta, _FLOOR, _LIFT = (Symbol(name) for name in ("delta", "floor", "lift"))
_N, _S, _n = _NAMED[N], _NAMED[S], _NAMED[n]


def _learned_share(equation: Equation) -> Expr:
    """f = lambda_*/(lambda_* + kappa) = r/W in W, y and c."""
    units = {alpha: 1 / (n * lam * W), g2: y * C * lam, N: c * C}
    return cancel(equation.ratio.subs(units, simultaneous=True) / W)


def _in_delta(share: Expr, floor: Poly) -> dict[Symbol, Expr]:
    """W, lift, f and 1 - f in delta = W - floor and y, as sums of positive terms; proved equal to f."""
    lift = delta * (W + y / _FLOOR)  # (W - floor)(W + y/floor): the roots' product is -y
    parts = {W: _FLOOR + delta, _LIFT: lift, _SHARE: W / (W + _LIFT), _UNLEARNED: _LIFT / (W + _LIFT)}
    at = {_LIFT: lift.subs(delta, W - _FLOOR)}
    (of_floor,) = solve(floor.as_expr().subs(W, _FLOOR), c)
    for given, printed in ((share, parts[_SHARE]), (1 - share, parts[_UNLEARNED])):
        if cancel((given - printed.subs(at)).subs(c, of_floor)) != 0:
            raise AssertionError("f in delta is not the closure's")
    return parts


def _steepness(slope: Expr, floor: Poly) -> Expr:
    """df/dW with its denominator written as W + lift; proved equal."""
    whole = floor.as_expr() + W
    if cancel(slope + (W**2 + y) / whole**2) != 0:
        raise AssertionError("df/dW is not the closure's")
    return -(W**2 + y) / (W + _LIFT) ** 2


def _inert(equation: Equation) -> Expr:
    """The quadratic of r_0 in k and c, leading coefficient 1."""
    scaled = equation.inert_condition.subs({kappa: k * lam, N: c * C}, simultaneous=True)
    return Poly(cancel(scaled / (lam * C)), r_inert).monic().as_expr().subs(r_inert, r0)


def _balance(equation: Equation) -> Expr:
    """G = the closure's condition over lambda, in k, f, r_0; proved equal to the form printed."""
    units = {lam_star: lam * k * f / (1 - f), lam_inert: lam * r0, sigma2: lam * tau - T}
    derived = equation.condition.subs(units).subs(kappa, k * lam) / lam
    printed = n * k - tau - k * (N * f + N * (S - 1) * r0 / (r0 + k))
    if cancel(derived - printed) != 0:
        raise AssertionError("the scaled condition is not the closure's")
    return printed


def _unlearned(equation: Equation) -> Expr:
    """sigma^2 alpha_test in f."""
    return cancel(equation.discrepancy.unlearned.subs(lam_star, kappa * f / (1 - f)))


def excess_function() -> str:
    """asin u - u without cancellation: its Taylor series below 0.35, where 20 terms are exact."""
    t = Symbol("t")
    _, variable = ring("u", QQ)
    taylor = rs_asin(variable, variable, 43)
    coefficients = [Rational(str(taylor.coeff(variable ** (2 * i + 3)))) for i in range(20)]
    poly = coefficients[-1]
    for value in reversed(coefficients[:-1]):
        poly = value + t * poly
    small = function("asin_excess_small", [t], [poly], doc="(asin u - u)/u^3 in t = u^2, u < 0.35.")
    return small + (
        '\n\n@njit(error_model="numpy")\ndef asin_excess(u):\n    """asin u - u."""\n'
        "    return u * u * u * asin_excess_small(u * u) if u < 0.35 else asin(u) - u\n"
    )


def rest_function(equation: Equation) -> str:
    """T, with asin u = u + (asin u - u) put in, so that what cancels is gone."""
    (arc,) = equation.rest.atoms(sympy_asin)
    rest = equation.rest.subs(arc, arc.args[0] + Function("asin_excess")(arc.args[0]))
    arguments = [_NAMED[sigma_w2], _NAMED[sigma_a2]]
    return function("rest_of_trace", arguments, [factor(rest).xreplace(_NAMED)], doc="T.")


def eigenvalue_function(equation: Equation) -> str:
    """lambda."""
    arguments = [_NAMED[symbol] for symbol in (N, S, sigma_w2, sigma_a2)]
    value = equation.eigenvalue.xreplace(_NAMED)
    return function("eigenvalue", arguments, [value], doc="lambda of Eq. (9).")


def _scaled_function(complexity: Symbol) -> str:
    names = [*_NAMED.values(), complexity]
    lets = {
        _LAM: Function("eigenvalue")(*(_NAMED[s] for s in (N, S, sigma_w2, sigma_a2))),
        Symbol("rest"): Function("rest_of_trace")(_NAMED[sigma_w2], _NAMED[sigma_a2]),
    }
    outputs = [
        _LAM,
        (_NAMED[sigma2] + Symbol("rest")) / _LAM,
        _NAMED[g2] / (_NAMED[C] * _LAM),
        complexity * _N / _NAMED[C],
    ]
    return function("scaled", names, outputs, lets, "lambda, tau, y and c.")


def ridge_module(equation: Equation) -> str:
    """numerics/_generated/reduced_ridge.py, for c = N/C and c = 0 together."""
    share = _learned_share(equation)
    inert, balance = _inert(equation), _balance(equation).xreplace({N: _N, S: _S, n: _n})
    floor = Poly(numer(together(1 - share)), W).monic()
    slope_k, slope_r = (-diff(inert, s) / diff(inert, r0) for s in (k, c))
    f_W, f_y, f_c = (diff(share, s) for s in (W, y, c))

    def along(f_slope: Expr, extra_k: Expr, extra_r: Expr) -> Expr:
        """Total derivative of G: f moves by f_slope, k = W (1 - f) and r_0(k, c) with it."""
        dk = extra_k - W * f_slope
        dr = slope_k * dk + extra_r
        return diff(balance, f) * f_slope + diff(balance, k) * dk + diff(balance, r0) * dr

    known = {f: _SHARE}
    parts = _in_delta(share, floor)
    lets = {**parts, k: W * _UNLEARNED, r0: Function("inert_ratio")(k, c)}
    steep = _steepness(f_W, floor)
    outputs = [balance.xreplace(known), along(steep, _UNLEARNED, 0 * W).xreplace(known)]
    at_gp = {y: 0, c: 0, f: 1 / W, r0: 1}
    sides = [
        along(*moved).subs({f: 1 / W, r0: 1, k: W - 1}).subs(at_gp)
        for moved in ((f_W, 1 - f, 0 * W), (f_y, 0 * W, 0 * W), (f_c, 0 * W, slope_r))
    ]
    gaussian = Poly(numer(cancel(balance.subs({f: 1 / (1 + k), r0: 1}))), k)
    sizes = [_n, _N, _S, tau]
    learned_not = expand(_unlearned(equation).subs(f, 1 - _UNLEARNED))
    quadratic = Poly(inert, r0).all_coeffs()[1:]
    body = "\n\n".join(
        [
            PRIMITIVES["asin"],
            excess_function(),
            eigenvalue_function(equation),
            rest_function(equation),
            _scaled_function(Symbol("complexity")),
            function("floor_of_W", [y, c], floor.all_coeffs()[1:], doc="kappa = 0: W^2 + b W + d = 0."),
            function("inert_quadratic", [k, c], quadratic, doc="b and d of r_0^2 + b r_0 + d = 0."),
            function("target", [delta, _FLOOR, y], [W, _SHARE, _UNLEARNED], parts, "W, f and 1 - f."),
            function("unlearned", [_UNLEARNED], [learned_not], doc="sigma^2 alpha_test."),
            template("ridge_inert"),
            function("residual", [delta, _FLOOR, *sizes, y, c], outputs, lets, "G and dG/dW."),
            function("gaussian_quadratic", sizes, gaussian.all_coeffs(), doc="k at C = inf."),
            function("slopes_at_gp", [W, *sizes], sides, doc="dG/dW, dG/dy, dG/dc at C = inf."),
            template("ridge_loops"),
        ]
    )
    title = (
        f"Closure ridge, activation {equation.activation}; derived in docs/derivations.md, section 6.\n"
        f"G = {balance}, k = W (1 - f), f = {share},\n"
        f"r0 in (0, 1) with {inert} = 0."
    )
    return module(title, "from math import inf, nan, sqrt\n\nfrom numba import njit\n", body)
