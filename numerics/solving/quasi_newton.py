"""Stationarity of F by the BFGS method in the coordinates theta themselves.

Where the data pin the covariances to far less than their prior does, under several narrow layers with little
noise, F is a curved valley. A Newton step there costs tens of Hessian products and is refused or shortened by
the curvature; a quasi-Newton step costs one gradient, and its matrix, whole and not of limited memory, learns
the valley's walls as it goes down. In theta, unlike in the frames M^{1/2} e^H M^{1/2} of Newton steps, which
turn from state to state, differences of gradients are exact secants.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.blas import dsymv, dsyr2

from numerics.gaussian.metric import FisherMetric
from numerics.gaussian.point import Point
from numerics.gaussian.state import LayerState, State
from numerics.gaussian.theory import Theory
from numerics.machine.dense import eigh, product
from numerics.solving import trial
from numerics.solving.newton import KNOWN, OFTEN, ROUNDINGS
from numerics.solving.outcome import Outcome, Status

Array = NDArray[np.float64]

LARGEST = 1500  # dimension: the matrix is dense, and is learned in some such number of gradients
LONGEST_STEP = 4.0  # largest change of theta (Frobenius) per step
DECREASE, SLOPE = 1e-4, 0.9  # Wolfe's conditions: of the slope's promise, and of the slope that may be left
TRIALS = 20  # along one line
ROUNDING = 1e-13  # of F's terms: differences that F does not show, where slopes decide
FURTHEST = 350.0  # apart that logarithms of eigenvalues are told: sinh overflows beyond 700
IDLE = 20  # steps in a row that lower neither F nor the slope
SEEN = 1e3  # of those: a change that shows how F bends
FLAT = 1e-10  # cosine of a step with the slope: no descent


@dataclass(frozen=True)
class Place:
    """A state as a vector of the metric, with F in units of N_min / 2 and its slope there."""

    v: Array
    F: float
    slope: Array
    point: Point


class Learned:
    """The inverse of F's Hessian in theta, in units of the KL terms', as far as steps have shown it.

    Parameters
    ----------
    dimension : int
        Of the vectors of a metric.
    """

    def __init__(self, dimension: int):
        self.dimension = dimension
        self.forget()

    def forget(self) -> None:
        """The Hessian of the KL terms at the prior."""
        self.inverse = np.eye(self.dimension, order="F")
        self.updates = 0

    def copy(self) -> Learned:
        """To be kept where what comes next is given up."""
        other = Learned(self.dimension)
        other.inverse, other.updates = self.inverse.copy(order="F"), self.updates
        return other

    def step(self, slope: Array) -> Array:
        return -dsymv(1.0, self.inverse, slope, lower=1)

    def see(self, s: Array, y: Array) -> None:
        """The BFGS formula, for a change y of the slope along s; not where F bends down along it."""
        bend = float(s @ y)
        if bend <= 1e-12 * float(np.linalg.norm(s) * np.linalg.norm(y)):
            return
        along = dsymv(1.0, self.inverse, y, lower=1)
        w = ((1 + float(y @ along) / bend) / 2 * s - along) / bend
        self.inverse = dsyr2(1.0, s, w, a=self.inverse, lower=1, overwrite_a=1)
        self.updates += 1


class Leash(NamedTuple):
    """A ball of the metric; a descent that leaves it is given up."""

    center: Array
    radius: float

    def holds(self, v: Array) -> bool:
        return bool(np.linalg.norm(v - self.center) <= self.radius * (1 + 1e-6))


def solve(
    theory: Theory,
    inverse_widths: Sequence[float],
    start: State,
    tol: float,
    max_iter: int,
    learned: Learned | None = None,
    leash: Leash | None = None,
) -> Outcome:
    """Solve E = 0 from a start, as far as F shows a descent. `max_iter` bounds gradients of F.

    `learned` is what solves at nearby widths have shown, and is added to.
    """
    metric = FisherMetric(theory.sizes, theory.odd, inverse_widths)
    here, gradients = trial.first(theory, inverse_widths, metric.admitted(start))
    if here is None:
        prior = theory.at(theory.prior, inverse_widths)
        return Outcome(prior, Status.INDEFINITE, gradients + 1, "bfgs")
    place = _place(here[1], metric, inverse_widths)
    learned = Learned(metric.dimension) if learned is None else learned
    curvature, idle, least, blocked = np.inf, 0, np.inf, 0
    while (status := _ended(place.point, tol, gradients >= max_iter)) is None:
        if leash is not None and not leash.holds(place.v):
            return Outcome(place.point, Status.MAX_ITERATIONS, gradients, "bfgs", curvature)
        step = learned.step(place.slope)
        steep = -float(step @ place.slope) / float(np.linalg.norm(step) * np.linalg.norm(place.slope))
        line = Line(None, 0, np.inf)
        if steep > FLAT:
            step = metric.capped(step, LONGEST_STEP)
            line = _search(theory, inverse_widths, metric, place, step, max_iter - gradients)
        gradients += line.gradients
        curvature = min(curvature, line.curvature)
        blocked = blocked + 1 if line.blocked else 0
        if blocked > OFTEN:
            return Outcome(place.point, Status.OUT_OF_RANGE, gradients, "bfgs", curvature)
        if line.found is not None:
            learned.see(line.found.v - place.v, line.found.slope - place.slope)
            gained = _rounding(place.point, inverse_widths) < place.F - line.found.F
            place = line.found
            size = float(np.linalg.norm(place.slope))
            idle = 0 if gained or size < least else idle + 1
            least = min(least, size)
            if idle > IDLE and gradients + trial.PROBES <= max_iter:
                noise, probes = trial.rounding(theory, inverse_widths, place.point, metric)
                left = np.linalg.norm(learned.step(place.slope))
                E = np.linalg.norm(metric.vector(place.point.E))
                known = max(E, left) < KNOWN and E <= ROUNDINGS * noise.E
                status = Status.ROUNDING if known else Status.STALLED
                return Outcome(place.point, status, gradients + probes, "bfgs", curvature)
        elif learned.updates:
            learned.forget()
        else:
            return Outcome(place.point, Status.STALLED, gradients, "bfgs", curvature)
    return Outcome(place.point, status, gradients, "bfgs", curvature)


def _ended(point: Point, tol: float, spent: bool) -> Status | None:
    if point.residual <= tol:
        return Status.CONVERGED
    return Status.MAX_ITERATIONS if spent else None


@dataclass(frozen=True)
class Line:
    """Where a search along a line ended, or None, with its gradients and the least curvature it met."""

    found: Place | None
    gradients: int
    curvature: float
    blocked: bool = False  # states further along it could not be evaluated


def _search(
    theory: Theory,
    inverse_widths: Sequence[float],
    metric: FisherMetric,
    place: Place,
    step: Array,
    budget: int,
) -> Line:
    """A point along a line that satisfies Wolfe's conditions, by doubling and halving (Lewis and Overton
    2013); where rounding hides F, its slope decides (Hager and Zhang 2005)."""
    slope = float(step @ place.slope)
    rounding = _rounding(place.point, inverse_widths)
    low, high, t = 0.0, np.inf, 1.0
    best: Place | None = None
    curvature = np.inf
    gradients, unseen = 0, False
    while gradients < min(TRIALS, budget):
        tried = _at(theory, inverse_widths, metric, place.v + t * step)
        gradients += 1
        unseen = unseen or tried is None
        there = np.inf if tried is None else float(step @ tried.slope)
        if tried is not None and abs(tried.F - place.F) > SEEN * rounding:
            curvature = min(curvature, (there - slope) / (t * float(step @ step)))
        if tried is None or not _lower(tried.F - place.F, there, slope, t, rounding):
            high = t
        else:
            best = tried
            if there >= SLOPE * slope:
                break
            low = t
        t = 2 * low if high == np.inf else (low + high) / 2
    return Line(best, gradients, curvature, unseen)


def _lower(change: float, there: float, slope: float, t: float, rounding: float) -> bool:
    if change <= DECREASE * t * slope:
        return True
    return change <= rounding and there <= (2 * DECREASE - 1) * slope


def _at(theory: Theory, inverse_widths: Sequence[float], metric: FisherMetric, v: Array) -> Place | None:
    found = trial.evaluate(theory, inverse_widths, metric.state(v))
    return None if found is None else _place(found[1], metric, inverse_widths)


def _place(point: Point, metric: FisherMetric, inverse_widths: Sequence[float]) -> Place:
    slope = metric.vector(tuple(_slope(block, E) for block, E in zip(point.state, point.E, strict=True)))
    return Place(metric.vector(point.state), point.F * 2 * max(inverse_widths), slope, point)


def _slope(state: LayerState, E: LayerState) -> LayerState:
    """dF/dtheta over N/2: between eigenvectors of theta, E times sinh(d)/d of half their eigenvalues'
    difference d, by the derivative of the exponential."""
    t, U = eigh(state.theta)
    d = np.clip(np.subtract.outer(t, t) / 2, -FURTHEST, FURTHEST)
    ratio = np.ones_like(d)
    np.divide(np.sinh(d), d, out=ratio, where=np.abs(d) > 1e-8)
    return LayerState(product(U, product(ratio * product(U.T, product(E.theta, U)), U.T)), E.mu)


def _rounding(point: Point, inverse_widths: Sequence[float]) -> float:
    """Of F, in units of N_min / 2."""
    terms = sum(map(abs, (*point.KL_terms, *point.data.parts.values(), 1.0)))
    return ROUNDING * terms * 2 * max(inverse_widths)
