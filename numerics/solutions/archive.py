"""Solutions on disk: .npz with a JSON header, no pickle, a version."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numerics.activations import BUILT_IN, named
from numerics.gaussian.point import Point
from numerics.gaussian.state import LayerState
from numerics.gaussian.theory import Theory
from numerics.machine.files import write_atomically
from numerics.network import Network
from numerics.pixels import Receptive
from numerics.problem import Problem
from numerics.readout_laws.law import DataSummary
from numerics.solving.outcome import Status

Array = NDArray[np.float64]

FORMAT = "feature-eos solution"
VERSION = 4  # before it a state was one flat list, and 1 to 3 were never released


def write(
    path: str | Path, problem: Problem, equations: Theory, point: Point, found: Mapping[str, Any]
) -> None:
    """Write a solution with its data; `found` has status, gradients, method and chi_width."""
    data = point.data
    header = {
        "format": FORMAT,
        "version": VERSION,
        "network": _network_header(problem.net),
        "theory": equations.law.name,
        "layers": len(point.state),
        "residual": point.residual,
        "KL_terms": point.KL_terms,
        "parts": data.parts,
        "degrees_of_freedom": data.degrees_of_freedom,
        "rounding": data.rounding,
        "coefficients": data.coefficients,
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
        When the file is something else, or was written by another version.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
            header = json.loads(str(arrays["header"]))
    except (KeyError, ValueError, EOFError, AttributeError) as broken:
        raise ValueError(
            f"{path} is no solution of this package ({broken}); write one with sol.save"
        ) from None
    if header.get("format") != FORMAT or header.get("version") != VERSION:
        raise ValueError(
            f"{path} is {header.get('format')!r} of version {header.get('version')}; this package reads "
            f"{FORMAT!r} of version {VERSION}: solve again, or with the version that wrote it"
        )
    problem = Problem(_network(header["network"]), *(arrays[name] for name in ("X", "y", "noise_variance")))
    state = tuple(
        LayerState(arrays[f"theta_{level}"], arrays.get(f"mu_{level}")) for level in range(header["layers"])
    )
    numbers = {name: header[name] for name in ("parts", "degrees_of_freedom", "rounding", "coefficients")}
    return {
        "problem": problem,
        "equations": Theory(problem, header["theory"], arrays.get("basis")),
        "point": Point(
            state=state,
            Sigma=arrays["Sigma"],
            residual=header["residual"],
            KL_terms=tuple(header["KL_terms"]),
            data=DataSummary(arrays["eps"], **numbers),
        ),
        "status": Status[header["status"]],
        **{name: header[name] for name in ("gradients", "method", "chi_width")},
    }


def _network_header(net: Network) -> dict[str, Any]:
    if named(net.activation) is not BUILT_IN.get(str(net.activation)):
        raise ValueError(
            f"activation {str(net.activation)!r} is made of your own functions, which a file cannot hold; "
            "save the arrays you need (sol.Sigma, predictions), or solve again where they are defined"
        )
    plain = {name: getattr(net, name) for name in (f.name for f in fields(net))}
    plain["activation"] = str(net.activation)
    plain["windows"] = [_window_header(window) for window in net.windows]
    plain["readout"] = _window_header(net.readout)
    return plain


def _window_header(window: int | str | Receptive) -> Any:
    if isinstance(window, Receptive):
        return {"windows": window.windows.tolist(), "pools": window.pools}
    return window


def _network(header: dict[str, Any]) -> Network:
    parts = dict(header)
    parts["windows"] = tuple(_window(window) for window in header["windows"])
    parts["readout"] = _window(header["readout"])
    parts["widths"] = tuple(map(float, header["widths"]))
    parts["weight_variances"] = tuple(header["weight_variances"])
    return Network(**parts)


def _window(header: Any) -> Any:
    if isinstance(header, dict):
        return Receptive(np.array(header["windows"]), tuple(map(tuple, header["pools"])))
    return header
