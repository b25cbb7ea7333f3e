"""Stationarity of F by Newton steps: truncated conjugate gradients in the Fisher metric, guarded by F.

The whitened Hessian is the identity plus the response of the pulls, so that conjugate gradients take few
products and no preconditioner. Every step lowers F or, where rounding hides F, the natural gradient. Along
a direction of negative curvature the step goes down to the edge of the trusted region: what is found
then is a minimum still, but perhaps of another branch, and the outcome says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack

from numerics.gaussian.hessian import Hessian
from numerics.gaussian.layer import Layer
from numerics.gaussian.metric import FisherMetric
from numerics.gaussian.point import Point
from numerics.gaussian.state import LayerState, State
from numerics.gaussian.theory import Gradient, Theory
from numerics.machine import parallel
from numerics.machine.dense import eigh, product, symmetrise
from numerics.solving import trial
from numerics.solving.conjugate_gradients import SHORTER, Search, truncated_cg
from numerics.solving.outcome import Outcome, Status, better
from numerics.solving.preconditioner import Preconditioner
from numerics.solving.trial import UNKNOWN, Rounding

Array = NDArray[np.float64]

PRODUCT = 2  # gradients that a Hessian product counts for (measured: 1.4 to 1.6)
STEP = PRODUCT + 1  # the least that a step costs
FIRST_RADIUS = 2.0  # of the trusted region, in theta (Frobenius norm; layers in units of the narrowest)
FORCING = 0.1  # residual of the linear equations, of the gradient; falls with its square root
POOR, GOOD = 0.25, 0.75
TINY = 1e-300
REFUSALS = 12  # of ever shorter steps: no descent there
NEAR = 1e-7  # of F's terms: a promise of less may be lost in rounding, which is then measured
OFTEN = 15  # steps in a row that end where nothing can be evaluated any more
ROUNDINGS = 30.0  # a gradient of so many roundings is nothing but rounding
KNOWN = 0.1  # a state is solved to rounding where its gradient and the step that is left are smaller


def solve(
    theory: Theory, inverse_widths: Sequence[float], start: State, tol: float, max_iter: int
) -> Outcome:
    """Solve E = 0 from a start. `max_iter` bounds gradients of F, a product counting for two."""
    metric = FisherMetric(theory.sizes, theory.odd, inverse_widths)
    here, gradients = trial.first(theory, inverse_widths, metric.admitted(start))
    if here is None:
        prior = theory.at(theory.prior, inverse_widths)
        return Outcome(prior, Status.INDEFINITE, gradients + 1, "newton")
    gradient, point = here
    radius, curvature, blocked = FIRST_RADIUS, np.inf, 0
    precondition = Preconditioner(metric)
    while (status := _ended(point, tol, gradients + STEP > max_iter)) is None:
        search = _search(
            Hessian(theory, gradient, inverse_widths), point, radius, precondition, max_iter - gradients
        )
        gradients += PRODUCT * search.products
        descent = _descend(theory, inverse_widths, gradient, point, search, radius, max_iter - gradients)
        gradients += descent.gradients
        if descent.status not in (Status.ROUNDING, Status.LOST):  # else its curvature is rounding too
            curvature = min(curvature, search.curvature)
        if descent.found is None:
            return Outcome(point, descent.status, gradients, "newton", curvature)
        radius = descent.radius
        gradient, point = descent.found
        blocked = blocked + 1 if descent.blocked else 0
        if blocked > OFTEN:
            return Outcome(point, Status.OUT_OF_RANGE, gradients, "newton", curvature)
    return Outcome(point, status, gradients, "newton", curvature)


def _search(
    hessian: Hessian, point: Point, radius: float, precondition: Preconditioner, budget: int
) -> Search:
    """Conjugate gradients at one state."""
    g = hessian.metric.vector(point.E)
    forcing = min(FORCING, np.sqrt(float(np.linalg.norm(g))))
    layers = precondition.at(hessian.gradient.layers)
    with np.errstate(all="ignore"):
        return truncated_cg(
            hessian.times, g, radius, forcing, (budget - 1) // PRODUCT, layers, precondition.see
        )


@dataclass(frozen=True)
class Descent:
    """The state that a search led to, if any, with the next radius; otherwise why there is none.

    `blocked` says that states further along the path could not be evaluated.
    """

    found: tuple[Gradient, Point] | None
    gradients: int
    radius: float
    status: Status
    blocked: bool = False


def _descend(
    theory: Theory,
    inverse_widths: Sequence[float],
    gradient: Gradient,
    point: Point,
    search: Search,
    radius: float,
    budget: int,
) -> Descent:
    """The first lower state of a search's path, from its end backwards: never searched again."""
    metric = FisherMetric(theory.sizes, theory.odd, inverse_widths)
    scale = 0.5 / max(inverse_widths)
    noise = UNKNOWN
    gradients = unseen = 0
    for _ in range(REFUSALS):
        if gradients >= budget:
            return Descent(None, gradients, radius, Status.MAX_ITERATIONS)
        step = search.within(radius)
        tried = _moved_to(theory, inverse_widths, gradient.layers, metric.state(step.vector))
        gradients += 1
        unseen += tried is None
        walked, promised = float(np.linalg.norm(step.vector)), -step.predicted * scale
        whole = search.solved and not search.at_edge
        lower, gained = _gain(point, tried, promised, noise, metric, whole)
        resolved = promised >= NEAR * _terms(point) or gradients + trial.PROBES > budget
        if not (lower and gained >= POOR) and noise is UNKNOWN and not resolved:
            noise, probes = trial.rounding(theory, inverse_widths, point, metric)
            gradients += probes
            lower, gained = _gain(point, tried, promised, noise, metric, whole)
            size = float(np.linalg.norm(metric.vector(point.E)))
            if size <= 2 * noise.E or (whole and not lower and size <= ROUNDINGS * noise.E):
                known = size < KNOWN and not (whole and np.linalg.norm(search.vector) > KNOWN)
                return Descent(None, gradients, radius, Status.ROUNDING if known else Status.LOST)
        if lower and tried is not None:
            if gained < POOR:
                radius = walked / 2
            elif walked > 0.99 * radius and gained > GOOD:
                radius *= 2
            return Descent(tried, gradients, radius, Status.MAX_ITERATIONS, unseen > 0)
        radius = min(radius, walked) / SHORTER
    return Descent(None, gradients, radius, Status.OUT_OF_RANGE if unseen else Status.STALLED)


def _gain(
    point: Point,
    tried: tuple[Gradient, Point] | None,
    promised: float,
    noise: Rounding,
    metric: FisherMetric,
    whole: bool,
) -> tuple[bool, float]:
    """Whether what was tried is lower, and what it gained of what was promised, rounding in its favour.

    Where F cannot show what a Newton step into a convex valley promises, its gradient decides: that is
    resolved further, and a few probes may meet less than all of F's rounding.
    """
    if tried is None:
        return False, 0.0
    gained = float(point.F - tried[1].F + noise.F) / max(float(promised + noise.F), TINY)
    unseen = ROUNDINGS if whole and promised < noise.F else 1.0
    return better(tried[1], point, metric, unseen * noise.F), gained


def _terms(point: Point) -> float:
    return sum(map(abs, (*point.KL_terms, *point.data.parts.values(), 1.0)))


def _moved_to(
    theory: Theory, inverse_widths: Sequence[float], layers: Sequence[Layer], step: State
) -> tuple[Gradient, Point] | None:
    """The state a step leads to, or None where there is none in float64."""
    try:
        with np.errstate(all="ignore"):
            there = moved(layers, step)
    except np.linalg.LinAlgError:
        return None
    return trial.evaluate(theory, inverse_widths, there)


def moved(layers: Sequence[Layer], step: State) -> State:
    """theta at M^{1/2} e^{H} M^{1/2} of every layer, and mu + w of its mean."""
    return tuple(
        LayerState(
            _moved(layer.exponential.root, change.theta),
            None if layer.state.mu is None or change.mu is None else layer.state.mu + change.mu,
        )
        for layer, change in zip(layers, step, strict=True)
    )


def _moved(root: Array, H: Array) -> Array:
    if not H.any() and np.array_equal(root, np.eye(len(root))):
        return np.zeros_like(H)
    with parallel.for_factorisation(len(H)):
        h, U = eigh(H)
        half = product(root, U * np.exp(h / 2))
        # singular values keep the digits of small eigenvalues, which half @ half.T would lose
        V, s, _, info = lapack.dgesdd(half)
        if info != 0:
            raise np.linalg.LinAlgError("singular values did not converge")
        return symmetrise(product(V * (2 * np.log(s)), V.T))


def _ended(point: Point, tol: float, spent: bool) -> Status | None:
    if not (np.isfinite(point.F) and np.isfinite(point.residual)):
        return Status.NOT_FINITE
    if point.residual <= tol:
        return Status.CONVERGED
    return Status.MAX_ITERATIONS if spent else None
