"""The generated scalar solver of the equivalent-kernel closure.

It works in units of the Gaussian-process root, a = alpha/alpha_GP, where two numbers are left of
eight: mu = lambda/(lambda + sigma^2/n) and t = chi at alpha_GP. What is printed there is not the
expanded cubic (which loses its digits where roots are close) but a form of it that SymPy proves equal
before it is printed.
"""

from sympy import Expr, Poly, diff, discriminant, expand, factor, simplify, solve

from analytic.emit.solver import eigenvalue_function, eigenvalue_let, scaled_function, solver_module
from analytic.generator.printer import function
from analytic.scalar.equation import Equation
from analytic.series.power_series import algebraic_series
from analytic.symbols import IN_CODE, C, a, alpha, in_code, kappa, lam, lam_star, mu, sigma2, t, x
from analytic.symbols import n as n_symbol

_ALPHA_GP, _GAP, _UNFROZEN, _REST = map(in_code, ("alpha_gp", "gap", "unfrozen", "rest"))
_NOISE = IN_CODE[sigma2]
_PARAMETERS = [_ALPHA_GP, mu, t, _NOISE, x]


def _scaled(equation: Equation) -> tuple[Expr, Expr, Expr]:
    """alpha_GP, mu and t in the symbols of the compact equation."""
    (gaussian,) = solve(equation.compact.subs(C, 1 / x).subs(x, 0), alpha)
    return (
        gaussian,
        equation.compact.coeff(alpha, 1).coeff(lam) * lam * -gaussian,
        equation.chi.subs(alpha, gaussian),
    )


def _prove(equation: Equation, printed: Expr) -> None:
    """Raise unless P(alpha_GP a) is `printed` at the values of mu and t."""
    gaussian, mu_value, t_value = _scaled(equation)
    claimed = printed.subs({mu: mu_value, t: t_value}, simultaneous=True)
    if simplify(equation.compact.subs(alpha, gaussian * a) - claimed) != 0:
        raise AssertionError(f"{printed} is not the equation of closure {equation.closure}")


def solver(equation: Equation) -> str:
    """numerics/_generated/reduced_equivalent_kernel.py."""
    lets = {_REST: 1 - a, _GAP: _REST + mu * a, _UNFROZEN: 1 - t * a**2}
    gap, unfrozen = lets[_GAP].subs(_REST, 1 - a), lets[_UNFROZEN]
    printed = gap * unfrozen - mu * a
    _prove(equation, printed)
    slope = diff(gap, a) * _UNFROZEN + _GAP * diff(unfrozen, a) - mu
    gaussian, mu_value, t_value = (e.xreplace(IN_CODE) for e in _scaled(equation))
    # t is written with mu^2, which lies below 1: n^2 alpha_GP^2 overflows sooner.
    mu_of = mu_value.subs(gaussian, _ALPHA_GP)
    t_of = simplify(t_value / mu_value**2) * mu**2
    terms = Poly(expand(printed), a, t).terms()
    _, first = algebraic_series(dict(terms), Poly(1, a).as_expr(), 1)
    slope_in_1_C = _ALPHA_GP * t * first / x
    meeting = Poly(factor(discriminant(printed, a) / t), t)
    branch = [*(factor(c) for c in meeting.all_coeffs()), factor(discriminant(meeting))]
    title = (
        f"Closure {equation.closure}, activation {equation.activation}:\n"
        f"    P(alpha) = {equation.compact} = 0\n"
        f"    lambda = {equation.eigenvalue}\n"
        f"In a = alpha/alpha_GP: P = {printed}, with\n"
        f"    alpha_GP = {_scaled(equation)[0]},  mu = {mu_of},  t = {t_of}.\n"
        "The first equality is proved by SymPy whenever this file is written."
    )
    functions = [
        eigenvalue_function(equation),
        scaled_function(
            [_ALPHA_GP, mu, t_of, _NOISE],
            eigenvalue_let() | {_ALPHA_GP: gaussian, mu: mu_of},
            "alpha_GP, mu, t, sigma^2",
        ),
        function("residual", [a, *_PARAMETERS], [_GAP * _UNFROZEN - mu * a, slope], lets, "P and dP/da."),
        function("slope_at_gp", _PARAMETERS, [slope_in_1_C], doc="d alpha/d(1/C) at C = inf."),
        _unlearned_function(equation),
        function("meeting", (mu,), branch, doc="c2, c1, c0 of the discriminant/t in t, and its own."),
    ]
    return solver_module(equation, title, functions, ["scalar_equivalent_kernel"])


def _unlearned_function(equation: Equation) -> str:
    """sigma^2 alpha_test at a root alpha, the ridge being sigma^2/n."""
    at = {kappa: sigma2 / n_symbol}
    (eigenvalue,) = solve(alpha - equation.discrepancy.train.subs(at), lam_star)
    value = simplify(equation.discrepancy.unlearned.subs(at).subs(lam_star, eigenvalue))
    return function("unlearned", [alpha, _NOISE], [value.xreplace(IN_CODE)], doc="sigma^2 alpha_test.")
