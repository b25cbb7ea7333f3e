"""What a sampling run takes, said before it is run."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from numerics import checks
from numerics.costs.cost import GIGABYTE
from numerics.machine import memory, parallel
from numerics.problem import Problem
from numerics.sampling.energies import Collapsed, Joint, Posterior
from numerics.sampling.footprint import run_memory
from numerics.sampling.sampler import refuse_widths

PER_DRAW = (2.0, 8.0)  # gradients of a path, at wide networks and at narrow ones that learn much
WARM_UP = 150.0  # gradients of a chain: 80 to 500 of them are the descent


@dataclass(frozen=True)
class SamplingCost:
    """Memory and time of a run; `print(cost)` is readable.

    Attributes
    ----------
    memory : float
        GB (2^30 bytes) above the process at the peak.
    available : float or None
        GB that machine and container have left.
    seconds_collapsed, seconds_joint : float
        Of a gradient on one core, in double precision: the readout integrated out, and all weights.
    seconds : tuple of float
        Of the run, from the least to the most that paths usually take, on the cores there are.
    what : str
    """

    memory: float
    available: float | None
    seconds_collapsed: float
    seconds_joint: float
    seconds: tuple[float, float]
    what: str

    def __str__(self) -> str:
        left = "" if self.available is None else f" ({self.available:.3g} GB available)"
        low, high = self.seconds
        return (
            f"{self.what}\n"
            f"  memory  {self.memory:.2g} GB at the peak{left}\n"
            f"  time    {self.seconds_collapsed:.2g} s per gradient on one core with the readout integrated "
            f"out, {self.seconds_joint:.2g} s of all weights; {low:.2g} to {high:.2g} s in all, as a rule"
        )


def estimate_sampling(problem: Problem, draws: int = 200, chains: int = 4) -> SamplingCost:
    """Memory and time of `sample` on a problem; a gradient of each kind is timed.

    Parameters
    ----------
    problem : Problem
        Of finite whole widths.
    draws, chains : int
        As in `sample`.
    """
    refuse_widths(problem)
    draws, chains = checks.count(draws, "draws"), checks.count(chains, "chains")
    posterior = Posterior(problem)
    with parallel.threads(1):
        collapsed, joint = (_seconds(energy) for energy in (Collapsed(posterior), Joint(posterior)))
    workers = min(chains, parallel.thread_count())
    low, high = (collapsed * chains * (draws * each + WARM_UP) / workers for each in PER_DRAW)
    left = memory.available()
    widths = ", ".join(f"{width:g}" for width in problem.widths)
    return SamplingCost(
        memory=run_memory(problem, draws, chains, workers) / GIGABYTE,
        available=None if left is None else left / GIGABYTE,
        seconds_collapsed=collapsed,
        seconds_joint=joint,
        seconds=(low, high),
        what=f"{chains} chains of {draws} draws, widths {widths}, n = {problem.samples}, on {workers} cores",
    )


def _seconds(energy: Collapsed | Joint) -> float:
    z = np.random.default_rng(0).standard_normal(energy.size)
    energy(z)
    began = time.perf_counter()
    energy(z)
    return time.perf_counter() - began
