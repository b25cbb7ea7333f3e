"""The forward map of an activation, phi and its slope: for Numba, and for NumPy arrays."""

from sympy import Expr, diff

from analytic.generator.printer import SINGLE_JIT, function, template
from analytic.symbols import h


def compiled(phi: Expr, dphi: Expr | None = None) -> list[str]:
    """`phi_dphi` of a number, and the loop `activate` over many, each in either precision; dphi where it is
    to be written otherwise."""
    slope = diff(phi, h) if dphi is None else dphi
    both = function("phi_dphi", (h,), [phi, slope], doc="phi(h) and its slope.")
    single = function(
        "phi_dphi_single",
        (h,),
        [phi, slope],
        doc="The same in single precision.",
        decorator=SINGLE_JIT,
    )
    return [both, single, template("forward_loops")]


def on_arrays(phi: Expr) -> list[str]:
    """`phi` and `dphi` of arrays."""
    return [
        function("phi", (h,), [phi], doc="phi(h).", decorator=""),
        function("dphi", (h,), [diff(phi, h)], doc="Its slope.", decorator=""),
    ]
