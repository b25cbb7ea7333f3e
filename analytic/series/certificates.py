"""Proofs that the physical root exists where it is said to be and is the only one nearby.

`certify` uses ball arithmetic (python-flint, extra `certify`): a ball holds the exact value, whatever
the rounding. `certify_cubic` needs rational numbers only.
"""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from math import ceil, floor
from typing import Any

from sympy import Poly, cancel, expand, lambdify, numer, pi

from analytic.scalar import closures
from analytic.scalar.arguments import exact_values, inverse_width, whole
from analytic.scalar.closures import DEFAULT
from analytic.scalar.equation import derived
from analytic.symbols import (
    ARGUMENTS,
    C,
    T,
    alpha,
    kappa,
    lam,
    lam_inert,
    lam_star,
    n,
    pi_ball,
    r_inert,
    w,
    x,
)
from analytic.symbols import ratio as ratio_symbol

GUARD = 60  # bits beyond those asked for
FLOOR = 300  # most often enough bits beyond 4 per digit; more are taken where they are not
SUBDIVISIONS = 4000


@dataclass(frozen=True)
class Certificate:
    """What has been proved about alpha.

    Attributes
    ----------
    certified : bool
        The root exists in `enclosure`, is the only one in `box`, and alpha, l_*, l_0 and kappa are
        positive.
    box, enclosure : tuple of Fraction
        Lower and upper end in alpha; zero-sized at 0 if nothing was proved.
    unique : bool
        It is also the only physical root there is.
    why : str
        How, or what could not be shown.
    """

    certified: bool
    box: tuple[Fraction, Fraction]
    enclosure: tuple[Fraction, Fraction]
    unique: bool
    why: str

    def __str__(self) -> str:
        if not self.certified:
            return self.why
        low, high = self.enclosure
        low, high = floor(low * 10**DECIMALS), ceil(high * 10**DECIMALS)  # rounded outwards
        kind = "only physical root" if self.unique else "only root near it"
        ends = " and ".join(f"{end / 10**DECIMALS:.{DECIMALS}f}" for end in (low, high))
        return f"certified: alpha lies between {ends}, the {kind}; {self.why}"


DECIMALS = 12
NOTHING = (Fraction(0), Fraction(0))
BY_MONOTONICITY = "the closure's condition grows with 1/alpha wherever l_* and kappa are positive"


def not_certified(why: str) -> Certificate:
    """The answer where a proof is missing."""
    return Certificate(False, NOTHING, NOTHING, False, f"not certified: {why}")


def certify_cubic(low: Fraction, high: Fraction, **values: Any) -> Certificate:
    """Whether the equivalent kernel's physical root lies between `low` and `high`, in rational numbers.

    With z in alpha = z/[(1 + z) sqrt b], (1 + z)^3 P has the coefficients 1, 3 - q, 2 - 2 q, -m, where q =
    e + m and e = sigma^2/sqrt b, m = n lambda/sqrt b. If 2 - 2 q > 0 then 3 - q > 0: one change of sign in
    every case, hence exactly one root with chi < 1 (Descartes). Left is its place: P falls with alpha
    and with lambda there, so two signs at the ends of a rational enclosure of lambda decide.
    """
    given = {symbol: Fraction(int(v.p), int(v.q)) for symbol, v in exact_values(values).items()}
    width = inverse_width(values)
    inverse = Fraction(int(width.p), int(width.q))
    size, N, S, noise, weight, readout, norm2 = (given[s] for s in ARGUMENTS.values() if s != C)
    below, above = pi_bounds(80)
    lower, upper = (4 * readout * weight / (p * (1 + 2 * weight) * N * S) for p in (above, below))

    def P(root: Fraction, eigenvalue: Fraction) -> Fraction:
        unfrozen = 1 - size**2 * root**2 * eigenvalue * norm2 * inverse
        return (1 - noise * root) * unfrozen - size * eigenvalue * root

    frozen = size**2 * low**2 * upper * norm2 * inverse
    if not (0 < low < high and frozen < 1 and noise * low < 1):
        return not_certified("the lower end is not in the physical range")
    above_range = size**2 * high**2 * lower * norm2 * inverse >= 1 or noise * high >= 1
    if P(low, upper) > 0 and (above_range or P(high, lower) < 0):
        return Certificate(True, (low, high), (low, high), True, "signs at both ends, and Descartes' rule")
    return not_certified("the signs at the two ends do not enclose the root")


@cache
def pi_bounds(digits: int) -> tuple[Fraction, Fraction]:
    """Rational bounds of pi = 16 arctan(1/5) - 4 arctan(1/239); alternating series enclose their limit."""

    def arctan(q: int) -> tuple[Fraction, Fraction]:
        total, k = Fraction(0), 0
        while True:
            term = Fraction((-1) ** k, (2 * k + 1) * q ** (2 * k + 1))
            if abs(term) < Fraction(1, 10**digits):
                return min(total, total + term), max(total, total + term)
            total, k = total + term, k + 1

    five, large = arctan(5), arctan(239)
    return 16 * five[0] - 4 * large[1], 16 * five[1] - 4 * large[0]


@dataclass(frozen=True)
class _Formulas:
    """The closure as functions of any arithmetic: of w = lambda_* + kappa = 1/(n alpha), or of r."""

    eigenvalue: Callable[..., Any]
    rest: Callable[..., Any]
    ratio: Callable[..., Any]
    floor: Callable[..., Any]  # coefficients of the quadratic in w that vanishes with kappa
    inert: Callable[..., Any]  # those of the quadratic of r_0
    condition: Callable[..., Any]  # over kappa: it grows with w
    alpha_of_ratio: Callable[..., Any] | None


_GIVEN = [s for s in ARGUMENTS.values() if s != C]
_PARAMETERS = [x, *_GIVEN, lam, T]


@cache
def _formulas(closure: str, complexity: bool) -> _Formulas:
    equation = derived(closure, "erf", complexity)
    ratio = cancel(equation.ratio.subs({alpha: 1 / (n * w), C: 1 / x}, simultaneous=True))
    floor = Poly(cancel(numer(cancel(w - lam * ratio)) / w), w)
    inert = Poly(equation.inert_condition.subs(C, 1 / x) * x, r_inert) if complexity else None
    balls = [{"asin": lambda ball: ball.asin()}, "math"]

    def compiled(arguments: list[Any], expression: Any) -> Callable[..., Any]:
        return lambdify([*arguments, *_PARAMETERS], expression, modules=balls)

    first_order = None
    if not equation.discrepancy.train.has(kappa):
        at = {lam_star: lam * ratio_symbol, lam_inert: lam}
        first_order = compiled([ratio_symbol], equation.discrepancy.train.subs(at))
    return _Formulas(
        eigenvalue=lambdify([pi_ball, *_GIVEN], equation.eigenvalue.subs(pi, pi_ball), modules=balls),
        rest=lambdify([pi_ball, *_GIVEN], equation.rest.subs(pi, pi_ball), modules=balls),
        ratio=compiled([w], ratio),
        floor=compiled([], [cancel(c / floor.LC()) for c in floor.all_coeffs()[1:]]),
        inert=compiled([kappa], [expand(c) for c in inert.all_coeffs()] if inert else [1, -1]),
        condition=compiled([kappa, lam_star, lam_inert], expand(equation.condition / kappa)),
        alpha_of_ratio=first_order,
    )


def certify(
    closure: str = DEFAULT, include_complexity: bool | None = None, *, digits: int = 50, **values: Any
) -> Certificate:
    """Existence, isolation and `digits` digits of the physical alpha, by ball arithmetic.

    Parameters
    ----------
    closure, include_complexity
        As in `reduced_equation`.
    digits : int
        Relative half width 10^-digits of the enclosure.
    **values
        n=1600, C=640, ...; floats are read as the decimals they print as.
    """
    try:
        import flint
    except ImportError as missing:
        raise ImportError("certificates need python-flint: pip install 'feature-eos[certify]'") from missing
    complexity = closures.include_complexity(closures.closure(closure), include_complexity)
    formulas = _formulas(closure, complexity)
    whole("digits", digits, 1)
    exact = exact_values(values, closures.closure(closure).least_patch)
    width = inverse_width(values)
    before = flint.ctx.prec
    try:
        for precision in (FLOOR + 4 * digits, 4 * FLOOR + 8 * digits):
            flint.ctx.prec = precision
            given = [flint.arb(flint.fmpq(int(exact[s].p), int(exact[s].q))) for s in _GIVEN]
            inverse = flint.arb(flint.fmpq(int(width.p), int(width.q)))
            own = [f(flint.arb.pi(), *given) for f in (formulas.eigenvalue, formulas.rest)]
            prove = _prove_by_ratio if formulas.alpha_of_ratio else _prove_by_sum
            found = prove(flint, formulas, [inverse, *given, *own], digits)
            if found.certified:
                return found
        return found
    finally:
        flint.ctx.prec = before


def _prove_by_sum(flint: Any, formulas: _Formulas, parameters: list[Any], digits: int) -> Certificate:
    """Kernel and ridge: the closure's condition in w; its slope over the box is a derivative of balls."""
    lam_, rest = parameters[-2:]
    size, N, S, noise = parameters[1:5]

    def parts(at: Any) -> tuple[Any, Any, Any, Any]:
        ratio = formulas.ratio(at, *parameters)
        ridge = at - lam_ * ratio
        *top, b, d = formulas.inert(ridge, *parameters)
        inert = -d / b if not top else _positive_root(b / top[0], d / top[0])
        return ratio, ridge, inert, formulas.condition(ridge, lam_ * ratio, lam_ * inert, *parameters)

    def slope(at: Any) -> tuple[Any, Any]:
        value = parts(flint.arb_series([at, 1], prec=2))[3]
        return value[0], value[1]

    b, d = formulas.floor(*parameters)
    floor = _positive_root(flint.arb(b), flint.arb(d)).upper()
    learned = flint.arb.max(floor, lam_)
    ceiling = (learned + (noise + rest + N * learned + N * (S - 1) * lam_) / size).upper()
    centre = _refined(slope, floor, ceiling)
    half = flint.arb(flint.fmpq(1, 10**digits))
    ends = [centre * (1 - half), centre * (1 + half)]
    if not (parts(ends[0])[3] < 0 and parts(ends[1])[3] > 0):
        return not_certified("no sign change was found; the working precision is too small")
    for box in (Fraction(1, 10**k) for k in (6, 9, 12, 16, 20, 25, 30)):
        ball = centre * flint.arb(1, flint.arb(flint.fmpq(box.numerator, box.denominator)))
        ratio, ridge, inert, _ = parts(ball)
        if ratio > 0 and ridge > 0 and inert > 0 and slope(ball)[1] > 0:
            box_in_alpha = _in_alpha(ball.lower(), ball.upper(), size)
            return Certificate(True, box_in_alpha, _in_alpha(ends[0], ends[1], size), True, BY_MONOTONICITY)
    return not_certified("the slope could not be bounded away from zero in any box")


def _prove_by_ratio(flint: Any, formulas: _Formulas, parameters: list[Any], digits: int) -> Certificate:
    """one_over_n: 1/C is explicit in r, and must grow all the way from r = 1."""
    inverse, size = parameters[:2]
    norm2, lam_ = parameters[7], parameters[8]
    alpha_of = formulas.alpha_of_ratio
    assert alpha_of is not None

    def gap(at: Any) -> Any:
        """1/C given by r, from chi = 1 - 1/r = n^2 alpha^2 lambda g^2/C, minus 1/C."""
        found = size * alpha_of(at, *parameters)
        return (at - 1) / (at * found * found * lam_ * norm2) - inverse

    def slope(at: Any) -> tuple[Any, Any]:
        value = gap(flint.arb_series([at, 1], prec=2))
        return value[0], value[1]

    def grows(ball: Any) -> bool:
        try:
            return bool(alpha_of(ball, *parameters) > 0 and slope(ball)[1] > 0)
        except ValueError:  # the ball is too wide: a denominator may vanish in it
            return False

    if not alpha_of(flint.arb(1), *parameters) > 0:
        return not_certified("alpha is not shown positive at C = inf: no physical root")
    low, high = flint.arb(1), flint.arb(2)
    for _ in range(200):
        if gap(high) > 0:
            break
        low, high = high, 2 * high
    else:
        return not_certified("no bracket")
    centre = _refined(slope, low, high)
    half = flint.arb(flint.fmpq(1, 10**digits))
    ends = [centre * (1 - half), centre * (1 + half)]
    if not (gap(ends[0]) < 0 and gap(ends[1]) > 0):
        return not_certified("no sign change was found; the working precision is too small")
    pieces, budget = [(flint.arb(1), ends[1])], SUBDIVISIONS
    while pieces:
        left, right = pieces.pop()
        ball = left.union(right)
        if grows(ball):
            continue
        budget -= 1
        if not budget:
            return not_certified("the root is isolated, but not that it is the branch from C = inf")
        middle = ((left + right) / 2).mid()
        pieces += [(left, middle), (middle, right)]
    found = [alpha_of(end, *parameters) for end in ends]
    enclosure = found[0].union(found[1])
    pair = (_fraction(enclosure.lower()), _fraction(enclosure.upper()))
    return Certificate(True, pair, pair, True, "1/C grows with l_* from the Gaussian process to the root")


def _positive_root(b: Any, d: Any) -> Any:
    """The positive root of z^2 + b z + d, d <= 0."""
    size = (b * b / 4 - d).sqrt()
    leading = b[0] if hasattr(b, "coeffs") else b
    return size - b / 2 if not leading > 0 else -d / (b / 2 + size)


def _refined(slope: Callable[[Any], tuple[Any, Any]], low: Any, high: Any) -> Any:
    """An approximate root, by Newton inside a bracket; what is proved does not rest on it."""
    low, high = low.mid(), high.mid()
    at = high
    for _ in range(3000):
        value, rise = slope(at)
        value, rise = value.mid(), rise.mid()
        if value < 0:
            low = at
        else:
            high = at
        trial = (at - value / rise).mid() if rise > 0 else (low + high).mid() / 2
        if not (low < trial and trial < high):
            trial = ((low * high).sqrt()).mid()
        if abs(trial - at) < abs(at) * (high / high).mid() * 2 ** (-_bits() + 2 * GUARD):
            return trial
        at = trial
    return at


def _bits() -> int:
    import flint

    return int(flint.ctx.prec)


def _in_alpha(low: Any, high: Any, size: Any) -> tuple[Fraction, Fraction]:
    return _fraction((1 / (size * high)).lower()), _fraction((1 / (size * low)).upper())


def _fraction(ball: Any) -> Fraction:
    """The exact value of a ball without radius."""
    mantissa, exponent = ball.mid().man_exp()
    return Fraction(int(mantissa)) * Fraction(2) ** int(exponent)
