"""Where no fixed reference serves: draws that follow the unit's law while the width goes down.

Fixed draws fit the fields to their own accidents once the effective sample falls: the fields have n^2/2
numbers. Here every step moves the draws by Hamiltonian Monte Carlo to the law in the present fields, and
makes one plain step of the descent with them, so that the noise of each step is new and averages out
(stochastic approximation of the concave-convex procedure). The answer is the average K of the last steps,
with the draws of several of them together.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expit

from numerics.cavity.functional import Functional, Sweep, sweep
from numerics.cavity.moves import moved
from numerics.unit.population import Population, gaussian, told_apart

Array = NDArray[np.float64]

PER_HALVING = 12  # steps of the width
SETTLING = 8
SNAPSHOTS = 8
BETWEEN = 3  # steps from one snapshot to the next
DAMPING = 0.5  # while averaging
SLOPE, FINE = 0.02, 1e-6  # of eps, relative: on the way and at the end


@dataclass(frozen=True, eq=False)
class Tracked:
    """Where the draws were at the end.

    Attributes
    ----------
    functional : Functional
        With the draws of all snapshots together.
    at : Sweep
        At the average K.
    snapshots : tuple of (Functional, Sweep)
        Nearly independent states of the last steps.
    """

    functional: Functional
    at: Sweep
    snapshots: tuple[tuple[Functional, Sweep], ...]


def track(
    functional_of: Callable[[Population, float], Functional],
    functional: Functional,
    at: Sweep,
    width: float,
    draws: int,
    seed: int,
) -> Tracked:
    """From a solution at a larger width down to this one."""
    top = functional.width
    streams = iter(np.random.SeedSequence(seed).generate_state(1000))
    population = moved(functional, at, draws, int(next(streams)))
    K, eps = at.K, at.eps
    falling = math.ceil(PER_HALVING * math.log2(top / width) - 1e-9)
    snapshots: list[tuple[Functional, Sweep]] = []
    average = np.zeros_like(K)
    last = falling + SETTLING + SNAPSHOTS * BETWEEN
    for step in range(1, last + 1):
        share = min(1.0, step / falling) if falling else 1.0
        functional = functional_of(population, top * (width / top) ** share)
        at = sweep(functional, K, eps, K, SLOPE)
        eps = at.eps
        averaging = step > falling + SETTLING
        K = K + (DAMPING if averaging else 1.0) * (at.target - K)
        if averaging:
            average += K / (SNAPSHOTS * BETWEEN)
            if (step - falling - SETTLING) % BETWEEN == 0:
                # without its features, of which each snapshot would hold gigabytes
                snapshots.append((replace(functional, population=replace(population, _kept={})), at))
        if step < last:
            population = moved(functional, at, draws, int(next(streams)), paths=1)
    together = _together([one.population for one, _ in snapshots])
    functional = functional_of(together, width)
    at = sweep(functional, average, eps, at.target, FINE)
    shift = bridge(functional, at, int(next(streams))) - at.pull.log_z
    together = replace(together, log_ratio=together.log_ratio + shift)
    pull = replace(at.pull, log_z=at.pull.log_z + shift, log_weights=at.pull.log_weights + shift)
    at = replace(at, pull=pull, F=at.F - width * shift)
    return Tracked(functional_of(together, width), at, tuple(snapshots))


def _together(parts: list[Population]) -> Population:
    return Population(
        parts[0].hidden,
        np.concatenate([part.Z for part in parts]),
        np.concatenate([part.log_ratio for part in parts]),
        single=parts[0].single,
    )


def bridge(functional: Functional, at: Sweep, seed: int) -> float:
    """log z from draws of the tilted law and draws of a Gaussian of its second moment together (Bennett)."""
    population, pull = functional.population, at.pull
    M = told_apart(population.Z, pull.weights)
    reference = gaussian(population.hidden, min(len(population), 32768), M, seed)
    reference = replace(reference, single=population.single)
    other = replace(functional, population=reference)
    there = other.pull(other.readouts(at.H), at.eps)
    # log of N_0 exp(tilt) over the Gaussian, at either set of draws
    ours = there.log_weights
    tilt = pull.log_weights - population.log_ratio
    values, U = np.linalg.eigh(M)
    G = (population.Z @ U) / np.sqrt(values)
    theirs = tilt + 0.5 * np.sum(G**2 - population.Z**2, axis=1) + 0.5 * float(np.sum(np.log(values)))
    share = math.log(len(theirs) * pull.effective_share / len(ours))

    def balance(log_z: float) -> float:
        forward = float(np.mean(expit(ours - log_z + share))) * math.exp(-share)
        return forward - float(pull.weights @ expit(log_z - theirs - share))

    low, high = min(ours.min(), theirs.min()) - 1.0, max(ours.max(), theirs.max()) + 1.0
    return float(brentq(balance, low, high, xtol=1e-12))
