"""`solve` at one width and `solve_path` along many."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from numerics import checks
from numerics.continuation import Branch
from numerics.network import Network
from numerics.problem import Problem, problem
from numerics.solution import Solution

Array = NDArray[np.float64]


class ConvergenceError(RuntimeError):
    """A solve did not reach its tolerance. `solution` is the best state, `path` what was solved before it."""

    def __init__(self, solution: Solution, tol: float, path: Path | None = None):
        self.solution = solution
        self.path = path
        super().__init__(
            f"C = {solution.width:g}: residual {solution.residual:.2e} > tol = {tol:.1e} after "
            f"{solution.gradients} gradients; {solution.status.value}"
        )


class Path(Sequence[Solution]):
    """Solutions of one problem at several widths, in the order they were asked for."""

    def __init__(self, solutions: Sequence[Solution]):
        self._solutions = tuple(solutions)

    @property
    def widths(self) -> Array:
        return np.array([sol.width for sol in self._solutions])

    @property
    def alpha(self) -> Array:
        return np.array([sol.alpha for sol in self._solutions])

    @overload
    def __getitem__(self, index: int) -> Solution: ...
    @overload
    def __getitem__(self, index: slice) -> Path: ...
    def __getitem__(self, index: int | slice) -> Solution | Path:
        if isinstance(index, slice):
            return Path(self._solutions[index])
        return self._solutions[index]

    def __len__(self) -> int:
        return len(self._solutions)

    def __iter__(self) -> Iterator[Solution]:
        return iter(self._solutions)

    def __repr__(self) -> str:
        return "Path(\n  " + ",\n  ".join(map(repr, self._solutions)) + "\n)"


def solve(
    net: Network,
    X: ArrayLike,
    y: ArrayLike,
    noise_variance: float,
    *,
    start: Solution | ArrayLike | None = None,
    tol: float = 1e-8,
    max_iter: int = 300,
    raise_on_failure: bool = True,
) -> Solution:
    """Solve the equations of state, Eq. (7) and (8), on the branch that joins the Gaussian process.

    Parameters
    ----------
    net : Network
        From `cnn(...)`.
    X : (n, N, S) array
        Samples, patches, pixels per patch.
    y : (n,) or (n, 1) array
    noise_variance : float
        sigma^2 > 0, the variance of the observation noise (temperature of the Langevin dynamics).
    start : Solution or (S, S) array, optional
        A Sigma to start from; by default the prediction from the Gaussian process.
    tol : float
        Largest residual max |Sigma (S/sigma_w^2 I - T/C) - I| to accept.
    max_iter : int
        Gradients of the free energy to spend at most.
    raise_on_failure : bool
        False: return the best state reached, with `converged` False.

    Raises
    ------
    ValueError
        For input that has no solution, naming argument and remedy.
    ConvergenceError
        Carrying the partial solution.
    """
    bound = problem(net, X, y, noise_variance)
    branch = Branch(bound.field, checks.positive(tol, "tol"))
    log_R = None if start is None else _log_ratio(start, bound)
    return solve_on(branch, bound, checks.count(max_iter, "max_iter"), raise_on_failure, log_R)


def solve_path(
    net: Network,
    X: ArrayLike,
    y: ArrayLike,
    noise_variance: float,
    widths: ArrayLike,
    *,
    tol: float = 1e-8,
    max_iter: int = 300,
    raise_on_failure: bool = True,
    callback: Callable[[Solution], None] | None = None,
) -> Path:
    """Solve at many widths by continuation in 1/C from the Gaussian process, large widths first.

    Parameters
    ----------
    net : Network
        Its variances are used, its width is not.
    widths : sequence of float
        Channels C > 0, in any order, `math.inf` allowed.
    callback : callable, optional
        Called with each Solution as it is found (progress bars).
    X, y, noise_variance, tol, max_iter, raise_on_failure
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
    targets = [checks.width(width, "widths") for width in np.atleast_1d(np.asarray(widths, dtype=object))]
    if not targets:
        raise ValueError("widths is empty: give at least one number of channels")
    bound = problem(net, X, y, noise_variance)
    branch = Branch(bound.field, checks.positive(tol, "tol"))
    budget = checks.count(max_iter, "max_iter")
    solved: dict[int, Solution] = {}
    for index in sorted(range(len(targets)), key=lambda i: -targets[i]):
        sol = solve_on(branch, bound.at_width(targets[index]), budget, raise_on_failure=False)
        if raise_on_failure and not sol.converged:
            raise ConvergenceError(sol, tol, Path([solved[i] for i in sorted(solved)]))
        solved[index] = sol
        if callback is not None:
            callback(sol)
        if not sol.converged:
            break
    return Path([solved[i] for i in sorted(solved)])


def solve_on(
    branch: Branch,
    bound: Problem,
    max_iter: int,
    raise_on_failure: bool = True,
    log_R: Array | None = None,
) -> Solution:
    """One more solution on a branch: what `solve` and `solve_path` are made of."""
    outcome = branch.solve(bound.inverse_width, max_iter, log_R)
    sol = Solution.from_state(bound, outcome.state, outcome.status, outcome.gradients)
    if raise_on_failure and not sol.converged:
        raise ConvergenceError(sol, branch.tol)
    return sol


def _log_ratio(start: Solution | ArrayLike, bound: Problem) -> Array:
    """log(Sigma S / sigma_w^2) of a start."""
    Sigma = start.Sigma if isinstance(start, Solution) else np.asarray(start, dtype=np.float64)
    S = bound.field.X.shape[2]
    if Sigma.shape != (S, S) or not np.allclose(Sigma, Sigma.T):
        raise ValueError(f"start has shape {Sigma.shape}; give a Solution or a symmetric ({S}, {S}) Sigma")
    ratios, U = np.linalg.eigh((Sigma + Sigma.T) / (2 * bound.field.prior_variance))
    if ratios[0] <= 0:
        raise ValueError("start has an eigenvalue <= 0; a covariance of weights must be positive definite")
    return (U * np.log(ratios)) @ U.T
