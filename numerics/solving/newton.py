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
from numerics.free_energy.chain import Blocks, Chain, Layer, Pull
from numerics.free_energy.data_terms import NotPositiveDefinite
from numerics.free_energy.hessian import Hessian
from numerics.free_energy.metric import FisherMetric
from numerics.free_energy.state import State, state_of
from numerics.machine import parallel
from numerics.machine.dense import eigh, product, symmetrise
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


def solve(chain: Chain, inverse_widths: Sequence[float], theta: Blocks, tol: float, max_iter: int) -> Outcome:
    """Solve E = 0 from a start. `max_iter` bounds gradients of F, a product counting for two."""
    metric = FisherMetric(chain.shapes, inverse_widths)
    here = _evaluate(chain, inverse_widths, metric.admitted(theta))
    if here is None:
        prior = state_of(chain.pull(chain.prior, inverse_widths), chain.prior, inverse_widths)
        return Outcome(prior, Status.INDEFINITE, 2, "newton")
    pull, state = here
    scale = 0.5 / max(inverse_widths)
    gradients, radius, curvature = 1, FIRST_RADIUS, np.inf
    while (status := _ended(state, tol, gradients + STEP > max_iter)) is None:
        g = metric.vector(state.E)
        size = float(np.linalg.norm(g))
        affordable = (max_iter - gradients - 1) // PRODUCT
        forcing = min(FORCING, np.sqrt(size))
        step = truncated_cg(Hessian(chain, pull, inverse_widths).times, g, radius, forcing, affordable)
        gradients += PRODUCT * step.products
        curvature = min(curvature, step.curvature)
        promised = -step.predicted
        length = 1.0
        while True:  # a refused step is shortened, not searched again
            trial = _evaluate(chain, inverse_widths, moved(pull.layers, metric.blocks(length * step.vector)))
            gradients += 1
            if trial is not None and better(trial[1], state, metric):
                break
            length /= SHORTER
            if length < SHORTEST or gradients >= max_iter:
                status = Status.STALLED if length < SHORTEST else Status.MAX_ITERATIONS
                return Outcome(state, status, gradients, "newton", curvature)
        walked = length * float(np.linalg.norm(step.vector))
        gained = (state.F - trial[1].F) / (promised * scale)
        if length < 1 or gained < POOR:
            radius = walked if length < 1 else walked / 2
        elif step.at_edge and gained > GOOD:
            radius *= 2
        pull, state = trial
    return Outcome(state, status, gradients, "newton", curvature)


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


def moved(layers: Sequence[Layer], step: Blocks) -> Blocks:
    """theta at M^{1/2} e^{H} M^{1/2} of every layer, and mu + w of its mean."""
    H, w = step[: len(layers)], step[len(layers) :]
    theta = (_moved(layer.exponential.root, block) for layer, block in zip(layers, H, strict=True))
    means = [layer.mean for layer in layers if layer.mean is not None]
    return (*theta, *(mean.mu + change for mean, change in zip(means, w, strict=True)))


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


def _evaluate(chain: Chain, inverse_widths: Sequence[float], theta: Blocks) -> tuple[Pull, State] | None:
    try:
        pull = chain.pull(theta, inverse_widths)
    except (NotPositiveDefinite, OutOfRange):
        return None
    return pull, state_of(pull, theta, inverse_widths)


def _ended(state: State, tol: float, spent: bool) -> Status | None:
    if not (np.isfinite(state.F) and np.isfinite(state.residual)):
        return Status.NOT_FINITE
    if state.residual <= tol:
        return Status.CONVERGED
    return Status.MAX_ITERATIONS if spent else None


def _to_edge(v: Array, direction: Array, radius: float) -> float:
    """tau >= 0 with |v + tau direction| = radius."""
    a, b, c = float(direction @ direction), float(v @ direction), float(v @ v) - radius**2
    return float((-b + np.sqrt(b * b - a * c)) / a)
