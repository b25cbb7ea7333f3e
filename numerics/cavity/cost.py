"""What a solve of the cavity equations takes, said before it is run."""

from __future__ import annotations

import time

import numpy as np

from numerics import checks
from numerics.cavity.door import default_draws, peak_memory
from numerics.cavity.scaled import Scaled
from numerics.cavity.session import FEWEST, infinite
from numerics.costs.cost import GIGABYTE, Cost
from numerics.machine import memory
from numerics.network import Network
from numerics.problem import Problem
from numerics.unit.population import gaussian

FEW = 256  # draws that are timed
SWEEPS = 30.0  # of all draws in a solve with errors, typically: of the solution, and of its batches together


def estimate_cavity(net: Network, shape: tuple[int, ...], outputs: int, draws: int | None) -> Cost:
    """Memory and time of one solve: sweeps over few draws are timed, on random data of this shape.

    Its `gradients` are sweeps over all draws. Units whose law the Gaussian reference does not serve take some
    times as many.
    """
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal(shape), rng.standard_normal((shape[0], outputs))
    problem = Problem(net, X, y, 1.0)
    count = default_draws(problem) if draws is None else checks.count(draws, "draws", least=FEWEST)
    scaled = Scaled(problem)
    need = peak_memory(scaled, count)
    seconds, fixed = _sweep(scaled)
    each = fixed + seconds * max(count / FEW, 1.0)
    left = memory.available()
    return Cost(
        memory=need / GIGABYTE,
        available=None if left is None else left / GIGABYTE,
        seconds_per_gradient=each,
        seconds_per_solve=SWEEPS * each,
        gradients=SWEEPS,
        what=f"cavity equations by {count} draws of a unit, n = {shape[0]}",
    )


def _sweep(scaled: Scaled) -> tuple[float, float]:
    """Seconds over few draws, and of the n x n work beside them."""
    size = scaled.hidden.size
    found = infinite(scaled, gaussian(scaled.hidden, FEW, np.eye(size), 0))
    at, functional = found.at, found.functional
    began = time.perf_counter()
    H = np.linalg.inv(at.K).astype(np.float64)
    fixed = time.perf_counter() - began
    began = time.perf_counter()
    readouts = functional.readouts(H)
    pull = functional.pull(readouts, at.eps)
    functional.covariance(functional.averages(readouts, pull))
    return time.perf_counter() - began, 2.0 * fixed  # a factor and its products beside the inverse
