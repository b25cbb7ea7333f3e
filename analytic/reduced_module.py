"""The generated scalar solver of the equivalent-kernel closure, and compiled residuals.

The solver works in units of the Gaussian-process root, a = alpha/alpha_GP, where two numbers are
left of eight: mu = lambda/(lambda + sigma^2/n) and t = chi at alpha_GP. What is printed there is
not the expanded cubic (which loses its digits where roots are close) but a form of it that SymPy
proves equal before it is printed.
"""

from collections.abc import Callable

from sympy import Expr, Function, Poly, Symbol, diff, discriminant, expand, factor, simplify, solve

from analytic.equation import Equation
from analytic.generator.cache import load_source
from analytic.generator.printer import function, module, template
from analytic.series import algebraic_series
from analytic.symbols import (
    ARGUMENTS,
    DEFAULTS,
    C,
    N,
    S,
    a,
    alpha,
    kappa,
    lam,
    lam_star,
    mu,
    n,
    sigma2,
    sigma_a2,
    sigma_w2,
    t,
    x,
)

# Names in generated text.
_NAMED = {symbol: Symbol(name) for name, symbol in ARGUMENTS.items()}
_LAM = Symbol("lam")
_ALPHA_GP = Symbol("alpha_gp")
_GAP = Symbol("gap")
_UNFROZEN = Symbol("unfrozen")
_REST = Symbol("rest")
_MU = Symbol("mu")


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


def solver_module(equation: Equation) -> str:
    """numerics/_generated/reduced_<closure>.py."""
    lets = {_REST: 1 - a, _GAP: _REST + mu * a, _UNFROZEN: 1 - t * a**2}
    gap, unfrozen = lets[_GAP].subs(_REST, 1 - a), lets[_UNFROZEN]
    printed = gap * unfrozen - mu * a
    _prove(equation, printed)
    slope = diff(gap, a) * _UNFROZEN + _GAP * diff(unfrozen, a) - mu
    named = {**_NAMED, lam: _LAM}
    gaussian, mu_value, t_value = (e.xreplace(named) for e in _scaled(equation))
    eigenvalue = equation.eigenvalue.xreplace(_NAMED)
    names = [_NAMED[symbol] for symbol in ARGUMENTS.values()]
    without_C = [name for name in names if name != _NAMED[C]]
    # t is written with mu^2, which lies below 1: n^2 alpha_GP^2 overflows sooner.
    mu_of = mu_value.subs(gaussian, _ALPHA_GP)
    t_of = simplify(t_value / mu_value**2) * _MU**2
    arguments = [_NAMED[symbol] for symbol in (N, S, sigma_w2, sigma_a2)]
    scale_lets = {_LAM: Function("eigenvalue")(*arguments), _ALPHA_GP: gaussian, _MU: mu_of}
    terms = Poly(expand(printed), a, t).terms()
    _, first = algebraic_series(dict(terms), Poly(1, a).as_expr(), 1)
    slope_in_1_C = _ALPHA_GP * t_of * _NAMED[C] * first.subs(mu, _MU)
    meeting = Poly(factor(discriminant(printed, a) / t), t)
    branch = [*(factor(c) for c in meeting.all_coeffs()), factor(discriminant(meeting))]
    body = "\n\n".join(
        [
            function("eigenvalue", arguments, [eigenvalue], doc="lambda of Eq. (9)."),
            function("scaled", names, [_ALPHA_GP, _MU, t_of], scale_lets, "alpha_GP, mu, t."),
            function("residual", (a, mu, t), [_GAP * _UNFROZEN - mu * a, slope], lets, "P and dP/da."),
            function("slope_at_gp", without_C, [slope_in_1_C], scale_lets, "d alpha/d(1/C) at C = inf."),
            unlearned_function(equation),
            function("meeting", (mu,), branch, doc="c2, c1, c0 of the discriminant/t in t, and its own."),
            template("reduced_loops"),
        ]
    )
    title = (
        f"Closure {equation.closure}, activation {equation.activation}:\n"
        f"    P(alpha) = {equation.compact} = 0\n"
        f"    lambda = {equation.eigenvalue}\n"
        f"In a = alpha/alpha_GP: P = {printed}, with\n"
        f"    alpha_GP = {_scaled(equation)[0]},  mu = {mu_of},  t = {t_of}.\n"
        "The first equality is proved by SymPy whenever this file is written."
    )
    return module(title, "from math import inf, nan, sqrt\n\nfrom numba import njit\n", body)


def unlearned_function(equation: Equation) -> str:
    """sigma^2 alpha_test at a root alpha, the ridge being sigma^2/n."""
    at = {kappa: sigma2 / n}
    (eigenvalue,) = solve(alpha - equation.discrepancy.train.subs(at), lam_star)
    value = simplify(equation.discrepancy.unlearned.subs(at).subs(lam_star, eigenvalue))
    arguments = [Symbol("alpha"), _NAMED[sigma2]]
    printed = value.xreplace({alpha: arguments[0], **_NAMED})
    return function("unlearned", arguments, [printed], doc="sigma^2 alpha_test.")


def compile_residual(equation: Equation) -> Callable[..., tuple[float, ...]]:
    """P and its derivatives with respect to alpha and every argument, as one Numba kernel."""
    by = [alpha, *ARGUMENTS.values()]
    outputs = [equation.residual, *(diff(equation.residual, symbol) for symbol in by)]
    text = function(
        "residual",
        [alpha, *_NAMED.values()],
        [output.xreplace(_NAMED) for output in outputs],
        doc="P, then its derivatives with respect to the arguments, in their order.",
        decorator='@njit(error_model="numpy", cache=True)\n',
        defaults={name: repr(float(value)) for name, value in DEFAULTS.items()},
    )
    title = f"P(alpha) of closure {equation.closure}, activation {equation.activation}."
    imports = ("from math import asin, sqrt\n\n" if "asin(" in text else "") + "from numba import njit\n"
    source = module(title, imports, text)
    return load_source(f"residual_{equation.closure}_{equation.activation}", source).residual
