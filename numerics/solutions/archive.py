"""Solutions on disk: .npz with a JSON header, no pickle, a version."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from numerics import checks, pixels
from numerics.activations import BUILT_IN, named
from numerics.free_energy.problem import Problem, problem
from numerics.machine.files import in_short, read_arrays, write_atomically
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
        When the file is something else, damaged, or was written by a later version.
    """
    try:
        arrays = read_arrays(path)
        header = json.loads(str(arrays["header"]))
        kind, version = header.get("format"), header.get("version", 0)
    except (KeyError, ValueError, AttributeError, RecursionError) as broken:
        reason = "no header" if isinstance(broken, KeyError) else in_short(broken).removeprefix(f"{path} is ")
        raise ValueError(
            f"{path} is no solution of this package ({reason}); write one with sol.save"
        ) from None
    if kind != FORMAT or version not in range(VERSION + 1):
        raise ValueError(
            f"{path} is {in_short(kind)!r} of version {in_short(version)}; this package reads {FORMAT!r} up "
            f"to version {VERSION}: update it"
        )
    try:
        return _fields(arrays, header)
    except KeyError as missing:
        reason = f"it lacks {missing.args[0]!r}"
    except (AttributeError, IndexError, OverflowError, TypeError, ValueError) as broken:
        reason = in_short(broken)
    raise ValueError(f"{path} is damaged: {reason}; solve again, or take a copy of the file")


def _fields(arrays: dict[str, Any], header: dict[str, Any]) -> dict[str, Any]:
    if header["version"] < 3:
        arrays["seen_covariance"] = arrays["input_covariance"]
    X, y = arrays["X"], arrays["y"]
    if y.ndim != 2:
        raise ValueError(f"y has {y.ndim} axes where 2 belong")
    y = y[:, 0] if header["one_output"] else y
    net = _network(header["network"])
    if header["status"] not in Status.__members__:
        raise ValueError(f"status={header['status']!r} is unknown")
    values = {
        "theta": tuple(arrays[f"theta_{level}"] for level in range(header["layers"])),
        "status": Status[header["status"]],
        **{name: arrays[name] for name in ARRAYS},
        **{name: header[name] for name in NUMBERS},
    }
    bound = problem(net, X, y, arrays["noise_variance"], header["readout_law"], arrays.get("basis"))
    _refuse_what_does_not_fit(bound, values, arrays.get("basis"))
    return {"problem": bound, **values}


def _refuse_what_does_not_fit(bound: Problem, values: dict[str, Any], basis: Any) -> None:
    """Kinds and shapes of what a file holds beside a problem, which is checked as a user's arguments are."""
    net, theta, covariance = bound.net, values["theta"], values["seen_covariance"]
    sizes = {"seen_covariance": covariance, "scaled_discrepancy": values["scaled_discrepancy"]}
    sizes |= {f"theta_{level}": block for level, block in enumerate(theta)}
    sizes |= {} if basis is None else {"basis": basis}
    for name, array in sizes.items():
        if array.dtype != np.float64 or not np.isfinite(array).all():
            raise ValueError(f"{name} is not finite floats")
    layers = len(net.widths)
    if len(theta) != (layers if named(net.activation).odd else 2 * layers):
        raise ValueError(f"{len(theta)} blocks of a state for {layers} layers")
    weights = bound.field.shape[1] + (net.bias_variance > 0)
    seen = len(theta[0])
    wanted: dict[str, tuple[int, ...]] = {"scaled_discrepancy": bound.field.y.shape}
    wanted |= {f"theta_{level}": (len(block),) * 2 for level, block in enumerate(theta[:layers])}
    wanted |= {f"theta_{layers + k}": (len(theta[k]),) for k in range(len(theta) - layers)}
    wanted |= {"seen_covariance": (seen, seen)} | ({} if basis is None else {"basis": (weights, seen)})
    for name, shape in wanted.items():
        if sizes[name].shape != shape:
            raise ValueError(f"{name} has shape {sizes[name].shape} where {shape} belongs")
    if basis is None and seen != weights:
        raise ValueError(f"theta_0 is of {seen} input weights, but there are {weights}")
    for name, value in ({name: values[name] for name in NUMBERS} | values["free_energy_terms"]).items():
        if name not in ("method", "free_energy_terms") and not _is_number(value):
            raise ValueError(f"{name}={in_short(value)} is no number")


def _is_number(value: Any) -> bool:
    """Of JSON, NaN included; its whole numbers may be beyond floats."""
    return type(value) is float or (type(value) is int and abs(value) < 2**1023)


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
    parts["widths"] = tuple(checks.width(width, "widths") for width in header["widths"])
    variances = header["weight_variances"]
    parts["weight_variances"] = tuple(checks.positive(v, "weight_variances") for v in variances)
    checks.positive(header["readout_variance"], "readout_variance")
    checks.not_negative(header["bias_variance"], "bias_variance")
    named(header["activation"])
    if not len(parts["widths"]) == len(variances) == len(parts["fields"]) + 1:
        raise ValueError("widths, weight_variances and fields are of different numbers of layers")
    return Network(**parts)


def _field(header: Any) -> Any:
    if isinstance(header, dict):
        return pixels.receptive(header["windows"], header["pools"])
    return header
