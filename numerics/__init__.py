"""Equations of state of finite-width networks, solved: feature learning beyond the Gaussian process."""

from numerics import activations, datasets, pixels, plots, reduced
from numerics.activations import ACTIVATIONS
from numerics.cavity import CavitySolution, ExactFirstOrder, UnitLaw, exact_first_order
from numerics.cavity.door import RareUnits
from numerics.compare import Comparison, Crossing, Row, compare
from numerics.continuation import Continuation
from numerics.costs.cost import Cost, NotEnoughMemory
from numerics.datasets import Dataset
from numerics.emergent_scale import ChiOne, chi_one
from numerics.estimates import estimate_cost
from numerics.machine.compiled import ensure_cache
from numerics.machine.precision import LossOfDigits
from numerics.measured.comparison import Equation
from numerics.measured.correlations import Correlation
from numerics.measured.load import MeasuredLoad
from numerics.measured.measure import measure
from numerics.measured.measured import Average, Measured
from numerics.measured.noise import Spectrum
from numerics.measured.predicted import Predicted, equations_from
from numerics.network import Network, cnn, fcn
from numerics.pixels import Receptive
from numerics.problem import Problem
from numerics.sampling.agreement import Agreement, compare_to_samples
from numerics.sampling.bar import ProgressBar, progress_bar
from numerics.sampling.cost import SamplingCost, estimate_sampling
from numerics.sampling.estimate import Estimate
from numerics.sampling.langevin import Langevin
from numerics.sampling.projections import Projections
from numerics.sampling.run import Progress
from numerics.sampling.sampler import SamplingError, sample
from numerics.sampling.samples import Samples, load_samples
from numerics.sampling.step_bias import StepBias, step_bias
from numerics.series.complex_width import AlphaSeries, alpha_series
from numerics.series.perturbation import FirstOrder
from numerics.solutions.branches import Branches, StationaryPoint
from numerics.solutions.feature_load import FeatureLoad
from numerics.solutions.hidden_fan_in import HiddenFanIn
from numerics.solutions.observables import LayerKernels
from numerics.solutions.path import ConvergenceError, NegativeCurvature, Path
from numerics.solutions.prediction import TestKernels
from numerics.solutions.predictive import Predictive
from numerics.solutions.solution import Solution
from numerics.solutions.validity import Validity
from numerics.solver import THEORIES, from_sigma, solve, solve_branches, solve_path
from numerics.solving.outcome import Status
from numerics.storage import load
from numerics.sweeps.bar import SweepBar
from numerics.sweeps.door import SweepFull, SweepLost, SweepProgress, sweep

ensure_cache()  # loops are imported when they are first asked for

__all__ = [
    "ACTIVATIONS",
    "THEORIES",
    "Agreement",
    "AlphaSeries",
    "Average",
    "Branches",
    "CavitySolution",
    "ChiOne",
    "Comparison",
    "Continuation",
    "ConvergenceError",
    "Correlation",
    "Cost",
    "Crossing",
    "Dataset",
    "Equation",
    "Estimate",
    "ExactFirstOrder",
    "FeatureLoad",
    "FirstOrder",
    "HiddenFanIn",
    "Langevin",
    "LayerKernels",
    "LossOfDigits",
    "Measured",
    "MeasuredLoad",
    "NegativeCurvature",
    "Network",
    "NotEnoughMemory",
    "Path",
    "Predicted",
    "Predictive",
    "Problem",
    "Progress",
    "ProgressBar",
    "Projections",
    "RareUnits",
    "Receptive",
    "Row",
    "Samples",
    "SamplingCost",
    "SamplingError",
    "Solution",
    "Spectrum",
    "StationaryPoint",
    "Status",
    "StepBias",
    "SweepBar",
    "SweepFull",
    "SweepLost",
    "SweepProgress",
    "TestKernels",
    "UnitLaw",
    "Validity",
    "activations",
    "alpha_series",
    "chi_one",
    "cnn",
    "compare",
    "compare_to_samples",
    "datasets",
    "equations_from",
    "estimate_cost",
    "estimate_sampling",
    "exact_first_order",
    "fcn",
    "from_sigma",
    "load",
    "load_samples",
    "measure",
    "pixels",
    "plots",
    "progress_bar",
    "reduced",
    "sample",
    "solve",
    "solve_branches",
    "solve_path",
    "step_bias",
    "sweep",
]
