"""The reduced theory of the two-layer CNN: alpha from one scalar equation (Eq. 9), vectorised.

All functions broadcast their arguments like NumPy. The equation, its scaled form and its
derivatives are generated (`numerics/_generated/reduced_<closure>.py`); this layer checks arguments.
"""

from __future__ import annotations

import warnings
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from numerics.reduced_solution import ReducedSolution, Status

CLOSURES = ("equivalent_kernel", "one_over_n", "ridge")


def solve(
    n: ArrayLike,
    C: ArrayLike,
    n_patches: ArrayLike = 20,
    patch_size: ArrayLike = 64,
    noise_variance: ArrayLike = 0.1,
    weight_variance: ArrayLike = 2.0,
    readout_variance: ArrayLike = 2.0,
    target_norm2: ArrayLike = 1.0,
    *,
    closure: str = "ridge",
    include_complexity: bool | None = None,
) -> ReducedSolution:
    """Solve the reduced equation; everything that `alpha` documents.

    Returns
    -------
    ReducedSolution
        alpha, alpha_test, overlap_ratio, inert_ratio, chi and status.
    """
    return _solve(
        closure,
        include_complexity,
        n=n,
        C=C,
        n_patches=n_patches,
        patch_size=patch_size,
        noise_variance=noise_variance,
        weight_variance=weight_variance,
        readout_variance=readout_variance,
        target_norm2=target_norm2,
    )


def alpha(
    n: ArrayLike,
    C: ArrayLike,
    n_patches: ArrayLike = 20,
    patch_size: ArrayLike = 64,
    noise_variance: ArrayLike = 0.1,
    weight_variance: ArrayLike = 2.0,
    readout_variance: ArrayLike = 2.0,
    target_norm2: ArrayLike = 1.0,
    *,
    closure: str = "ridge",
    include_complexity: bool | None = None,
) -> Any:
    """Train discrepancy alpha = eps.y/y.y of a two-layer CNN with a linear teacher (Eq. 9).

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
        Keep (1/2) log det K_f in the free energy. None: yes for "ridge"; True with another closure
        raises.

    Returns
    -------
    float or ndarray
        The root continued from C = inf, with alpha, l_* and the ridge positive.

    Raises
    ------
    ValueError
        For a bad scalar argument, an unknown closure, or a scalar problem without a physical root. In
        arrays such an entry gives NaN and one RuntimeWarning; `solve` also returns the status of each.

    Notes
    -----
    chi < 1, except that with the complexity and C < N chi may exceed 1: log det K_f then keeps l_*
    finite. For "ridge" and "one_over_n" patch_size must be at least 1.
    """
    return _solve(
        closure,
        include_complexity,
        n=n,
        C=C,
        n_patches=n_patches,
        patch_size=patch_size,
        noise_variance=noise_variance,
        weight_variance=weight_variance,
        readout_variance=readout_variance,
        target_norm2=target_norm2,
    ).alpha


def first_order(
    n: ArrayLike,
    n_patches: ArrayLike = 20,
    patch_size: ArrayLike = 64,
    noise_variance: ArrayLike = 0.1,
    weight_variance: ArrayLike = 2.0,
    readout_variance: ArrayLike = 2.0,
    target_norm2: ArrayLike = 1.0,
    *,
    closure: str = "ridge",
    include_complexity: bool | None = None,
) -> Any:
    """Coefficient of 1/C in alpha: alpha(C) = alpha(inf) + first_order/C + O(1/C^2) (derived)."""
    module = _module(closure)
    arguments = _broadcast(
        closure,
        n=n,
        n_patches=n_patches,
        patch_size=patch_size,
        noise_variance=noise_variance,
        weight_variance=weight_variance,
        readout_variance=readout_variance,
        target_norm2=target_norm2,
    )
    out = np.empty(arguments[0].shape)
    extra = _complexity(closure, include_complexity)
    module.first_order(*(array.ravel() for array in arguments), *extra, out.ravel())
    if closure != "equivalent_kernel":  # the S - 1 directions across w* are counted
        out[arguments[2] < 1] = np.nan
    if not out.shape and np.isnan(out):
        raise ValueError(_NOT_PHYSICAL)
    return _finished(out, arguments)


def branch_points(
    n: ArrayLike,
    n_patches: ArrayLike = 20,
    patch_size: ArrayLike = 64,
    noise_variance: ArrayLike = 0.1,
    weight_variance: ArrayLike = 2.0,
    readout_variance: ArrayLike = 2.0,
    target_norm2: ArrayLike = 1.0,
    *,
    closure: str,
) -> tuple[Any, Any]:
    """The two complex C at which roots of the cubic meet (derived).

    In closed form, so only for closure="equivalent_kernel"; for the others `analytic`'s
    eq.branch_points and `feature-eos breakdown` follow the root in the complex plane.

    Returns
    -------
    physical, other : complex or ndarray
        `physical` lies on the sheet of the physical root. `other` does not if both are real, and is
        the conjugate of `physical` if they are not.
    """
    module = _module(closure)
    if not hasattr(module, "branch_points"):
        raise ValueError(
            f"branch points of closure {closure!r} have no closed form: use "
            "analytic.reduced_equation(closure).branch_points(n=...) or `feature-eos breakdown`"
        )
    arguments = _broadcast(
        closure,
        n=n,
        n_patches=n_patches,
        patch_size=patch_size,
        noise_variance=noise_variance,
        weight_variance=weight_variance,
        readout_variance=readout_variance,
        target_norm2=target_norm2,
    )
    physical, other = (np.empty(arguments[0].shape, dtype=complex) for _ in range(2))
    module.branch_points(*(array.ravel() for array in arguments), physical.ravel(), other.ravel())
    return _finished(physical, arguments), _finished(other, arguments, silent=True)


def convergence_radius(n: ArrayLike, *arguments: ArrayLike, closure: str, **named: Any) -> Any:
    """The C above which the series of alpha in 1/C converges, and below which it diverges.

    The modulus of the nearest singularity of the physical root in 1/C (derived); arguments as in
    `branch_points`. alpha itself is smooth there.
    """
    return abs(branch_points(n, *arguments, closure=closure, **named)[0])


_NOT_PHYSICAL = (
    "closure 'one_over_n' has no physical root here: its correction in 1/n is not small at this n; "
    "use closure='ridge', which holds at all n"
)


def _solve(closure: str, include_complexity: bool | None, **given: ArrayLike) -> ReducedSolution:
    module = _module(closure)
    extra = _complexity(closure, include_complexity)
    arguments = _broadcast(closure, **given)
    shape = arguments[0].shape
    alpha_, test, ratio, inert, chi = found = [np.empty(shape) for _ in range(5)]
    status = np.empty(shape, dtype=np.int8)
    inputs = [array.ravel() for array in arguments]
    module.solve(*inputs, *extra, *(array.ravel() for array in found), status.ravel())
    if not shape:
        if status == Status.NOT_PHYSICAL:
            raise ValueError(_NOT_PHYSICAL)
        if status != Status.SOLVED:
            raise ArithmeticError(
                "no root was found in double precision; rescale the problem (C, n and the "
                "variances differ by too many orders of magnitude)"
            )
        return ReducedSolution(
            float(alpha_),
            float(test),
            float(ratio),
            float(inert),
            float(chi),
            int(status),
            float(arguments[5]),
        )
    _warn(int(np.count_nonzero(status)), status.size)
    return ReducedSolution(alpha_, test, ratio, inert, chi, status, arguments[5])


def _module(closure: str) -> ModuleType:
    if closure not in CLOSURES:
        raise ValueError(f"unknown closure {closure!r}; available: {', '.join(CLOSURES)}")
    return import_module(f"numerics._generated.reduced_{closure}")


def _complexity(closure: str, wanted: bool | None) -> tuple[float, ...]:
    """What the generated functions of a closure take for it: 1, 0, or no argument."""
    if closure == "ridge":
        return (0.0,) if wanted is False else (1.0,)
    if wanted:
        raise ValueError(
            f"include_complexity=True needs closure='ridge': closure {closure!r} is defined without it"
        )
    return ()


def _broadcast(closure: str, **arguments: ArrayLike) -> list[NDArray[np.float64]]:
    """Float arrays of one shape; a bad scalar raises, a bad entry of an array is left to be marked."""
    arrays = {}
    for name, value in arguments.items():
        array = np.asarray(value)
        if array.dtype.kind not in "iuf":
            raise ValueError(f"{name} must be a real number or an array of them, not {value!r}")
        arrays[name] = array.astype(np.float64)
        if array.ndim == 0 and not _valid(name, arrays[name]):
            limit = "above 0 (math.inf is the Gaussian process)" if name == "C" else "finite and above 0"
            raise ValueError(f"{name}={value!r} must be {limit}")
        if array.ndim == 0 and name == "patch_size" and closure != "equivalent_kernel" and arrays[name] < 1:
            raise ValueError(f"patch_size={value!r} must be at least 1: the closure counts S - 1 directions")
    try:
        return [np.array(array) for array in np.broadcast_arrays(*arrays.values())]
    except ValueError as error:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in arrays.items() if array.ndim)
        raise ValueError(f"shapes do not broadcast together: {shapes}") from error


def _valid(name: str, array: NDArray[np.float64]) -> NDArray[np.bool_]:
    return (array > 0) & ((array < np.inf) | (name == "C"))


def _finished(out: Any, arguments: list[NDArray[np.float64]], silent: bool = False) -> Any:
    """`out` with NaN where an argument is bad; a Python number if it has no axes."""
    if not out.shape:
        return out.item()
    bad = ~np.logical_and.reduce([_valid("", array) for array in arguments])
    out[bad] = np.nan
    if not silent:
        _warn(int(np.count_nonzero(bad)), bad.size)
    return out


def _warn(bad: int, size: int) -> None:
    if bad:
        warnings.warn(
            f"{bad} of {size} entries have no answer and are NaN; all arguments must be finite and "
            "above 0 (C may be inf), and closure 'one_over_n' needs large n. reduced.solve gives the "
            "status of each entry",
            RuntimeWarning,
            stacklevel=4,
        )
