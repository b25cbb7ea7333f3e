"""The reduced theory of the two-layer CNN: alpha from one scalar equation, Eq. (9), vectorised.

All functions broadcast their arguments like NumPy. The equation, its scaled form and its
derivatives are generated (`numerics/_generated/reduced_<closure>.py`); this layer checks arguments.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from numerics._generated.reduced import CLOSURES, DEFAULT, NOT_SMALL, Closure, ReducedStatus, Setting
from numerics.reduced.setting import broadcast, columns, takes_setting
from numerics.reduced.solution import ReducedSolution
from numerics.reduced.statuses import NotSmall, judge, tell

READOUTS = ("mean_field", "finite_fan_in")


@takes_setting()
def solve(
    setting: Setting,
    *,
    closure: str = DEFAULT,
    include_complexity: bool | None = None,
    readout: str = "mean_field",
) -> ReducedSolution:
    """Solve the reduced equation; everything that `alpha` documents.

    Returns
    -------
    ReducedSolution
        alpha, alpha_test, overlap_ratio, inert_ratio, chi and status.
    """
    return _solve(setting, closure, include_complexity, readout)


@takes_setting()
def alpha(
    setting: Setting,
    *,
    closure: str = DEFAULT,
    include_complexity: bool | None = None,
    readout: str = "mean_field",
) -> Any:
    """Train discrepancy alpha = eps.y/y.y of a two-layer CNN with a linear teacher, Eq. (9).

    Parameters
    ----------
    n : array_like
        Number of samples.
    C : array_like
        Number of channels; `math.inf` is the Gaussian process.
    n_patches, patch_size : array_like
        N and S. The theory is for S >> 1.
    noise_variance, weight_variance, readout_variance : array_like
        sigma^2, sigma_w^2 and sigma_a^2 (variances; the fan-in is divided by the theory).
    target_norm2 : array_like
        |a*|^2 |w*|^2 of the teacher.
    closure : str
        "ridge": the effective ridge that each mode feels, at all orders. "equivalent_kernel": the
        ridge sigma^2/n; it overestimates alpha by tens of per cent at n of the order of N S.
        "one_over_n": its first correction, which has no physical root where that is not small.
    include_complexity : bool, optional
        Keep the complexity, (1/2) log det K_f, in the free energy. None: yes for "ridge"; True with
        another closure raises. The KL of the weights is always kept.
    readout : str
        "mean_field", or "finite_fan_in": a readout of n_patches C weights with its response and second moment
        along and across a*, for closure "ridge" with the complexity (docs/derivations-fan-in.md).

    Returns
    -------
    float or ndarray
        The root continued from C = inf, with alpha, l_* and the ridge positive.

    Raises
    ------
    ValueError
        For a bad scalar argument, an unknown closure, or a scalar problem without a physical root. In
        arrays such an entry gives NaN and one RuntimeWarning; `solve` also returns the status of each.

    Warns
    -----
    NotSmall
        Where closure "one_over_n" may leave out more than half of alpha: at the default sizes, below
        n = 1510.

    Notes
    -----
    chi < 1, except that with the complexity and C < N chi may exceed 1: log det K_f then keeps l_*
    finite. For "ridge" and "one_over_n" patch_size must be at least 1.
    """
    return _solve(setting, closure, include_complexity, readout).alpha


@takes_setting(at_width=1.0)
def first_order(
    setting: Setting,
    *,
    closure: str = DEFAULT,
    include_complexity: bool | None = None,
    readout: str = "mean_field",
) -> Any:
    """Coefficient of 1/C in alpha: alpha(C) = alpha(inf) + first_order/C + O(1/C^2) (derived)."""
    known = _known(closure)
    complexity = _complexity(known, include_complexity)
    given = broadcast(setting, known)
    slope, status = np.empty(given.n.shape), np.empty(given.n.shape, dtype=np.int8)
    if _finite_fan_in(readout, known, complexity):
        _fan_in().first_order(columns(given), slope.ravel(), status.ravel())
    else:
        _generated(known).first_order(columns(given), complexity, slope.ravel(), status.ravel())
    judge(status)
    _warn_where_not_small(known, given, status)
    return slope if slope.shape else slope.item()


@takes_setting(at_width=1.0)
def branch_points(setting: Setting, *, closure: str) -> tuple[Any, Any]:
    """The two complex C at which roots of the cubic meet (derived).

    In closed form, so only for closure="equivalent_kernel"; for the others `analytic`'s
    eq.branch_points and `feature-eos breakdown` follow the root in the complex plane.

    Returns
    -------
    physical, other : complex or ndarray
        `physical` lies on the sheet of the physical root. `other` does not if both are real, and is
        the conjugate of `physical` if they are not.
    """
    known = _known(closure)
    module = _generated(known)
    if not hasattr(module, "branch_points"):
        raise ValueError(
            f"branch points of closure {closure!r} have no closed form: use "
            "analytic.reduced_equation(closure).branch_points(n=...) or `feature-eos breakdown`"
        )
    given = broadcast(setting, known)
    physical, other = (np.empty(given.n.shape, dtype=complex) for _ in range(2))
    status = np.empty(given.n.shape, dtype=np.int8)
    complexity = _complexity(known, None)
    module.branch_points(columns(given), complexity, physical.ravel(), other.ravel(), status.ravel())
    judge(status)
    return (physical, other) if physical.shape else (physical.item(), other.item())


def convergence_radius(n: ArrayLike, *arguments: ArrayLike, closure: str, **named: Any) -> Any:
    """The C above which the series of alpha in 1/C converges, and below which it diverges.

    The modulus of the nearest singularity of the physical root in 1/C (derived); arguments as in
    `branch_points`. alpha itself is smooth there.
    """
    return abs(branch_points(n, *arguments, closure=closure, **named)[0])


def _solve(setting: Setting, closure: str, include_complexity: bool | None, readout: str) -> ReducedSolution:
    known = _known(closure)
    complexity = _complexity(known, include_complexity)
    fan_in = _finite_fan_in(readout, known, complexity)
    given = broadcast(setting, known)
    shape = given.n.shape
    found = [np.empty(shape) for _ in range(9 if fan_in else 5)]  # alpha, alpha_test, r, r_0, chi, p's, q's
    status = np.empty(shape, dtype=np.int8)
    flat = [array.ravel() for array in (*found, status)]
    if fan_in:
        _fan_in().solve(columns(given), *flat)
    else:
        _generated(known).solve(columns(given), complexity, *flat)
    judge(status)
    _warn_where_not_small(known, given, status)
    parts = (*found[:5], status, given.weight_variance, *found[5:])
    return ReducedSolution(*parts if shape else (part.item() for part in parts))


def _known(closure: str) -> Closure:
    if not isinstance(closure, str) or closure not in CLOSURES:
        raise ValueError(f"unknown closure {closure!r}; available: {', '.join(CLOSURES)}")
    return CLOSURES[closure]


def _generated(closure: Closure) -> ModuleType:
    return import_module(f"numerics._generated.reduced_{closure.name}")


def _fan_in() -> ModuleType:
    """The generated solver at finite fan-in."""
    return import_module("numerics._generated.reduced_fan_in")


def _finite_fan_in(readout: str, closure: Closure, complexity: float) -> bool:
    if readout not in READOUTS:
        raise ValueError(f"readout={readout!r} is none of {', '.join(READOUTS)}")
    if readout == "finite_fan_in" and not (closure.name == "ridge" and complexity):
        raise ValueError(
            "readout='finite_fan_in' is for closure='ridge' with the complexity, which it is made of; leave "
            "closure= and include_complexity= out"
        )
    return readout == "finite_fan_in"


def _complexity(closure: Closure, wanted: bool | None) -> float:
    """Whether log det K_f is kept, as generated functions take it."""
    if wanted and not closure.complexity:
        raise ValueError(
            f"include_complexity=True needs closure='ridge': closure {closure.name!r} is defined without it"
        )
    return float(closure.complexity if wanted is None else wanted)


def _warn_where_not_small(closure: Closure, given: Setting, status: NDArray[np.int8]) -> None:
    """One warning of the entry at which first order in 1/n leaves out most, if that is too much."""
    if closure.trusted is None or not status.size:
        return
    left_out = np.empty(status.size)
    _generated(closure).left_out(columns(given), left_out)
    left_out[status.ravel() != ReducedStatus.SOLVED] = 0.0
    worst = np.argmax(left_out)
    if left_out[worst] > closure.trusted:
        n = f"{given.n.ravel()[worst]:g}"
        tell(NOT_SMALL.format(closure=closure.name, n=n, left_out=left_out[worst]), NotSmall)


__all__ = [
    "CLOSURES",
    "NotSmall",
    "ReducedSolution",
    "ReducedStatus",
    "Setting",
    "alpha",
    "branch_points",
    "convergence_radius",
    "first_order",
    "solve",
]
