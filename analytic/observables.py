"""From a root alpha to the state it stands for, and from alpha's series to those of the state."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import mpmath
from sympy import Expr, Rational, Symbol, fraction, lambdify, together

from analytic.arguments import as_mpf
from analytic.equation import Equation
from analytic.symbols import (
    ARGUMENTS,
    C,
    S,
    T,
    alpha,
    kappa,
    lam,
    lam_inert,
    lam_star,
    sigma2,
    sigma_w2,
    x,
)

OBSERVABLES = ("alpha", "l_star", "chi", "train_error", "test_error")


@dataclass(frozen=True)
class State:
    """A stationary state of the reduced free energy; mpmath numbers.

    Attributes
    ----------
    alpha, chi, ratio, l_star
        ratio = l_* S/sigma_w^2.
    ridge
        kappa = 1/(n alpha) - lambda_*.
    inert_ratio
        r_0, one without the determinant.
    train_error, test_error
        (sigma^2 alpha)^2 and (sigma^2 alpha_test)^2: mean squares along the target over <y^2>.
    """

    alpha: Any
    chi: Any
    ratio: Any
    l_star: Any
    ridge: Any
    inert_ratio: Any
    train_error: Any
    test_error: Any


_INPUTS = [alpha, x, *(symbol for symbol in ARGUMENTS.values() if symbol != C), lam, T]


def expressions(eq: Equation) -> dict[str, Expr]:
    """The fields of `State` in alpha, x = 1/C and the arguments."""
    learned = {lam_star: lam * eq.ratio, lam_inert: lam * eq.inert, kappa: eq.ridge}
    fields = {
        "alpha": alpha,
        "chi": eq.chi,
        "ratio": eq.ratio,
        "l_star": sigma_w2 / S * eq.ratio,
        "ridge": eq.ridge,
        "inert_ratio": eq.inert,
        "train_error": (sigma2 * alpha) ** 2,
        "test_error": eq.discrepancy.unlearned.subs(learned, simultaneous=True) ** 2,
    }
    return {name: _in_inverse_width(e) for name, e in fields.items()}


def _in_inverse_width(e: Expr) -> Expr:
    """In x = 1/C, finite at x = 0: one fraction, cleared of 1/x."""
    above, below = fraction(together(e.subs(C, 1 / x)))
    return above / below


def state_at(eq: Equation, root: Any, numbers: Mapping[Symbol, Any], inverse_width: Rational) -> State:
    """The state of a root, in the working precision of mpmath."""
    point = [root, as_mpf(inverse_width), *(as_mpf(numbers[symbol]) for symbol in _INPUTS[2:])]
    return State(**{name: f(*point) for name, f in _functions(eq).items()})


@cache
def _functions(eq: Equation) -> dict[str, Any]:
    """The fields of `State` as functions of `_INPUTS`."""
    return {name: lambdify(_INPUTS, e, modules="mpmath") for name, e in expressions(eq).items()}


class Truncated:
    """A power series in x up to a fixed order, with the four operations and integer powers."""

    def __init__(self, coefficients: Sequence[Any]):
        self.c = list(coefficients)

    def _with(self, other: Any) -> "Truncated":
        if isinstance(other, Truncated):
            return other
        return Truncated([mpmath.mpf(other)] + [mpmath.mpf(0)] * (len(self.c) - 1))

    def __add__(self, other: Any) -> "Truncated":
        return Truncated([p + q for p, q in zip(self.c, self._with(other).c, strict=True)])

    def __neg__(self) -> "Truncated":
        return Truncated([-p for p in self.c])

    def __sub__(self, other: Any) -> "Truncated":
        return self + (-self._with(other))

    def __rsub__(self, other: Any) -> "Truncated":
        return self._with(other) - self

    def __mul__(self, other: Any) -> "Truncated":
        q = self._with(other).c
        return Truncated([mpmath.fdot(self.c[: k + 1], q[k::-1]) for k in range(len(q))])

    def __truediv__(self, other: Any) -> "Truncated":
        q = self._with(other).c
        out: list[Any] = []
        for k, p in enumerate(self.c):
            out.append((p - mpmath.fdot(out, q[k:0:-1])) / q[0])
        return Truncated(out)

    def __rtruediv__(self, other: Any) -> "Truncated":
        return self._with(other) / self

    def __pow__(self, power: int) -> "Truncated":
        if power < 0:
            return 1 / self ** (-power)
        result = self._with(1)
        for _ in range(power):
            result = result * self
        return result

    __radd__, __rmul__ = __add__, __mul__


def observable_series(
    eq: Equation, of: str, found: Sequence[Any], numbers: Mapping[Symbol, Any]
) -> list[Any]:
    """The coefficients of an observable from those of alpha."""
    if of == "alpha":
        return list(found)
    inverse_width = Truncated([mpmath.mpf(k == 1) for k in range(len(found))])
    point = [Truncated(found), inverse_width, *(as_mpf(numbers[symbol]) for symbol in _INPUTS[2:])]
    return _functions(eq)[of](*point).c
