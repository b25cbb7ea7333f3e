"""`solve` at one width and `solve_path` along many."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from numerics import checks
from numerics.costs.cost import refuse_what_does_not_fit
from numerics.free_energy.chain import Blocks
from numerics.free_energy.pixel_correlation import refuse_correlated_pixels
from numerics.free_energy.problem import Problem, problem
from numerics.free_energy.state import evaluate
from numerics.network import Network
from numerics.solutions.branches import FROM_GP, Branches
from numerics.solutions.path import ConvergenceError, NegativeCurvature, Path
from numerics.solutions.solution import Solution
from numerics.solutions.starts import from_covariance, from_mean, theta_of, thetas_of
from numerics.solving.continuation import Branch
from numerics.solving.outcome import Outcome, Status

Array = NDArray[np.float64]

METHODS = ("auto", "anderson", "newton")


def solve(
    net: Network,
    X: ArrayLike,
    y: ArrayLike,
    noise_variance: Any,
    *,
    readout: str = "mean_field",
    method: str = "auto",
    start: Solution | ArrayLike | None = None,
    starts: int | Sequence[Solution | ArrayLike] | None = None,
    seed: int = 0,
    tol: float = 1e-8,
    max_iter: int = 300,
    raise_on_failure: bool = True,
    check_memory: bool = True,
) -> Solution:
    """Solve the equations of state, Eq. (5) or (7) and (8), on the branch that joins the Gaussian process.

    Parameters
    ----------
    net : Network
        From `cnn(...)` or `fcn(...)`.
    X : (n, P, S) array, or (n, d) for a fully connected network
        Samples, pixels (patches), channels (pixels per patch).
    y : (n,) or (n, D) array
        D outputs.
    noise_variance : float or (n,) array
        sigma^2 > 0, the variance of the observation noise (temperature of the Langevin dynamics);
        `math.inf` takes a datum out.
    readout : "mean_field" or "finite_fan_in"
        The data term: the paper's, sharp readout kernel; or with the response p and second moment q of a
        readout of finite fan-in (derived), for one output, one noise variance and a weight per pixel, on
        patches that are alike and uncorrelated, which is checked.
    method : "auto", "anderson" or "newton"
        The fixed point accelerated by Anderson's method, which takes fewest gradients; Newton steps by
        conjugate gradients, which converge where it does not; "auto" takes the second where the first
        fails. `sol.method` is what found the solution.
    start : Solution or (S, S) array, optional
        State to start from, a Sigma alone leaves hidden layers and means at their prior; by default the
        prediction from the Gaussian process.
    starts : int or sequence, optional
        Look for other branches too, as `solve_branches` does; the solution of lowest free energy is
        returned, with all of them in its `branches`.
    seed : int
        Of the random starts.
    tol : float
        Largest residual (see `Solution.residual`) to accept.
    max_iter : int
        Gradients of the free energy to spend at most; a Hessian product counts for two.
    raise_on_failure : bool
        False: return the best state reached, with `converged` False.
    check_memory : bool
        Refuse a run that would not fit in the memory that is available (see `estimate_cost`).

    Warns
    -----
    NegativeCurvature
        When Newton steps came across a region where the free energy is not convex.

    Raises
    ------
    ValueError
        For input that has no solution, naming argument and remedy; NotEnoughMemory is one.
    ConvergenceError
        Carrying the partial solution.
    """
    if starts is not None:
        if start is not None:
            raise ValueError(
                "give start= or starts=, not both; starts=[start] has the default start beside it"
            )
        try:
            found = solve_branches(
                net,
                X,
                y,
                noise_variance,
                starts=starts,
                seed=seed,
                readout=readout,
                method=method,
                tol=tol,
                max_iter=max_iter,
                check_memory=check_memory,
            )
        except ConvergenceError as failure:
            if raise_on_failure:
                raise
            return failure.solution
        return replace(found.lowest, branches=found)
    bound = problem(net, X, y, noise_variance, readout)
    admit([bound], check_memory)
    branch = Branch(bound.field, checks.positive(tol, "tol"), checks.choice(method, METHODS, "method"))
    theta = None if start is None else theta_of(start, bound)
    return solve_on(branch, bound, checks.count(max_iter, "max_iter"), raise_on_failure, theta)


def solve_path(
    net: Network,
    X: ArrayLike,
    y: ArrayLike,
    noise_variance: float,
    widths: Sequence[float | Sequence[float]] | Array,
    *,
    readout: str = "mean_field",
    method: str = "auto",
    tol: float = 1e-8,
    max_iter: int = 300,
    raise_on_failure: bool = True,
    callback: Callable[[Solution], None] | None = None,
    check_memory: bool = True,
) -> Path:
    """Solve at many widths by continuation in 1/C from the Gaussian process, large widths first.

    Parameters
    ----------
    net : Network
        Its variances are used, its width is not.
    widths : sequence of float, or of one tuple of widths per entry
        Widths above 0, in any order, `math.inf` allowed; one number stands for every hidden layer.
    callback : callable, optional
        Called with each Solution as it is found (progress bars).
    X, y, noise_variance, readout, method, tol, max_iter, raise_on_failure, check_memory
        As in `solve`; max_iter is per width.

    Returns
    -------
    Path
        Solutions in the order of `widths`. With `raise_on_failure=False` a failed width ends the path:
        it is the last solved one, with `converged` False.

    Raises
    ------
    ConvergenceError
        Carrying the failed `solution` and the solved part of the `path`.
    """
    if isinstance(widths, str) or not isinstance(widths, Sequence | np.ndarray) or len(widths) == 0:
        raise ValueError(f"widths={widths!r} must be a sequence of at least one width")
    bound = problem(net, X, y, noise_variance, readout)
    targets = [bound.at_widths(width) for width in widths]
    admit(targets, check_memory)
    branch = Branch(bound.field, checks.positive(tol, "tol"), checks.choice(method, METHODS, "method"))
    budget = checks.count(max_iter, "max_iter")
    solved: dict[int, Solution] = {}
    for index in sorted(range(len(targets)), key=lambda i: targets[i].inverse_widths):
        sol = solve_on(branch, targets[index], budget, raise_on_failure=False)
        if raise_on_failure and not sol.converged:
            raise ConvergenceError(sol, tol, Path([solved[i] for i in sorted(solved)]))
        solved[index] = sol
        if callback is not None:
            callback(sol)
        if not sol.converged:
            break
    return Path([solved[i] for i in sorted(solved)])


def solve_branches(
    net: Network,
    X: ArrayLike,
    y: ArrayLike,
    noise_variance: Any,
    *,
    starts: int | Sequence[Solution | ArrayLike] = 8,
    seed: int = 0,
    readout: str = "mean_field",
    method: str = "auto",
    tol: float = 1e-8,
    max_iter: int = 300,
    check_memory: bool = True,
) -> Branches:
    """Solve from the Gaussian process and from other starts, and keep the distinct solutions.

    The equations of state may have several solutions (first-order transitions, for teachers with a cubic
    part); the one that joins the Gaussian process need not be the lowest.

    Parameters
    ----------
    starts : int or sequence of Solution or (S, S) array
        So many random states, log-covariances in a semicircle from -3 to 3, or the states to start from.
    seed : int
        Of the random starts.
    net, X, y, noise_variance, readout, method, tol, max_iter, check_memory
        As in `solve`; max_iter is per start.

    Returns
    -------
    Branches
        The lowest free energy first, each with the starts that led there.

    Raises
    ------
    ConvergenceError
        When no start led to a solution; it carries what came of the Gaussian process.
    """
    bound = problem(net, X, y, noise_variance, readout)
    admit([bound], check_memory)
    branch = Branch(bound.field, checks.positive(tol, "tol"), checks.choice(method, METHODS, "method"))
    budget = checks.count(max_iter, "max_iter")
    x = bound.inverse_widths
    solved: list[tuple[str | int, Solution]] = [(FROM_GP, Solution.of(bound, branch.solve(x, budget)))]
    for position, theta in enumerate(thetas_of(starts, seed, bound) if any(x) else []):
        solved.append((position, Solution.of(bound, branch.find(x, theta, budget))))
    found = Branches.among(solved)
    if not found:
        raise ConvergenceError(solved[0][1], tol)
    return found


def from_sigma(
    net: Network,
    X: ArrayLike,
    y: ArrayLike,
    Sigma: ArrayLike,
    noise_variance: Any,
    weight_mean: ArrayLike | None = None,
) -> Solution:
    """The network whose input weights have a given covariance, every other field as in a solution.

    Puts a Sigma from elsewhere, such as the reduced theory's (variance l_* along w*, the prior's across),
    into the Gaussian process of Eq. (7): the hybrid behind the dashed test lines of Fig. 3.

    Parameters
    ----------
    Sigma : (S, S) array
        Symmetric and positive definite; with biases (S + 1, S + 1), the bias last.
    weight_mean : (S,) or (S + 1,) array, optional
        Mean of the input weights; zero by default, and always with an odd activation.
    net, X, y, noise_variance
        As in `solve`; one hidden layer.

    Returns
    -------
    Solution
        With `status` GIVEN and `residual` what Eq. (8) leaves at this Sigma.
    """
    bound = problem(net, X, y, noise_variance, basis=None)  # Sigma may be anything across the data too
    if len(net.widths) != 1:
        raise ValueError("net has hidden kernels, which a Sigma alone does not fix; give one hidden layer")
    theta = from_covariance(Sigma, "Sigma", bound)
    if weight_mean is not None:
        theta = (*theta[:1], *from_mean(weight_mean, bound))
    state = evaluate(bound.field.chain, bound.inverse_widths, theta)
    return Solution.of(bound, Outcome(state, Status.GIVEN, 1))


def admit(targets: Sequence[Problem], check_memory: bool) -> None:
    """Refuse, before the work, what would not fit in memory or lies outside what its readout describes.

    Raises
    ------
    ValueError
        With the remedy.
    """
    if check_memory:
        refuse_what_does_not_fit(min(targets, key=lambda target: min(target.net.widths)), len(targets))
    refuse_correlated_pixels(min(targets, key=lambda target: target.net.width))


def solve_on(
    branch: Branch,
    bound: Problem,
    max_iter: int,
    raise_on_failure: bool = True,
    start: Blocks | None = None,
) -> Solution:
    """One more solution on a branch: what `solve` and `solve_path` are made of."""
    outcome = branch.solve(bound.inverse_widths, max_iter, start)
    sol = Solution.of(bound, outcome)
    if outcome.curvature < 0 and sol.converged:
        warnings.warn(
            f"width {sol.width:g}: Newton steps met negative curvature ({outcome.curvature:.2g}) of the free "
            "energy, so this minimum may lie on another branch than the one that joins the Gaussian process; "
            "follow that with solve_path",
            NegativeCurvature,
            stacklevel=3,
        )
    if raise_on_failure and not sol.converged:
        raise ConvergenceError(sol, branch.tol)
    return sol
