"""Derivations in SymPy: Gaussian expectations, the reduced free energy, series, code generation.

`numerics` never imports this package; what it needs from a formula is generated into
`numerics/_generated` by ``python -m analytic``.
"""

from analytic.fan_in import FanInEquation, FanInState
from analytic.reduced import ReducedEquation, reduced_equation
from analytic.scalar.finite_patch import FinitePatch, finite_patch
from analytic.series.breakdown import Breakdown, breakdown
from analytic.series.certificates import Certificate, certify, certify_cubic

__all__ = [
    "Breakdown",
    "Certificate",
    "FanInEquation",
    "FanInState",
    "FinitePatch",
    "ReducedEquation",
    "breakdown",
    "certify",
    "certify_cubic",
    "finite_patch",
    "reduced_equation",
]
