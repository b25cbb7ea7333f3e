"""The cavity theory: the law of one unit, exactly, for networks with one hidden layer.

`theory="cavity"` of `numerics.solve` and `numerics.solve_path`. From what a user holds down: `solution` and
its `unit_law`; `session`, a problem at any width; the `ladder` that leads there, and its `attempts` with
draws of a Gaussian; `descent` with fixed draws and `tracking` with moving ones; `scaled`, a problem in units
of its noise; `functional`, F and one sweep. What a unit does in a field is in `numerics.unit`.
"""

from numerics.cavity.first_order import ExactFirstOrder, exact_first_order
from numerics.cavity.solution import CavitySolution
from numerics.cavity.unit_law import UnitLaw

__all__ = ["CavitySolution", "ExactFirstOrder", "UnitLaw", "exact_first_order"]
