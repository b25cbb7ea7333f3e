"""The equations of state with measured kernels in them: which layer obeys its equation."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from numerics import checks
from numerics.gaussian.at_kernels import RightHandSides, right_hand_sides
from numerics.gaussian.theory import Theory
from numerics.measured import summary
from numerics.measured.comparison import Comparison, Equation
from numerics.measured.measure import measure
from numerics.measured.measured import Measured
from numerics.network import Network
from numerics.problem import Problem
from numerics.readout_laws import NAMES
from numerics.readout_laws.law import NotPositiveDefinite
from numerics.sampling.samples import Samples
from numerics.solutions.solution import Solution

Array = NDArray[np.float64]

POSTS = ("predicted", "measured")


@dataclass(frozen=True, eq=False, repr=False)
class Predicted:
    """Right-hand sides of the equations of state at measured kernels, beside the left-hand sides.

    Attributes
    ----------
    measured : Measured
    problem : Problem
    theory : str
        The law of the readout.
    post_kernels : "predicted" or "measured"
        Which Q stands in the equations of K.
    right : RightHandSides
    equations : tuple of Equation
        From the first layer up: Sigma, Q2, K2, ..., Q_f.
    """

    measured: Measured
    problem: Problem
    theory: str
    post_kernels: str
    right: RightHandSides
    equations: tuple[Equation, ...]

    def __getitem__(self, name: str) -> Equation:
        """The equation of "Sigma", "K2", "Q2", ... or "Q_f"."""
        names = tuple(equation.name for equation in self.equations)
        return self.equations[names.index(checks.choice(name, names, "name"))]

    @property
    def Sigma(self) -> Array:
        """Predicted covariance of the input weights, (S, S), biases left out; the prior's where X sees
        nothing."""
        size = self.problem.input_shape[1]
        return self.measured.space.covariance(self.right.covariances[0])[:size, :size]

    @cached_property
    def alpha(self) -> float:
        """Overlap of discrepancy and target with Q_f by the Gaussian map of the last measured kernel."""
        return float(np.sum(self.right.data.eps * self.problem.targets)) / self.problem.target_norm2

    @property
    def readout_load(self) -> float:
        """tr[Q_f K_f^{-1}] / P at the last measured kernel: above .1 mean field is visibly off."""
        return self.right.data.degrees_of_freedom / self.problem.readout_fan_in

    def __repr__(self) -> str:
        return f"Predicted({', '.join(repr(equation) for equation in self.equations)})"

    def __str__(self) -> str:
        return summary.predicted_text(self)


def equations_from(
    measured: Measured | Samples | Solution,
    net: Network | Problem | None = None,
    X: ArrayLike | None = None,
    y: ArrayLike | None = None,
    noise_variance: Any = None,
    *,
    theory: str = "mean_field",
    post_kernels: str = "measured",
    modes: int | None = None,
) -> Predicted:
    """Put measured kernels into the equations of state, Eq. (5) and (8), and compare both sides (Fig. 5).

    Every right-hand side has measured kernels alone in it: Q of a layer is the Gaussian map of the measured
    kernel below; K of the last hidden layer follows from its Q and the data term at the measured K; below, K
    and Sigma follow from dKL(K || Q) of the measured kernels above.

    Parameters
    ----------
    measured : Measured, or Samples or Solution to be measured
    net, X, y, noise_variance
        As in `solve`, the same network and inputs as were measured. Left out, they are those of the samples
        or solution.
    theory : str
        Law of the readout, as in `solve`, but "cavity".
    post_kernels : "measured" or "predicted"
        Which Q stands in the equations of hidden K and in KL(K || Q): the measured one, or the Gaussian map
        of the measured kernel below. Networks differ in the Q that their units really have; K and the
        measured Q share that, so that their difference is what the layer learned, where K less a predicted Q
        is also what its Q was off by chance.

    modes : int, optional
        Evaluate the equations of hidden kernels on so many leading eigenvectors of Q at most, by default on
        all that are resolved. What is divided by a kernel's small eigenvalues brings Sigma little but noise;
        K less its prior across the range is left out.

    Raises
    ------
    ValueError
        When net or X are not those that were measured, or a kernel is not positive definite.
    """
    if isinstance(measured, Samples | Solution):
        net = measured.problem if net is None else net
        measured = measure(measured)
    problem = Problem.of(net, X, y, noise_variance)  # type: ignore[arg-type]
    _same(measured, problem)
    checks.choice(theory, NAMES, "theory")
    ours = checks.choice(post_kernels, POSTS, "post_kernels") == "measured"
    equations = Theory(problem, theory, basis=measured.space.basis)
    most = None if modes is None else checks.count(modes, "modes")
    ranges = _ranges(measured, equations, ours, most)

    def sides(group: int | None) -> RightHandSides:
        return right_hand_sides(equations, measured.given(group, ours, ranges), problem.inverse_widths)

    try:
        right = sides(None)
        without = [sides(group) for group in range(measured.groups)] if measured.groups > 1 else []
    except NotPositiveDefinite:
        raise ValueError(
            "a measured kernel is not positive definite where the equations divide by it; measure more units "
            "or networks, or take shrinkage=True"
        ) from None
    found = Comparison(measured, equations, ours, ranges, right, without)
    return Predicted(measured, problem, theory, post_kernels, right, tuple(found))


def _same(measured: Measured, problem: Problem) -> None:
    if problem.net != measured.net:
        raise ValueError("net is not the network that was measured; give the same one to both")
    if problem.inputs.shape != measured.X.shape or not np.array_equal(problem.inputs, measured.X):
        raise ValueError("X is not what the kernels were measured at; give the same training inputs to both")


def _ranges(measured: Measured, equations: Theory, ours: bool, most: int | None) -> list[Array | None]:
    """Of every hidden layer above the first: the leading eigenvectors of Q that noise does not reach, in K
    and, where it stands in the equations, in Q; None where that is no restriction."""
    found: list[Array | None] = []
    for level in range(1, measured.layers):
        K = measured.spectrum(level)
        Q = measured.post_spectrum(level)
        size = min(K.resolved, Q.resolved) if ours else K.resolved
        known = equations.bases[level - 1]
        whole = len(K.values) if known is None else known.shape[1]
        size = min(whole if measured.groups < 2 else size, whole if most is None else most)
        if size >= whole:
            found.append(known)
        else:
            found.append(np.ascontiguousarray(Q.vectors[:, : max(size, 1)]))
    return found
