"""The emergent feature-learning scale: the widths at which chi is one and alpha has halved."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq

from numerics.continuation import Continuation
from numerics.network import Network
from numerics.problem import Problem
from numerics.solutions.solution import Solution
from numerics.solving.outcome import Outcome, Status

HALF = 0.5
STEP = 2.0  # between widths while half of alpha is looked for
LEAST_WIDTH = 1.0
FINE = 1e-3  # of the logarithm of the width: a tenth of a per cent


@dataclass(frozen=True)
class ChiOne:
    """Widths of the last hidden layer where feature learning sets in; the readout variance is held fixed.

    Attributes
    ----------
    paper : float
        Where (1/N) eps^T Q^(L-1) eps = 1, the chi after Eq. (6), at the Gaussian process's eps: Fig. 2c and
        the authors' tables. It lacks the readout variance, and is in the hundreds where mean-field networks
        begin to learn.
    response : float
        Where (1/N) eps^T Q_f eps = 1, the response of the readout kernel, at the Gaussian process's eps.
    half_alpha : float
        Where the solved alpha is half of the Gaussian process's; NaN where it is above half at every width
        from one unit on, or was not looked for.
    alpha_gp : float
    samples : int
    solves : int
        Widths that were solved on the way.
    """

    paper: float
    response: float
    half_alpha: float
    alpha_gp: float
    samples: int
    solves: int = 0

    @property
    def chi_at_half(self) -> float:
        """The Gaussian process's chi_response at the width where alpha is half: of order one."""
        return self.response / self.half_alpha

    def __str__(self) -> str:
        found = f"n = {self.samples}: chi_paper is 1 at width {self.paper:.6g}, "
        found += f"chi_response at {self.response:.6g}"
        if not self.solves:
            return f"{found} (both of the Gaussian process)"
        half = "at no width from one unit on" if math.isnan(self.half_alpha) else f"at {self.half_alpha:.4g}"
        return f"{found} (both of the Gaussian process), alpha has halved {half}"


def chi_one(
    net: Network | Problem,
    X: ArrayLike | None = None,
    y: ArrayLike | None = None,
    noise_variance: Any = None,
    *,
    theory: str = "mean_field",
    half: bool = True,
) -> ChiOne:
    """The width at which chi is 1, in both definitions, and at which alpha has halved (Fig. 2c).

    Both chi are 1/N times a number of the Gaussian process, which costs one gradient. Half of alpha is looked
    for by solving narrower and narrower networks, all widths in the network's own ratio, and the variances,
    that of the readout too, held as they are.

    Parameters
    ----------
    net, X, y, noise_variance, theory
        As in `solve`; of the widths their ratios count alone.
    half : bool
        False: do without solving, `half_alpha` is NaN.
    """
    problem = Problem.of(net, X, y, noise_variance)
    ratios = _ratios(problem.widths)
    session = Continuation(problem.with_widths(math.inf), theory)
    outcome = Outcome(session.equations.gp, Status.CONVERGED, 1)
    gp = Solution.of(session.problem, session.equations, outcome, chi_width=1.0)
    found = _halved(session, ratios, gp) if half else (math.nan, 0)
    return ChiOne(gp.chi_paper, gp.chi_response, found[0], gp.alpha, problem.samples, found[1])


def _ratios(widths: tuple[float, ...]) -> np.ndarray:
    """Of every width to the last one; of infinite ones 1."""
    if any(math.isinf(width) for width in widths):
        return np.ones(len(widths))
    return np.array(widths) / widths[-1]


def _halved(session: Continuation, ratios: np.ndarray, gp: Solution) -> tuple[float, int]:
    """The width, and how many were solved."""
    excesses: dict[float, float] = {}

    def excess(log_width: float) -> float:
        if log_width not in excesses:
            sol = session.solve(np.exp(log_width) * ratios)
            excesses[log_width] = sol.alpha / gp.alpha - HALF
        return excesses[log_width]

    above = math.log(max(4.0 * gp.chi_response, 2.0 * LEAST_WIDTH))
    while excess(above) <= 0:
        above += math.log(STEP)
    below = above
    while excess(below) > 0:
        above = below
        below = max(below - math.log(STEP), math.log(LEAST_WIDTH))
        if below == above:
            return math.nan, len(excesses)
    return math.exp(float(brentq(excess, below, above, xtol=FINE))), len(excesses)
