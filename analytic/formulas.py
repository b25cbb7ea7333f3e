"""What a formula must be to serve as an activation; one sentence where it is not."""

import mpmath
from sympy import Basic, Expr, Float, I, Rational, lambdify, nan, oo, zoo

from analytic.expectations.terms import shown
from analytic.symbols import h
from analytic.tree import UnknownNode, tree

NO_SYMBOLS = "give numbers for the others with expr.subs"


def checked(expr: Expr) -> Expr:
    """phi(h), exact numbers for floats; one sentence about what is wrong with it."""
    if isinstance(expr, str):
        raise ValueError(
            f"expr={expr!r} is a string, which is not evaluated; make it with SymPy, as in "
            "x = sympy.Symbol('x', real=True); activation(sympy.sin(x))"
        )
    if not isinstance(expr, Basic) or not isinstance(expr, Expr):
        raise ValueError(
            f"expr={expr!r} is a {type(expr).__name__}, not a SymPy expression such as sympy.sin(x)"
        )
    symbols = sorted(expr.free_symbols, key=str)
    if len(symbols) != 1:
        what = f"has the symbols {', '.join(map(str, symbols))}; {NO_SYMBOLS}" if symbols else "is a constant"
        raise ValueError(f"{expr} must be a function of one real symbol, but {what}")
    (symbol,) = symbols
    if symbol.is_extended_real is False or any(
        value is not None and name not in _OF_A_REAL for name, value in symbol.assumptions0.items()
    ):
        raise ValueError(
            f"{symbol} is assumed to be more than a real number; make it with "
            f"sympy.Symbol({str(symbol)!r}, real=True)"
        )
    phi = expr.subs(symbol, h)
    phi = phi.xreplace({number: Rational(str(number)) for number in phi.atoms(Float)})
    if not phi.has(h):
        raise ValueError(f"{expr} is a constant")
    if phi.has(I, nan, oo, -oo, zoo):
        raise ValueError(f"{shown(phi)} is not a real number for every x")
    try:
        tree(phi)
    except UnknownNode as unknown:
        raise ValueError(f"{shown(phi)}: {unknown}") from None
    _refuse_poles(phi)
    return phi


_OF_A_REAL = set(h.assumptions0)
_POINTS = [Rational(k, 4) for k in range(-80, 81)] + [
    Rational(k, 7) + Rational(1, 1000) for k in range(-70, 71)
]


def _refuse_poles(phi: Expr) -> None:
    value = lambdify([h], phi, "mpmath")
    for point in _POINTS:
        try:
            found = value(mpmath.mpf(point.p) / point.q)
        except (ArithmeticError, TypeError, ValueError, NotImplementedError):
            found = mpmath.nan
        if not isinstance(found, mpmath.mpf | int | float) or not mpmath.isfinite(found):
            raise ValueError(
                f"{shown(phi)} is not a finite real number at x = {point}: it must be one everywhere"
            )


def refuse_fast_growth(phi: Expr) -> None:
    """Faster growth than exp(x): an expectation may not exist."""
    value = lambdify([h], phi, "mpmath")
    for far in (mpmath.mpf(10) ** 5, -(mpmath.mpf(10) ** 5)):
        try:
            size = abs(value(far))
        except (ArithmeticError, TypeError, ValueError, MemoryError):
            size = mpmath.inf
        if size > 1 and not mpmath.log(size) < mpmath.mpf(10) ** -3 * far**2:
            raise ValueError(
                f"{shown(phi)} grows as fast as a Gaussian falls, or faster: its expectation does not exist"
            )
