"""The descent to a stationary point of F, accelerated.

Plain steps K <- S_q + Q_q never raise max_eps F (`numerics.cavity.functional`). Anderson's method on K, in
units of the first K, proposes more; what raises F, or is not positive definite, is dropped for the plain
step that it replaced.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cholesky, solve_triangular

from numerics.cavity.functional import Functional, Indefinite, Sweep, sweep
from numerics.machine import parallel
from numerics.solving.outcome import Status

Array = NDArray[np.float64]

MEMORY = 4
INEXACT = 0.05  # of the residual: how far eps is from its maximum at most
PATIENCE = 40  # sweeps that may gain nothing
# sweeps, and residuals that are too large after them, where what draws owe is taken off
TRIALS = ((6, 0.2), (25, 5e-3))
LEFT = 64  # times the last digit of K's largest eigenvalue: a residual that is rounding


@dataclass(frozen=True, eq=False)
class Descent:
    """Where a descent ended, how, and after how many sweeps."""

    at: Sweep
    status: Status
    sweeps: int


def descend(functional: Functional, K: Array, eps: Array, tol: float, max_iter: int) -> Descent:
    """From K and eps (D, n), to a residual of `tol` or for `max_iter` sweeps."""
    with parallel.for_one_factorisation(len(K)):
        return _descend(functional, K, eps, tol, max_iter)


def _descend(functional: Functional, K: Array, eps: Array, tol: float, max_iter: int) -> Descent:
    aim = INEXACT
    here = sweep(functional, K, eps, K, aim)
    history = _History(K)
    best, gained = here, 1
    for count in range(1, max_iter + 1):
        if here.residual <= tol:
            return Descent(here, Status.CONVERGED, count)
        if count == max_iter:
            break
        if functional.own and any(count == after and best.residual > most for after, most in TRIALS):
            return Descent(best, Status.STALLED, count)
        aim = max(0.3 * tol, INEXACT * min(1.0, best.residual))
        there = None
        for proposal in history.proposals(here):
            try:
                there = sweep(functional, proposal, here.eps, here.target, aim, here.source)
            except Indefinite:
                there = None
            if there is not None and _no_worse(there, here, functional.rounding):
                break
            history.forget()
        if there is None or not np.isfinite(there.F):
            return Descent(best, Status.NOT_FINITE, count)
        here = there
        if here.residual <= best.residual or best.F - functional.rounding * abs(best.F) > here.F:
            best, gained = here, count
        if count - gained > PATIENCE:
            rounded = best.residual <= LEFT * _last_digit(functional) * np.linalg.eigvalsh(best.K)[-1]
            return Descent(best, Status.ROUNDING if rounded else Status.STALLED, count)
    return Descent(best, Status.MAX_ITERATIONS, max_iter)


def _last_digit(functional: Functional) -> float:
    return float(np.finfo(functional.population.kind).eps)


def _no_worse(there: Sweep, here: Sweep, rounding: float) -> bool:
    """Whether F fell, or the residual did where F no longer tells."""
    rounding *= max(abs(here.F), len(here.K))
    slack = max(rounding, 1e-2 * here.residual**2)  # eps is not quite at its maximum
    return (here.F + slack >= there.F and there.residual <= 2.0 * max(here.residual, 1e-12)) or (
        here.F - rounding > there.F
    )


class _History:
    """The last states and their steps; steps are compared in units of the first K."""

    def __init__(self, K: Array):
        self.root = cholesky(K, lower=True)
        self.states: list[Array] = []
        self.steps: list[Array] = []
        self.white: list[Array] = []

    def forget(self) -> None:
        self.states, self.steps, self.white = self.states[-1:], self.steps[-1:], self.white[-1:]

    def proposals(self, here: Sweep) -> Iterator[Array]:
        """The accelerated step, if there is one, and the plain one."""
        step = here.target - here.K
        self.states = [*self.states, here.K][-MEMORY:]
        self.steps = [*self.steps, step][-MEMORY:]
        self.white = [*self.white, self._white(step)][-MEMORY:]
        if len(self.states) > 1:
            changes = np.diff(np.array(self.white), axis=0)
            gram = np.tensordot(changes, changes, ([1, 2], [1, 2]))
            scale = np.sqrt(np.diagonal(gram))
            if np.all(scale > 0):
                normal = gram / np.multiply.outer(scale, scale) + 1e-12 * np.eye(len(gram))
                along = np.tensordot(changes, self.white[-1], ([1, 2], [0, 1]))
                c = np.linalg.solve(normal, along / scale) / scale
                found = here.target.copy()
                for k, share in enumerate(c):
                    found -= share * (self.states[k + 1] - self.states[k])
                    found -= share * (self.steps[k + 1] - self.steps[k])
                yield found
        yield here.target

    def _white(self, M: Array) -> Array:
        half = solve_triangular(self.root, M, lower=True, check_finite=False)
        return solve_triangular(self.root, half.T, lower=True, check_finite=False)
