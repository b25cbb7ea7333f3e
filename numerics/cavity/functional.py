"""The functional of the cavity theory and one sweep of its descent.

With z of `numerics.unit.fields`, everything in units of the noise, outputs stacked (size D n),

    F(eps, H) = -C log z(eps, H) + y.eps - 1/2 eps.S_p eps - 1/2 log det H + 1/2 tr S_q H - D n/2,

S_p = S_q = 1 + s s^T, s_mu = sigma_b / sigma_mu, for the output's bias, plus what control variates add.
F is stationary where y = (S_p + Q_p) eps and H^{-1} = S_q + Q_q, and is then minus the log evidence.

log z is the log of an average of exp(a.phi^T eps - 1/2 a.phi^T H phi a) over a unit's weights and its readout
a, linear in (eps, H) under the exponential: it is convex, so F is concave in eps. With K = H^{-1} through
-1/2 log det H = max_K -1/2 tr H K + 1/2 log det K + const, F becomes concave in (eps, H) jointly,

    Psi(K) = max_(eps, H) [...] = convex(K) + 1/2 log det K,

and replacing the concave log det by its tangent at K gives the step of a descent of Psi that needs no step
size: H = K^{-1}, eps the maximum of F at this H, and K <- S_q + Q_q(eps, H) (derived; the concave-convex
procedure). max_eps F(eps, H) falls from step to step. All of it holds at fixed draws.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cho_factor, cho_solve, lapack

from numerics.unit.control import Control
from numerics.unit.fields import Pull, Readouts, mean_output, weighted
from numerics.unit.own import Averages
from numerics.unit.population import Population

Array = NDArray[np.float64]

INNER = 12  # cheap steps in eps between two sweeps, at most
RENEWED = 2  # second derivatives on the way, each as dear as a sweep
ROUNDED, ROUNDED_SINGLE = (
    1e-12,
    1e-6,
)  # of F: what rounding alone may take from it, by the features' precision


@dataclass(frozen=True, eq=False)
class Functional:
    """F at fixed draws.

    Attributes
    ----------
    population : Population
    y : (D, n) array
        In units of the noise.
    width : float
        C.
    S : (n, n) array
        1 + s s^T, the same for every output.
    control : Control, optional
        What it adds to S_p and S_q.
    own : bool
        Whether what the draws owe to themselves is taken off (`numerics.unit.own`), which takes draws that
        the fields have not moved.
    """

    population: Population
    y: Array
    width: float
    S: Array
    control: Control | None = None
    own: bool = False

    @property
    def outputs(self) -> int:
        return len(self.y)

    @property
    def size(self) -> int:
        return self.y.size

    @property
    def rounding(self) -> float:
        """Of F, relative to its size or to the number of data."""
        return ROUNDED_SINGLE if self.population.single else ROUNDED

    @property
    def shares(self) -> tuple[float, float]:
        """Of the control variate, in S_p and in S_q."""
        return (0.0, 0.0) if self.control is None else (self.control.p, self.control.q)

    @cached_property
    def S_p(self) -> Array:
        """(n, n), the same for every output."""
        return self.S if self.control is None else self.S + self.control.p * self.control.missed

    @cached_property
    def S_q(self) -> Array:
        """(n, n), the same for every output."""
        return self.S if self.control is None else self.S + self.control.q * self.control.missed

    def readouts(self, H: Array) -> Readouts:
        return Readouts.of(self.population, H.reshape(*self.y.shape, *self.y.shape), self.width)

    def pull(self, readouts: Readouts, eps: Array) -> Pull:
        return Pull.of(self.population, readouts, eps, self.width)

    def averages(self, readouts: Readouts, pull: Pull) -> Averages:
        if self.own:
            return Averages.without_own(readouts, pull, self.width, self.shares)
        return Averages.plain(readouts, pull, self.width)

    def concave_part(self, pull: Pull, eps: Array, source: Array | None = None) -> float:
        """What of F depends on eps; of what the draws owe to themselves a linear part, of slope `source`."""
        quadratic = np.sum(eps * (eps @ self.S_p))
        y = self.y if source is None else self.y + source
        return float(-self.width * pull.log_z + np.sum(y * eps) - 0.5 * quadratic)

    def slope(self, pull: Pull, eps: Array, source: Array | None = None) -> Array:
        """Its slope, (D, n): what y = (S_p + Q_p) eps leaves."""
        left = self.y - eps @ self.S_p - pull.mean_output
        return left if source is None else left + source

    def source(self, pull: Pull, averages: Averages) -> Array | None:
        """(D, n): the slope in eps of what the draws owe to themselves."""
        if not self.own:
            return None
        return pull.mean_output - mean_output(self.population, averages.outputs)

    def complexity(self, H: Array, logdet_K: float) -> float:
        """What of F depends on H alone, given log det H^{-1}."""
        trace = sum(
            float(np.sum(self.S_q * H.reshape(*self.y.shape, *self.y.shape)[d, :, d]))
            for d in range(self.outputs)
        )
        return 0.5 * (logdet_K + trace - self.size)

    def value(self, eps: Array, H: Array) -> float:
        """F(eps, H) of eps (D, n) and H (D n, D n)."""
        readouts = self.readouts(H)
        pull = self.pull(readouts, eps)
        logdet = -float(np.linalg.slogdet(H)[1])
        owed = self.averages(readouts, pull).value
        return self.concave_part(pull, eps) + owed + self.complexity(H, logdet)

    def covariance(self, averages: Averages) -> Array:
        """S_q + Q_q."""
        drawn = None if self.control is None else self.control.drawn
        Q = weighted(self.population, averages.moment, self.outputs, drawn)
        return Q + np.kron(np.eye(self.outputs), self.S_q)


@dataclass(frozen=True, eq=False)
class Sweep:
    """One evaluation at H = K^{-1}, with eps at the maximum of F given it.

    Attributes
    ----------
    K, H : (D n, D n) arrays
    eps : (D, n) array
    averages : Averages
        Over the unit's law.
    source : (D, n) array or None
        What the draws owe to themselves in eps (`Functional.source`).
    target : (D n, D n) array
        S_q + Q_q there: where the descent goes.
    F : float
        max_eps F(eps, H).
    residual : float
        The largest eigenvalue, in absolute value, of K^{-1/2} (S_q + Q_q - K) K^{-1/2}, or the norm of
        dF/deps over that of y, both in the metric of K^{-1}, if that is larger.
    """

    K: Array
    H: Array
    eps: Array
    readouts: Readouts
    pull: Pull
    averages: Averages
    source: Array | None
    target: Array
    F: float
    residual: float


class Indefinite(ArithmeticError):
    """K has no Cholesky factor, or its successor is not finite, as too few draws and their control variates
    may have it."""


def sweep(
    functional: Functional,
    K: Array,
    eps: Array,
    curvature: Array,
    tol: float,
    source: Array | None = None,
) -> Sweep:
    """Evaluate at K, from a guess of eps.

    Parameters
    ----------
    curvature : (D n, D n) array
        S_q + Q_q at a state near by: minus the second derivative of F in eps, but for a term of rank one.
    tol : float
        Of the residual in eps.
    source : (D, n) array, optional
        As at a state near by: it is held while eps is sought.

    Raises
    ------
    Indefinite
    """
    factor, H = _inverted(K)
    readouts = functional.readouts(H)
    eps, pull = _maximise(functional, readouts, eps, curvature, factor, tol, source)
    return _sweep(functional, K, factor, H, eps, readouts, pull)


def evaluated(functional: Functional, K: Array, eps: Array) -> Sweep:
    """The sweep that ended with this K and eps.

    Raises
    ------
    Indefinite
    """
    factor, H = _inverted(K)
    readouts = functional.readouts(H)
    return _sweep(functional, K, factor, H, eps, readouts, functional.pull(readouts, eps))


def _inverted(K: Array) -> tuple[Array, Array]:
    """Lower Cholesky factor and inverse."""
    factor, info = lapack.dpotrf(K, lower=1, clean=1)
    if info != 0 or not np.isfinite(K).all():
        raise Indefinite
    H, info = lapack.dpotri(factor, lower=1)
    return factor, np.tril(H) + np.tril(H, -1).T


def _sweep(
    functional: Functional, K: Array, factor: Array, H: Array, eps: Array, readouts: Readouts, pull: Pull
) -> Sweep:
    averages = functional.averages(readouts, pull)
    source = functional.source(pull, averages)
    target = functional.covariance(averages)
    if not np.isfinite(target).all():
        raise Indefinite
    slope = functional.slope(pull, eps, source)
    logdet = 2.0 * float(np.sum(np.log(np.diagonal(factor))))
    F = functional.concave_part(pull, eps) + averages.value + functional.complexity(H, logdet)
    moved = np.linalg.eigvalsh(_whitened(factor, target - K))
    residual = max(float(np.abs(moved).max()), _relative(functional, factor, slope))
    return Sweep(K, H, eps, readouts, pull, averages, source, target, F, residual)


def _maximise(
    functional: Functional,
    readouts: Readouts,
    eps: Array,
    curvature: Array,
    factor: Array,
    tol: float,
    source: Array | None,
) -> tuple[Array, Pull]:
    """The maximum of the concave F(., H): Newton steps with a second derivative that is renewed when they
    contract slowly,

        -d2F/deps2 = S + Q_q - (1/C) (Q_p eps)(Q_p eps)^T,

    since Q_q = Q_p + (1/C) times the second moment of phi A^{-1} phi^T eps."""
    pull = functional.pull(readouts, eps)
    here, slope = functional.concave_part(pull, eps, source), functional.slope(pull, eps, source)
    error = _relative(functional, factor, slope)
    fresh, renewed = False, 0
    for _ in range(INNER):
        if error <= tol:
            break
        step = _newton(functional, curvature, pull, slope)
        length, before = 1.0, error
        while True:
            trial = eps + length * step
            there = functional.pull(readouts, trial)
            value = functional.concave_part(there, trial, source)
            if value >= here - functional.rounding * max(abs(here), functional.size) or length < 1e-3:
                break
            length /= 3
        eps, pull, here = trial, there, value
        slope = functional.slope(pull, eps, source)
        error = _relative(functional, factor, slope)
        slow = length < 1 or error > 0.2 * before
        if slow and error > tol and not (fresh and error < 0.9 * before):
            if renewed == RENEWED:
                break
            renewed += 1
            curvature, fresh = functional.covariance(Averages.plain(readouts, pull, functional.width)), True
        else:
            fresh = False
    return eps, pull


def _newton(functional: Functional, curvature: Array, pull: Pull, slope: Array) -> Array:
    """curvature^{-1} slope, the term of rank one included where that is safe."""
    try:
        factor = cho_factor(curvature, lower=True, check_finite=False)
    except LinAlgError:
        raise Indefinite from None
    u = pull.mean_output.ravel()
    both = cho_solve(factor, np.stack([slope.ravel(), u], axis=1), check_finite=False)
    rest = functional.width - float(u @ both[:, 1])
    step = both[:, 0]
    if rest > 0:
        step = step + both[:, 1] * float(u @ both[:, 0]) / rest
    return step.reshape(slope.shape)


def _relative(functional: Functional, factor: Array, slope: Array) -> float:
    both = np.stack([slope.ravel(), functional.y.ravel()], axis=1)
    white = lapack.dtrtrs(factor, both, lower=1)[0]
    norms = np.linalg.norm(white, axis=0)
    return float(norms[0] / norms[1])


def _whitened(factor: Array, M: Array) -> Array:
    """L^{-1} M L^{-T}."""
    half = lapack.dtrtrs(factor, M, lower=1)[0]
    return lapack.dtrtrs(factor, half.T, lower=1)[0]
