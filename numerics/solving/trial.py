"""Trial states: whether one can be evaluated at all, and how well F and its gradient are resolved there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from numerics.activations import OutOfRange
from numerics.gaussian.metric import FisherMetric
from numerics.gaussian.point import Point
from numerics.gaussian.state import LayerState, State, finite
from numerics.gaussian.theory import Gradient, Theory, point_of
from numerics.machine.dense import symmetrise
from numerics.readout_laws.law import NotPositiveDefinite

Array = NDArray[np.float64]

HALVINGS = 20  # of a start that cannot be evaluated, on its way to the prior
LAST_DIGITS = 1e-15
PROBES = 3
SPREAD = 4.0  # of F between two states, over what few probes show


@dataclass(frozen=True)
class Rounding:
    """How much F, and the natural gradient in the Fisher metric, change with the last digits of a state."""

    F: float
    E: float


UNKNOWN = Rounding(0.0, 0.0)  # not measured yet


def evaluate(theory: Theory, inverse_widths: Sequence[float], state: State) -> tuple[Gradient, Point] | None:
    """Gradient and point, or None where a kernel cannot be evaluated or factorised, or is not finite."""
    if not finite(state):
        return None
    try:
        with np.errstate(all="ignore"):
            gradient = theory.gradient(state, inverse_widths)
            point = point_of(gradient, state, inverse_widths)
    except (NotPositiveDefinite, OutOfRange, np.linalg.LinAlgError):
        return None
    return (gradient, point) if np.isfinite(point.F) and finite(point.E) else None


def first(
    theory: Theory, inverse_widths: Sequence[float], state: State
) -> tuple[tuple[Gradient, Point] | None, int]:
    """The state, or the first on the way to the prior that can be evaluated, and the gradients it took."""
    moved = any(array.any() for layer in state for array in layer.arrays)
    parts = [0.5**k for k in range(HALVINGS)] if moved else []
    for tried, part in enumerate([*parts, 0.0], 1):
        here = evaluate(theory, inverse_widths, tuple(layer.times(part) for layer in state))
        if here is not None:
            return here, tried
    return None, len(parts) + 1


def rounding(
    theory: Theory, inverse_widths: Sequence[float], point: Point, metric: FisherMetric
) -> tuple[Rounding, int]:
    """The rounding at a state, from states that differ from it in the last digits, and the gradients it took.

    What rounding does inside of a gradient it does as well when its input is changed by as little (More and
    Wild 2011 estimate noise so, from more values).
    """
    F, E = point.F, metric.vector(point.E)
    changes_F, changes_E = [0.0], [0.0]
    for probe in range(1, PROBES + 1):
        near = evaluate(theory, inverse_widths, tuple(_nudged(layer, probe) for layer in point.state))
        if near is not None:
            changes_F.append(abs(near[1].F - F))
            changes_E.append(float(np.linalg.norm(metric.vector(near[1].E) - E)))
    return Rounding(SPREAD * max(changes_F), max(changes_E)), PROBES


def _nudged(layer: LayerState, probe: int) -> LayerState:
    """A layer's state with its last digits changed, in a pattern without order."""
    mu = None if layer.mu is None else layer.mu + _last_digits(layer.mu, probe)
    return LayerState(layer.theta + symmetrise(_last_digits(layer.theta, probe)), mu)


def _last_digits(array: Array, probe: int) -> Array:
    pattern = np.cos(np.arange(1.0, array.size + 1) ** 2 * (probe + 0.3)).reshape(array.shape)
    return LAST_DIGITS * (np.abs(array).max(initial=1.0) + np.abs(array)) * pattern
