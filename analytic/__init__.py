"""Derivations in SymPy: Gaussian expectations, the reduced free energy, series, code generation.

`numerics` never imports this package; what it needs from a formula is generated into
`numerics/_generated` by ``python -m analytic``.
"""
