"""An activation read as a sum of terms whose Gaussian expectations are known.

    phi(h) = sum of c y^p exp(b y) s(y),    y = h - threshold,

where s is 1, a step theta(y), a smooth step Phi(y/sqrt(S)) = E theta(y + noise), or a Gaussian, its slope:
polynomials, exponentials, sines and cosines, erf, Gaussians, and whatever has kinks between such pieces.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from itertools import pairwise

from sympy import (
    Abs,
    Add,
    And,
    Eq,
    Expr,
    Ge,
    Gt,
    Heaviside,
    Integer,
    Le,
    Lt,
    Max,
    Min,
    Mul,
    Ne,
    Not,
    Or,
    Piecewise,
    Poly,
    PolynomialError,
    Rational,
    cos,
    cosh,
    erf,
    erfc,
    exp,
    expand,
    false,
    im,
    oo,
    pi,
    real_roots,
    sign,
    sin,
    sinh,
    sqrt,
    true,
)
from sympy.logic.boolalg import Boolean

from analytic.symbols import h, ncdf, step, x

KINKED = (Abs, Heaviside, Max, Min, Piecewise, sign)


class NoClosedForm(ValueError):
    """A part of an activation is none of the terms above; the message names it."""


def shown(formula: Expr | Boolean) -> str:
    """As a user wrote it, in x."""
    return str(formula.xreplace({h: x}))


@dataclass(frozen=True)
class Site:
    """Where a step theta(h - at + noise) is, and its noise's variance; where there is none `at` is None."""

    noise: Expr
    at: Expr | None

    @property
    def sharp(self) -> bool:
        return self.at is not None and self.noise == 0


EVERYWHERE = Site(Integer(0), None)


@dataclass
class Terms:
    """Coefficients by site, order of the step's slope (0: step, 1: Gaussian), exponent b and power p of y."""

    found: dict[Site, dict[tuple[int, Expr, int], Expr]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(lambda: Integer(0)))
    )

    def add(self, site: Site, slope: int, exponent: Expr, power: int, coefficient: Expr) -> None:
        """coefficient h^power exp(exponent h) times the step, in powers of y."""
        origin = site.at or Integer(0)
        factor = coefficient * exp(exponent * origin)
        for (p,), c in Poly((h + origin) ** power, h).terms():
            self.found[site][slope, exponent, p] += factor * c

    def simplified(self) -> "Terms":
        kept = Terms()
        for site, terms in self.found.items():
            for key, coefficient in terms.items():
                if expand(coefficient) != 0:
                    kept.found[site][key] = expand(coefficient)
        return kept

    @property
    def kinked(self) -> bool:
        return any(site.sharp for site in self.found)

    def jumps(self) -> list[Expr]:
        """Where phi is not continuous."""
        return [
            site.at
            for site, terms in self.found.items()
            if site.sharp and _nonzero(sum((c for (_, _, p), c in terms.items() if p == 0), Integer(0)))
        ]


def _nonzero(value: Expr) -> bool:
    return bool(abs(value.evalf(30)) > Rational(1, 10**20))


def terms(phi: Expr) -> Terms:
    """phi(h) term by term.

    Raises
    ------
    NoClosedForm
        Naming the part that is not of the kind.
    ValueError
        When phi grows faster than any Gaussian falls.
    """
    found = Terms()
    for term in Add.make_args(expand(_exponentials(_steps(phi)))):
        _read(term, found)
    return found.simplified()


def _read(term: Expr, found: Terms) -> None:
    coefficient, power, exponent = Integer(1), 0, Integer(0)
    sites: list[Site] = []
    for factor in Mul.make_args(term):
        base, order = factor.as_base_exp() if not isinstance(factor, exp) else (factor, Integer(1))
        if not factor.has(h, step):
            coefficient *= factor
        elif base == h and order.is_Integer and order > 0:
            power += int(order)
        elif isinstance(factor, exp):
            exponent += factor.args[0]
        elif base.func == step and order.is_Integer and order > 0 and (order == 1 or base.args[0] == 0):
            sites.append(Site(*base.args))
        else:
            raise NoClosedForm(shown(factor))
    site = _merged(sites)
    quadratic, slope, constant = _quadratic(exponent)
    coefficient *= exp(constant)
    if quadratic == 0:
        if site.at is not None and im(slope) != 0:
            raise NoClosedForm("a sine or cosine times a step or erf")
        if site.at is not None and not site.sharp and slope != 0:
            raise NoClosedForm("an exponential times erf")
        found.add(site, 0, slope, power, coefficient)
        return
    if im(quadratic) != 0 or quadratic > 0:
        raise ValueError(
            f"exp({quadratic}*x**2 + ...) grows faster than a Gaussian falls: no expectation exists"
        )
    if im(slope) != 0 or site.at is not None:
        raise NoClosedForm("a Gaussian times a sine, cosine, step or erf")
    noise, centre = -1 / (2 * quadratic), -slope / (2 * quadratic)
    height = sqrt(2 * pi * noise) * exp(-quadratic * centre**2)
    found.add(Site(noise, centre), 1, Integer(0), power, coefficient * height)


def _merged(sites: list[Site]) -> Site:
    """theta theta = the later one's."""
    if len(sites) <= 1:
        return sites[0] if sites else EVERYWHERE
    if not all(site.sharp for site in sites):
        raise NoClosedForm("a product of erfs, or of erf and a step")
    return max(sites, key=lambda site: float(site.at or 0))


def _quadratic(exponent: Expr) -> tuple[Expr, Expr, Expr]:
    coefficients = _coefficients(exponent, 2)
    if coefficients is None:
        raise NoClosedForm(shown(exp(exponent)))
    return coefficients[2], coefficients[1], coefficients[0]


def _coefficients(argument: Expr, degree: int) -> list[Expr] | None:
    """Of a polynomial of at most this degree, from the constant up."""
    try:
        polynomial = Poly(argument, h)
    except PolynomialError:
        return None
    if polynomial.degree() > degree or any(c.has(step) for c in polynomial.all_coeffs()):
        return None
    return [polynomial.coeff_monomial(h**k) for k in range(degree + 1)]


def _exponentials(phi: Expr) -> Expr:
    """sin, cos, sinh, cosh of a h + b as exponentials."""

    def linear(part: Expr) -> bool:
        return isinstance(part, sin | cos | sinh | cosh) and _coefficients(part.args[0], 1) is not None

    return phi.replace(linear, lambda part: part.rewrite(exp))


def _steps(phi: Expr) -> Expr:
    """Kinked functions by theta, erf and its kin by smooth steps."""
    if not phi.args:
        return phi
    if isinstance(phi, Piecewise):
        return _pieces([(_steps(value), condition) for value, condition in phi.args])
    args = [_steps(argument) for argument in phi.args]
    match phi:
        case Heaviside():
            return theta(phi.args[0])
        case Abs():
            return args[0] * (2 * theta(phi.args[0]) - 1)
        case sign():
            return 2 * theta(phi.args[0]) - 1
        case Max() | Min():
            return _extreme(phi, args)
        case erf():
            return 2 * _normal_step(sqrt(2) * phi.args[0], phi) - 1
        case erfc():
            return 2 - 2 * _normal_step(sqrt(2) * phi.args[0], phi)
        case ncdf():
            return _normal_step(phi.args[0], phi)
    return phi.func(*args)


def _extreme(phi: Expr, args: list[Expr]) -> Expr:
    """The largest, or smallest, of some, one after the other."""
    turn = 1 if isinstance(phi, Max) else -1
    best, value = phi.args[0], args[0]
    for other, other_value in zip(phi.args[1:], args[1:], strict=True):
        value = other_value + (value - other_value) * theta(turn * (best - other))
        best = phi.func(best, other)
    return value


def _pieces(pieces: list[tuple[Expr, Boolean]]) -> Expr:
    left: Expr = Integer(1)
    total: Expr = Integer(0)
    for value, condition in pieces:
        here = _indicator(condition)
        total += value * here * left
        left *= 1 - here
    return total


def _indicator(condition: Boolean) -> Expr:
    """1 where it holds, but for single points."""
    match condition:
        case _ if condition == true:
            return Integer(1)
        case _ if condition == false:
            return Integer(0)
        case Gt() | Ge():
            return theta(condition.lhs - condition.rhs)
        case Lt() | Le():
            return theta(condition.rhs - condition.lhs)
        case Eq():
            return Integer(0)
        case Ne():
            return Integer(1)
        case And():
            return Mul(*map(_indicator, condition.args))
        case Or():
            return 1 - Mul(*(1 - _indicator(part) for part in condition.args))
        case Not():
            return 1 - _indicator(condition.args[0])
    raise NoClosedForm(f"the condition {shown(condition)}")


def theta(argument: Expr) -> Expr:
    """theta(u(h)) of a polynomial u, or of pieces of polynomials: a step wherever its sign changes."""
    u = expand(_steps(argument))
    inner = u.atoms(step)
    if any(s.args[0] != 0 for s in inner):
        raise NoClosedForm(f"a kink where {shown(argument)} changes its sign")
    breaks = sorted({s.args[1] for s in inner}, key=float)
    points: list[Expr] = []
    signs: list[Expr] = []  # left of all points, then behind each
    ends = [-oo, *breaks, oo]
    for low, high in pairwise(ends):
        here = u.subs({s: Integer(bool(s.args[1] <= low)) for s in inner})
        inside = [root for root in _real_roots(here, argument) if low < root < high]
        stops = [low, *inside, high]
        if low != -oo:
            points.append(low)
        points.extend(inside)
        signs.extend(Integer(bool(here.subs(h, _between(*pair)) > 0)) for pair in pairwise(stops))
    rises = (after - before for before, after in pairwise(signs))
    return signs[0] + sum((r * step(0, c) for r, c in zip(rises, points, strict=True)), Integer(0))


def pieces(phi: Expr) -> Expr:
    """phi as one expression per interval between its kinks, each without overflow of its neighbours'."""
    stepped = _steps(phi)
    sharp = {s for s in stepped.atoms(step) if s.args[0] == 0}
    smooth = {s: ncdf((h - s.args[1]) / sqrt(s.args[0])) for s in stepped.atoms(step) - sharp}
    stepped = stepped.xreplace(smooth)
    parts: list[tuple[Expr, Boolean]] = []
    for start in sorted({s.args[1] for s in sharp}, key=float, reverse=True):
        parts.append((stepped.xreplace({s: Integer(bool(s.args[1] <= start)) for s in sharp}), h > start))
    return Piecewise(*parts, (stepped.xreplace(dict.fromkeys(sharp, Integer(0))), True))


def _real_roots(piece: Expr, whole: Expr) -> list[Expr]:
    """Each once, in order."""
    try:
        polynomial = Poly(piece, h)
        if polynomial.degree() == 1:
            slope, constant = polynomial.all_coeffs()
            return [-constant / slope]
        return sorted(set(real_roots(polynomial)), key=float) if polynomial.degree() > 1 else []
    except (PolynomialError, NotImplementedError):
        raise NoClosedForm(f"a kink where {shown(whole)} changes its sign") from None


def _between(low: Expr, high: Expr) -> Expr:
    """A point inside an interval."""
    if low == -oo and high == oo:
        return Integer(0)
    if low == -oo or high == oo:
        return high - 1 if low == -oo else low + 1
    return (low + high) / 2


def _normal_step(argument: Expr, whole: Expr) -> Expr:
    """Phi(a h + b)."""
    coefficients = _coefficients(argument, 1)
    if coefficients is None:
        raise NoClosedForm(shown(whole))
    constant, slope = coefficients
    rising = step(1 / slope**2, -constant / slope)
    return rising if slope > 0 else 1 - rising


__all__ = ["EVERYWHERE", "KINKED", "NoClosedForm", "Site", "Terms", "pieces", "shown", "terms", "theta"]
