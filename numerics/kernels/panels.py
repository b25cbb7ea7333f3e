"""Panels: the rows and columns of a kernel that are made at a time, used while they sit in cache."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from numerics.machine import parallel, scratch
from numerics.machine.parallel import Span
from numerics.pixels import Group, Receptive

Array = NDArray[np.float64]

ROWS = 128  # x COLUMNS doubles are what a core's L2 cache takes, twice
COLUMNS = 512


@dataclass(frozen=True)
class Panel:
    """Rows and columns of one block (j, k) of Q, and what it is the sum of."""

    j: int
    k: int
    rows: Span
    cols: Span
    groups: tuple[Group, ...]

    @property
    def shape(self) -> tuple[int, int]:
        return self.rows[1] - self.rows[0], self.cols[1] - self.cols[0]

    @property
    def on_diagonal(self) -> bool:
        """Whether the last columns are the rows' own diagonal block."""
        return self.j == self.k and self.cols[1] == self.rows[1]

    def of(self, Q: Array, m: int, n: int) -> Array:
        """The view of a (P m, P n) matrix that this panel covers."""
        return _view(Q, self.j * m, self.rows, self.k * n, self.cols)

    def tiles(self, loops: ModuleType) -> list[Tiles]:
        """What a panel is the sum of: one for each of its groups."""
        return [Tiles(loops, group, self.rows, self.cols) for group in self.groups]


@dataclass(frozen=True)
class Tiles:
    """What a panel takes of the kernels K_ab of pixels (a, b), and an activation's loops over such tiles."""

    loops: ModuleType
    group: Group
    rows: Span
    cols: Span

    @property
    def where(self) -> tuple[NDArray[np.intp], Span, Span]:
        """Pairs, rows and columns."""
        return self.group.table, self.rows, self.cols

    def of(self, K: Array, a: int, m: int, b: int, n: int) -> Array:
        """The view of a (P m, P n) matrix that the tile of one pair covers."""
        return _view(K, a * m, self.rows, b * n, self.cols)


def all_rows(n: int) -> list[Span]:
    """Rows of panels, that cover range(n)."""
    return parallel.panels(n, ROWS)


def panels(receptive: Receptive, spans: Sequence[Span], n: int, triangle: bool) -> Iterator[Panel]:
    """All panels of the given rows: up to and with the diagonal block, or every column."""
    for (j, k), groups in receptive.groups.items():
        if triangle and k > j:
            continue
        for rows in spans:
            stop = rows[0] if triangle and j == k else n
            edges = list(range(0, stop, COLUMNS)) or [0]
            ends = [*edges[1:], rows[1] if triangle and j == k else n]
            for cols in zip(edges, ends, strict=True):
                yield Panel(j, k, rows, cols, groups)


def with_arrays(number: int, ahead: Iterator[Panel]) -> Iterator[tuple[Panel, list[Array]]]:
    """Each panel with so many scratch arrays of its shape, contiguous."""
    todo = list(ahead)
    areas = [panel.shape[0] * panel.shape[1] for panel in todo]
    with scratch.arrays(number, max(areas, default=0)) as flat:
        for panel, area in zip(todo, areas, strict=True):
            yield panel, [array[:area].reshape(panel.shape) for array in flat]


def _view(matrix: Array, top: int, rows: Span, left: int, cols: Span) -> Array:
    return matrix[top + rows[0] : top + rows[1], left + cols[0] : left + cols[1]]
