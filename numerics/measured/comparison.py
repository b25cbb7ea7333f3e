"""One equation's two sides, and what fluctuations make of their difference."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from numerics.gaussian.at_kernels import RightHandSides
from numerics.gaussian.theory import Theory
from numerics.machine.dense import congruence, mirrored
from numerics.measured.groups import sign_flips, spread
from numerics.measured.measured import Measured

Array = NDArray[np.float64]

FLIPS, FEWER_FLIPS = 99, 19  # of the signs of fluctuations: one in a hundred, or in twenty, is beyond all
LARGE = 500  # a matrix whose norms take longer


@dataclass(frozen=True, eq=False, repr=False)
class Equation:
    """One equation: its left-hand side measured, and its right-hand side from the other measured kernels.

    Attributes
    ----------
    name : str
        "Sigma", "Q2", "K2", ..., "Q_f", counted as in the paper; of units with means also "m1", "m2", ...
    measured, predicted, reference : (dim, dim) arrays, of a mean (dim,)
        The reference is where nothing is learned: the layer's prior Q on the right-hand side for Sigma and K,
        the Gaussian process's kernel for Q, zero for a mean.
    learned, residual, noise : float
        Spectral norms of measured - reference, of measured - predicted, and of what statistical fluctuations
        alone make of the latter, each over that of the reference; of a mean over the standard deviation of
        the prior along its top mode.
    most_noise : float
        The largest of 99 such fluctuations.
    direction : (dim,) array
        Leading eigenvector of predicted - reference, by absolute value, or the predicted mean's own: noise
        has less of a share in it than in what was measured.
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
        return bool(self.residual <= 1e-8 or self.residual <= self.most_noise)

    @property
    def pull(self) -> float:
        """Measured less predicted along `direction`, in errors; NaN for exact kernels."""
        _, measured, predicted, error = self.along
        return (measured - predicted) / error if error > 0 else float("nan")

    def __repr__(self) -> str:
        return (
            f"Equation({self.name}, learned={self.learned:.3g}, residual={self.residual:.2g}, "
            f"noise={self.noise:.2g}, obeyed={self.obeyed})"
        )


class Comparison:
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
        if not measured.odd:
            yield self._of_mean("m1", 0, None)
        for level in range(1, measured.layers):
            yield self._of_prior(f"Q{level + 1}", level)
            yield self._of_covariance(f"K{level + 1}", level, self.ranges[level - 1])
            if not measured.odd:
                yield self._of_mean(f"m{level + 1}", level, self.ranges[level - 1])
        yield self._of_prior("Q_f", measured.layers)

    def _of_covariance(self, name: str, level: int, basis: Array | None) -> Equation:
        left = [self.measured.covariance_without(level, group) for group in self._groups]
        rights = [each.covariances[level] for each in (self.right, *self.without)]
        return self._equation(name, left, rights, self._prior(level), basis)

    def _of_mean(self, name: str, level: int, basis: Array | None) -> Equation:
        left = [np.asarray(self.measured.mean_without(level, group)) for group in self._groups]
        rights = [np.asarray(each.means[level]) for each in (self.right, *self.without)]
        return self._equation(name, left, rights, self._prior(level), basis)

    @property
    def _groups(self) -> list[int | None]:
        return [None, *range(len(self.without))]

    def _prior(self, level: int) -> Array:
        """Q on the right-hand side of a layer."""
        if level == 0 or self.ours:
            return self.measured.prior_without(level, None)
        return self.right.priors[level - 1]

    def _of_prior(self, name: str, level: int) -> Equation:
        measured = self.measured
        left = [measured.prior_without(level, group) for group in self._groups]
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
        self, name: str, left: list[Array], right: list[Array], prior: Array, basis: Array | None
    ) -> Equation:
        """Both sides from all groups and without one each; `prior` is the reference of a covariance."""
        whole = len(prior)
        if basis is not None:  # in the coordinates of the range
            left, right = ([_within(basis, each) for each in side] for side in (left, right))
            prior = _within(basis, prior)
        scale = largest(prior)
        reference = prior
        if left[0].ndim == 1:
            reference, scale = np.zeros(len(prior)), np.sqrt(scale)
        v = _leading((right[0] if np.isfinite(right[0]).all() else left[0]) - reference)
        gaps = np.array([one - other for one, other in zip(left, right, strict=True)])
        noises, error = np.zeros(1), 0.0
        if len(gaps) > 1:
            draws = FLIPS if len(reference) <= LARGE else FEWER_FLIPS
            noises = np.array([largest(flip) for flip in sign_flips(gaps[1:], draws)]) / scale
            error = float(spread(np.array([_along(v, gap) for gap in gaps[1:]])))
        return Equation(
            name=name,
            measured=_whole(basis, left[0]),
            predicted=_whole(basis, right[0]),
            reference=_whole(basis, reference),
            learned=largest(left[0] - reference) / scale,
            residual=largest(gaps[0]) / scale,
            noise=float(noises.mean()),
            most_noise=float(noises.max()),
            direction=v if basis is None else basis @ v,
            along=(_along(v, reference), _along(v, left[0]), _along(v, right[0]), error),
            resolved=(len(reference), whole),
        )


def _within(basis: Array, array: Array) -> Array:
    return basis.T @ array if array.ndim == 1 else congruence(basis.T, array)


def _whole(basis: Array | None, array: Array) -> Array:
    if basis is None:
        return array
    return basis @ array if array.ndim == 1 else congruence(basis, array)


def _along(v: Array, array: Array) -> float:
    return float(v @ array if array.ndim == 1 else v @ array @ v)


def _leading(change: Array) -> Array:
    """Unit vector along which a covariance, or a mean, has changed most."""
    if change.ndim == 1:
        return change / max(float(np.linalg.norm(change)), np.finfo(float).tiny)
    values, vectors = np.linalg.eigh(change)
    return np.asarray(vectors[:, int(np.abs(values).argmax())])


def largest(M: Array) -> float:
    """Spectral norm of a symmetric matrix, or length of a vector; NaN where it is not finite."""
    if not np.isfinite(M).all():
        return float("nan")
    if M.ndim == 1:
        return float(np.linalg.norm(M))
    if len(M) <= LARGE:
        return float(np.abs(np.linalg.eigvalsh(M)).max())
    from scipy.sparse.linalg import eigsh

    return float(np.abs(eigsh(M, k=1, which="LM", v0=np.ones(len(M)), return_eigenvectors=False)).max())
