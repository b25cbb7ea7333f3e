"""Weights of one unit, drawn from a reference whose density is known: a Gaussian, or a tilted law.

An average over the prior N_0 of one unit is that over M draws with weights N_0 / reference. Draws come in
batches that are independent of one another, from which the Monte Carlo error is read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from numerics.machine.parallel import in_order
from numerics.unit.hidden import Hidden

Array = NDArray[np.float64]
Floats = NDArray[np.floating[Any]]

BATCHES = 8
EQUAL = 1e-9  # eigenvalues of a reference, relative: those that noise does not tell apart
LEAST = 1e-3  # variance of a reference over the prior's
NOISE_EDGE = 1.05  # how far beyond the noise's edges an eigenvalue is told from it
KEPT = 2.2e9  # bytes of features that are kept from pass to pass
SHARES = 16  # of the spans, each summed by itself, whatever the number of threads
CHUNK = 400_000  # pre-activations at a time, or as many as an n x n array has


@dataclass(frozen=True, eq=False)
class Population:
    """Draws of one unit's weights.

    Attributes
    ----------
    hidden : Hidden
    Z : (M, r) array
        Whitened by the prior, batch by batch.
    log_ratio : (M,) array
        log of N_0 over the reference.
    covariance : (r, r) array or None
        Of a Gaussian reference.
    single : bool
        Whether features and their products are of single precision.
    """

    hidden: Hidden
    Z: Array
    log_ratio: Array
    covariance: Array | None = None
    single: bool = False
    _kept: dict[int, Floats] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.Z)

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_kept": {}}

    def batch(self, position: int) -> Population:
        """One of the `BATCHES` independent parts."""
        size = len(self) // BATCHES
        part = slice(position * size, (position + 1) * size)
        return replace(self, Z=self.Z[part], log_ratio=self.log_ratio[part], _kept={})

    def spans(self) -> list[slice]:
        """Draws that are worked on at a time."""
        hidden = self.hidden
        step = max(1, max(CHUNK, hidden.samples**2) // (hidden.pixels * hidden.samples))
        return [slice(low, min(low + step, len(self))) for low in range(0, len(self), step)]

    def features(self) -> Iterator[tuple[slice, Floats]]:
        """Their features (draws, m, n), a span at a time."""
        for span in self.spans():
            yield span, self.features_of(span)

    def features_of(self, span: slice) -> Floats:
        """(draws, m, n) of one of the `spans`."""
        phi = self._kept.get(span.start)
        if phi is None:
            Z = self.Z[span]
            phi = self.hidden.features(Z.astype(np.float32) if self.single else Z)
            if self.keeps:
                self._kept[span.start] = phi
        return phi

    @property
    def kind(self) -> type[Any]:
        """Of the features: float32 or float64."""
        return np.float32 if self.single else np.float64

    @property
    def keeps(self) -> bool:
        """Whether features are kept from pass to pass."""
        return (4 if self.single else 8) * self.entries <= KEPT

    @property
    def entries(self) -> int:
        """Features."""
        return len(self) * self.hidden.slots * self.hidden.samples

    def each(self, work: Callable[[slice, Floats], None]) -> None:
        """work(span, features) of every span, on the threads in use."""

        def on(span: slice) -> None:
            work(span, self.features_of(span))

        for _ in in_order(on, self.spans(), self.entries):
            pass

    def total(self, work: Callable[[slice, Floats], Floats]) -> Array:
        """The sum of work(span, features) over all spans, on the threads in use; the same on any number."""

        def on(share: list[slice]) -> Array:
            first, *others = share
            total: Array = work(first, self.features_of(first)).astype(np.float64)
            for span in others:
                total += work(span, self.features_of(span))
            return total

        parts = in_order(on, self._shares(), self.entries)
        total = next(parts)
        for part in parts:
            total += part
        return total

    def _shares(self) -> list[list[slice]]:
        spans = self.spans()
        edges = [len(spans) * k // SHARES for k in range(SHARES + 1)]
        return [spans[low:high] for low, high in pairwise(edges) if low < high]


def gaussian(hidden: Hidden, draws: int, covariance: Array, seed: int) -> Population:
    """Quasi-random draws from N(0, covariance), the directions that differ most from the prior first.

    Each batch is a scrambled Sobol sequence of its own; `draws` is rounded up to a power of two in each.
    """
    from scipy.stats import qmc  # here: a quarter of `import numerics` otherwise

    values, U = _axes(covariance)
    power = max(1, int(np.ceil(np.log2(max(draws / BATCHES, 2)))))
    seeds = np.random.SeedSequence(seed).spawn(BATCHES)
    parts = [qmc.Sobol(hidden.size, rng=np.random.default_rng(each)).random_base2(power) for each in seeds]
    G = ndtri(np.clip(np.concatenate(parts), 1e-15, 1 - 1e-15))
    Z = (G * np.sqrt(values)) @ U.T
    log_ratio = 0.5 * np.sum(G**2 - Z**2, axis=1) + 0.5 * float(np.sum(np.log(values)))
    return Population(hidden, Z, log_ratio, covariance)


def _axes(covariance: Array) -> tuple[Array, Array]:
    """Eigenvalues and eigenvectors, those that differ most from the prior first. Where values are equal the
    vectors are those that reflections of the coordinates onto the others leave, not what rounding makes."""
    values, U = np.linalg.eigh(covariance)
    alike = np.abs(values / np.median(values) - 1.0) < EQUAL
    if alike.any():
        others = np.where(np.abs(U[:, ~alike]) < EQUAL, 0.0, U[:, ~alike])  # no signs of zeros
        largest = np.argmax(np.round(np.abs(others), 9), axis=0) if others.size else []
        others = others * np.where(others[largest, np.arange(others.shape[1])] < 0, -1.0, 1.0) + 0.0
        rest = (
            np.linalg.qr(others, mode="complete")[0][:, others.shape[1] :] if others.size else np.eye(len(U))
        )
        U[:, ~alike], U[:, alike] = others, rest
    order = np.argsort(-np.round(np.abs(np.log(values)), 9), kind="stable")
    return values[order], U[:, order]


def told_apart(Z: Array, weights: Array) -> Array:
    """(r, r): the second moment of weighted draws, its eigenvalues averaged where they lie between the edges
    that the noise of so many draws spreads equal ones to (Marchenko and Pastur)."""
    M = (Z * weights[:, None]).T @ Z
    values, U = np.linalg.eigh(M)
    spread = np.sqrt(len(M) * np.sum(weights**2))
    low = (1.0 - spread) ** 2 / NOISE_EDGE if spread < 1 else -np.inf
    high = (1.0 + spread) ** 2 * NOISE_EDGE
    middle = float(np.median(values)) if spread < 0.5 else float(values.mean())
    for _ in range(3):
        inert = (values >= low * middle) & (values <= high * middle)
        if inert.any():
            middle = float(values[inert].mean())
    return (U * np.maximum(np.where(inert, middle, values), LEAST)) @ U.T


def resampled(log_weights: Array, draws: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Positions of so many draws in proportion to their weights, systematically."""
    weights = np.exp(log_weights - log_weights.max())
    steps = (np.arange(draws) + rng.uniform()) / draws
    found = np.searchsorted(np.cumsum(weights) / weights.sum(), steps)
    return np.minimum(found, len(weights) - 1)
