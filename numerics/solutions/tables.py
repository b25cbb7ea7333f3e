"""Solutions and paths as Datasets of xarray."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numerics.problem import Problem
from numerics.solutions.fields import CAVITY, DATA, GAUSSIAN, PROBLEM, SHARED, TANGENT, WEIGHTS, Variable

Array = NDArray[np.float64]

Values = dict[str, tuple[Variable, Any]]


def imported() -> Any:
    """The module xarray.

    Raises
    ------
    ImportError
        With the remedy, when it is missing.
    """
    try:
        import xarray
    except ImportError as missing:
        raise ImportError("to_xarray needs xarray: pip install 'feature-eos[xarray]'") from missing
    return xarray


def dataset(sol: Any, kernels: bool = False) -> Any:
    """Of one solution, of any theory."""
    xarray = imported()
    held = _of_problem(sol.problem) | _of_solution(sol) | (_kernels(sol) if kernels else {})
    return xarray.Dataset(_columns(held), attrs=_attributes(sol))


def path_dataset(sols: Sequence[Any]) -> Any:
    """Of one problem at several widths: what varies has the dimension width."""
    xarray = imported()
    if not len(sols):
        raise ValueError("the path is empty; there is nothing to put in a table")
    problem = sols[0].problem
    fixed = _of_problem(problem)
    del fixed["widths"]
    each = [_of_solution(sol) | {"widths": (PROBLEM["widths"], sol.widths)} for sol in sols]
    varying = {name: (var, _stacked([held[name][1] for held in each])) for name, (var, _) in each[0].items()}
    varying["alpha_first_order"] = (TANGENT, sols.table()["alpha_first_order"])  # type: ignore[attr-defined]
    width = {"long_name": "width", "units": "1", "definition": "units of the last hidden layer"}
    return xarray.Dataset(
        _columns(fixed) | _columns(varying, "width"),
        coords={"width": ("width", [sol.width for sol in sols], width)},
        attrs=_attributes(sols[0]),
    )


def _of_problem(problem: Problem) -> Values:
    return {name: (var, _value(var, name, problem)) for name, var in PROBLEM.items()}


def _of_solution(sol: Any) -> Values:
    cavity = sol.theory == "cavity"
    variables = SHARED | (CAVITY if cavity else GAUSSIAN)
    held = {
        name: (var, _value(var, name, sol))
        for name, var in variables.items()
        if var.dims != WEIGHTS or sol.theory != "mean_field"
    }
    if cavity:
        errors = {name: error for name, error in sol.errors.items() if name in variables}
        held |= {
            f"{name}_error": (variables[name].error, _shaped(variables[name], error, sol.problem))
            for name, error in errors.items()
        }
    return held


def _value(variable: Variable, name: str, at: Any) -> Any:
    problem = at if isinstance(at, Problem) else at.problem
    value = getattr(at, name) if variable.of is None else variable.of(at)
    return _shaped(variable, value, problem)


def _shaped(variable: Variable, value: Any, problem: Problem) -> Any:
    """One axis per dimension, also of one output and one weight."""
    if variable.dims == DATA:
        return np.reshape(value, (problem.samples, problem.outputs))
    return np.atleast_2d(value) if variable.dims == WEIGHTS else value


def _stacked(values: Sequence[Any]) -> Array:
    """Over the widths; at infinite width the readout's weights have one number for all."""
    shape = max((np.shape(value) for value in values), key=lambda shape: (len(shape), shape))
    whole = [np.shape(value) == shape for value in values]
    return np.array([v if fits else np.eye(shape[0]) * v for v, fits in zip(values, whole, strict=True)])


def _kernels(sol: Any) -> Values:
    """Q_f, and of every hidden layer above the first K and Q over (pixel, datum) twice."""
    n = sol.problem.samples
    definition = "readout kernel on the training inputs, Eq. (7)"
    held: Values = {"Q_f": (Variable(("datum", "datum_"), "[y]^2", "readout kernel", definition), sol.Q_f)}
    for level, layer in enumerate(sol.kernels, start=2):
        pixels = len(layer.K) // n
        dims = (f"pixel_{level}", "datum", f"pixel_{level}_", "datum_")
        for name, what in (("K", "covariance of pre-activations"), ("Q", "their prior covariance")):
            kernel = getattr(layer, name).reshape(pixels, n, pixels, n)
            held[f"{name}_{level}"] = (Variable(dims, "1", what, f"{what}, of layer {level}"), kernel)
    return held


def _columns(held: Mapping[str, tuple[Variable, Any]], *dims: str) -> dict[str, Any]:
    return {
        name: ((*dims, *variable.dims), np.asarray(value), variable.attributes)
        for name, (variable, value) in held.items()
    }


def _attributes(sol: Any) -> dict[str, Any]:
    """What all variables share; text and numbers, as files take them."""
    net = sol.problem.net
    return {
        "theory": sol.theory,
        "activation": str(net.activation),
        "readout_variance": net.readout_variance,
        "bias_variance": net.bias_variance,
        "windows": " ".join(map(str, net.windows)),
        "readout": str(net.readout),
    }
