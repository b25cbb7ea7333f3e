"""Samples in a file: an .npz of arrays and a header, from which a run goes on bit for bit.

A file of draws and a checkpoint are one format: network, data, how it is sampled, every chain's state and
random numbers, and the draws so far.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numerics.machine.files import in_short, read_with_header, write_atomically
from numerics.problem import Problem
from numerics.sampling.adaptation import Descent, DualAveraging
from numerics.sampling.chain import DESCENT, DRAWS, METHODS, TUNING, Chain, Plan, Tally
from numerics.sampling.energies import Posterior
from numerics.sampling.langevin import Langevin, Schedule
from numerics.sampling.records import RECORDED, Record, scalar_names
from numerics.sampling.run import Run
from numerics.solutions.archive import network_header, network_of

Array = NDArray[np.float64]

FORMAT = "feature-eos samples"
VERSION = 2
PLAIN = ("method", "length", "thin", "tuning", "pooled")  # of a plan, in the header
PARTS = {
    "descent": Descent,
    "averaging": DualAveraging,
    "schedule": Schedule,
    "warm_up": Tally,
    "tally": Tally,
}
NUMBERS = ("phase", "step", "phase_ended", "drawn")


def package_version() -> str:
    try:
        return version("feature-eos")
    except PackageNotFoundError:  # run from its sources
        return "unknown"


def write(path: str | Path, run: Run, asked: Mapping[str, Any], notes: tuple[str, ...] = ()) -> None:
    """Write a run; `asked` is what a run that goes on must ask for too.

    Raises
    ------
    ValueError
        For a network whose activation is a user's own functions, which a file cannot hold.
    OSError
    """
    plan, problem = run.plan, run.plan.posterior.problem
    header = {
        "format": FORMAT,
        "version": VERSION,
        "package": package_version(),
        "network": network_header(problem.net),
        "single": plan.posterior.single,
        "plan": {name: getattr(plan, name) for name in PLAIN},
        "langevin": asdict(plan.langevin),
        "draws": run.draws,
        "seconds": run.seconds,
        "asked": dict(asked),
        "notes": list(notes),
        "chains": [_chain_header(chain) for chain in run.chains],
        "counts": [sum(len(block.scalars) for block in blocks) for blocks in run.records],
    }
    arrays: dict[str, Any] = {
        "header": np.array(json.dumps(header)),
        "X": problem.X,
        "y": problem.y,
        "noise_variance": problem.noise_variance,
        "z": np.stack([chain.z for chain in run.chains]),
        "moments": _moments(run.chains),
    }
    if plan.posterior.root is not None:
        arrays["root"] = plan.posterior.root
    blocks = [block for chain in run.records for block in chain]
    if blocks:
        everything = Record.joined(blocks)
        arrays |= {f"draws_{name}": getattr(everything, name) for name in RECORDED}
    write_atomically(path, lambda file: np.savez(file, **arrays))


def read(path: str | Path) -> tuple[Run, dict[str, Any], tuple[str, ...]]:
    """What `write` wrote: the run, what it was asked for, and the notes.

    Raises
    ------
    ValueError
        When the file is something else, damaged, or was written by another version.
    """
    arrays, header = read_with_header(path, "holds no samples of this package ({})")
    kind, number, package = header.get("format"), header.get("version"), header.get("package")
    if (kind, number, package) != (FORMAT, VERSION, package_version()):
        raise ValueError(
            f"{path} is {in_short(kind)!r} of version {in_short(number)} by feature-eos {in_short(package)}; "
            f"this is feature-eos {package_version()}: read it with the version that wrote it, or sample anew"
        )
    try:
        return _run(arrays, header), dict(header["asked"]), tuple(map(str, header["notes"]))
    except KeyError as missing:
        reason = f"it lacks {missing.args[0]!r}"
    except (AttributeError, IndexError, OverflowError, TypeError, ValueError) as broken:
        reason = in_short(broken)
    raise ValueError(f"{path} is damaged: {reason}; sample anew, or take a copy of the file")


def _moments(chains: Sequence[Chain]) -> Array:
    """(chains, S, S): NaN of a chain that has none yet."""
    size = max(len(chain.moments) for chain in chains)
    out = np.full((len(chains), size, size), np.nan)
    for row, chain in zip(out, chains, strict=True):
        if len(chain.moments):
            row[:] = chain.moments
    return out


def _chain_header(chain: Chain) -> dict[str, Any]:
    header = {name: getattr(chain, name) for name in NUMBERS}
    header |= {name: asdict(getattr(chain, name)) for name in PARTS}
    return header | {"rng": chain.rng.bit_generator.state}


def _run(arrays: Mapping[str, Any], header: Mapping[str, Any]) -> Run:
    problem = Problem(network_of(header["network"]), *(arrays[name] for name in ("X", "y", "noise_variance")))
    posterior = Posterior(problem, bool(header["single"]), arrays.get("root"))
    plan = Plan(posterior, **header["plan"], langevin=Langevin(**header["langevin"]))
    chains = [
        _chain(given, z, moments)
        for given, z, moments in zip(header["chains"], arrays["z"], arrays["moments"], strict=True)
    ]
    size = plan.energy().size
    if arrays["z"].shape != (len(chains), size) or not np.isfinite(arrays["z"]).all():
        raise ValueError(f"states have shape {arrays['z'].shape}, where {size} numbers each belong")
    if plan.method not in METHODS or {chain.phase for chain in chains} - {DESCENT, TUNING, DRAWS}:
        raise ValueError("it names a method or a phase that is not known")
    counts = [int(count) for count in header["counts"]]
    if counts != [chain.drawn for chain in chains]:
        raise ValueError("the draws are not as many as the chains have made")
    records: list[list[Record]] = [[] for _ in chains]
    if sum(counts):
        everything = Record(*(arrays[f"draws_{name}"] for name in RECORDED))
        lengths = {len(getattr(everything, name)) for name in RECORDED}
        if lengths != {sum(counts)}:
            raise ValueError("the draws are not as many as the chains have made")
        for name, shape in _shapes(posterior).items():
            if getattr(everything, name).shape[1:] != shape:
                raise ValueError(f"{name} of a draw are not of shape {shape}")
        ends = np.cumsum(counts)
        records = [
            [everything.part(slice(end - count, end))] for count, end in zip(counts, ends, strict=True)
        ]
    return Run(plan, chains, int(header["draws"]), records, float(header["seconds"]))


def _shapes(posterior: Posterior) -> dict[str, tuple[int, ...]]:
    """Of what is recorded of a draw."""
    shapes = posterior.coordinates.shapes
    return {
        "scalars": (len(scalar_names(len(shapes))),),
        "eps": posterior.Y.shape,
        "weights": (posterior.coordinates.size,),
        "slope": shapes[0],
    }


def _chain(header: Mapping[str, Any], z: Array, moments: Array) -> Chain:
    rng = np.random.default_rng()
    rng.bit_generator.state = header["rng"]
    parts = {name: make(**header[name]) for name, make in PARTS.items()}
    if np.isnan(moments).any():
        moments = np.zeros((0, 0))
    return Chain(z.copy(), rng, **{name: header[name] for name in NUMBERS}, **parts, moments=moments)
