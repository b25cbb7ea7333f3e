"""The branch of the one_over_n closure that joins the Gaussian process, and where it ends.

With w0 = lambda + sigma^2/n, the unknown is v = (lambda_* - lambda)/w0; mu = lambda/w0, and n alpha w0
= A(v) with two numbers, d from the inert modes and the rest of the trace, e from those along w*.
1/C = v/[t1 (v + mu) A(v)^2] is explicit: the branch goes from v = 0 to where 1/C stops growing with v (a
fold) or alpha vanishes. Other v with the same C are not continuous to the Gaussian process.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import mpmath
from sympy import Expr, Poly, Symbol, cancel, diff, factor, numer

from analytic.arguments import as_mpf
from analytic.equation import Equation
from analytic.symbols import C, T, alpha, lam, lam_inert, lam_star, n, sigma2

v, mu, d, e = (Symbol(name) for name in ("v", "mu", "d", "e"))
rest, w0 = Symbol("rest"), Symbol("w0", positive=True)


@dataclass(frozen=True)
class Branch:
    """A(v), sigma^2 alpha_test, d and e (in mu, rest = T/w0 and the sizes), t1, and where the branch ends.

    `vanishing` is (1 + v)^3 A and `fold` has the sign of d(1/C)/dv, both polynomials in v.
    """

    A: Expr
    unlearned: Expr
    d: Expr
    e: Expr
    t1: Expr
    vanishing: Poly
    fold: Poly


_A = Symbol("A")


@cache
def branch(equation: Equation) -> Branch:
    """Derive it; every form that is printed is proved equal to the closure's."""
    units = {lam_star: w0 * (v + mu), lam_inert: w0 * mu, lam: w0 * mu, sigma2: n * w0 * (1 - mu)}
    A = cancel(n * w0 * equation.discrepancy.train.subs(units, simultaneous=True))
    correction = cancel((1 / (1 + v) - A) * (1 + v) ** 2)
    e_of = cancel(cancel(diff(correction, v) * (1 + v) ** 2 / (1 - mu)))
    d_of = cancel(correction - e_of * (v + mu) / (1 + v))
    if d_of.has(v) or e_of.has(v):
        raise AssertionError("alpha of one_over_n is not of the form that is solved")
    shift = d + e * (v + mu) / (1 + v)  # (kappa - sigma^2/n)/w0
    shape = 1 / (1 + v) - shift / (1 + v) ** 2
    unlearned = (1 - mu) / (1 + v) + (v + mu) * shift / (1 + v) ** 2
    if cancel(shape.subs({d: d_of, e: e_of}) - A) != 0:
        raise AssertionError("the scaled alpha of one_over_n is not the closure's")
    derived = equation.discrepancy.unlearned.subs(units, simultaneous=True)
    if cancel(unlearned.subs({d: d_of, e: e_of}) - derived) != 0:
        raise AssertionError("sigma^2 alpha_test of one_over_n is not of the form that is printed")
    A = shape
    # r = 1/(1 - chi) is 1/C = (r - 1)/(r chi C), with r = 1 + v/mu.
    chi_C = cancel((equation.chi * C).subs(alpha, _A / (n * w0)))
    t1 = cancel(chi_C / _A**2)
    branch = v / ((v + mu) * A**2)
    top = Poly(numer(cancel(A)), v)
    top = Poly(factor(top.as_expr() * (1 if top.subs({v: 0, d: 0, e: 0}) > 0 else -1)), v)
    fold = Poly(cancel(cancel(diff(branch, v) / branch) * v * (v + mu) * (1 + v) * top.as_expr()), v)
    return Branch(A, unlearned, d_of.subs(T, w0 * rest), e_of, t1, top, fold)


def joins_gaussian_process(equation: Equation, numbers: Mapping[Symbol, Any], ratio: Any) -> bool:
    """Whether the state with r = `ratio` lies on the branch from v = 0; in mpmath's working precision."""
    found = branch(equation)
    scale = numbers[lam] + numbers[sigma2] / numbers[n]
    point = {**numbers, mu: numbers[lam] / scale, rest: numbers[T] / scale, w0: scale}
    given = {mu: point[mu], **{s: expression.subs(point) for s, expression in ((d, found.d), (e, found.e))}}
    if found.A.subs({v: 0, **given}) <= 0:
        return False
    here = as_mpf(point[mu].evalf(mpmath.mp.dps)) * (ratio - 1)
    for end in (found.vanishing, found.fold):
        row = [mpmath.mpf(c.subs(given).evalf(mpmath.mp.dps)) for c in end.all_coeffs()]
        for root in mpmath.polyroots(row, maxsteps=200, extraprec=2 * mpmath.mp.prec):
            if abs(mpmath.im(root)) < mpmath.mpf(10) ** -10 * abs(root) and 0 < mpmath.re(root) < here:
                return False
    return True
