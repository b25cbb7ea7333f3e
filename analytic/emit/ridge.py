"""The generated scalar solver of the effective-ridge closure.

In units of lambda: W = 1/(n alpha lambda), k = kappa/lambda, tau = (sigma^2 + T)/lambda, and the two
numbers in which 1/C acts, y = |a*|^2|w*|^2/(C lambda) from the target and c = N/C from log det K_f
(zero without it). Everything but r_0, the root of a quadratic, is then rational in W. What is solved for is
delta = W - floor, the distance to kappa = 0: at small C all terms of W^2 + c W - y nearly cancel.
"""

from sympy import Expr, Function, Poly, Symbol, cancel, diff, expand, numer, solve, together

from analytic.emit.solver import (
    COMPLEXITY,
    LAM,
    eigenvalue_function,
    eigenvalue_let,
    rest_functions,
    rest_let,
    scaled_function,
    solver_module,
)
from analytic.generator.printer import function
from analytic.scalar.equation import Equation
from analytic.symbols import (
    IN_CODE,
    C,
    N,
    S,
    T,
    W,
    alpha,
    c,
    delta,
    f,
    floor,
    g2,
    in_code,
    k,
    kappa,
    lam,
    lam_inert,
    lam_star,
    lift,
    n,
    r_inert,
    sigma2,
    tau,
    x,
    y,
)

_SHARE, _UNLEARNED, _REST = map(in_code, ("share", "rest_of_target", "rest"))
_N, _S, _n, _NOISE = (IN_CODE[symbol] for symbol in (N, S, n, sigma2))
_PARAMETERS = [LAM, _n, _N, _S, _NOISE, tau, y, c, floor, x]


def _learned_share(equation: Equation) -> Expr:
    """f = lambda_*/(lambda_* + kappa) = r/W in W, y and c."""
    units = {alpha: 1 / (n * lam * W), g2: y * C * lam, N: c * C}
    return cancel(equation.ratio.subs(units, simultaneous=True) / W)


def _in_delta(share: Expr, floor_of: Poly) -> dict[Symbol, Expr]:
    """W, lift, f and 1 - f in delta = W - floor and y, as sums of positive terms; proved equal to f."""
    lifted = delta * (W + y / floor)  # (W - floor)(W + y/floor): the roots' product is -y
    parts = {W: floor + delta, lift: lifted, _SHARE: W / (W + lift), _UNLEARNED: lift / (W + lift)}
    at = {lift: lifted.subs(delta, W - floor)}
    (c_of_floor,) = solve(floor_of.as_expr().subs(W, floor), c)
    for given, printed in ((share, parts[_SHARE]), (1 - share, parts[_UNLEARNED])):
        if cancel((given - printed.subs(at)).subs(c, c_of_floor)) != 0:
            raise AssertionError("f in delta is not the closure's")
    return parts


def _steepness(slope: Expr, floor_of: Poly) -> Expr:
    """df/dW with its denominator written as W + lift; proved equal."""
    whole = floor_of.as_expr() + W
    if cancel(slope + (W**2 + y) / whole**2) != 0:
        raise AssertionError("df/dW is not the closure's")
    return -(W**2 + y) / (W + lift) ** 2


def _inert(equation: Equation) -> Expr:
    """The quadratic of r_0 in k and c, leading coefficient 1."""
    scaled = equation.inert_condition.subs({kappa: k * lam, N: c * C}, simultaneous=True)
    return Poly(cancel(scaled / (lam * C)), r_inert).monic().as_expr()


def _balance(equation: Equation) -> Expr:
    """G = the closure's condition over lambda, in k, f, r_0; proved equal to the form printed."""
    units = {lam_star: lam * k * f / (1 - f), lam_inert: lam * r_inert, sigma2: lam * tau - T}
    derived = equation.condition.subs(units).subs(kappa, k * lam) / lam
    printed = n * k - tau - k * (N * f + N * (S - 1) * r_inert / (r_inert + k))
    if cancel(derived - printed) != 0:
        raise AssertionError("the scaled condition is not the closure's")
    return printed


def _unlearned(equation: Equation) -> Expr:
    """sigma^2 alpha_test in f."""
    return cancel(equation.discrepancy.unlearned.subs(lam_star, kappa * f / (1 - f)))


def _scaled(floor_of: Poly) -> str:
    lets = {
        **eigenvalue_let(),
        _REST: rest_let(),
        y: IN_CODE[g2] / (IN_CODE[C] * LAM),
        c: COMPLEXITY * _N / IN_CODE[C],
        floor: Function("positive_root")(*floor_of.all_coeffs()[1:]),
    }
    outputs = [LAM, _n, _N, _S, _NOISE, (_NOISE + _REST) / LAM, y, c, floor]
    return scaled_function(outputs, lets, "lambda, n, N, S, sigma^2, tau, y, c, W at kappa = 0")


def solver(equation: Equation) -> str:
    """numerics/_generated/reduced_ridge.py, for c = N/C and c = 0 together."""
    share = _learned_share(equation)
    inert, balance = _inert(equation), _balance(equation).xreplace({N: _N, S: _S, n: _n})
    floor_of = Poly(numer(together(1 - share)), W).monic()
    slope_k, slope_r = (-diff(inert, s) / diff(inert, r_inert) for s in (k, c))
    f_W, f_y, f_c = (diff(share, s) for s in (W, y, c))

    def along(f_slope: Expr, extra_k: Expr, extra_r: Expr) -> Expr:
        """Total derivative of G: f moves by f_slope, k = W (1 - f) and r_0(k, c) with it."""
        dk = extra_k - W * f_slope
        dr = slope_k * dk + extra_r
        return diff(balance, f) * f_slope + diff(balance, k) * dk + diff(balance, r_inert) * dr

    known = {f: _SHARE}
    parts = _in_delta(share, floor_of)
    lets = {**parts, k: W * _UNLEARNED, r_inert: Function("inert_ratio")(k, c)}
    slope = along(_steepness(f_W, floor_of), _UNLEARNED, 0 * W)
    falling = [-balance.xreplace(known), -slope.xreplace(known)]
    at_gp = {y: 0, c: 0, f: 1 / W, r_inert: 1}
    sides = [
        along(*moved).subs({f: 1 / W, r_inert: 1, k: W - 1}).subs(at_gp)
        for moved in ((f_W, 1 - f, 0 * W), (f_y, 0 * W, 0 * W), (f_c, 0 * W, slope_r))
    ]
    gaussian = Poly(numer(cancel(balance.subs({f: 1 / (1 + k), r_inert: 1}))), k)
    sizes = [_n, _N, _S, tau]
    learned_not = expand(_unlearned(equation).subs(f, 1 - _UNLEARNED))
    quadratic = Poly(inert, r_inert).all_coeffs()[1:]
    functions = [
        *rest_functions(equation),
        eigenvalue_function(equation),
        _scaled(floor_of),
        function("inert_quadratic", [k, c], quadratic, doc="b and d of r_0^2 + b r_0 + d = 0."),
        function("target", [delta, floor, y], [W, _SHARE, _UNLEARNED], parts, "W, f and 1 - f."),
        function("unlearned", [_UNLEARNED], [learned_not], doc="sigma^2 alpha_test."),
        function("residual", [delta, *_PARAMETERS], falling, lets, "-G and -dG/dW."),
        function("gaussian_quadratic", sizes, gaussian.all_coeffs(), doc="k at C = inf."),
        function("slopes_at_gp", [W, *sizes], sides, doc="dG/dW, dG/dy, dG/dc at C = inf."),
    ]
    title = (
        f"Closure ridge, activation {equation.activation}; derived in docs/derivations.md, section 6.\n"
        f"G = {balance}, k = W (1 - f), f = {share},\n"
        f"r_0 in (0, 1) with {inert} = 0."
    )
    return solver_module(equation, title, functions, ["scalar_ridge"])
