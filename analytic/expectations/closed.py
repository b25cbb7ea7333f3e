"""E[phi(h1) phi(h2)] of an activation that is a sum of terms: assembled, at any means or at zero."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from sympy import (
    Add,
    Expr,
    Integer,
    Mul,
    Rational,
    Symbol,
    asin,
    cos,
    cosh,
    exp,
    expand,
    expand_mul,
    im,
    pi,
    re,
    sin,
    sinh,
    sqrt,
)

from analytic.expectations.pairs import DELTA, DELTA_SYMBOL, ONE, STEP, Base, Pair
from analytic.expectations.terms import EVERYWHERE, NoClosedForm, Site, Terms, terms
from analytic.symbols import K11, K12, K22, V11, V22, detK, detV, m1, m2, ncdf, quadrant


@dataclass(frozen=True)
class Closed:
    """The kernel of one activation.

    Attributes
    ----------
    phi : Expr
        In `analytic.symbols.h`.
    terms : Terms
    odd : bool
    """

    phi: Expr
    terms: Terms
    odd: bool

    @cached_property
    def smooth(self) -> Expr:
        """What of G has steps and Gaussians on neither side, in K12, K11, K22, m1, m2."""
        if EVERYWHERE not in self.terms.found:
            return Integer(0)
        pair = Pair.of(self.terms, EVERYWHERE, EVERYWHERE)
        waves = {symbol: _wave(base.exponents) for base, symbol in _found(pair)}
        return _real(expand(unfolded(pair, pair.moment(0, 0)).xreplace(waves)))

    @cached_property
    def pairs(self) -> tuple[Pair, ...]:
        """Pairs of sites, one of them with a step or a Gaussian at least."""
        sites = sorted(self.terms.found, key=_place)
        return tuple(
            Pair.of(self.terms, one, other)
            for one in sites
            for other in sites
            if (one, other) != (EVERYWHERE, EVERYWHERE)
        )

    @property
    def elementary(self) -> bool:
        """At zero means, no kinks: G of an odd phi in elementary functions of variances alone."""
        centred = all(site.at is None or (site.at == 0 and site.noise > 0) for site in self.terms.found)
        return self.odd and centred

    @cached_property
    def G(self) -> Expr:
        """E[phi(h1) phi(h2)] in K12, K11, K22, m1, m2; `quadrant` is the probability of two normals."""
        return self.smooth + sum((explicit(pair, _with_means) for pair in self.pairs), Integer(0))

    @cached_property
    def G_centred(self) -> Expr:
        """The same at zero means, in K12, K11, K22."""
        centred = (explicit(pair, _at_zero).subs({m1: 0, m2: 0}) for pair in self.pairs)
        return expand_mul(self.smooth.subs({m1: 0, m2: 0}) + sum(centred, Integer(0)))


def closed(phi: Expr, odd: bool) -> Closed:
    """The kernel of phi(h).

    Raises
    ------
    NoClosedForm
        Naming the part that stands in the way.
    ValueError
        When phi grows faster than any Gaussian falls.
    """
    found = terms(phi)
    waves = any(im(b) != 0 for _, b, _ in found.found.get(EVERYWHERE, {}))
    if any(im(b) != 0 and re(b) != 0 for _, b, _ in found.found.get(EVERYWHERE, {})):
        raise NoClosedForm("a sine or cosine times an exponential")  # there is one, too long to be of use
    if waves and set(found.found) != {EVERYWHERE}:
        raise NoClosedForm("a sine or cosine beside a step, erf or Gaussian")
    return Closed(phi, found, odd)


def _place(site: Site) -> tuple[float, float]:
    return (-float("inf") if site.at is None else float(site.at), float(site.noise))


def _found(pair: Pair) -> Iterator[tuple[Base, Symbol]]:
    pair.moment(0, 0)
    yield from pair.bases.items()


def unfolded(pair: Pair, expression: Expr) -> Expr:
    """With the named values of a pair put in."""
    for symbol, value in reversed(pair.lets.items()):
        expression = expression.xreplace({symbol: value})
    return expression


def explicit(pair: Pair, of: object) -> Expr:
    """E[phi phi] of a pair in covariances and means."""
    total = unfolded(pair, pair.moment(0, 0))
    (s1, s2), (c1, c2) = ((site.noise for site in pair.sites), (site.at or 0 for site in pair.sites))
    values = {symbol: of(base) for base, symbol in pair.bases.items()}  # type: ignore[operator]
    both = Base((DELTA, DELTA), (Integer(0), Integer(0)))
    values[DELTA_SYMBOL] = detV * of(both)  # type: ignore[operator]
    V = {V11: K11 + s1, V22: K22 + s2}
    determinants = {detV: V[V11] * V[V22] - K12**2, detK: K11 * K22 - K12**2}
    return (
        expand(total)
        .xreplace(values)
        .xreplace(determinants)
        .xreplace(V)
        .subs({m1: m1 - c1, m2: m2 - c2}, simultaneous=True)
    )


def _with_means(base: Base) -> Expr:
    """A base in K, V and the means of y."""
    e1, e2 = base.exponents
    x1, x2 = m1 + K11 * e1 + K12 * e2, m2 + K12 * e1 + K22 * e2
    a, b = x1 / sqrt(V11), x2 / sqrt(V22)
    weight = _wave(base.exponents)
    densities = exp(-(a**2) / 2) / sqrt(2 * pi * V11), exp(-(b**2) / 2) / sqrt(2 * pi * V22)
    match base.kinds:
        case (k1, k2) if ONE in (k1, k2):
            side = 0 if k2 == ONE else 1
            return weight * (ncdf((a, b)[side]) if base.kinds[side] == STEP else densities[side])
        case (k1, k2) if k1 == k2 == STEP:
            return weight * quadrant(a, b, K12 / sqrt(V11 * V22))
        case (k1, k2) if k1 == k2 == DELTA:
            return exp(-(V22 * x1**2 - 2 * K12 * x1 * x2 + V11 * x2**2) / (2 * detV)) / (2 * pi * sqrt(detV))
        case (k1, _) if k1 == DELTA:
            return weight * densities[0] * ncdf((V11 * x2 - K12 * x1) / sqrt(V11 * detV))
    return weight * densities[1] * ncdf((V22 * x1 - K12 * x2) / sqrt(V22 * detV))


def _at_zero(base: Base) -> Expr:
    if base.exponents != (0, 0):
        return _with_means(base)
    quarter = Rational(1, 4) + asin(K12 / sqrt(V11 * V22)) / (2 * pi)
    return {
        (STEP, STEP): quarter,
        (DELTA, STEP): 1 / (2 * sqrt(2 * pi * V11)),
        (STEP, DELTA): 1 / (2 * sqrt(2 * pi * V22)),
        (DELTA, DELTA): 1 / (2 * pi * sqrt(detV)),
        (ONE, STEP): Rational(1, 2),
        (STEP, ONE): Rational(1, 2),
        (ONE, DELTA): 1 / sqrt(2 * pi * V22),
        (DELTA, ONE): 1 / sqrt(2 * pi * V11),
    }[base.kinds]


def _wave(exponents: tuple[Expr, Expr]) -> Expr:
    """E[exp(b1 h1 + b2 h2)]."""
    e1, e2 = exponents
    return exp(expand(e1 * m1 + e2 * m2 + (e1**2 * K11 + 2 * e1 * e2 * K12 + e2**2 * K22) / 2))


def _real(expression: Expr) -> Expr:
    """The real part of a sum of polynomials times exponentials, whose imaginary parts cancel. Both
    signs of a covariance in an exponent go into sinh and cosh: small covariances lose no digits."""
    gathered: dict[Expr, Expr] = {}
    for term in Add.make_args(expand(expression)):
        exponent = expand(sum((f.args[0] for f in Mul.make_args(term) if isinstance(f, exp)), Integer(0)))
        rest = Mul(*(f for f in Mul.make_args(term) if not isinstance(f, exp)))
        gathered[exponent] = gathered.get(exponent, Integer(0)) + rest
    total: Expr = Integer(0)
    growths = {_parts(exponent)[0] for exponent in gathered}
    for exponent, weight in gathered.items():
        growth, phase = _parts(exponent)
        one, other = (Integer(0) if phase == 0 else phase.coeff(m) * m for m in (m1, m2))
        fixed = phase - one - other
        real, imaginary = _parts(expand(weight))
        cosine = cos(one) * cos(other) - sin(one) * sin(other)
        sine = sin(one) * cos(other) + cos(one) * sin(other)
        if fixed != 0:
            cosine, sine = cosine * cos(fixed) - sine * sin(fixed), sine * cos(fixed) + cosine * sin(fixed)
        crossed = growth.coeff(K12)
        apart = expand(growth - crossed * K12)
        size = exp(growth)
        if crossed != 0 and expand(apart - crossed * K12) in growths:
            size = exp(apart) * (cosh(crossed * K12) + sinh(crossed * K12))
        total += expand((real * cosine - imaginary * sine) * size, power_exp=False)
    return total


def _parts(expression: Expr) -> tuple[Expr, Expr]:
    """Real and imaginary part of a polynomial in real symbols with complex coefficients."""
    real: Expr = Integer(0)
    imaginary: Expr = Integer(0)
    for term in Add.make_args(expression):
        number = Mul(*(f for f in Mul.make_args(term) if f.is_number))
        rest = Mul(*(f for f in Mul.make_args(term) if not f.is_number))
        r, i = number.as_real_imag()
        real += r * rest
        imaginary += i * rest
    return expand(real), expand(imaginary)
