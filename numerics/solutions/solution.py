"""What a solve gives: a problem, the equations that were solved, the point that was found, and how."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from numerics.gaussian.point import Point
from numerics.gaussian.theory import Theory
from numerics.problem import Problem
from numerics.solutions import archive, summary, tables
from numerics.solutions.observables import Observables
from numerics.solutions.prediction import Predictor, TestKernels
from numerics.solutions.predictive import OutputLaw, Predictive
from numerics.solving.outcome import Outcome, Status

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class Solution(Observables, Predictive):
    """A solution of the equations of state, Eq. (5), (7), (8) and (13).

    Keeps the input covariance, the hidden states and n-vectors; n x n kernels are made again on access. It
    can be pickled, and saved in a file that any version reads.

    Attributes
    ----------
    problem : Problem
        Network, data and noise.
    equations : Theory
        What was solved; shared along a path.
    point : Point
        Where.
    status : Status
        How the solve ended; `status.value` is advice.
    gradients : int
        Gradients of F that it took; a Hessian product counts for two.
    method : str
        What found the state: "anderson", "bfgs", "newton", or "direct" where nothing was iterated.
    chi_width : float
        The width that chi is quoted for: the network's own last one, and for `sol.gp` that of `sol`.
    """

    problem: Problem
    equations: Theory
    point: Point
    status: Status
    gradients: int
    method: str
    chi_width: float

    @classmethod
    def of(
        cls, problem: Problem, equations: Theory, outcome: Outcome, chi_width: float | None = None
    ) -> Solution:
        return cls(
            problem,
            equations,
            outcome.point.kept(),
            outcome.status,
            outcome.gradients,
            outcome.method,
            problem.net.width if chi_width is None else chi_width,
        )

    @cached_property
    def gp(self) -> Solution:
        """The same fields at infinite width (chi: the Gaussian process's eps at this network's width)."""
        outcome = Outcome(self.equations.gp, Status.CONVERGED, 1)
        return Solution.of(self.problem.with_widths(math.inf), self.equations, outcome, self.chi_width)

    def kernels_at(self, X_test: ArrayLike) -> tuple[TestKernels, ...]:
        """K and Q of every hidden layer above the first at m test inputs, (P m, P n) and (P m, P m).

        At the training inputs they are those of `kernels`.

        Parameters
        ----------
        X_test : (m, pixels, features) array, or (m, d) for a fully connected network
        """
        return tuple(self._predictor().hidden(self._test_inputs(X_test)))

    def save(self, path: str | Path) -> None:
        """Write to an .npz, data included; `numerics.load` reads it."""
        found = {"status": self.status, "gradients": self.gradients, "method": self.method}
        archive.write(path, self.problem, self.equations, self.point, found | {"chi_width": self.chi_width})

    def to_xarray(self, kernels: bool = False) -> Any:
        """A Dataset of what the solution holds, with the data; needs the extra `xarray`.

        Every variable has `long_name`, `units` and `definition` as attributes.

        Parameters
        ----------
        kernels : bool
            Also Q_f, and K and Q of every hidden layer above the first, over (pixel, datum) twice.
        """
        return tables.dataset(self, kernels)

    def _output_mean(self, X: Array) -> Array:
        return self._predictor().mean(X)

    def _output_law(self, X: Array) -> OutputLaw:
        return self._predictor().law(X)

    def _output_variance(self, X: Array) -> tuple[Array, Array]:
        return self._predictor().mean_and_variance(X)

    def _predictor(self) -> Predictor:
        return Predictor(self.equations, self.problem.inverse_widths, self.state)

    def __repr__(self) -> str:
        widths = ", ".join(f"{width:g}" for width in self.widths)
        return (
            f"Solution(widths=({widths}), alpha={self.alpha:.6g}, alpha_gp={self.gp.alpha:.6g}, "
            f"free_energy={self.free_energy:.6g}, readout_load={self.readout_load:.3g}, "
            f"residual={self.residual:.1e}, {self.status.name.lower()})"
        )

    def __str__(self) -> str:
        return summary.text(self)

    def _repr_html_(self) -> str:
        return summary.html(self)
