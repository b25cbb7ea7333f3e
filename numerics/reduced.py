"""The reduced theory of the two-layer CNN: alpha from one scalar equation (Eq. 9), vectorised.

All functions broadcast their arguments like NumPy. The equation, its scaled form and its
derivatives are generated (`numerics/_generated/reduced_<closure>.py`); this layer checks arguments.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from enum import IntEnum
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

CLOSURES = ("equivalent_kernel",)


class Status(IntEnum):
    """What became of one entry."""

    SOLVED = 0
    BAD_ARGUMENT = 1
    NO_ROOT = 2


@dataclass(frozen=True)
class ReducedSolution:
    """The reduced solution; floats for scalar arguments, arrays of one shape otherwise.

    Attributes
    ----------
    alpha : float or ndarray
        Train discrepancy eps.y/y.y, relative accuracy 1e-12.
    overlap_ratio : float or ndarray
        r = l_* S/sigma_w^2 = 1/(1 - chi): the learned variance along w* over its prior.
    chi : float or ndarray
        n^2 alpha^2 lambda |a*|^2|w*|^2/C, between 0 and 1.
    status : int or ndarray of int
        `Status`, entry by entry.
    """

    alpha: Any
    overlap_ratio: Any
    chi: Any
    status: Any


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
    closure: str,
) -> ReducedSolution:
    """Solve the reduced equation; everything that `alpha` documents.

    Returns
    -------
    ReducedSolution
        alpha, overlap_ratio, chi and status.
    """
    return _solve(
        closure,
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
    closure: str,
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
        "equivalent_kernel". It overestimates alpha where the ridge sigma^2/n is not what the data
        feel, by tens of per cent at n of the order of N S.

    Returns
    -------
    float or ndarray
        The only root with 0 < alpha and chi < 1.

    Raises
    ------
    ValueError
        For a bad scalar argument or an unknown closure. In arrays a bad entry gives NaN and one
        RuntimeWarning; `solve` also returns the status of each entry.
    """
    return _solve(
        closure,
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
    closure: str,
) -> Any:
    """Coefficient of 1/C in alpha: alpha(C) = alpha(inf) + first_order/C + O(1/C^2) (derived)."""
    module = _module(closure)
    arguments = _broadcast(
        n=n,
        n_patches=n_patches,
        patch_size=patch_size,
        noise_variance=noise_variance,
        weight_variance=weight_variance,
        readout_variance=readout_variance,
        target_norm2=target_norm2,
    )
    out = np.empty(arguments[0].shape)
    module.first_order(*(array.ravel() for array in arguments), out.ravel())
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
    """The two complex C at which roots of the equation meet (derived).

    Returns
    -------
    physical, other : complex or ndarray
        `physical` lies on the sheet of the physical root. `other` does not if both are real, and is
        the conjugate of `physical` if they are not.
    """
    module = _module(closure)
    arguments = _broadcast(
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


def _solve(closure: str, **given: ArrayLike) -> ReducedSolution:
    module = _module(closure)
    arguments = _broadcast(**given)
    shape = arguments[0].shape
    alpha_, ratio, chi = (np.empty(shape) for _ in range(3))
    status = np.empty(shape, dtype=np.int8)
    inputs = [array.ravel() for array in arguments]
    module.solve(*inputs, alpha_.ravel(), ratio.ravel(), chi.ravel(), status.ravel())
    if not shape:
        if status != Status.SOLVED:
            raise ArithmeticError(
                "no root was found in double precision; rescale the problem (C, n and the "
                "variances differ by too many orders of magnitude)"
            )
        return ReducedSolution(float(alpha_), float(ratio), float(chi), int(status))
    _warn(int(np.count_nonzero(status)), status.size)
    return ReducedSolution(alpha_, ratio, chi, status)


def _module(closure: str) -> ModuleType:
    if closure not in CLOSURES:
        raise ValueError(f"unknown closure {closure!r}; available: {', '.join(CLOSURES)}")
    return import_module(f"numerics._generated.reduced_{closure}")


def _broadcast(**arguments: ArrayLike) -> list[NDArray[np.float64]]:
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
            "above 0 (C may be inf). reduced.solve gives the status of each entry",
            RuntimeWarning,
            stacklevel=4,
        )
