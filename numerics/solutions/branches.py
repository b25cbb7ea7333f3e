"""Solutions from several starts: the distinct branches, by their free energy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import overload

from numerics.gaussian.state import distance, size
from numerics.solutions.solution import Solution

SAME = 1e-4  # largest difference of the states of two runs to one solution, over 1 + their largest entry
FROM_GP = "gp"


@dataclass(frozen=True)
class StationaryPoint:
    """One stationary point of F.

    Attributes
    ----------
    solution : Solution
    starts : tuple of (str or int)
        What led there: "gp", the branch that joins the Gaussian process, and positions in `starts`.
    """

    solution: Solution
    starts: tuple[str | int, ...]

    @property
    def free_energy(self) -> float:
        return self.solution.free_energy

    @property
    def alpha(self) -> float:
        return self.solution.alpha

    @property
    def stability(self) -> float:
        """As `Solution.stability`."""
        return self.solution.stability


class Branches(Sequence[StationaryPoint]):
    """Distinct solutions of one problem, the lowest free energy first.

    Attributes
    ----------
    failed : tuple of (str or int)
        Starts from which nothing was found.
    """

    def __init__(self, found: Sequence[StationaryPoint], failed: Sequence[str | int] = ()):
        self._found = tuple(sorted(found, key=lambda branch: branch.free_energy))
        self.failed = tuple(failed)

    @classmethod
    def among(cls, solutions: Sequence[tuple[str | int, Solution]]) -> Branches:
        """Put what several starts gave together; unconverged ones count as failed."""
        distinct: list[StationaryPoint] = []
        failed = [start for start, sol in solutions if not sol.converged]
        for start, sol in solutions:
            if not sol.converged:
                continue
            for position, branch in enumerate(distinct):
                if _same(branch.solution, sol):
                    distinct[position] = StationaryPoint(branch.solution, (*branch.starts, start))
                    break
            else:
                distinct.append(StationaryPoint(sol, (start,)))
        return cls(distinct, failed)

    @property
    def lowest(self) -> Solution:
        """The solution of lowest free energy."""
        return self._found[0].solution

    @property
    def joins_gp(self) -> Solution | None:
        """The solution on the branch that joins the Gaussian process, if it was reached."""
        return next((branch.solution for branch in self if FROM_GP in branch.starts), None)

    @overload
    def __getitem__(self, index: int) -> StationaryPoint: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[StationaryPoint]: ...
    def __getitem__(self, index: int | slice) -> StationaryPoint | Sequence[StationaryPoint]:
        return self._found[index]

    def __len__(self) -> int:
        return len(self._found)

    def __iter__(self) -> Iterator[StationaryPoint]:
        return iter(self._found)

    def __str__(self) -> str:
        lines = [f"{'free energy':>14}{'alpha':>12}{'stability':>12}   starts"]
        for branch in self:
            starts = ", ".join(map(str, branch.starts))
            lines.append(f"{branch.free_energy:14.6f}{branch.alpha:12.6g}{branch.stability:12.3g}   {starts}")
        if self.failed:
            lines.append(f"nothing found from {', '.join(map(str, self.failed))}")
        return "\n".join(lines)

    def __repr__(self) -> str:
        energies = ", ".join(f"{branch.free_energy:.6f}" for branch in self)
        return f"Branches(free energies: {energies}; failed: {len(self.failed)})"


def _same(one: Solution, other: Solution) -> bool:
    return distance(one.state, other.state) <= SAME * (1 + size(one.state))
