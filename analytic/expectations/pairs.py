"""E[phi^(i)(h1) phi^(j)(h2)] of an activation that is a sum of terms, two sites at a time.

y = h - threshold, (y1, y2) ~ N(x, K). On either side stands a polynomial in y times exp(b y) times theta(g),
delta(g) or 1, with g = y + noise of variance S (0: a kink). ReLU and GELU are special cases of this:

1. Slopes of phi are of the same kind: (Q theta)' = Q' theta + Q delta, delta_S' = -(y/S) delta_S. A kink
   alone has delta', delta'': slopes in the mean, E[delta' X] = d1 E[delta X] (Bonnet).
2. delta(g) conditions on g = 0 and leaves (y1, y2) normal; exp(b y) moves their means by K b (Girsanov).
3. Stein's lemma, E[y1 f] = E[y1] E[f] + sum_k Cov(y1, y_k) E[d_k f], takes the polynomials out. What is left
   is E[e^(b y) s1 s2], a `Base`: P of two steps, A1, A2 of a step and a delta, J of two deltas, one-sided.

Where two kinks meet J diverges. All moments but the fourth have it times det K, which is `Delta`, finite.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from sympy import Expr, Integer, Poly, Symbol, diff, expand

from analytic.expectations.terms import Site, Terms
from analytic.symbols import K11, K12, K22, V11, V22, detK, detV, h, in_code, m1, m2

ONE, STEP, DELTA = "one", "step", "delta"
ORDERS = 4  # slopes of phi that second derivatives of G need


class Base(NamedTuple):
    """E[exp(b1 y1 + b2 y2) s1 s2]: what stands on either side, and the exponents."""

    kinds: tuple[str, str]
    exponents: tuple[Expr, Expr]

    @property
    def name(self) -> str:
        letters = {STEP: "s", DELTA: "d", ONE: "o"}
        return "E_" + "".join(letters[kind] for kind in self.kinds) + self.marks

    @property
    def marks(self) -> str:
        """The exponents in a name."""
        return "" if self.exponents == (0, 0) else "".join(map(_mark, self.exponents))


def _mark(exponent: Expr) -> str:
    text = str(exponent).replace("-", "m").replace("/", "o").replace("*", "t").replace(".", "p")
    return "_b" + "".join(c if c.isalnum() else "_" for c in text)


DELTA_SYMBOL = in_code("E_dd_det")  # det K E[delta delta], of two kinks


@dataclass(frozen=True)
class Part:
    """poly(y) exp(exponent y) times 1, theta, or delta^(order)."""

    kind: str
    exponent: Expr
    order: int
    poly: Expr


def parts(site: Site, found: Mapping[tuple[int, Expr, int], Expr]) -> list[Part]:
    """phi's terms at a site, by what they are a polynomial times; the polynomial is in the symbol h."""
    gathered: dict[tuple[str, Expr], Expr] = {}
    for (slope, exponent, power), coefficient in found.items():
        kind = ONE if site.at is None else DELTA if slope else STEP
        key = (kind, exponent)
        gathered[key] = gathered.get(key, Integer(0)) + coefficient * h**power
    return [Part(kind, exponent, 0, poly) for (kind, exponent), poly in gathered.items()]


def sloped(site: Site, of: list[Part]) -> list[Part]:
    """The slope of such a sum."""
    gathered: dict[tuple[str, Expr, int], Expr] = {}

    def add(kind: str, exponent: Expr, order: int, poly: Expr) -> None:
        key = (kind, exponent, order)
        gathered[key] = gathered.get(key, Integer(0)) + poly

    for part in of:
        if part.kind == DELTA and site.sharp:
            add(DELTA, Integer(0), part.order + 1, part.poly)
            continue
        add(part.kind, part.exponent, 0, diff(part.poly, h) + part.exponent * part.poly)
        if part.kind == STEP:
            add(DELTA, Integer(0), 0, part.poly.subs(h, 0) if site.sharp else part.poly)
        if part.kind == DELTA:
            add(DELTA, part.exponent, 0, -h / site.noise * part.poly)
    simplified = {key: expand(poly) for key, poly in gathered.items()}
    return [Part(*key, poly) for key, poly in simplified.items() if poly != 0]


@dataclass
class Pair:
    """Two sites of an activation.

    Attributes
    ----------
    sites : (Site, Site)
    terms : (mapping, mapping)
        Of `Terms.found`, at each.
    lets : dict
        Named values that `moment` uses, in order: in K11, K12, K22, m1, m2 (here the means of y) and bases.
    bases : dict
        Symbol of each base.
    """

    sites: tuple[Site, Site]
    terms: tuple[Mapping[tuple[int, Expr, int], Expr], Mapping[tuple[int, Expr, int], Expr]]
    lets: dict[Symbol, Expr] = field(default_factory=dict)
    bases: dict[Base, Symbol] = field(default_factory=dict)

    @classmethod
    def of(cls, terms: Terms, first: Site, second: Site) -> "Pair":
        return cls((first, second), (terms.found[first], terms.found[second]))

    @cached_property
    def slopes(self) -> tuple[list[list[Part]], list[list[Part]]]:
        """phi^(i) at either site, i <= ORDERS."""
        both = []
        for site, found in zip(self.sites, self.terms, strict=True):
            orders = [parts(site, found)]
            for _ in range(ORDERS):
                orders.append(sloped(site, orders[-1]))
            both.append(orders)
        return both[0], both[1]

    def moment(self, i: int, j: int) -> Expr:
        """E[phi^(i)(y1) phi^(j)(y2)], of the terms at these sites, in bases and `lets`.

        phi is continuous but for i = j = 0."""
        return self._product(self.slopes[0][i], self.slopes[1][j])

    def _product(self, one: list[Part], other: list[Part]) -> Expr:
        total: Expr = Integer(0)
        for part in one:
            if part.order > 0:
                total += self._by_mean(0, part, other)
        plain = [part for part in one if part.order == 0]
        for part in other:
            if part.order > 0:
                total += self._by_mean(1, part, plain)
        for first in plain:
            for second in other:
                if second.order == 0:
                    total += self._polynomials(first, second)
        return total

    def _polynomials(self, one: Part, other: Part) -> Expr:
        base = Base((one.kind, other.kind), (one.exponent, other.exponent))
        total: Expr = Integer(0)
        for (p1,), c1 in Poly(one.poly, h).terms():
            for (p2,), c2 in Poly(other.poly, h).terms():
                total += c1 * c2 * self._stein(base, p1, p2)
        return total

    def _by_mean(self, side: int, one: Part, other: list[Part]) -> Expr:
        """E[delta^(k)(y1) X(y2)], y1 on the side given, by E[delta^(k - 1) X] and E[delta^(k - 1) X']."""
        variance, mean = ((V11, m1), (V22, m2))[side]

        def product(less: int, factor: list[Part]) -> Expr:
            lowered = [Part(one.kind, one.exponent, one.order - less, one.poly)]
            return self._product(lowered, factor) if side == 0 else self._product(factor, lowered)

        total = -mean / variance * product(1, other)
        if one.order == 2:
            total -= product(2, other) / variance
        return total - K12 / variance * product(1, sloped(self.sites[1 - side], other))

    def _stein(self, base: Base, p1: int, p2: int) -> Expr:
        """E[y1^p1 y2^p2 e^(b y) s1 s2], as a name in `lets`."""
        if p1 == p2 == 0:
            return self._base(base)
        name = in_code(f"{base.name}_{p1}_{p2}")
        if name not in self.lets:
            side = 0 if p1 > 0 else 1
            powers = (p1 - (side == 0), p2 - (side == 1))
            mean, covariances = self._law(base)[side]
            total = mean * self._stein(base, *powers) if mean != 0 else Integer(0)
            for other in (0, 1):
                covariance = covariances[other]
                if covariance == 0:
                    continue
                if powers[other] > 0:
                    fewer = (powers[0] - (other == 0), powers[1] - (other == 1))
                    total += covariance * powers[other] * self._stein(base, *fewer)
                if base.kinds[other] == STEP:
                    total += self._boundary(base, other, covariance, powers)
            self.lets[name] = total
        return name

    def _boundary(self, base: Base, side: int, covariance: Expr, powers: tuple[int, int]) -> Expr:
        kinds = tuple(DELTA if k == side else kind for k, kind in enumerate(base.kinds))
        exponents = tuple(Integer(0) if k == side else b for k, b in enumerate(base.exponents))
        edge = Base((kinds[0], kinds[1]), (exponents[0], exponents[1]))
        if self.sites[side].sharp and powers[side] > 0:
            return Integer(0)
        if kinds == (DELTA, DELTA) and all(site.sharp for site in self.sites):
            # given that the other is zero, this one has the variance det K/V
            return DELTA_SYMBOL / (V22 if side == 0 else V11) if powers == (0, 0) else Integer(0)
        return covariance * self._stein(edge, *powers)

    def _base(self, base: Base) -> Expr:
        if base == Base((ONE, ONE), (Integer(0), Integer(0))):
            return Integer(1)
        return self.bases.setdefault(base, in_code(base.name))

    def _law(self, base: Base) -> tuple[tuple[Expr, tuple[Expr, Expr]], tuple[Expr, tuple[Expr, Expr]]]:
        """Mean of y1, its covariances with y1 and y2, the same of y2, given deltas and exponentials."""
        known = tuple(kind == DELTA for kind in base.kinds)
        means, C = _given(known, self.sites)
        moved = [
            mean + sum((C[side][k] * base.exponents[k] for k in (0, 1)), Integer(0))
            for side, mean in enumerate(means)
        ]
        label = "".join("d" if k else "_" for k in known)
        named = [self._named(f"mean{side + 1}{label}{base.marks}", mean) for side, mean in enumerate(moved)]
        c = [
            [self._named(f"C{min(a, b) + 1}{max(a, b) + 1}{label}", C[a][b]) for b in (0, 1)] for a in (0, 1)
        ]
        return (named[0], (c[0][0], c[0][1])), (named[1], (c[1][0], c[1][1]))

    def _named(self, name: str, value: Expr) -> Expr:
        if value.is_Symbol or value.is_number:
            return value
        symbol = in_code(name)
        self.lets.setdefault(symbol, value)
        return symbol


def _given(
    known: tuple[bool, ...], sites: tuple[Site, Site]
) -> tuple[tuple[Expr, Expr], tuple[tuple[Expr, Expr], tuple[Expr, Expr]]]:
    """Mean and covariance of (y1, y2) given g = 0 on the sides known. No large terms cancel where K is large:
    K11 - K11^2/V11 is K11 S1/V11."""
    s1, s2 = (site.noise for site in sites)
    match known:
        case (False, False):
            return (m1, m2), ((K11, K12), (K12, K22))
        case (True, False):
            crossed = K12 * s1 / V11
            return (m1 * s1 / V11, m2 - K12 * m1 / V11), (
                (K11 * s1 / V11, crossed),
                (crossed, (detK + s1 * K22) / V11),
            )
        case (False, True):
            crossed = K12 * s2 / V22
            return (m1 - K12 * m2 / V22, m2 * s2 / V22), (
                ((detK + s2 * K11) / V22, crossed),
                (crossed, K22 * s2 / V22),
            )
    # K - K V^-1 K = K V^-1 S
    crossed = s1 * s2 * K12 / detV
    return (s1 * (V22 * m1 - K12 * m2) / detV, s2 * (V11 * m2 - K12 * m1) / detV), (
        (s1 * (detK + s2 * K11) / detV, crossed),
        (crossed, s2 * (detK + s1 * K22) / detV),
    )
