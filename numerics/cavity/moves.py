"""Draws moved to the tilted law of one unit: resampled, then Hamiltonian Monte Carlo of all at once.

With U(z) = 1/2 |z|^2 - tilt(z) in whitened weights; the integrator rotates the Gaussian part exactly, as
`numerics.sampling.hmc` does for a network. The moved draws have the tilted law of a field for reference,
whose density is known but for its z, which the draws before them gave.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numerics.cavity.functional import Functional, Sweep
from numerics.machine.parallel import in_order
from numerics.unit.fields import inverted, precision, seen_through
from numerics.unit.population import BATCHES, Population, resampled

Array = NDArray[np.float64]
Floats = NDArray[np.floating[Any]]

PATHS = 5
LENGTH = 1.0  # of a path: pi/2 makes a Gaussian independent of its start
STEP = 0.25  # to begin with
ACCEPTANCE = 0.85


@dataclass(frozen=True)
class Tilt:
    """The tilt of one unit in a field, and its slope in the weights."""

    functional: Functional
    H: Array
    eps: Array

    def __call__(self, Z: Array) -> tuple[Array, Array]:
        """(draws,) and (draws, r)."""
        population = self.functional.population
        values, slopes = np.empty(len(Z)), np.empty_like(Z)
        step = population.spans()[0].stop
        parts = [slice(low, low + step) for low in range(0, len(Z), step)]
        kind = population.kind
        H, eps = self.H.astype(kind, copy=False), self.eps.astype(kind, copy=False)

        def work(part: slice) -> None:
            values[part], slopes[part] = self._part(Z[part].astype(kind, copy=False), H, eps)

        for _ in in_order(work, parts, len(Z) * population.hidden.slots * population.hidden.samples):
            pass
        return values, slopes

    def _part(self, Z: Floats, H: Floats, eps: Floats) -> tuple[Array, Floats]:
        hidden, width = self.functional.population.hidden, self.functional.width
        phi, dphi = hidden.with_slopes(Z)
        draws, slots, _ = phi.shape
        outputs = len(eps)
        through = seen_through(phi, H)
        inverse, logdet = inverted(precision(phi, through, width))
        b = (phi @ eps.T).astype(np.float64).transpose(0, 2, 1).reshape(draws, -1) / np.sqrt(width)
        abar = np.einsum("bij,bj->bi", inverse, b)
        tilt = 0.5 * (np.einsum("bi,bi->b", abar, b) - logdet)
        M = (inverse + abar[:, :, None] * abar[:, None, :]) / width
        M = M.astype(Z.dtype, copy=False).reshape(draws, outputs, slots, outputs, slots)
        a = (abar / np.sqrt(width)).astype(Z.dtype, copy=False).reshape(draws, outputs, slots)
        G = a.transpose(0, 2, 1) @ eps
        for d in range(outputs):
            for e in range(outputs):
                # H_de phi_j, for every j: the transpose of phi H_ed
                G -= M[:, d, :, e, :] @ through[e, d]
        return tilt, hidden.adjoint(dphi, G)


def moved(functional: Functional, at: Sweep, draws: int, seed: int, paths: int = PATHS) -> Population:
    """A population of the tilted law at a sweep, from the weighted draws that it was found with.

    Batches stay independent of one another. `draws` is rounded to a multiple of them.
    """
    population = functional.population
    rng = np.random.default_rng(seed)
    size, each = len(population) // BATCHES, max(2, draws // BATCHES)
    picked = np.concatenate(
        [
            k * size + resampled(at.pull.log_weights[k * size : (k + 1) * size], each, rng)
            for k in range(BATCHES)
        ]
    )
    shape = (*functional.y.shape, *functional.y.shape)
    tilt = Tilt(functional, at.H.reshape(shape), at.eps)
    Z, values = _paths(tilt, population.Z[picked], rng, paths)
    return Population(population.hidden, Z, at.pull.log_z - values, single=population.single)


def _paths(tilt: Tilt, Z: Array, rng: np.random.Generator, paths: int) -> tuple[Array, Array]:
    """Draws after some paths, and their tilts."""
    value, slope = tilt(Z)
    h = STEP
    for _ in range(paths):
        jittered = h * rng.uniform(0.85, 1.15)
        cosine, sine = np.cos(jittered), np.sin(jittered)
        momentum = rng.standard_normal(Z.shape)
        threshold = np.log(rng.uniform(size=len(Z)))
        position, there, pull, p = Z, value, slope, momentum
        for _ in range(max(1, round(LENGTH / jittered))):
            p = p + 0.5 * jittered * pull
            position, p = cosine * position + sine * p, cosine * p - sine * position
            there, pull = tilt(position)
            p = p + 0.5 * jittered * pull
        change = (there - value) + 0.5 * np.sum(Z**2 - position**2 + momentum**2 - p**2, axis=1)
        accepted = threshold < change  # false for NaN too
        Z = np.where(accepted[:, None], position, Z)
        value = np.where(accepted, there, value)
        slope = np.where(accepted[:, None], pull, slope)
        share = float(np.mean(np.exp(np.minimum(np.nan_to_num(change, nan=-np.inf), 0.0))))
        h = float(np.clip(h * np.exp(share - ACCEPTANCE), 0.02, 0.6))
    return Z, value
