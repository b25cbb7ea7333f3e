"""Stationarity of F by Newton steps: truncated conjugate gradients in the Fisher metric, guarded by F.

The whitened Hessian is the identity plus the response of the pulls, so that conjugate gradients take few
products and no preconditioner. Every step lowers F or, where rounding hides F, the natural gradient. Along
a direction of negative curvature the step goes down to the edge of the trusted region: what is found
then is a minimum still, but perhaps of another branch, and the outcome says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack

from numerics.activations import OutOfRange
from numerics.gaussian.hessian import Hessian
from numerics.gaussian.layer import Layer
from numerics.gaussian.metric import FisherMetric
from numerics.gaussian.point import Point
from numerics.gaussian.state import LayerState, State
from numerics.gaussian.theory import Gradient, Theory, point_of
from numerics.machine import parallel
from numerics.machine.dense import eigh, product, symmetrise
from numerics.readout_laws.law import NotPositiveDefinite
from numerics.solving.outcome import Outcome, Status, better

Array = NDArray[np.float64]

PRODUCT = 2  # gradients that a Hessian product counts for (measured: 1.4 to 1.6)
STEP = PRODUCT + 1  # the least that a step costs
FIRST_RADIUS = 2.0  # of the trusted region, in theta (Frobenius norm; layers in units of the narrowest)
FORCING = 0.1  # residual of the linear equations, of the gradient; falls with its square root
POOR, GOOD = 0.25, 0.75
SHORTER = 4.0
SHORTEST = SHORTER**-7  # of a Newton step: no descent there is rounding


@dataclass(frozen=True)
class Step:
    """What conjugate gradients give.

    Attributes
    ----------
    vector : array
    products : int
    curvature : float
        The least d.Dd/d.d of the directions that were searched.
    at_edge : bool
        Whether it ends at the edge of the trusted region.
    """

    vector: Array
    predicted: float
    products: int
    curvature: float
    at_edge: bool


def solve(
    theory: Theory, inverse_widths: Sequence[float], start: State, tol: float, max_iter: int
) -> Outcome:
    """Solve E = 0 from a start. `max_iter` bounds gradients of F, a product counting for two."""
    metric = FisherMetric(theory.sizes, theory.odd, inverse_widths)
    here = _evaluate(theory, inverse_widths, metric.admitted(start))
    if here is None:
        return Outcome(theory.at(theory.prior, inverse_widths), Status.INDEFINITE, 2, "newton")
    gradient, point = here
    scale = 0.5 / max(inverse_widths)
    gradients, radius, curvature = 1, FIRST_RADIUS, np.inf
    while (status := _ended(point, tol, gradients + STEP > max_iter)) is None:
        g = metric.vector(point.E)
        size = float(np.linalg.norm(g))
        affordable = (max_iter - gradients - 1) // PRODUCT
        forcing = min(FORCING, np.sqrt(size))
        step = truncated_cg(Hessian(theory, gradient, inverse_widths).times, g, radius, forcing, affordable)
        gradients += PRODUCT * step.products
        curvature = min(curvature, step.curvature)
        promised = -step.predicted
        length = 1.0
        while True:  # a refused step is shortened, not searched again
            trial = _evaluate(
                theory, inverse_widths, moved(gradient.layers, metric.state(length * step.vector))
            )
            gradients += 1
            if trial is not None and better(trial[1], point, metric):
                break
            length /= SHORTER
            if length < SHORTEST or gradients >= max_iter:
                status = Status.STALLED if length < SHORTEST else Status.MAX_ITERATIONS
                return Outcome(point, status, gradients, "newton", curvature)
        walked = length * float(np.linalg.norm(step.vector))
        gained = (point.F - trial[1].F) / (promised * scale)
        if length < 1 or gained < POOR:
            radius = walked if length < 1 else walked / 2
        elif step.at_edge and gained > GOOD:
            radius *= 2
        gradient, point = trial
    return Outcome(point, status, gradients, "newton", curvature)


def truncated_cg(times: Callable[[Array], Array], g: Array, radius: float, forcing: float, most: int) -> Step:
    """Minimise g.v + v.Dv/2 over |v| <= radius (Steihaug), to |g + Dv| <= forcing |g| or `most` products."""
    v, residual = np.zeros_like(g), -g
    direction, curvature = residual, np.inf
    enough = forcing * np.linalg.norm(g)
    for products in range(1, most + 1):
        along = times(direction)
        bend, length2 = float(direction @ along), float(direction @ direction)
        curvature = min(curvature, bend / length2)
        r2 = float(residual @ residual)
        ahead = v + (r2 / bend) * direction if bend > 0 else v
        if bend <= 0 or np.linalg.norm(ahead) >= radius:
            tau = _to_edge(v, direction, radius)
            v, residual = v + tau * direction, residual - tau * along
            return Step(v, _predicted(g, v, residual), products, curvature, True)
        v = ahead
        residual = residual - (r2 / bend) * along
        if np.linalg.norm(residual) <= enough:
            break
        direction = residual + (float(residual @ residual) / r2) * direction
    return Step(v, _predicted(g, v, residual), products, curvature, False)


def _predicted(g: Array, v: Array, residual: Array) -> float:
    """g.v + v.Dv/2 from the residual -g - Dv."""
    return float(v @ (g - residual)) / 2


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


def _evaluate(theory: Theory, inverse_widths: Sequence[float], state: State) -> tuple[Gradient, Point] | None:
    try:
        gradient = theory.gradient(state, inverse_widths)
    except (NotPositiveDefinite, OutOfRange):
        return None
    return gradient, point_of(gradient, state, inverse_widths)


def _ended(point: Point, tol: float, spent: bool) -> Status | None:
    if not (np.isfinite(point.F) and np.isfinite(point.residual)):
        return Status.NOT_FINITE
    if point.residual <= tol:
        return Status.CONVERGED
    return Status.MAX_ITERATIONS if spent else None


def _to_edge(v: Array, direction: Array, radius: float) -> float:
    """tau >= 0 with |v + tau direction| = radius."""
    a, b, c = float(direction @ direction), float(v @ direction), float(v @ v) - radius**2
    return float((-b + np.sqrt(b * b - a * c)) / a)
