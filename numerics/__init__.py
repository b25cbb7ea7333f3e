"""Equations of state of finite-width networks, solved: feature learning beyond the Gaussian process."""

from numerics import activations, datasets, plots, reduced
from numerics.activations import ACTIVATIONS
from numerics.compare import Comparison, compare
from numerics.costs.cost import Cost, NotEnoughMemory, estimate_cost
from numerics.machine.compiled import ensure_cache
from numerics.network import Network, cnn, fcn
from numerics.solutions.branches import Branches
from numerics.solutions.path import ConvergenceError, NegativeCurvature, Path
from numerics.solutions.solution import Solution
from numerics.solutions.storage import load
from numerics.solver import from_sigma, solve, solve_branches, solve_path
from numerics.solving.complex_width import alpha_series

ensure_cache()  # loops are imported when they are first asked for

__all__ = [
    "ACTIVATIONS",
    "Branches",
    "Comparison",
    "ConvergenceError",
    "Cost",
    "NegativeCurvature",
    "Network",
    "NotEnoughMemory",
    "Path",
    "Solution",
    "activations",
    "alpha_series",
    "cnn",
    "compare",
    "datasets",
    "estimate_cost",
    "fcn",
    "from_sigma",
    "load",
    "plots",
    "reduced",
    "solve",
    "solve_branches",
    "solve_path",
]
