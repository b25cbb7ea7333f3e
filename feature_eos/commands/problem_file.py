"""Problems as TOML files: network, data, noise, widths, output. Every mistake is one sentence.

noise_variance = 0.1

[network]
kind = "cnn"
channels = 80

[data]
dataset = "make_linear_cnn"
n = 400

[solve]
widths = [640, 320, 160, 80]

[output]
folder = "out/linear-cnn"
"""

from __future__ import annotations

import difflib
import inspect
import math
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from feature_eos.commands.array_files import read_array
from feature_eos.commands.text_files import text_of
from numerics import checks, datasets
from numerics.network import Network, cnn, fcn
from numerics.pixels import receptive

Table = dict[str, Any]
Array = NDArray[np.float64]

KINDS: dict[str, Callable[..., Network]] = {"cnn": cnn, "fcn": fcn}
SECTIONS = ("noise_variance", "network", "data", "solve", "sample", "output")
SOLVE_KEYS = ("widths", "theory", "method", "tol", "max_iter", "check_memory")
SAMPLE_KEYS = (
    *("draws", "chains", "widths", "method", "start", "seed", "thin", "path_length", "reference"),
    *("precision", "check_memory"),
)
OUTPUT_KEYS = ("folder", "plots")
FILE_KEYS = ("file", "X", "y", "X_test", "y_test", "shape")
RANGE_KEYS = ("from", "to", "count")
ELSEWHERE = (
    {"noise_variance": "at the top, before the first section"}
    | dict.fromkeys(("kind", "activation", "windows", "bias_variance"), "in [network]")
    | dict.fromkeys(("dataset", *FILE_KEYS), "in [data]")
    | dict.fromkeys(SOLVE_KEYS[2:], "in [solve]")
    | dict.fromkeys(("draws", "chains", "thin", "path_length", "precision"), "in [sample]")
    | dict.fromkeys(OUTPUT_KEYS, "in [output]")
)
MOST_WIDTHS = 10_000


@dataclass(frozen=True)
class ProblemFile:
    """What a file asks for.

    Attributes
    ----------
    net : Network
    X, y : arrays
    X_test, y_test : arrays or None
    noise_variance : float or (n,) array
    widths : tuple
        Of a path; the network's own alone without one.
    options : dict
        theory, method, tol, max_iter, check_memory, as in `numerics.solve`, those that are given.
    sample : dict
        Arguments of `numerics.sample` that are given, and widths.
    folder : Path
        For the results.
    plots : bool
    """

    net: Network
    X: Array
    y: Array
    X_test: Array | None
    y_test: Array | None
    noise_variance: Any
    widths: tuple[Any, ...]
    options: Table
    sample: Table
    folder: Path
    plots: bool


def read(path: str | Path) -> ProblemFile:
    """The problem that a TOML file describes; paths in it are relative to its folder.

    Raises
    ------
    ValueError
        Naming section and key, with the remedy.
    """
    source = Path(path)
    return described(content_of(source), source)


def content_of(source: Path) -> Table:
    """What a TOML file says, as it is."""
    if not source.is_file():
        kind = "a folder; give the file in it" if source.is_dir() else "no such file"
        raise ValueError(f"{source}: {kind}")
    text = text_of(source)
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError(f"{source}: not TOML (brackets within brackets without end)") from None
    except ValueError as broken:
        raise ValueError(f"{source}: not TOML ({broken})") from None


def described(content: Table, source: Path) -> ProblemFile:
    """The problem of what a file says."""
    folder = source.parent
    known(content, SECTIONS, "the file")
    net = _network(section(content, "network"))
    X, y, X_test, y_test = _data(section(content, "data"), folder)
    if "noise_variance" not in content:
        raise ValueError("noise_variance is missing: write for instance noise_variance = 0.1 at the top")
    noise = content["noise_variance"]
    if isinstance(noise, str | Mapping):
        noise = read_array(noise, "noise_variance", folder)
    solve = section(content, "solve", required=False)
    known(solve, SOLVE_KEYS, "[solve]")
    sample = section(content, "sample", required=False)
    known(sample, SAMPLE_KEYS, "[sample]")
    _flag(sample.get("check_memory", True), "check_memory in [sample]")
    if "widths" in sample:
        sample = {**sample, "widths": widths_of(sample["widths"], "[sample]")}
    output = section(content, "output", required=False)
    known(output, OUTPUT_KEYS, "[output]")
    options = {key: solve[key] for key in SOLVE_KEYS[1:] if key in solve}
    _flag(options.get("check_memory", True), "check_memory in [solve]")
    return ProblemFile(
        net=net,
        X=X,
        y=y,
        X_test=X_test,
        y_test=y_test,
        noise_variance=noise,
        widths=widths_of(solve["widths"], "[solve]") if "widths" in solve else (net.widths,),
        options=options,
        sample=sample,
        folder=folder
        / Path(_text(output.get("folder", f"out/{source.stem}"), "folder in [output]")).expanduser(),
        plots=_flag(output.get("plots", True), "plots in [output]"),
    )


def section(content: Table, name: str, required: bool = True) -> Table:
    if name not in content:
        if required:
            raise ValueError(f"section [{name}] is missing")
        return {}
    if not isinstance(content[name], dict):
        raise ValueError(f"{name} must be a section: write [{name}] and its keys below it")
    return content[name]


def known(table: Mapping[str, Any], keys: Iterable[str], where: str) -> None:
    """Refuse a key that nobody reads, with the place or the name that it should have."""
    names = list(keys)
    for key in table:
        if key in names:
            continue
        near = difflib.get_close_matches(key, names, n=1, cutoff=0.5)
        if key in ELSEWHERE and not where.startswith(ELSEWHERE[key].removeprefix("in ")):
            hint = f"it belongs {ELSEWHERE[key]}"
        else:
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(names)}"
        raise ValueError(f"unknown key {key!r} in {where}; {hint}")


def _network(table: Table) -> Network:
    if "kind" not in table:
        raise ValueError('kind is missing in [network]: write kind = "cnn" or kind = "fcn"')
    kind = table["kind"]
    if not isinstance(kind, str) or kind not in KINDS:
        raise ValueError(f"kind={kind!r} in [network] must be one of {', '.join(map(repr, KINDS))}")
    make = KINDS[kind]
    parameters = inspect.signature(make).parameters
    arguments = {key: value for key, value in table.items() if key != "kind"}
    known(arguments, parameters, f"[network] of kind {kind!r}")
    for name, parameter in parameters.items():
        if parameter.default is parameter.empty and name not in arguments:
            raise ValueError(f"{name} is missing in [network] of kind {kind!r}")
    if "windows" in arguments:
        if not isinstance(arguments["windows"], list):
            raise ValueError(f"windows={arguments['windows']!r} in [network] must be a list, such as [6]")
        arguments["windows"] = tuple(map(_receptive, arguments["windows"]))
    if "readout" in arguments:
        arguments["readout"] = _receptive(arguments["readout"])
    return make(**arguments)


def _receptive(given: Any) -> Any:
    """A window's size or name as it is; a table of indices as a Receptive."""
    if not isinstance(given, Mapping):
        return given
    known(given, ("windows", "pools"), "a receptive field")
    return receptive(given.get("windows"), given.get("pools"))


def _data(table: Table, folder: Path) -> tuple[Array, Array, Array | None, Array | None]:
    """X, y, X_test, y_test."""
    shape = table.get("shape")
    if "dataset" in table:
        arrays = _dataset({key: value for key, value in table.items() if key != "shape"}, folder)
    else:
        arrays = _files(table, folder)
    X, X_test = (_reshaped(arrays.get(name), shape, name) for name in ("X", "X_test"))
    if X is None:  # both readers give X
        raise ValueError("X is missing in [data]")
    return X, arrays["y"], X_test, arrays.get("y_test")


def _dataset(table: Table, folder: Path) -> Table:
    name = table["dataset"]
    both = next((key for key in FILE_KEYS if key in table), None)
    if both is not None:
        raise ValueError(f"[data] has both dataset and {both}, which are two sources; take one")
    makers = [maker for maker in datasets.__all__ if maker.startswith(("make_", "load_"))]
    if name not in makers:
        near = difflib.get_close_matches(str(name), makers, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(makers)}"
        raise ValueError(f"dataset={name!r} in [data] is unknown; {hint}")
    make = getattr(datasets, name)
    parameters = inspect.signature(make).parameters
    arguments = {key: value for key, value in table.items() if key != "dataset"}
    known(arguments, [*parameters, "shape"], f"[data] with dataset {name!r}")
    for key, parameter in parameters.items():
        if parameter.default is parameter.empty and key not in arguments:
            raise ValueError(f"{key} is missing in [data] with dataset {name!r}")
    for key, parameter in parameters.items():
        if isinstance(parameter.default, bool) and key in arguments:
            _flag(arguments[key], f"{key} in [data]")
    if "path" in arguments:
        arguments["path"] = folder / Path(_text(arguments["path"], "path in [data]")).expanduser()
    try:
        made = make(**arguments)
    except TypeError as broken:
        raise ValueError(f"[data] with dataset {name!r}: {broken}") from None
    found = {"X": made.X, "y": made.y}
    return found | ({"X_test": made.X_test, "y_test": made.y_test} if len(made.X_test) else {})


def _files(table: Table, folder: Path) -> Table:
    known(table, [*FILE_KEYS, "dataset"], "[data]")
    archive = table.get("file")
    found: Table = {}
    for name in ("X", "y", "X_test", "y_test"):
        if name in table:
            found[name] = read_array(table[name], name, folder)
        elif archive is not None:
            array = read_array(archive, name, folder, required=name in ("X", "y"))
            found |= {} if array is None else {name: array}
        elif name in ("X", "y"):
            raise ValueError(
                f"{name} is missing in [data]: give dataset, a file with X and y, or {name} = a path"
            )
    if "y_test" in found and "X_test" not in found:
        raise ValueError("y_test in [data] comes with X_test; add it")
    return found


def _reshaped(array: Array | None, shape: Any, name: str) -> Array | None:
    """Samples of the given shape."""
    if array is None or shape is None:
        return array
    sizes = [shape] if isinstance(shape, int) else shape
    if not isinstance(sizes, list) or not sizes:
        raise ValueError(f"shape={shape!r} in [data] must be the shape of one sample, such as [20, 64]")
    wanted = [checks.count(size, "shape in [data]") for size in sizes]
    if array.ndim == 0 or math.prod(array.shape[1:]) != math.prod(wanted):
        raise ValueError(
            f"{name} has shape {array.shape}, whose samples do not fill shape={wanted} of [data]"
        )
    return array.reshape(len(array), *wanted)


def widths_of(given: Any, section: str) -> tuple[Any, ...]:
    """A list of widths, or a geometric range."""
    if isinstance(given, Mapping):
        known(given, RANGE_KEYS, f"widths of {section}")
        for key in RANGE_KEYS:
            if key not in given:
                raise ValueError(
                    f"{key} is missing in widths of {section}: {{from = 30000, to = 90, count = 49}}"
                )
        start, stop = (checks.positive(given[key], f"{key} in widths of {section}") for key in ("from", "to"))
        steps = checks.count(given["count"], "count in widths of {section}")
        if steps > MOST_WIDTHS:
            raise ValueError(
                f"count={given['count']} in widths of {section}: each is solved for; at most {MOST_WIDTHS}"
            )
        return tuple(float(width) for width in np.geomspace(start, stop, steps))
    if not isinstance(given, list) or not given:
        raise ValueError(
            f"widths={given!r} in {section} must be a list of widths, or "
            "{from = 30000, to = 90, count = 49}"
        )
    return tuple(given)


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError(f"{name}={value!r} must be text")
    return value


def _flag(value: Any, name: str) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{name}={value!r} must be true or false")
    return value
