"""The jackknife: averages over groups of units or of networks, and over all groups but one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

MOST_GROUPS = 20  # the error of an error bar is then 1/sqrt(2 * 19), a sixth
FEWEST = 8  # units, or networks: fewer give no error bar


@dataclass(frozen=True)
class Groups:
    """Weighted means of groups.

    Attributes
    ----------
    counts : (G,) array
        How much each group counts for.
    values : (G, ...) array
        Its mean. A single group is exact: it has no error.
    """

    counts: Array
    values: Array

    @property
    def mean(self) -> Array:
        return np.asarray(np.tensordot(self.counts, self.values, axes=1) / self.counts.sum())

    def without(self, group: int | None) -> Array:
        """The mean over all groups but one; of None, over all."""
        total = np.tensordot(self.counts, self.values, axes=1)
        if group is None:
            return np.asarray(total / self.counts.sum())
        left = total - self.counts[group] * self.values[group]
        return np.asarray(left / (self.counts.sum() - self.counts[group]))


def spread(replicates: Array) -> Array:
    """The jackknife's standard error from (G, ...) numbers, each of all groups but one."""
    count = len(replicates)
    return np.asarray(np.sqrt((count - 1) * replicates.var(axis=0)))


def error_of(count: int, number: Callable[[int | None], Array]) -> Array:
    """Standard error of a number that is made without one of `count` groups; zero for exact kernels."""
    if count < 2:
        return np.zeros(np.shape(number(None)))
    return spread(np.array([number(group) for group in range(count)]))


def sign_flips(replicates: Array, draws: int, seed: int = 0) -> Iterator[Array]:
    """Fluctuations of the same law as those of what was averaged: the replicates' deviations from their mean
    with random signs (the wild bootstrap)."""
    count = len(replicates)
    deviations = (replicates - replicates.mean(axis=0)) * np.sqrt((count - 1) / count)
    rng = np.random.default_rng(seed)
    for _ in range(draws):
        yield np.tensordot(rng.choice([-1.0, 1.0], count), deviations, axes=1)


def blocks(length: int, count: int) -> list[slice]:
    """`length` things in at most `count` runs of nearly the same length."""
    edges = np.linspace(0, length, min(length, count) + 1).round().astype(int)
    return [slice(int(low), int(high)) for low, high in pairwise(edges)]
