"""Solutions on disk: .npz with a JSON header, no pickle, a version."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numerics import checks, pixels
from numerics.activations import BUILT_IN, named, of_tree
from numerics.gaussian.point import Point
from numerics.gaussian.state import LayerState
from numerics.gaussian.theory import Theory
from numerics.machine.files import in_short, read_with_header, write_atomically
from numerics.network import Network
from numerics.pixels import Receptive
from numerics.problem import Problem
from numerics.readout_laws.law import DataSummary
from numerics.solving.outcome import Status

Array = NDArray[np.float64]

FORMAT = "feature-eos solution"
VERSION = 4  # before it a state was one flat list, and 1 to 3 were never released
NUMBERS = ("residual", "degrees_of_freedom", "rounding", "chi_width")


def write(
    path: str | Path, problem: Problem, equations: Theory, point: Point, found: Mapping[str, Any]
) -> None:
    """Write a solution with its data; `found` has status, gradients, method and chi_width."""
    data = point.data
    header = {
        "format": FORMAT,
        "version": VERSION,
        "network": network_header(problem.net),
        "theory": equations.law.name,
        "layers": len(point.state),
        "residual": point.residual,
        "KL_terms": point.KL_terms,
        "parts": data.parts,
        "degrees_of_freedom": data.degrees_of_freedom,
        "rounding": data.rounding,
        "coefficients": {name: np.asarray(value).tolist() for name, value in data.coefficients.items()},
        **{name: value.name if isinstance(value, Status) else value for name, value in found.items()},
    }
    arrays: dict[str, Any] = {
        "header": np.array(json.dumps(header)),
        "X": problem.X,
        "y": problem.y,
        "noise_variance": problem.noise_variance,
        "eps": data.eps,
        "Sigma": point.Sigma,
    }
    for level, layer in enumerate(point.state):
        arrays[f"theta_{level}"] = layer.theta
        if layer.mu is not None:
            arrays[f"mu_{level}"] = layer.mu
    if equations.space.basis is not None:  # of degenerate data it is rounding's: not to be made again
        arrays["basis"] = equations.space.basis
    write_atomically(path, lambda file: np.savez(file, **arrays))


def read(path: str | Path) -> dict[str, Any]:
    """What `write` wrote: problem, equations and point, and what was found by name.

    Raises
    ------
    ValueError
        When the file is something else, damaged, or was written by another version.
    """
    arrays, header = read_with_header(path, "is no solution of this package ({}); write one with sol.save")
    kind, version = header.get("format"), header.get("version", 0)
    if kind != FORMAT or version != VERSION:
        raise ValueError(
            f"{path} is {in_short(kind)!r} of version {in_short(version)}; this package reads {FORMAT!r} of "
            f"version {VERSION}: solve again, or with the version that wrote it"
        )
    try:
        return _parts(arrays, header)
    except KeyError as missing:
        reason = f"it lacks {missing.args[0]!r}"
    except (AttributeError, IndexError, OverflowError, TypeError, ValueError) as broken:
        reason = in_short(broken)
    raise ValueError(f"{path} is damaged: {reason}; solve again, or take a copy of the file")


def _parts(arrays: Mapping[str, Array], header: dict[str, Any]) -> dict[str, Any]:
    problem = Problem(network_of(header["network"]), *(arrays[name] for name in ("X", "y", "noise_variance")))
    equations = Theory(problem, header["theory"], arrays.get("basis"))
    if header["layers"] != len(problem.widths):
        raise ValueError(f"{header['layers']} layers of a state for {len(problem.widths)} widths")
    levels = range(len(problem.widths))
    state = tuple(LayerState(arrays[f"theta_{level}"], arrays.get(f"mu_{level}")) for level in levels)
    _refuse_what_does_not_fit(equations, arrays)
    if header["status"] not in Status.__members__:
        raise ValueError(f"status={header['status']!r} is unknown")
    parts = {str(key): _number(value, "parts") for key, value in header["parts"].items()}
    coefficients = {str(key): _coefficient(value) for key, value in header["coefficients"].items()}
    numbers = {name: _number(header[name], name) for name in NUMBERS}
    return {
        "problem": problem,
        "equations": equations,
        "point": Point(
            state=state,
            Sigma=arrays["Sigma"],
            residual=numbers["residual"],
            KL_terms=tuple(_number(term, "KL_terms") for term in header["KL_terms"]),
            data=DataSummary(
                arrays["eps"],
                parts,
                numbers["degrees_of_freedom"],
                numbers["rounding"],
                coefficients,
            ),
        ),
        "status": Status[header["status"]],
        "gradients": checks.count(header["gradients"], "gradients", least=0),
        "method": str(header["method"]),
        "chi_width": numbers["chi_width"],
    }


def _refuse_what_does_not_fit(equations: Theory, arrays: Mapping[str, Array]) -> None:
    """Kinds and shapes of what a file holds beside a problem, which is checked as a user's arguments are."""
    problem, basis = equations.problem, arrays.get("basis")
    weights = problem.input_shape[1] + (problem.net.bias_variance > 0)
    sizes = [arrays[f"theta_{level}"].shape[:1] for level in range(len(problem.widths))]
    if () in sizes:
        raise ValueError(f"theta_{sizes.index(())} is no matrix")
    (inside,) = sizes[0]
    wanted: dict[str, tuple[int, ...]] = {"eps": (problem.samples, problem.outputs), "Sigma": 2 * sizes[0]}
    for level, size in enumerate(sizes):
        wanted[f"theta_{level}"] = 2 * size
        if not equations.odd:
            wanted[f"mu_{level}"] = size
    if basis is not None:
        wanted["basis"] = (weights, inside)
    elif inside != weights:
        raise ValueError(f"theta_0 is of {inside} input weights, but there are {weights}")
    for name, shape in wanted.items():
        if arrays[name].dtype != np.float64 or not np.isfinite(arrays[name]).all():
            raise ValueError(f"{name} is not finite floats")
        if arrays[name].shape != shape:
            raise ValueError(f"{name} has shape {arrays[name].shape} where {shape} belongs")
    extra = [name for name in arrays if name.startswith(("theta_", "mu_")) and name not in wanted]
    if extra:
        raise ValueError(f"{extra[0]} belongs to no layer")


def _number(value: Any, name: str) -> float:
    """Of JSON, NaN included; its whole numbers may be beyond floats."""
    if type(value) is float or (type(value) is int and abs(value) < 2**1023):
        return float(value)
    raise ValueError(f"{name}={in_short(value)} is no number")


def _coefficient(value: Any) -> float | Array:
    """A number, or a symmetric matrix."""
    if not isinstance(value, list):
        return _number(value, "coefficients")
    rows = [[_number(entry, "coefficients") for entry in row] for row in value]
    return np.array(rows)


def network_header(net: Network) -> dict[str, Any]:
    formula = getattr(net.activation, "tree", None)
    if formula is None and named(net.activation) is not BUILT_IN.get(str(net.activation)):
        raise ValueError(
            f"activation {str(net.activation)!r} is made of your own functions, which a file cannot hold; "
            "save the arrays you need (sol.Sigma, predictions), or make it of a formula (analytic.activation)"
        )
    plain = {name: getattr(net, name) for name in (f.name for f in fields(net))}
    plain["activation"] = str(net.activation)
    if formula is not None:
        plain["activation"] = {"formula": formula, "error": getattr(net.activation, "error", 0.0)}
    plain["windows"] = [_window_header(window) for window in net.windows]
    plain["readout"] = _window_header(net.readout)
    return plain


def _window_header(window: int | str | Receptive) -> Any:
    if isinstance(window, Receptive):
        return {"windows": window.windows.tolist(), "pools": window.pools}
    return window


def network_of(header: dict[str, Any]) -> Network:
    parts = dict(header)
    parts["windows"] = tuple(_window(window) for window in header["windows"])
    parts["readout"] = _window(header["readout"])
    parts["widths"] = tuple(checks.width(width, "widths") for width in header["widths"])
    variances = header["weight_variances"]
    parts["weight_variances"] = tuple(checks.positive(v, "weight_variances") for v in variances)
    checks.positive(header["readout_variance"], "readout_variance")
    checks.not_negative(header["bias_variance"], "bias_variance")
    if isinstance(header["activation"], dict):
        parts["activation"] = of_tree(header["activation"])
    named(parts["activation"])
    if not len(parts["widths"]) == len(variances) == len(parts["windows"]) + 1:
        raise ValueError("widths, weight_variances and windows are of different numbers of layers")
    return Network(**parts)


def _window(header: Any) -> Any:
    if isinstance(header, dict):
        return pixels.receptive(header["windows"], header["pools"])
    return header
