"""The activations of the package: one entry each, from which the rest follows.

What an entry must say, and what happens:

=======================  ==================================================================================
``phi`` alone            any smooth phi: its kernels by Mehler's series (`numerics.hermite`)
``phi, statistic``       phi odd: its kernel is derived (`analytic.expectations.kernels`)
``phi, G``               G is given, proved against quadrature before a file is written, and compiled
``phi, emitter``         the generator has a file of its own for it: ReLU, which has a kink, and what replaces
                         the series of tanh and GELU where pre-activations vary widely
=======================  ==================================================================================

Names, oddness, forward maps and kernels of `numerics` are generated from here by ``python -m analytic``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from sympy import (
    Abs,
    Expr,
    Heaviside,
    Integer,
    Max,
    Min,
    Piecewise,
    Rational,
    erf,
    exp,
    sign,
    sin,
    sinh,
    sqrt,
    tanh,
)

from analytic.symbols import K11, K12, K22, h, m1, m2, ncdf, v


@dataclass(frozen=True)
class Activation:
    """One activation function.

    Attributes
    ----------
    phi : Expr
        phi(h), in the symbol `analytic.symbols.h`. Where it has no kink it may stand alone.
    G : Expr, optional
        E[phi(h1) phi(h2)] in K12, K11, K22 and, unless phi is odd, in the means m1, m2.
    statistic : Expr, optional
        D(v), in the symbol `analytic.symbols.v`, the variance of one pre-activation: what is computed per
        datum of a kernel that is derived. It is chosen so that the kernel depends on K12 through
        u = K12 D(K11) D(K22), which costs no division and no square root per pair of data.
    emitter : str, optional
        Name of the generator's own file for it (`analytic.files.EMITTERS`).
    """

    phi: Expr
    G: Expr | None = None
    statistic: Expr | None = None
    emitter: str | None = None

    @property
    def odd(self) -> bool:
        """phi(-h) = -phi(h), to 25 digits at four points."""
        total = self.phi + self.phi.subs(h, -h)
        points = (Rational(1, 7), Rational(5, 6), Rational(17, 9), Rational(31, 10))
        return all(abs(total.subs(h, point).evalf(30)) < Rational(1, 10**25) for point in points)

    @property
    def kernel(self) -> str:
        """Where its kernel comes from: "derived", "given", "given with means", "series" or its emitter.

        Raises
        ------
        ValueError
            When both G and a statistic are given, when phi is not odd and its G has no means, and when
            phi has a kink and stands alone.
        """
        if self.G is not None and self.statistic is not None:
            raise ValueError(f"{self.phi}: give G, or a statistic to derive it with, not both")
        if self.emitter is not None:
            return self.emitter
        if self.G is not None and self.G.has(m1, m2):
            return "given with means"
        if self.G is None and self.statistic is None:
            if self.phi.has(Abs, Heaviside, Max, Min, Piecewise, sign):
                raise ValueError(f"{self.phi} has a kink that no series resolves: give it an emitter")
            return "series"
        if not self.odd:
            raise ValueError(
                f"{self.phi} is not odd: its units have means. Give G in m1, m2 too, or leave G and "
                "statistic out, for the series"
            )
        return "derived" if self.G is None else "given"


ACTIVATIONS: Mapping[str, Activation] = MappingProxyType(
    {
        "erf": Activation(erf(h), statistic=sqrt(2 / (1 + 2 * v))),
        "linear": Activation(h, statistic=Integer(1)),
        "relu": Activation(Max(h, 0), emitter="relu"),
        "tanh": Activation(tanh(h), emitter="tanh"),
        "gelu": Activation(h * ncdf(h), emitter="gelu"),
        "sin": Activation(sin(h), G=exp(-(K11 + K22) / 2) * sinh(K12)),
    }
)


def activation(name: str) -> Activation:
    """The activation called `name`; ValueError listing what exists otherwise."""
    if name not in ACTIVATIONS:
        raise ValueError(f"unknown activation {name!r}; available: {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[name]
