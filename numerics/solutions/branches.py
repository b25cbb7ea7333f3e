"""Solutions from several starts: the distinct branches, by their free energy."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, overload

from numerics.gaussian.state import distance, size
from numerics.solutions.solution import Solution

SAME = 1e-4  # largest difference of the states of two runs to one solution, over 1 + their largest entry
FROM_GP = "gp"


@dataclass(frozen=True)
class StationaryPoint:
    """One stationary point of F.

    Attributes
    ----------
    solution : Solution or CavitySolution
    starts : tuple of (str or int)
        What led there: "gp", the branch that joins the Gaussian process, and positions in `starts`.
    """

    solution: Any
    starts: tuple[str | int, ...]

    @property
    def free_energy(self) -> float:
        return float(self.solution.free_energy)

    @property
    def alpha(self) -> float:
        return float(self.solution.alpha)

    @property
    def stability(self) -> float:
        """As `Solution.stability`; NaN of the cavity theory, whose descent ends in minima alone."""
        return float(getattr(self.solution, "stability", math.nan))

    @property
    def free_energy_error(self) -> float:
        """By Monte Carlo; NaN of theories without draws."""
        return float(getattr(self.solution, "errors", {}).get("free_energy", math.nan))


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
    def among(
        cls,
        solutions: Sequence[tuple[str | int, Any]],
        same: Callable[[Any, Any], bool],
    ) -> Branches:
        """Put what several starts gave together; unconverged ones count as failed."""
        distinct: list[StationaryPoint] = []
        failed = [start for start, sol in solutions if not sol.converged]
        for start, sol in solutions:
            if not sol.converged:
                continue
            for position, branch in enumerate(distinct):
                if same(branch.solution, sol):
                    distinct[position] = StationaryPoint(branch.solution, (*branch.starts, start))
                    break
            else:
                distinct.append(StationaryPoint(sol, (start,)))
        return cls(distinct, failed)

    @property
    def lowest(self) -> Any:
        """The solution of lowest free energy."""
        return self._found[0].solution

    @property
    def joins_gp(self) -> Any:
        """The solution on the branch that joins the Gaussian process; None if it was not reached."""
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
        by_draws = any(math.isfinite(branch.free_energy_error) for branch in self)
        column = "free_energy_error" if by_draws else "stability"
        lines = [f"{'free energy':>14}{'alpha':>12}{'error of F' if by_draws else column:>12}   starts"]
        for branch in self:
            starts = ", ".join(map(str, branch.starts))
            value = getattr(branch, column)
            lines.append(f"{branch.free_energy:14.6f}{branch.alpha:12.6g}{value:12.3g}   {starts}")
        if self.failed:
            lines.append(f"nothing found from {', '.join(map(str, self.failed))}")
        return "\n".join(lines)

    def __repr__(self) -> str:
        energies = ", ".join(f"{branch.free_energy:.6f}" for branch in self)
        return f"Branches(free energies: {energies}; failed: {len(self.failed)})"


def same_state(one: Solution, other: Solution) -> bool:
    """Whether two runs of a Gaussian theory came to one solution."""
    return distance(one.state, other.state) <= SAME * (1 + size(one.state))
