"""Truncated conjugate gradients: the step of a Newton iteration within a region of trust (Steihaug).

Minimises g.v + v.Dv/2 along the iterates' path, which starts down the preconditioned gradient. The path
ends where the linear equations are solved well enough, where it leaves the region, or, at its edge, along
the first direction of negative curvature. Where the step it ends in is refused, a shorter one comes from
the same path, without another product.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Times = Callable[[Array], Array]

SHORTER = 4.0  # radii at which the path's points are kept
KEPT = 12


@dataclass(frozen=True)
class Point:
    """A point of the path: the step, and what g.v + v.Dv/2 is there."""

    vector: Array
    predicted: float


@dataclass(frozen=True)
class Search:
    """What conjugate gradients give.

    Attributes
    ----------
    vector : array
        The step.
    predicted : float
        g.v + v.Dv/2 there.
    products : int
    curvature : float
        The least d.Dd/d.d of the directions that were searched.
    at_edge : bool
        Whether it ends at the edge of the trusted region.
    solved : bool
        Whether it solves the linear equations as well as was asked for.
    first : Point
        Where the path's first, straight piece ends.
    waypoints : list of Point
        Where the path passed radius / 4, radius / 16, ..., the longest last.
    """

    vector: Array
    predicted: float
    products: int
    curvature: float
    at_edge: bool
    solved: bool = False
    slope: float = 0.0
    first: Point | None = None
    waypoints: list[Point] = field(default_factory=list)

    def within(self, radius: float) -> Point:
        """The path's last kept point within a radius: the step, a waypoint, or one of the first piece."""
        for point in (Point(self.vector, self.predicted), *reversed(self.waypoints)):
            if np.linalg.norm(point.vector) <= radius * (1 + 1e-12):
                return point
        assert self.first is not None
        part = min(radius / float(np.linalg.norm(self.first.vector)), 1.0)
        # g.v is linear along the piece and v.Dv/2 the rest of what is predicted at its end
        bend = self.first.predicted - self.slope
        return Point(part * self.first.vector, part * self.slope + part**2 * bend)


def truncated_cg(
    times: Times,
    g: Array,
    radius: float,
    forcing: float,
    most: int,
    precondition: Times = lambda v: v,
    seen: Callable[[Array, Array], None] = lambda direction, along: None,
) -> Search:
    """Minimise g.v + v.Dv/2 over |v| <= radius, to |g + Dv| <= forcing |g| or `most` products.

    Parameters
    ----------
    times, precondition : callable
        D v, and an approximate D^{-1} v, symmetric and positive definite; the equations' residual is
        measured in the preconditioner's norm.
    seen : callable
        Told every direction with its product.
    """
    v, residual = np.zeros_like(g), -g
    z = precondition(residual)
    direction, curvature = z, np.inf
    rz = float(residual @ z)
    enough = forcing**2 * rz
    first: Point | None = None
    slope = 0.0
    waypoints: list[Point] = []
    marks = [radius / SHORTER**k for k in range(KEPT, 0, -1)]
    solved = at_edge = False
    products = 0
    while products < most and not (solved or at_edge):
        along = times(direction)
        products += 1
        bend, length2 = float(direction @ along), float(direction @ direction)
        if not np.isfinite(bend):
            break
        curvature = min(curvature, bend / length2)
        seen(direction, along)
        tau = rz / bend if bend > 0 else np.inf
        ahead = v + tau * direction if bend > 0 else v
        if bend <= 0 or np.linalg.norm(ahead) >= radius:
            tau, at_edge = _to_edge(v, direction, radius), True
            ahead = v + tau * direction
        size = float(np.linalg.norm(ahead))
        while marks and marks[0] < size:
            mark = marks.pop(0)
            if first is not None:
                part = _to_edge(v, direction, mark)
                point = v + part * direction
                waypoints.append(Point(point, _predicted(g, point, residual - part * along)))
        v, residual = ahead, residual - tau * along
        if first is None:
            first, slope = Point(v, _predicted(g, v, residual)), float(g @ v)
        z = precondition(residual)
        rz, before = float(residual @ z), rz
        solved = rz <= enough
        direction = z + (rz / before) * direction
    return Search(
        v, _predicted(g, v, residual), products, curvature, at_edge, solved, slope, first, waypoints
    )


def _predicted(g: Array, v: Array, residual: Array) -> float:
    """g.v + v.Dv/2 from the residual -g - Dv."""
    return float(v @ (g - residual)) / 2


def _to_edge(v: Array, direction: Array, radius: float) -> float:
    """tau >= 0 with |v + tau direction| = radius."""
    a, b, c = float(direction @ direction), float(v @ direction), float(v @ v) - radius**2
    return float((-b + np.sqrt(max(b * b - a * c, 0.0))) / a)
