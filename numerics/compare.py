"""Theories side by side over C: the scalar equation, first order in 1/C, the matrix equations, and others."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from numerics import checks, reduced
from numerics.cavity.door import THEORY as CAVITY
from numerics.cavity.first_order import ExactFirstOrder, exact_first_order
from numerics.cavity.solution import CavitySolution
from numerics.continuation import Continuation
from numerics.datasets import Dataset
from numerics.network import Network
from numerics.problem import Problem
from numerics.series.perturbation import FirstOrder
from numerics.solutions.path import ConvergenceError
from numerics.solutions.solution import Solution
from numerics.solver import THEORIES, solve_path

Array = NDArray[np.float64]

SCALAR_CLOSURE = "equivalent_kernel"  # whose series has its radius of convergence in closed form
THRESHOLDS = (0.05, 0.5)
BELOW_TABLE = 16  # the search for a threshold goes on to 1/16 of the table's smallest width


@dataclass(frozen=True)
class Row:
    """One width of the table; the last is C = infinity. NaN stands for what does not exist there.

    `alpha_scalar` solves Eq. (9) with q_train = 1 (equivalent kernel), `alpha_ridge` the scalar equation
    with the effective ridge. `overlap` is l_*/l_GP: w.Sigma.w S/sigma_w^2 for a teacher w, else the top
    eigenvalue of Sigma S/sigma_w^2. Errors are mean squares relative to the mean square of the targets,
    `test_std` the mean standard deviation of the latent output in units of the targets' rms.
    """

    width: float
    alpha_scalar: float
    alpha_ridge: float
    alpha_first_order: float
    alpha: float
    overlap: float
    chi_response: float
    chi_paper: float
    readout_load: float
    train_error: float
    test_error: float
    test_std: float
    residual: float


@dataclass(frozen=True)
class Beyond:
    """One width in a theory beyond mean field; errors are by Monte Carlo, 0 where there is none.

    `overlap`, `train_error`, `test_error` and `test_std` as in a `Row`.
    """

    width: float
    theory: str
    alpha: float
    alpha_error: float
    overlap: float
    overlap_error: float
    readout_load: float
    train_error: float
    test_error: float
    test_std: float
    residual: float


@dataclass(frozen=True)
class Crossing:
    """The C below which alpha differs from its tangent at 1/C = 0 by more than `threshold` of alpha(C).

    `width` is NaN when that does not happen above `searched_to`.
    """

    threshold: float
    width: float
    searched_to: float


@dataclass(frozen=True)
class Comparison:
    """The table with what it was made from.

    Attributes
    ----------
    problem : Problem
    rows : tuple of Row
        In the order of the widths asked for, then C = infinity.
    solutions : tuple of Solution
        Those of the rows at finite C.
    first_order : FirstOrder
    crossings : tuple of Crossing
        For 5 % and 50 %.
    scalar_radius : float
        The C below which the 1/C series of the scalar alpha diverges; NaN without a scalar theory.
    scalar_missing : str
        Why there is no scalar theory; empty when there is.
    beyond : tuple of Beyond
        Of the theories asked for besides, theory by theory in the order of the widths.
    network_first_order : ExactFirstOrder or None
        First order in 1/C of the network itself; beside the cavity theory.
    network_crossings : tuple of Crossing
        Of that and the cavity theory's alpha, between the widths of the table.
    """

    problem: Problem
    rows: tuple[Row, ...]
    solutions: tuple[Solution, ...]
    first_order: FirstOrder
    crossings: tuple[Crossing, ...]
    scalar_radius: float
    scalar_missing: str
    beyond: tuple[Beyond, ...] = ()
    network_first_order: ExactFirstOrder | None = None
    network_crossings: tuple[Crossing, ...] = ()


def compare(
    net: Network | Problem,
    data: Dataset | None = None,
    noise_variance: float | None = None,
    widths: Sequence[float] = (),
    progress: Callable[[str], None] = lambda _: None,
    check_memory: bool = True,
    theories: Sequence[str] = (),
) -> Comparison:
    """Solve at every width and find where first order in 1/C fails.

    Parameters
    ----------
    net : Network or Problem
        Two layers. Its variances and activation are used, its width is not. A Problem has its own X, y and
        noise_variance.
    data : Dataset
        With a linear teacher of unit norms the scalar equation is solved too. Beside a Problem it may be left
        out, or gives the test set and the teacher.
    widths : sequence of float
        Channels C, any order.
    progress : callable
        Told in a few words what has just been done.
    check_memory : bool
        Refuse what would not fit in the memory that is available.
    theories : sequence of str
        Beyond mean field, as `theory=` of `numerics.solve`: "finite_fan_in", "scalar_fan_in", "cavity". With
        the last comes first order in 1/C of the network itself.
    """
    for name in theories:
        checks.choice(name, THEORIES[1:], "theories")
    if isinstance(net, Problem):
        problem = Problem.of(net, None, None, noise_variance)
        data = _without_test_set(problem) if data is None else data
    else:
        if data is None:
            raise ValueError("data is missing: a Dataset, or give a Problem instead of the network")
        problem = Problem.of(net, data.X, data.y, noise_variance)
    if len(widths) == 0:
        raise ValueError("widths must be a sequence of at least one width")
    session = Continuation(problem)
    session.admit(widths, check_memory)
    session.curve  # noqa: B018  (the Gaussian process)
    progress("Gaussian process")
    solved: dict[float, Solution] = {}
    distinct = sorted(set(widths), reverse=True)
    for position, sol in session.along(distinct):
        if not sol.converged:
            raise ConvergenceError(sol, session.tol)
        solved[distinct[position]] = sol
        progress(f"C = {sol.width:g}")
    solutions = tuple(solved[width] for width in widths)
    tangent = solutions[0].first_order
    missing = _why_no_scalar(problem.net, data)
    rows = [_row(sol, tangent, data, missing) for sol in (*solutions, solutions[0].gp)]
    progress("test points")
    crossings = tuple(_crossing(session, tangent, solved, threshold) for threshold in THRESHOLDS)
    progress("where first order fails")
    radius = math.nan if missing else _scalar_radius(problem)
    beyond: list[Beyond] = []
    for name in dict.fromkeys(theories):
        path = solve_path(problem, widths, theory=name, check_memory=check_memory)
        beyond += [_beyond(sol, data) for sol in path]
        progress(name)
    network: ExactFirstOrder | None = None
    network_crossings: tuple[Crossing, ...] = ()
    if CAVITY in theories:
        network = exact_first_order(problem)
        network_crossings = _between(network, [row for row in beyond if row.theory == CAVITY])
        progress("first order of the network")
    return Comparison(
        problem,
        tuple(rows),
        solutions,
        tangent,
        crossings,
        radius,
        missing,
        tuple(beyond),
        network,
        network_crossings,
    )


def _beyond(sol: Solution | CavitySolution, data: Dataset) -> Beyond:
    errors = sol.errors if isinstance(sol, CavitySolution) else {}
    overlap, overlap_error = _overlap(sol.overlap_ratio, data), 0.0
    if isinstance(sol, CavitySolution):
        each = [_overlap(ratio, data) for ratio in sol.replicated("overlap_ratio")]
        overlap_error = float(np.std(each, ddof=1)) / math.sqrt(len(each))
    test_error, test_std = _at_test_points(sol, data)
    return Beyond(
        width=sol.width,
        theory=sol.theory,
        alpha=sol.alpha,
        alpha_error=float(errors.get("alpha", 0.0)),
        overlap=overlap,
        overlap_error=overlap_error,
        readout_load=sol.readout_load,
        train_error=sol.train_error,
        test_error=test_error,
        test_std=test_std,
        residual=sol.residual,
    )


def _overlap(ratio: Array, data: Dataset) -> float:
    """l_*/l_GP along the teacher, or the top eigenvalue."""
    if data.w_star is None:
        return float(np.linalg.eigvalsh(ratio)[-1])
    return float(data.w_star @ ratio @ data.w_star)


def _at_test_points(sol: Solution | CavitySolution, data: Dataset) -> tuple[float, float]:
    """Error and mean standard deviation over the targets' mean square and rms; NaN without test points."""
    if not len(data.X_test):
        return math.nan, math.nan
    mean, std = sol.predict(data.X_test, return_std=True)
    scale = float(np.mean(data.y_test**2))
    return float(np.mean((data.y_test - mean) ** 2)) / scale, float(std.mean()) / math.sqrt(scale)


def _between(tangent: ExactFirstOrder, rows: Sequence[Beyond]) -> tuple[Crossing, ...]:
    """Where a tangent is off by so much, between the widths that were solved: linear in log C and log."""
    rows = sorted((row for row in rows if math.isfinite(row.width)), key=lambda row: -row.width)
    off = [abs(row.alpha - tangent.alpha(row.width)) / row.alpha for row in rows]
    found = []
    for threshold in THRESHOLDS:
        width = math.nan
        below = next((k for k, value in enumerate(off) if value > threshold), None)
        if below:  # not at the widest of the table: it is crossed above that, if at all
            share = math.log(threshold / off[below - 1]) / math.log(off[below] / off[below - 1])
            width = rows[below - 1].width * (rows[below].width / rows[below - 1].width) ** share
        found.append(Crossing(threshold, width, rows[0].width if below == 0 else rows[-1].width))
    return tuple(found)


def _without_test_set(problem: Problem) -> Dataset:
    return Dataset(problem.X, problem.y, problem.X[:0], problem.y[:0])


def _row(sol: Solution, tangent: FirstOrder, data: Dataset, scalar_missing: str) -> Row:
    problem = sol.problem
    test_error, test_std = _at_test_points(sol, data)
    scalar = ridge = math.nan
    if not scalar_missing:
        given = _scalar_arguments(problem)
        scalar, ridge = (reduced.alpha(C=sol.width, closure=c, **given) for c in (SCALAR_CLOSURE, "ridge"))
    return Row(
        width=sol.width,
        alpha_scalar=scalar,
        alpha_ridge=ridge,
        alpha_first_order=tangent.alpha(sol.width),
        alpha=sol.alpha,
        overlap=_overlap(sol.overlap_ratio, data),
        chi_response=0.0 if math.isinf(sol.width) else sol.chi_response,
        chi_paper=0.0 if math.isinf(sol.width) else sol.chi_paper,
        readout_load=sol.readout_load,
        train_error=sol.train_error,
        test_error=test_error,
        test_std=test_std,
        residual=sol.residual,
    )


def _why_no_scalar(net: Network, data: Dataset) -> str:
    if data.w_star is None or data.a_star is None:
        return "the scalar equation is for Gaussian inputs with a linear teacher; these data have none"
    if net.activation != "erf":
        return "the scalar equation is generated for erf"
    return ""


def _scalar_radius(problem: Problem) -> float:
    return float(reduced.convergence_radius(closure=SCALAR_CLOSURE, **_scalar_arguments(problem)))


def _scalar_arguments(problem: Problem) -> dict[str, Any]:
    n_patches, patch_size = problem.input_shape
    return {
        "n": problem.samples,
        "n_patches": n_patches,
        "patch_size": patch_size,
        "noise_variance": problem.common_noise,
        "weight_variance": problem.net.weight_variances[0],
        "readout_variance": problem.net.readout_variance,
    }


def _crossing(
    session: Continuation, tangent: FirstOrder, solved: dict[float, Solution], threshold: float
) -> Crossing:
    """Follow the path from large C until the tangent is off by `threshold`, then find the root in log C."""

    def excess(log_width: float) -> float:
        width = math.exp(log_width)
        if width not in solved:
            solved[width] = session.solve(width)
        alpha = solved[width].alpha
        return abs(alpha - tangent.alpha(width)) / alpha - threshold

    finite = [width for width in solved if math.isfinite(width)]
    high, low = math.log(max(finite)), math.log(min(finite))
    floor = low - math.log(BELOW_TABLE)
    while excess(high) > 0:  # crossed above the table: first order is exact as C grows, so this ends
        high += math.log(2)
    upper = high
    for lower in sorted((math.log(width) for width in finite if math.log(width) < high), reverse=True):
        if excess(lower) > 0:
            return Crossing(threshold, _root(excess, lower, upper), math.exp(lower))
        upper = lower
    while upper > floor:
        lower = max(upper - math.log(2), floor)
        try:
            crossed = excess(lower) > 0
        except ConvergenceError:  # the branch ends or cannot be followed: the answer is what was reached
            return Crossing(threshold, math.nan, math.exp(upper))
        if crossed:
            return Crossing(threshold, _root(excess, lower, upper), math.exp(lower))
        upper = lower
    return Crossing(threshold, math.nan, math.exp(floor))


def _root(excess: Callable[[float], float], low: float, high: float) -> float:
    """C to four digits, which is what the table prints."""
    return math.exp(brentq(excess, low, high, xtol=5e-5))
