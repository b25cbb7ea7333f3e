"""What solving at many widths gives, and what a solve raises or warns of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from numerics.solutions import summary, tables
from numerics.solutions.solution import Solution

Array = NDArray[np.float64]

BEYOND = 10.0  # standard deviations of the prior: targets that it does not expect


class ConvergenceError(RuntimeError):
    """A solve did not reach its tolerance. `solution` is the best state, `path` what was solved before it."""

    def __init__(self, solution: Solution, tol: float, path: Path | None = None):
        self.solution = solution
        self.path = path
        super().__init__(
            f"width {solution.width:g}: residual {solution.residual:.2e} > tol = {tol:.1e} after "
            f"{solution.gradients} gradients; {solution.status.value}{_beyond_the_prior(solution)}"
        )
        self._tol = tol

    def __reduce__(self) -> tuple[Any, ...]:
        return ConvergenceError, (self.solution, self._tol, self.path)


def _beyond_the_prior(sol: Solution) -> str:
    """How many standard deviations of the prior the targets are, where that is many."""
    problem, theory = sol.problem, sol.equations
    *_, kernel = theory.prior_kernels()
    prior = (np.diagonal(theory.readout.value(kernel)) + problem.noise_variance)[problem.observed, None]
    factor = float(np.sqrt(np.mean(problem.targets[problem.observed] ** 2 / prior)))
    if factor < BEYOND:
        return ""
    return (
        f"; the targets are {factor:.2g} standard deviations of the prior: divide y by {factor:.2g} (and "
        f"noise_variance by its square), or multiply readout_variance by {factor**2:.2g}"
    )


class NegativeCurvature(RuntimeWarning):
    """A minimum was reached across negative curvature, or in a leap: it may lie on another branch."""


class Path(Sequence[Solution]):
    """Solutions of one problem at several widths, in the order they were asked for."""

    def __init__(self, solutions: Sequence[Solution]):
        self._solutions = tuple(solutions)

    @property
    def widths(self) -> Array:
        return np.array([sol.width for sol in self._solutions])

    @property
    def alpha(self) -> Array:
        return np.array([sol.alpha for sol in self._solutions])

    def table(self) -> dict[str, Array]:
        """What varies, as columns: `pandas.DataFrame(path.table())`.

        Widths are the last layer's; `alpha_first_order` is the tangent at infinite width, `overlap` the
        largest eigenvalue of Sigma over its prior's.
        """
        shared = all(len(set(sol.widths)) == 1 for sol in self)  # then all have one tangent
        tangents = [(self[0] if shared else sol).first_order for sol in self]
        return {
            "width": self.widths,
            "alpha": self.alpha,
            "alpha_gp": np.array([sol.gp.alpha for sol in self]),
            "alpha_first_order": np.array(
                [
                    tangent.alpha(sol.widths[tangent.layer])
                    for tangent, sol in zip(tangents, self, strict=True)
                ]
            ),
            "overlap": np.array([sol.overlap_eigenvalues[0] for sol in self]),
            **{
                name: np.array([getattr(sol, name) for sol in self])
                for name in ("free_energy", "log_evidence", "readout_load", "residual", "gradients")
            },
        }

    def to_xarray(self) -> Any:
        """A Dataset of all that its solutions hold, over the width of the last layer; needs the extra
        `xarray`. Every variable has `long_name`, `units` and `definition`."""
        return tables.path_dataset(self)

    @overload
    def __getitem__(self, index: int) -> Solution: ...
    @overload
    def __getitem__(self, index: slice) -> Path: ...
    def __getitem__(self, index: int | slice) -> Solution | Path:
        if isinstance(index, slice):
            return Path(self._solutions[index])
        return self._solutions[index]

    def __len__(self) -> int:
        return len(self._solutions)

    def __iter__(self) -> Iterator[Solution]:
        return iter(self._solutions)

    def __repr__(self) -> str:
        return "Path(\n  " + ",\n  ".join(map(repr, self._solutions)) + "\n)"

    def __str__(self) -> str:
        return summary.path_text(self)

    def _repr_html_(self) -> str:
        return summary.path_html(self)
