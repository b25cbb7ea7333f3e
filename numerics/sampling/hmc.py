"""Hamiltonian Monte Carlo whose integrator rotates the Gaussian part of the energy exactly.

With U(z) = 1/2 |z|^2 + V(z) a step of size h kicks the momentum by V alone and turns (z, p) by the angle h,

    p -= h/2 grad V(z),    (z, p) <- (z cos h + p sin h, p cos h - z sin h),    p -= h/2 grad V(z),

so that its error, and the step, are limited by V only: what the data do not see moves freely. A path is about
`length` long, in steps whose size and number vary at random, independently of the state. Nothing here knows
of networks: an energy gives a value and a gradient at a state.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

STEP_JITTER, LENGTH_JITTER = 0.15, 0.2
LARGEST_STEP = 0.6  # pi is the identity up to a sign: chains would seem to mix and not move
DIVERGED = 1000.0  # an error of the energy beyond which a path is given up


class Evaluated(Protocol):
    @property
    def value(self) -> float: ...
    @property
    def gradient(self) -> Array: ...


E = TypeVar("E", bound=Evaluated)


@dataclass(frozen=True)
class Transition(Generic[E]):
    """Where a path ended, and how.

    Attributes
    ----------
    z : array
        The new state, which is the old one after a rejection.
    at : evaluation
        The energy there.
    acceptance : float
        Probability with which its end was to be accepted.
    diverged : bool
        The path was given up.
    gradients : int
    error : float
        Change of the total energy along it.
    """

    z: Array
    at: E
    acceptance: float
    diverged: bool
    gradients: int
    error: float


def transition(
    energy: Callable[[Array], E],
    z: Array,
    at: E,
    step: float,
    rng: np.random.Generator,
    length: float = 1.2,
    steps: int | None = None,
) -> Transition[E]:
    """One path from a state, accepted or not; it leaves exp(-U) invariant.

    Parameters
    ----------
    at : evaluation
        The energy at z.
    step : float
        h, an angle; at most `LARGEST_STEP` before its jitter.
    length : float
        Path length, in the same units: pi/2 makes a Gaussian independent of its start.
    steps : int, optional
        So many instead of a length.
    """
    h = step * (1.0 + STEP_JITTER * rng.uniform(-1.0, 1.0))
    stretch = 1.0 + LENGTH_JITTER * rng.uniform(-1.0, 1.0)
    count = max(1, round(length * stretch / h)) if steps is None else steps
    p = rng.standard_normal(z.size)
    threshold = rng.uniform()
    before = at.value + 0.5 * float(p @ p)
    cosine, sine = math.cos(h), math.sin(h)
    position, here = z, at
    for done in range(1, count + 1):
        p = p - 0.5 * h * (here.gradient - position)
        position, p = cosine * position + sine * p, cosine * p - sine * position
        here = energy(position)
        p = p - 0.5 * h * (here.gradient - position)
        if not here.value - before <= DIVERGED:  # false for NaN too
            return Transition(z, at, 0.0, True, done, math.inf)
    error = here.value + 0.5 * float(p @ p) - before
    if not error <= DIVERGED:
        return Transition(z, at, 0.0, True, count, math.inf)
    acceptance = math.exp(min(0.0, -error))
    if threshold < acceptance:
        return Transition(position, here, acceptance, False, count, error)
    return Transition(z, at, acceptance, False, count, error)
