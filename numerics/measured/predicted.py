"""The equations of state with measured kernels in them: which layer obeys its equation, and which does not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from numerics import checks
from numerics.gaussian.at_kernels import GivenKernels, RightHandSides, right_hand_sides
from numerics.gaussian.theory import Theory
from numerics.machine.dense import congruence, mirrored
from numerics.measured import summary
from numerics.measured.groups import sign_flips, spread
from numerics.measured.measured import Measured, measure
from numerics.network import Network
from numerics.problem import Problem
from numerics.readout_laws import NAMES
from numerics.readout_laws.law import NotPositiveDefinite
from numerics.sampling.samples import Samples
from numerics.solutions.solution import Solution

Array = NDArray[np.float64]

FLIPS, FEWER_FLIPS = 99, 19  # of the signs of fluctuations: one in a hundred, or in twenty, is beyond all
LARGE = 500  # a matrix whose norms take longer
POSTS = ("predicted", "measured")


@dataclass(frozen=True, eq=False, repr=False)
class Equation:
    """One equation: its left-hand side measured, and its right-hand side from the other measured kernels.

    Attributes
    ----------
    name : str
        "Sigma", "K2", "Q2", ..., "Q_f", counted as in the paper.
    measured, predicted, reference : (dim, dim) arrays
        The reference is where nothing is learned: the layer's prior Q on the right-hand side for Sigma and K,
        the Gaussian process's kernel for Q.
    learned, residual, noise : float
        Spectral norms of measured - reference, of measured - predicted, and of what statistical fluctuations
        alone make of the latter, each over that of the reference.
    most_noise : float
        The largest of 99 such fluctuations.
    direction : (dim,) array
        Leading eigenvector of measured - reference, by absolute value.
    along : (float, float, float, float)
        Along it: reference, measured, predicted, and the error of measured less predicted.
    resolved : (int, int)
        Dimensions of the range on which the equation is evaluated, and of the whole.
    """

    name: str
    measured: Array
    predicted: Array
    reference: Array
    learned: float
    residual: float
    noise: float
    most_noise: float
    direction: Array
    along: tuple[float, float, float, float]
    resolved: tuple[int, int]

    @property
    def obeyed(self) -> bool:
        """Whether what is left is no more than noise, or than a hundred-millionth of the kernel."""
        return bool(self.residual <= max(self.most_noise, 1e-8))

    @property
    def pull(self) -> float:
        """Measured less predicted along `direction`, in errors; NaN for exact kernels."""
        _, measured, predicted, error = self.along
        return (measured - predicted) / error if error > 0 else float("nan")

    @property
    def share(self) -> float:
        """The residual over what was learned."""
        return self.residual / self.learned if self.learned > 0 else float("inf")

    def __repr__(self) -> str:
        return (
            f"Equation({self.name}, learned={self.learned:.3g}, residual={self.residual:.2g}, "
            f"noise={self.noise:.2g}, obeyed={self.obeyed})"
        )


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
    post_kernels: str = "predicted",
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
    post_kernels : "predicted" or "measured"
        Which Q stands in the equations of the hidden K: the Gaussian map's, as in the paper, or the measured
        one on its resolved range.

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
    ranges = _ranges(measured, equations, ours)

    def sides(group: int | None) -> RightHandSides:
        return right_hand_sides(equations, measured.given(group, ours, ranges), problem.inverse_widths)

    try:
        right = sides(None)
        without = [sides(group) for group in range(measured.groups)] if measured.groups > 1 else []
    except NotPositiveDefinite:
        raise ValueError(
            "a measured kernel is not positive definite where the equations divide by it; measure more units or "
            "networks, or take shrinkage=True"
        ) from None
    found = _Comparison(measured, equations, ours, ranges, right, without)
    return Predicted(measured, problem, theory, post_kernels, right, tuple(found))


def _same(measured: Measured, problem: Problem) -> None:
    if problem.net != measured.net:
        raise ValueError("net is not the network that was measured; give the same one to both")
    if problem.inputs.shape != measured.X.shape or not np.array_equal(problem.inputs, measured.X):
        raise ValueError("X is not what the kernels were measured at; give the same training inputs to both")


def _ranges(measured: Measured, equations: Theory, ours: bool) -> list[Array | None]:
    """Of every hidden layer above the first: the leading eigenvectors of Q that noise does not reach, in K and,
    where it stands in the equations, in Q; None where that is no restriction."""
    found: list[Array | None] = []
    for level in range(1, measured.layers):
        K = measured.spectrum(level)
        Q = measured.post_spectrum(level)
        size = min(K.resolved, Q.resolved) if ours else K.resolved
        known = equations.bases[level - 1]
        whole = len(K.values) if known is None else known.shape[1]
        if size >= whole or measured.groups < 2:
            found.append(known)
        else:
            found.append(np.ascontiguousarray(Q.vectors[:, : max(size, 1)]))
    return found


class _Comparison:
    """Both sides of every equation, from the first layer up."""

    def __init__(
        self,
        measured: Measured,
        equations: Theory,
        ours: bool,
        ranges: list[Array | None],
        right: RightHandSides,
        without: list[RightHandSides],
    ):
        self.measured, self.equations, self.ours, self.ranges = measured, equations, ours, ranges
        self.right, self.without = right, without

    def __iter__(self) -> Iterator[Equation]:
        measured = self.measured
        yield self._of_covariance("Sigma", 0, None)
        for level in range(1, measured.layers):
            yield self._of_prior(f"Q{level + 1}", level)
            yield self._of_covariance(f"K{level + 1}", level, self.ranges[level - 1])
        yield self._of_prior("Q_f", measured.layers)

    def _of_covariance(self, name: str, level: int, basis: Array | None) -> Equation:
        measured, right = self.measured, self.right
        if level == 0:
            reference = measured.prior_without(0, None)
        else:
            reference = measured.prior_without(level, None) if self.ours else right.priors[level - 1]
        left = [measured.covariance_without(level, group) for group in (None, *range(len(self.without)))]
        rights = [each.covariances[level] for each in (right, *self.without)]
        return self._equation(name, left, rights, reference, basis)

    def _of_prior(self, name: str, level: int) -> Equation:
        measured = self.measured
        left = [measured.prior_without(level, group) for group in (None, *range(len(self.without)))]
        rights = [each.priors[level - 1] for each in (self.right, *self.without)]
        return self._equation(name, left, rights, self._gaussian_process[level - 1], None)

    @cached_property
    def _gaussian_process(self) -> list[Array]:
        """Q of every layer above the first at infinite width, and Q_f."""
        equations = self.equations
        return [
            mirrored(below.value(kernel))
            for below, kernel in zip(equations.maps, equations.prior_kernels(), strict=True)
        ]

    def _equation(
        self, name: str, left: list[Array], right: list[Array], reference: Array, basis: Array | None
    ) -> Equation:
        whole = len(reference)
        if basis is not None:  # in the coordinates of the range
            left, right = ([congruence(basis.T, each) for each in side] for side in (left, right))
            reference = congruence(basis.T, reference)
        gaps = np.array([one - other for one, other in zip(left, right, strict=True)])
        scale = largest(reference)
        values, vectors = np.linalg.eigh(left[0] - reference)
        v = vectors[:, int(np.abs(values).argmax())]
        noises = np.zeros(1)
        error = 0.0
        if len(gaps) > 1:
            draws = FLIPS if len(reference) <= LARGE else FEWER_FLIPS
            noises = np.array([largest(flip) for flip in sign_flips(gaps[1:], draws)]) / scale
            error = float(spread(np.einsum("i,gij,j->g", v, gaps[1:], v)))
        along = tuple(float(v @ each @ v) for each in (reference, left[0], right[0]))
        wide = (lambda M: M) if basis is None else (lambda M: congruence(basis, M))
        return Equation(
            name=name,
            measured=wide(left[0]),
            predicted=wide(right[0]),
            reference=wide(reference),
            learned=float(np.abs(values).max()) / scale,
            residual=largest(gaps[0]) / scale,
            noise=float(noises.mean()),
            most_noise=float(noises.max()),
            direction=v if basis is None else basis @ v,
            along=(along[0], along[1], along[2], error),
            resolved=(len(reference), whole),
        )


def largest(M: Array) -> float:
    """Spectral norm of a symmetric matrix; NaN where it has no finite entries."""
    if not np.isfinite(M).all():
        return float("nan")
    if len(M) <= LARGE:
        return float(np.abs(np.linalg.eigvalsh(M)).max())
    from scipy.sparse.linalg import eigsh

    return float(np.abs(eigsh(M, k=1, which="LM", v0=np.ones(len(M)), return_eigenvectors=False)).max())
