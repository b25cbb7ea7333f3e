"""`solve` at one width, `solve_path` along many, `solve_branches` from many starts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from numerics import checks
from numerics.cavity.door import THEORY as CAVITY
from numerics.cavity.door import TOLERANCE as CAVITY_TOLERANCE
from numerics.cavity.door import cavity_branches, solve_cavity
from numerics.continuation import MAX_ITER, TOLERANCE, Continuation
from numerics.gaussian.theory import Theory
from numerics.machine.renamed import renamed
from numerics.network import Network
from numerics.problem import Problem
from numerics.readout_laws import NAMES
from numerics.solutions.branches import FROM_GP, Branches, same_state
from numerics.solutions.path import ConvergenceError, Path
from numerics.solutions.solution import Solution
from numerics.solutions.starts import from_covariance, states_of, with_weight_mean
from numerics.solving.outcome import Outcome, Status

Array = NDArray[np.float64]

THEORIES = (*NAMES, CAVITY)
LAW = "the law of the readout is theory=, its wiring readout= of the network"


@renamed(readout=LAW, starts="look for other branches with solve_branches(..., starts=).lowest")
def solve(
    net: Network | Problem,
    X: ArrayLike | None = None,
    y: ArrayLike | None = None,
    noise_variance: Any = None,
    *,
    theory: str = "mean_field",
    method: str = "auto",
    start: Solution | ArrayLike | None = None,
    tol: float | str = "auto",
    max_iter: int = MAX_ITER,
    raise_on_failure: bool = True,
    check_memory: bool = True,
    draws: int | None = None,
    seed: int = 0,
) -> Any:
    """Solve the equations of state, Eq. (5) or (7) and (8), on the branch that joins the Gaussian process.

    Parameters
    ----------
    net : Network or Problem
        From `cnn(...)` or `fcn(...)`, with the data in the next arguments; or a Problem, which has its own.
    X : (n, pixels, features) array, or (n, d) for a fully connected network
    y : (n,) or (n, D) array
        D outputs.
    noise_variance : float or (n,) array
        sigma^2 > 0, the variance of the observation noise (temperature of the Langevin dynamics);
        `math.inf` takes a datum out.
    theory : "mean_field", "finite_fan_in", "scalar_fan_in" or "cavity"
        The law of the readout: the paper's, sharp readout kernel; or with the response p and second moment q
        of a readout of finite fan-in (derived), matrices over pixels and outputs, or one number each for all
        pixels, which must be alike and uncorrelated: that is checked. "cavity" (derived) takes the exact law
        of one unit instead, at any readout load, for networks with one hidden layer: a `CavitySolution`.
    method : "auto", "anderson" or "newton"
        The fixed point accelerated by Anderson's method, which takes fewest gradients; Newton steps by
        conjugate gradients within a region of trust, which converge where it does not; "auto" takes small
        steps in 1/width from the Gaussian process where the first makes no progress, and in each, where it
        must, quasi-Newton steps ("bfgs") or the second. `sol.method` is what found the solution.
    start : Solution or (S, S) array, optional
        State to start from, a Sigma alone leaves hidden layers and means at their prior; by default the
        prediction from the Gaussian process. `solve_branches` takes many.
    tol : float or "auto"
        Largest residual (see `Solution.residual`) to accept, unless rounding leaves more (`sol.status`).
        "auto" is 1e-8, and 1e-5 of the cavity theory, whose draws leave a hundred times that: single
        precision serves it, which a `tol` below some 1e-7 times the largest eigenvalue of K_f over the noise
        rules out. Where draws of the cavity theory move (`sol.method`), neither it nor `max_iter` applies.
    max_iter : int
        Gradients of the free energy to spend at most; a Hessian product counts for two.
    raise_on_failure : bool
        False: return the best state reached, with `converged` False.
    check_memory : bool
        Refuse a run that would not fit in the memory that is available (see `estimate_cost`).
    draws, seed : int
        Of the cavity theory, which averages over so many weights of one unit: the same seed gives the same
        solution, bit by bit. By default 8192, 32768 of a dense network, or as many as keep their own load
        below two per cent.

    Warns
    -----
    NegativeCurvature
        When steps came across a region where the free energy is not convex, or small steps did not lead to
        the solution: it may lie on another branch.
    LossOfDigits
        When rounding alone changes alpha visibly (`Solution.rounding`).

    Raises
    ------
    ValueError
        For input that has no solution, naming argument and remedy; NotEnoughMemory is one.
    ConvergenceError
        Carrying the partial solution.
    """
    problem = Problem.of(net, X, y, noise_variance)
    aim = _tolerance(tol, checks.choice(theory, THEORIES, "theory"))
    if theory == CAVITY:
        _refuse_other_methods(method, start)
        arguments = (draws, seed, aim, max_iter, raise_on_failure, None, check_memory)
        return solve_cavity(problem, [problem.widths], *arguments)[0]
    session = Continuation(problem, theory, method, aim, max_iter)
    session.admit([problem.widths], check_memory)
    return session.solve(problem.widths, start, raise_on_failure)


def _tolerance(tol: Any, theory: str) -> Any:
    """What "auto" stands for; anything else is checked where it is used."""
    if not (isinstance(tol, str) and tol == "auto"):
        return tol
    return CAVITY_TOLERANCE if theory == CAVITY else TOLERANCE


def _refuse_other_methods(method: str, start: Any = None) -> None:
    if method != "auto" or start is not None:
        raise ValueError(
            "method= and start= are the Gaussian theories'; theory='cavity' comes down from the Gaussian "
            "process by its own descent: leave them out"
        )


@renamed(readout=LAW)
def solve_path(
    net: Network | Problem,
    X: ArrayLike | None = None,
    y: ArrayLike | None = None,
    noise_variance: Any = None,
    widths: Sequence[float | Sequence[float]] | Array | None = None,
    *,
    theory: str = "mean_field",
    method: str = "auto",
    tol: float | str = "auto",
    max_iter: int = MAX_ITER,
    raise_on_failure: bool = True,
    callback: Callable[[Solution], None] | None = None,
    check_memory: bool = True,
    draws: int | None = None,
    seed: int = 0,
) -> Path:
    """Solve at many widths by continuation in 1/width from the Gaussian process, large widths first.

    Parameters
    ----------
    net : Network or Problem
        Its variances are used, its widths are not. With a Problem the widths come next,
        `solve_path(problem, widths)`.
    widths : sequence of float, or of one tuple of widths per entry
        Widths above 0, in any order, `math.inf` allowed; one number stands for every hidden layer.
    callback : callable, optional
        Called with each Solution as it is found (progress bars).
    X, y, noise_variance, theory, method, tol, max_iter, raise_on_failure, check_memory, draws, seed
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
    if isinstance(net, Problem) and widths is None:
        widths, X = X, None  # type: ignore[assignment]
    problem = Problem.of(net, X, y, noise_variance)
    if isinstance(widths, str) or not isinstance(widths, Sequence | np.ndarray) or len(widths) == 0:
        raise ValueError(f"widths={widths!r} must be a sequence of at least one width")
    aim = _tolerance(tol, checks.choice(theory, THEORIES, "theory"))
    if theory == CAVITY:
        _refuse_other_methods(method)
        arguments = (draws, seed, aim, max_iter, raise_on_failure, callback, check_memory)
        return solve_cavity(problem, widths, *arguments)
    session = Continuation(problem, theory, method, aim, max_iter)
    session.admit(widths, check_memory)
    found: dict[int, Solution] = {}
    for position, sol in session.along(widths):
        if raise_on_failure and not sol.converged:
            raise ConvergenceError(sol, session.tol, session.path(found))
        found[position] = sol
        if callback is not None:
            callback(sol)
    return session.path(found)


@renamed(readout=LAW)
def solve_branches(
    net: Network | Problem,
    X: ArrayLike | None = None,
    y: ArrayLike | None = None,
    noise_variance: Any = None,
    *,
    starts: int | Sequence[Solution | ArrayLike] = 8,
    seed: int = 0,
    theory: str = "mean_field",
    method: str = "auto",
    tol: float | str = "auto",
    max_iter: int = MAX_ITER,
    check_memory: bool = True,
    draws: int | None = None,
) -> Branches:
    """Solve from the Gaussian process and from other starts, and keep the distinct stationary points.

    The equations of state may have several solutions (first-order transitions, for teachers with a cubic
    part); the one that joins the Gaussian process need not be the lowest, which is `.lowest`. Solutions of
    the cavity theory are distinct where their errors by Monte Carlo tell them apart.

    Parameters
    ----------
    starts : int or sequence of Solution, CavitySolution or (S, S) array
        So many random states, log-covariances in a semicircle from -3 to 3, or the states to start from:
        a CavitySolution, at any width, of theory="cavity" alone.
    seed : int
        Of the random starts, and of the draws.
    net, X, y, noise_variance, theory, method, tol, max_iter, check_memory, draws
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
    problem = Problem.of(net, X, y, noise_variance)
    aim = _tolerance(tol, checks.choice(theory, THEORIES, "theory"))
    if theory == CAVITY:
        _refuse_other_methods(method)
        return cavity_branches(problem, starts, draws, seed, aim, max_iter, check_memory)
    session = Continuation(problem, theory, method, aim, max_iter)
    session.admit([problem.widths], check_memory)
    others = states_of(starts, seed, session.equations) if any(problem.inverse_widths) else iter(())
    solved: list[tuple[str | int, Solution]] = [
        (FROM_GP, session.solve(problem.widths, raise_on_failure=False)),
        *((position, session.find(problem.widths, state)) for position, state in enumerate(others)),
    ]
    found = Branches.among(solved, same_state)
    if not found:
        raise ConvergenceError(solved[0][1], session.tol)
    return found


def from_sigma(
    net: Network | Problem,
    X: ArrayLike | None = None,
    y: ArrayLike | None = None,
    Sigma: ArrayLike | None = None,
    noise_variance: Any = None,
    weight_mean: ArrayLike | None = None,
) -> Solution:
    """The network whose input weights have a given covariance, every other field as in a solution.

    Puts a Sigma from elsewhere, such as the scalar theory's (variance l_* along w*, the prior's across),
    into the Gaussian process of Eq. (7): the hybrid behind the dashed test lines of Fig. 3.

    Parameters
    ----------
    Sigma : (S, S) array
        Symmetric and positive definite; with biases (S + 1, S + 1), the bias last.
    weight_mean : (S,) or (S + 1,) array, optional
        Mean of the input weights; zero by default, and always with an odd activation.
    net, X, y, noise_variance
        As in `solve`; one hidden layer. With a Problem Sigma comes next: `from_sigma(problem, Sigma)`.

    Returns
    -------
    Solution
        With `status` GIVEN and `residual` what Eq. (8) leaves at this Sigma.
    """
    if isinstance(net, Problem) and Sigma is None:
        Sigma, X = X, None
    problem = Problem.of(net, X, y, noise_variance)
    if Sigma is None:
        raise ValueError("Sigma is missing: the covariance of the input weights, (S, S)")
    if len(problem.widths) != 1:
        raise ValueError("net has hidden kernels, which a Sigma alone does not fix; give one hidden layer")
    equations = Theory(problem, basis=None)  # Sigma may be anything across the data too
    state = from_covariance(Sigma, "Sigma", equations)
    if weight_mean is not None:
        state = with_weight_mean(state, weight_mean, equations)
    point = equations.at(state, problem.inverse_widths)
    return Solution.of(problem, equations, Outcome(point, Status.GIVEN, 1))
