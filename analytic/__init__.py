"""Derivations in SymPy: Gaussian expectations, the reduced free energy, series, code generation.

`numerics` never imports this package; what it needs from a formula is generated into
`numerics/_generated` by ``python -m analytic``.
"""

from analytic.breakdown import Breakdown, breakdown
from analytic.reduced import ReducedEquation, reduced_equation

__all__ = ["Breakdown", "ReducedEquation", "breakdown", "reduced_equation"]
