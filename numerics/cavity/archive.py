"""Solutions of the cavity equations as .npz files: data, draws, and the state they were solved at.

Everything else follows from these and is made again: features, weights of the draws, readouts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numerics import checks
from numerics.cavity.attempts import Found
from numerics.cavity.descent import Descent
from numerics.cavity.functional import Indefinite, evaluated
from numerics.cavity.scaled import Scaled
from numerics.cavity.session import infinite
from numerics.gaussian.theory import Theory
from numerics.machine.files import in_short, read_with_header, write_atomically
from numerics.problem import Problem
from numerics.solutions.archive import network_header, network_of
from numerics.solving.outcome import Status
from numerics.unit.population import Population

Array = NDArray[np.float64]

FORMAT = "feature-eos cavity solution"
VERSION = 3
OF_EACH = ("Z", "log_ratio", "K", "eps")


def write(path: str | Path, problem: Problem, equations: Theory, found: Found) -> None:
    """Write a solution with its replicates."""
    every = (found, *found.replicates)
    header = {
        "format": FORMAT,
        "version": VERSION,
        "network": network_header(problem.net),
        "found": [
            {
                "status": one.descent.status.name,
                "sweeps": one.descent.sweeps,
                "control": list(one.functional.shares),
                "gaussian": one.population.covariance is not None,
                "single": one.population.single,
                "own": one.functional.own,
            }
            for one in every
        ],
    }
    arrays: dict[str, Any] = {
        "header": np.array(json.dumps(header)),
        "X": problem.X,
        "y": problem.y,
        "noise_variance": problem.noise_variance,
    }
    if equations.space.basis is not None:
        arrays["basis"] = equations.space.basis
    for position, one in enumerate(every):
        at, population = one.descent.at, one.population
        parts = {"Z": population.Z, "log_ratio": population.log_ratio, "K": at.K, "eps": at.eps}
        if population.covariance is not None:
            parts["covariance"] = population.covariance
        arrays |= {f"{name}_{position}": array for name, array in parts.items()}
    write_atomically(path, lambda file: np.savez(file, **arrays))


def read(path: str | Path) -> tuple[Problem, Theory, Found]:
    """What `write` wrote.

    Raises
    ------
    ValueError
        When the file is something else, damaged, or was written by another version.
    """
    arrays, header = read_with_header(path, "is no solution of this package ({}); write one with sol.save")
    if header.get("version") != VERSION:
        raise ValueError(
            f"{path} is of version {in_short(header.get('version'))}; this package reads {FORMAT!r} of "
            f"version {VERSION}: solve again, or with the version that wrote it"
        )
    try:
        return _parts(arrays, header)
    except KeyError as missing:
        reason = f"it lacks {missing.args[0]!r}"
    except Indefinite:
        reason = "K is not positive definite"
    except (AttributeError, IndexError, OverflowError, TypeError, ValueError) as broken:
        reason = in_short(broken)
    raise ValueError(f"{path} is damaged: {reason}; solve again, or take a copy of the file")


def _parts(arrays: Mapping[str, Array], header: dict[str, Any]) -> tuple[Problem, Theory, Found]:
    problem = Problem(network_of(header["network"]), *(arrays[name] for name in ("X", "y", "noise_variance")))
    scaled = Scaled(problem)
    every = [_found(scaled, arrays, position, one) for position, one in enumerate(header["found"])]
    first = every[0]
    whole = Found(first.functional, first.descent, tuple(one.kept() for one in every[1:]))
    return problem, scaled.theory, whole.kept()


def _found(scaled: Scaled, arrays: Mapping[str, Array], position: int, header: dict[str, Any]) -> Found:
    given = {name: arrays[f"{name}_{position}"] for name in OF_EACH}
    covariance = arrays[f"covariance_{position}"] if header["gaussian"] else None
    outputs, n = scaled.y.shape
    size = scaled.hidden.size
    shapes: dict[str, tuple[int, ...]] = {
        "Z": (len(given["Z"]), size),
        "log_ratio": (len(given["Z"]),),
        "K": (outputs * n, outputs * n),
        "eps": (outputs, n),
    }
    for name, shape in shapes.items():
        array = given[name]
        if array.shape != shape or array.dtype != np.float64 or not np.isfinite(array).all():
            raise ValueError(f"{name}_{position} is not finite floats of shape {shape}")
    if covariance is not None and covariance.shape != (size, size):
        raise ValueError(f"covariance_{position} is not of shape {(size, size)}")
    if header["status"] not in Status.__members__:
        raise ValueError(f"status={header['status']!r} is unknown")
    p, q = (checks.not_negative(share, "control") for share in header["control"])
    single = header["single"] is True
    population = Population(scaled.hidden, given["Z"], given["log_ratio"], covariance, single)
    width = scaled.problem.net.width
    if np.isinf(width):
        return infinite(scaled, population)
    functional = scaled.functional(population, width, (p, q))
    functional = replace(functional, own=header["own"] is True)
    sweeps = checks.count(header["sweeps"], "sweeps", least=0)
    at = evaluated(functional, given["K"], given["eps"])
    return Found(functional, Descent(at, Status[header["status"]], sweeps))
