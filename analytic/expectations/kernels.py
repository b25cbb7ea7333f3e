"""Gaussian expectations G(K12, K11, K22) = E[phi(h1) phi(h2)] and their derivatives, derived.

The route of a kernel that is derived, for (h1, h2) ~ N(0, [[K11, K12], [K12, K22]]):

1. Price's theorem: dG/dK12 = E[phi'(h1) phi'(h2)], a Gaussian integral done in two one-dimensional
   steps (h2 given h1, then h1).
2. Integrate over K12 from 0, where h1 and h2 are independent: G(K12 = 0) = E[phi(h1)] E[phi(h2)].
   The variable of integration is u = K12 D1 D2, in which the integrand is simple.
3. Derivatives with respect to the covariance entries are `sympy.diff` of the result.

`erf` and polynomials go this way. SymPy does not do the integrals of other functions: their G is given
(`analytic.expectations.activations`) and proved (`analytic.expectations.proof`); 3. is the same.
"""

from dataclasses import dataclass
from functools import cache

from sympy import (
    Expr,
    Integer,
    Symbol,
    diff,
    exp,
    expand,
    expand_mul,
    integrate,
    oo,
    pi,
    powsimp,
    simplify,
    sqrt,
)
from sympy import solve as sympy_solve

from analytic.expectations.activations import ACTIVATIONS, activation
from analytic.symbols import D1, D2, K11, K12, K22, h, rate, u, v, z


@dataclass(frozen=True)
class Kernel:
    """G = E[phi(h1) phi(h2)] of one activation.

    Attributes
    ----------
    name : str
        Name of the activation.
    statistic : Expr
        D(v).
    G : Expr
        In the covariance entries K12, K11, K22.
    G_statistic : Expr
        The same in K12, D1 = D(K11), D2 = D(K22).
    D_slope : Expr
        dD/dv, written in D1.
    """

    name: str
    statistic: Expr
    G: Expr
    G_statistic: Expr
    D_slope: Expr

    def derivative(self, *entries: Symbol) -> Expr:
        """dG/d(entries), entries among K12, K11, K22, written in K12, D1, D2.

        K11 and K22 act through D1 and D2: dG/dK11 = (dG/dD1) dD/dv at D = D1.
        """
        result = self.G_statistic
        for entry in entries:
            if entry == K12:
                result = diff(result, K12)
            elif entry == K11:
                result = diff(result, D1) * self.D_slope
            elif entry == K22:
                result = diff(result, D2) * self.D_slope.subs(D1, D2)
            else:
                raise ValueError(f"{entry} is not one of K12, K11, K22")
        return result


def mean(phi: Expr) -> Expr:
    """E[phi(h)], h ~ N(0, K11)."""
    if expand(phi + phi.subs(h, -h)) == 0:
        return Integer(0)
    return integrate(phi * _density(h, K11), (h, -oo, oo))


def price(phi: Expr) -> Expr:
    """dG/dK12 = E[phi'(h1) phi'(h2)] (Price's theorem), in K12, K11, K22.

    h2 given h1 = h is N(t h, c) with t = K12/K11 and c = K22 - K12^2/K11 > 0. SymPy integrates
    over h2 = t h + z first, then over h.
    """
    slope = diff(phi, h)
    given = integrate(slope.subs(h, u * h + z) * _density(z, v), (z, -oo, oo))
    joint = _integrate_gaussian(slope * given * _density(h, K11), h)
    entries = {u: K12 / K11, v: K22 - K12**2 / K11}
    return simplify(joint.subs(entries, simultaneous=True))


def _integrate_gaussian(integrand: Expr, x: Symbol) -> Expr:
    """Integral over the real line of f(x) exp(-a x^2), a > 0.

    A covariance is positive definite, so a > 0 holds; SymPy cannot see it in the entries and would
    otherwise choose a branch of sqrt(-a). So the exponent is collected, a becomes a positive
    symbol during the integration, and its value is put back.
    """
    gathered = powsimp(expand_mul(simplify(integrand)))
    exponents = {power for power in gathered.atoms(exp) if power.has(x)}
    if len(exponents) != 1:
        raise NotImplementedError(f"{integrand} is not a function times one Gaussian")
    (gauss,) = exponents
    a = simplify(-gauss.args[0] / x**2)
    if a.has(x):
        raise NotImplementedError(f"{integrand} is not a function times one Gaussian")
    return integrate(gathered.subs(gauss, exp(-rate * x**2)), (x, -oo, oo)).subs(rate, a)


def _density(x: Symbol, variance: Expr) -> Expr:
    return exp(-(x**2) / (2 * variance)) / sqrt(2 * pi * variance)


@cache
def kernel(name: str) -> Kernel:
    """The kernel of the activation called `name`, at zero means.

    Returns
    -------
    Kernel
        With G(K12, K11, K22), derived as this module's docstring says, or as it is given.

    Raises
    ------
    ValueError
        For unknown names, and for activations without a closed form at zero means.
    """
    entry = activation(name)
    if entry.kernel == "derived":
        return _derived(name, entry.phi, entry.statistic)
    if entry.kernel == "given" and entry.G is not None:
        return Kernel(name, v, entry.G, entry.G.subs({K11: D1, K22: D2}), Integer(1))
    closed = [other for other in ACTIVATIONS if ACTIVATIONS[other].kernel in ("derived", "given")]
    raise ValueError(f"{name!r} has no closed form at zero means; choose one of {', '.join(closed)}")


def _derived(name: str, phi: Expr, statistic: Expr) -> Kernel:
    variance, slope = _statistic_inverse(statistic)
    in_statistics = {K11: variance, K22: variance.subs(D1, D2)}
    slope_u = simplify(price(phi).subs(in_statistics).subs(K12, u / (D1 * D2)) / (D1 * D2))
    centre = mean(phi)
    at_zero = (centre * centre.subs(K11, K22)).subs(in_statistics)
    G = at_zero + (antiderivative := integrate(slope_u, u)) - antiderivative.subs(u, 0)
    G_statistic = G.subs(u, K12 * D1 * D2)
    statistics = {D1: statistic.subs(v, K11), D2: statistic.subs(v, K22)}
    return Kernel(name, statistic, G_statistic.subs(statistics), G_statistic, slope)


def _statistic_inverse(statistic: Expr) -> tuple[Expr, Expr]:
    """v as a function of D1 = D(v), and dD/dv written in D1."""
    if not statistic.has(v):
        return K11, Integer(0)
    (variance,) = sympy_solve(statistic - D1, v)
    return variance, simplify(diff(statistic, v).subs(v, variance))
