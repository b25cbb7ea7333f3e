"""Derivations in SymPy: Gaussian expectations, the reduced free energy, series, code generation.

`numerics` never imports this package; what it needs from a formula is generated into
`numerics/_generated` by ``python -m analytic``.
"""

from analytic.fan_in import FanInEquation, FanInState
from analytic.own import Expectation, Own, activation, expectation
from analytic.reduced import ReducedEquation, reduced_equation
from analytic.scalar.finite_patch import FinitePatch, finite_patch
from analytic.series.breakdown import Breakdown, breakdown
from analytic.series.certificates import Certificate, certify, certify_cubic

__all__ = [
    "Breakdown",
    "Certificate",
    "Expectation",
    "FanInEquation",
    "FanInState",
    "FinitePatch",
    "Own",
    "ReducedEquation",
    "activation",
    "breakdown",
    "certify",
    "certify_cubic",
    "expectation",
    "finite_patch",
    "reduced_equation",
]
