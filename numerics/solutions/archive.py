"""Solutions on disk: .npz with a JSON header, no pickle, a version."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from numerics.activations import BUILT_IN, named
from numerics.free_energy.problem import Problem, problem
from numerics.machine.files import write_atomically
from numerics.network import Network
from numerics.pixels import Receptive
from numerics.solving.outcome import Status

FORMAT = "feature-eos solution"
VERSION = 3  # 1 had no means: the same file, where every activation is odd; 2 no coordinates of the weights


ARRAYS = ("seen_covariance", "scaled_discrepancy")
NUMBERS = (
    "free_energy_terms",
    "response",
    "fluctuation",
    "degrees_of_freedom",
    "residual",
    "gradients",
    "method",
    "chi_width",
)


def write(bound: Problem, values: dict[str, Any], path: str | Path) -> None:
    """Write a problem with its data, and the fields of its solution by name."""
    field = bound.field
    X = field.X[:, :, : field.shape[1]].transpose(1, 0, 2)
    theta = values["theta"]
    header = {
        "format": FORMAT,
        "version": VERSION,
        "network": _network_header(bound.net),
        "one_output": field.one_output,
        "readout_law": field.readout,
        "status": values["status"].name,
        "layers": len(theta),  # blocks of the state: matrices, then means
        **{name: values[name] for name in NUMBERS},
    }
    arrays: dict[str, Any] = {f"theta_{level}": block for level, block in enumerate(theta)}
    arrays |= {name: values[name] for name in ARRAYS}
    arrays |= {
        "header": np.array(json.dumps(header)),
        "X": X[:, 0] if bound.net.flat else X,
        "y": field.y,
        "noise_variance": field.noise_variance,
    }
    if field.space.basis is not None:  # of degenerate data it is rounding's: not to be made again
        arrays["basis"] = field.space.basis
    write_atomically(path, lambda file: np.savez(file, **arrays))


def read(path: str | Path) -> dict[str, Any]:
    """What `write` wrote: the problem and the fields of its solution by name.

    Raises
    ------
    ValueError
        When the file is something else, or was written by a later version.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
            header = json.loads(str(arrays["header"]))
    except (KeyError, ValueError, EOFError, AttributeError) as broken:
        raise ValueError(
            f"{path} is no solution of this package ({broken}); write one with sol.save"
        ) from None
    if header.get("format") != FORMAT or header.get("version", 0) > VERSION:
        raise ValueError(
            f"{path} is {header.get('format')!r} of version {header.get('version')}; this package reads "
            f"{FORMAT!r} up to version {VERSION}: update it"
        )
    if header["version"] < 3:
        arrays["seen_covariance"] = arrays["input_covariance"]
    X, y = arrays["X"], arrays["y"][:, 0] if header["one_output"] else arrays["y"]
    net = _network(header["network"])
    return {
        "problem": problem(net, X, y, arrays["noise_variance"], header["readout_law"], arrays.get("basis")),
        "theta": tuple(arrays[f"theta_{level}"] for level in range(header["layers"])),
        "status": Status[header["status"]],
        **{name: arrays[name] for name in ARRAYS},
        **{name: header[name] for name in NUMBERS},
    }


def same_problem(one: Problem, other: Problem) -> bool:
    """Whether two problems have the same network, widths included, and the same data, noise and readout."""
    if _network_header(one.net) != _network_header(other.net):
        return False
    a, b = one.field, other.field
    return a.readout == b.readout and all(
        np.array_equal(x, y) for x, y in ((a.X, b.X), (a.y, b.y), (a.noise_variance, b.noise_variance))
    )


def _network_header(net: Network) -> dict[str, Any]:
    if named(net.activation) is not BUILT_IN.get(str(net.activation)):
        raise ValueError(
            f"activation {str(net.activation)!r} is made of your own functions, which a file cannot hold; "
            "save the arrays you need (sol.Sigma, predictions), or solve again where they are defined"
        )
    plain = {name: getattr(net, name) for name in (f.name for f in fields(net))}
    plain["activation"] = str(net.activation)
    plain["fields"] = [_field_header(field) for field in net.fields]
    plain["readout"] = _field_header(net.readout)
    return plain


def _field_header(field: int | str | Receptive) -> Any:
    if isinstance(field, Receptive):
        return {"windows": field.windows.tolist(), "pools": field.pools}
    return field


def _network(header: dict[str, Any]) -> Network:
    parts = dict(header)
    parts["fields"] = tuple(_field(field) for field in header["fields"])
    parts["readout"] = _field(header["readout"])
    parts["widths"] = tuple(map(float, header["widths"]))
    parts["weight_variances"] = tuple(header["weight_variances"])
    return Network(**parts)


def _field(header: Any) -> Any:
    if isinstance(header, dict):
        return Receptive(np.array(header["windows"]), tuple(map(tuple, header["pools"])))
    return header
