"""Which pixels of one layer meet in which pixels of the next: windows and pooling, as index arrays.

A layer's weights share a window: output pixel j sees, through slot i of the window, input pixel
windows[j, i] (-1: padding, which is zero). Post-activations may be average-pooled before that: slot i
then sees the mean over a group of pixels. With a weight per slot,

    Q_(mu j)(nu j') = (sigma^2 / window) sum_i  mean_{a in slot(j, i)} mean_{b in slot(j', i)} G_(mu a)(nu b).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Pair = tuple[int, int]


@dataclass(frozen=True)
class Group:
    """Pairs (a, b) of input pixels that enter one pair of output pixels with one weight."""

    weight: float
    pairs: tuple[Pair, ...]

    @cached_property
    def table(self) -> NDArray[np.intp]:
        """The pairs as an array, (pairs, 2)."""
        return np.array(self.pairs, dtype=np.intp)


@dataclass(frozen=True, eq=False)
class Receptive:
    """Windows over (pooled) pixels; equal where both are.

    Attributes
    ----------
    windows : (P_out, window) array of int
        Index of the pooled pixel that each slot sees; -1 is padding.
    pools : tuple of tuples of int
        Members of each pooled pixel; singletons without pooling.
    """

    windows: NDArray[np.intp]
    pools: tuple[tuple[int, ...], ...]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Receptive):
            return NotImplemented
        return self.pools == other.pools and np.array_equal(self.windows, other.windows)

    def __hash__(self) -> int:
        return hash((self.pools, self.windows.shape, tuple(self.windows.ravel().tolist())))

    @property
    def pixels_in(self) -> int:
        return 1 + max(max(pool) for pool in self.pools)

    @property
    def pixels_out(self) -> int:
        return len(self.windows)

    @property
    def fan_in(self) -> int:
        """Slots of the window; times the width below, the number of weights of an output."""
        return self.windows.shape[1]

    def means(self, pixels: int) -> NDArray[np.float64]:
        """(P_out slots, pixels): the mean over pixels that each slot sees, zero for padding."""
        slots = self.windows.ravel()
        weights = np.zeros((len(slots), pixels))
        for row, slot in zip(weights, slots, strict=True):
            if slot >= 0:
                pool = self.pools[slot]
                row[list(pool)] = 1.0 / len(pool)
        return weights

    @cached_property
    def groups(self) -> dict[Pair, tuple[Group, ...]]:
        """What makes each block (j, j') of Q, every ordered pair of output pixels."""
        return {(j, k): self._groups(j, k) for j in range(self.pixels_out) for k in range(self.pixels_out)}

    def _groups(self, j: int, k: int) -> tuple[Group, ...]:
        by_weight: dict[float, list[Pair]] = {}
        for slot_j, slot_k in zip(self.windows[j], self.windows[k], strict=True):
            if slot_j < 0 or slot_k < 0:
                continue
            pool_j, pool_k = self.pools[slot_j], self.pools[slot_k]
            weight = 1.0 / (len(pool_j) * len(pool_k) * self.fan_in)
            by_weight.setdefault(weight, []).extend((a, b) for a in pool_j for b in pool_k)
        return tuple(Group(weight, tuple(pairs)) for weight, pairs in by_weight.items())

    @property
    def terms(self) -> int:
        """Pairs of input pixels in the blocks j >= j' of Q: its cost in units of n^2 kernel entries."""
        return sum(len(group.pairs) for (j, k), groups in self.groups.items() if j >= k for group in groups)


@dataclass(frozen=True, eq=False)
class Weighted(Receptive):
    """One output pixel that sees pairs of (pooled) pixels with a weight each: what a readout law may ask for.

    Attributes
    ----------
    windows : (N,) array of int
        The pooled pixels.
    weights : (N, N) array
        Symmetric: of the pairs.
    """

    weights: NDArray[np.float64]

    @property
    def pixels_out(self) -> int:
        return 1

    @property
    def fan_in(self) -> int:
        return len(self.windows)

    def _groups(self, j: int, k: int) -> tuple[Group, ...]:
        found = []
        for (one, two), weight in np.ndenumerate(self.weights):
            if weight == 0.0:
                continue
            members, others = self.pools[self.windows[one]], self.pools[self.windows[two]]
            mean = float(weight) / (len(members) * len(others))
            found.append(Group(mean, tuple((a, b) for a in members for b in others)))
        return tuple(found)


MOST_PIXELS = 1_000_000  # indices beyond are a slip


def receptive(windows: Any, pools: Any = None) -> Receptive:
    """A Receptive from lists of indices, checked.

    Raises
    ------
    ValueError
        When the lists are ragged, or name a pixel that is not there.
    """
    try:
        indices = np.array(windows)
        groups = tuple(tuple(int(pixel) for pixel in pool) for pool in pools or ())
    except (TypeError, ValueError, OverflowError):
        raise ValueError(
            "a receptive field must have windows, one list of pixels per output pixel, all of one length "
            "(-1 is padding), and may have pools, lists of pixels"
        ) from None
    if indices.ndim != 2 or indices.dtype.kind != "i" or indices.size == 0:
        raise ValueError("windows of a receptive field must be lists of pixels, all of one length")
    largest = max(int(indices.max()), *(max(pool, default=0) for pool in groups), 0)
    if largest >= MOST_PIXELS:
        raise ValueError(
            f"a receptive field names pixel {largest}; they count from 0, one per pixel of an input"
        )
    groups = groups or unpooled(int(indices.max()) + 1)
    members = [pixel for pool in groups for pixel in pool]
    if indices.min() < -1 or indices.max() >= len(groups) or not all(groups) or min(members, default=-1) < 0:
        raise ValueError("a receptive field names a pixel or pool that is not there; they count from 0")
    return Receptive(indices, groups)


def unpooled(pixels: int) -> tuple[tuple[int, ...], ...]:
    return tuple((p,) for p in range(pixels))


def dense(pixels: int, pools: Sequence[Sequence[int]] | None = None) -> Receptive:
    """One output pixel that sees every (pooled) pixel with a weight of its own: dense layers, readouts."""
    groups = unpooled(pixels) if pools is None else tuple(tuple(pool) for pool in pools)
    return Receptive(np.arange(len(groups))[None, :], groups)


def blocks(pixels: int, window: int) -> Receptive:
    """Windows side by side: slot i of output pixel j sees pixel i + j window, Eq. (14)."""
    if window < 1 or pixels % window:
        raise ValueError(
            f"a window of {window} does not divide the {pixels} pixels it is to cover; choose a divisor"
        )
    return Receptive(np.arange(pixels).reshape(-1, window), unpooled(pixels))
