"""The activations: each an expression phi(h) and the per-datum statistic its kernel is simple in.

A new activation is one entry of `ACTIVATIONS`; everything else follows from it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from sympy import Expr, Integer, erf, sqrt

from analytic.symbols import h, v


@dataclass(frozen=True)
class Activation:
    """One activation function.

    Attributes
    ----------
    name : str
        The name users and generated files know it by.
    phi : Expr
        phi(h), in the symbol `analytic.symbols.h`.
    statistic : Expr
        D(v), in the symbol `analytic.symbols.v`, the variance of one pre-activation. It is chosen
        so that the kernel depends on K12 through u = K12 D(K11) D(K22), which costs no division
        and no square root per pair of data.
    """

    name: str
    phi: Expr
    statistic: Expr


ACTIVATIONS: Mapping[str, Activation] = MappingProxyType(
    {
        "erf": Activation("erf", erf(h), sqrt(2 / (1 + 2 * v))),
        "linear": Activation("linear", h, Integer(1)),
    }
)


def activation(name: str) -> Activation:
    """The activation called `name`; ValueError listing what exists otherwise."""
    if name not in ACTIVATIONS:
        raise ValueError(f"unknown activation {name!r}; available: {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[name]
