"""Equations of state of finite-width networks, solved: feature learning beyond the Gaussian process."""

from numerics import activations, datasets, pixels, plots, reduced
from numerics.activations import ACTIVATIONS
from numerics.compare import Comparison, Crossing, Row, compare
from numerics.continuation import Continuation
from numerics.costs.cost import Cost, NotEnoughMemory, estimate_cost
from numerics.datasets import Dataset
from numerics.machine.compiled import ensure_cache
from numerics.machine.precision import LossOfDigits
from numerics.network import Network, cnn, fcn
from numerics.pixels import Receptive
from numerics.problem import Problem
from numerics.readout_laws import THEORIES
from numerics.series.complex_width import AlphaSeries, alpha_series
from numerics.series.perturbation import FirstOrder
from numerics.solutions.branches import Branches, StationaryPoint
from numerics.solutions.feature_load import FeatureLoad
from numerics.solutions.observables import LayerKernels
from numerics.solutions.path import ConvergenceError, NegativeCurvature, Path
from numerics.solutions.prediction import TestKernels
from numerics.solutions.predictive import Predictive
from numerics.solutions.solution import Solution
from numerics.solutions.storage import load
from numerics.solver import from_sigma, solve, solve_branches, solve_path
from numerics.solving.outcome import Status

ensure_cache()  # loops are imported when they are first asked for

__all__ = [
    "ACTIVATIONS",
    "THEORIES",
    "AlphaSeries",
    "Branches",
    "Comparison",
    "Continuation",
    "ConvergenceError",
    "Cost",
    "Crossing",
    "Dataset",
    "FeatureLoad",
    "FirstOrder",
    "LayerKernels",
    "LossOfDigits",
    "NegativeCurvature",
    "Network",
    "NotEnoughMemory",
    "Path",
    "Predictive",
    "Problem",
    "Receptive",
    "Row",
    "Solution",
    "StationaryPoint",
    "Status",
    "TestKernels",
    "activations",
    "alpha_series",
    "cnn",
    "compare",
    "datasets",
    "estimate_cost",
    "fcn",
    "from_sigma",
    "load",
    "pixels",
    "plots",
    "reduced",
    "solve",
    "solve_branches",
    "solve_path",
]
