"""What an argument must be: each check returns the cleaned value or raises one sentence with the remedy."""

from __future__ import annotations

import math
import sys
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def positive(value: Any, name: str) -> float:
    """A finite number > 0."""
    number = _number(value, name)
    if not (math.isfinite(number) and number > 0):
        raise ValueError(f"{name}={value!r} must be a finite number above 0")
    return _normal(number, name)


def _normal(number: float, name: str) -> float:
    """Subnormal numbers have few digits, and their reciprocals overflow."""
    if number < sys.float_info.min:
        raise ValueError(f"{name}={number!r} is below what float64 holds in full ({sys.float_info.min:.1e})")
    return number


def not_negative(value: Any, name: str) -> float:
    """A finite number >= 0."""
    number = _number(value, name)
    if not (math.isfinite(number) and number >= 0):
        raise ValueError(f"{name}={value!r} must be a finite number, 0 or above")
    return number


def width(value: Any, name: str) -> float:
    """A width: a number > 0, `math.inf` allowed."""
    number = _number(value, name)
    if not number > 0:
        raise ValueError(f"{name}={value!r} must be above 0 (math.inf is the Gaussian-process limit)")
    return _normal(number, name)


def count(value: Any, name: str, least: int = 1) -> int:
    """A whole number >= least."""
    number = _number(value, name)
    if not math.isfinite(number) or number != int(number) or number < least:
        raise ValueError(f"{name}={value!r} must be a whole number, at least {least}")
    return int(number)


def position(value: Any, name: str, length: int) -> int:
    """An index into `length` things, negative ones counted from the end; returned from 0 on."""
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not whole or not -length <= value < length:
        raise ValueError(f"{name}={value!r} must be a whole number from {-length} to {length - 1}")
    return int(value) % length


def generator(value: Any, name: str) -> np.random.Generator:
    """A source of random numbers from a seed, a Generator or None."""
    try:
        return np.random.default_rng(value)
    except (TypeError, ValueError):
        raise ValueError(f"{name}={value!r} must be a whole number from 0, a Generator or None") from None


def choice(value: Any, choices: tuple[str, ...], name: str) -> str:
    """One of the words that exist."""
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name}={value!r} is unknown; choose one of {choices}")
    return value


def _number(value: Any, name: str) -> float:
    """A real number that is not NaN; zero-dimensional arrays count, booleans and strings do not."""
    if isinstance(value, np.ndarray) and value.ndim == 0:
        _refuse_masked(value, name)
        value = value.item()
    if isinstance(value, bool | np.bool_) or not isinstance(value, Real):
        raise ValueError(f"{name}={value!r} must be one real number")
    try:
        number = float(value)
    except OverflowError:
        raise ValueError(f"{name} is an integer too large for a float; give a smaller number") from None
    if math.isnan(number):
        raise ValueError(f"{name} is NaN; it must be one real number")
    return number


def inputs(X: ArrayLike, flat: bool, name: str = "X") -> Array:
    """Inputs as float64 of shape (n, P, S): samples, pixels (or patches), channels of a pixel.

    `flat`: for a fully connected network, given as (n, d) and returned as (n, 1, d). There may be no samples,
    n = 0: then there is a prior, and nothing else.
    """
    array = _samples(X, flat, name)
    if 0 in array.shape[1:]:
        raise ValueError(f"{name} has shape {np.shape(X)}: no axis may be empty")
    return array[:, None, :] if flat else array


def inputs_like(X: ArrayLike, shape: tuple[int, ...], flat: bool, name: str = "X_test") -> Array:
    """Test inputs with the pixels and channels of the training inputs; there may be none, shape (0, P, S)."""
    array = _samples(X, flat, name)
    ours, theirs = array.shape[1:], shape[1:] if flat else shape
    if ours != theirs:
        raise ValueError(
            f"{name} has {ours} per sample, but the training inputs have {theirs}; prepare both the same way"
        )
    return array[:, None, :] if flat else array


def _samples(X: ArrayLike, flat: bool, name: str) -> Array:
    """Inputs with as many axes as the network takes, in the shape that they were given in."""
    array = _real_array(X, name)
    if flat and array.ndim != 2:
        raise ValueError(
            f"{name} has shape {array.shape}, but a fully connected network takes (samples, features); "
            f"flatten it, for instance {name}.reshape(len({name}), -1)"
        )
    if not flat and array.ndim != 3:
        raise ValueError(
            f"{name} has shape {array.shape}, but (samples, pixels, features) is needed; "
            f"for one pixel per sample use {name}[:, None, :]"
        )
    return array


def targets(
    y: ArrayLike,
    samples: int,
    name: str = "y",
    observed: NDArray[np.bool_] | None = None,
    prior: bool = False,
) -> Array:
    """Targets as (n, D), D outputs; (n,) is D = 1. All zero is refused, and so are none, unless a prior
    without data is meant.

    `observed` (n,): data whose targets count; of the others any number, or none, may stand there.
    """
    counts = np.ones(samples, bool) if observed is None else observed
    array = _real_array(y, name, finite=False)
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2:
        raise ValueError(
            f"{name} has shape {np.shape(y)}, but ({samples},) or ({samples}, outputs) is needed"
        )
    if samples == 0 == len(array) and prior and array.shape[1]:
        return np.ascontiguousarray(array)
    if samples == 0 == len(array):
        raise ValueError(f"{name} is empty, so there is nothing to measure; give at least one sample")
    if len(array) != samples or array.shape[1] == 0:
        raise ValueError(f"{name} has {len(array)} entries for {samples} samples; give one per sample")
    known = _finite(array[counts], name)
    if not np.any(known):
        raise ValueError(f"{name} is zero everywhere, so alpha = eps.y / y.y has no meaning; check {name}")
    with np.errstate(over="ignore", under="ignore"):
        norm2 = np.sum(known * known)
    if not (np.isfinite(norm2) and norm2 > 0):
        raise ValueError(
            f"{name} is so large or so small that y.y leaves the range of floats; rescale {name}"
        )
    return np.ascontiguousarray(array)


def noise_variances(value: Any, samples: int) -> Array:
    """sigma_mu^2 > 0 per datum, from one number or (n,) numbers, of which some (not all) may be infinite."""
    if isinstance(value, Real) or value is None or isinstance(value, str):
        return np.full(samples, positive(value, "noise_variance"))
    array = _array(value, "noise_variance", "one number, or one per sample")
    if array.ndim == 0:
        return np.full(samples, positive(array, "noise_variance"))
    if array.shape != (samples,) or array.dtype.kind not in "iuf":
        raise ValueError(
            f"noise_variance has shape {array.shape}; give one number, or one per sample ({samples},)"
        )
    array = array.astype(np.float64)
    if not (array > 0).all():  # false for NaN too
        raise ValueError("noise_variance must be above 0 for every sample (math.inf takes a sample out)")
    if samples and not np.isfinite(array).any():
        raise ValueError("noise_variance is infinite for every sample; leave at least one finite")
    return array


def covariance(values: ArrayLike, size: int, name: str) -> Array:
    """A symmetric positive definite (size, size) matrix."""
    array = _real_array(values, name)
    if array.shape != (size, size) or not np.allclose(array, array.T):
        raise ValueError(
            f"{name} has shape {array.shape}; give a Solution or a symmetric ({size}, {size}) Sigma"
        )
    if np.linalg.eigvalsh(array)[0] <= 0:
        raise ValueError(f"{name} has an eigenvalue <= 0; a covariance of weights must be positive definite")
    return (array + array.T) / 2


def vector(values: ArrayLike, size: int, name: str) -> Array:
    """A (size,) array."""
    array = _real_array(values, name)
    if array.shape != (size,):
        raise ValueError(f"{name} has shape {array.shape}; give ({size},) numbers")
    return array


def any_array(values: Any, name: str) -> Array:
    """A finite float64 array from any framework: what NumPy takes, or DLPack on the CPU where there is no
    `__array__`."""
    if hasattr(values, "__dlpack__") and not hasattr(values, "__array__"):
        try:
            values = np.from_dlpack(values)
        except (BufferError, RuntimeError, TypeError) as refused:
            raise ValueError(
                f"{name} does not turn into a NumPy array ({refused}); convert it first"
            ) from None
    return _real_array(values, name)


def _real_array(values: ArrayLike, name: str, finite: bool = True) -> Array:
    """A float64 array, finite unless that is looked at later; complex numbers, text and objects are
    refused."""
    array = _array(values, name)
    if array.dtype.kind not in "biuf":
        if hasattr(values, "to_numpy"):
            raise ValueError(
                f"{name} is a table with columns that are no plain floats; drop or impute missing values and "
                f"text, then give {name}.to_numpy(float)"
            )
        raise ValueError(
            f"{name} has dtype {array.dtype}; give real numbers (an array of floats), such as "
            f"np.asarray({name}, float)"
        )
    with np.errstate(over="ignore"):  # of extended precision: refused in the next line
        array = array.astype(np.float64, copy=False)
    return _finite(array, name) if finite else array


def _finite(array: Array, name: str) -> Array:
    if not np.isfinite(array).all():
        raise ValueError(f"{name} contains NaN or infinite entries; remove or impute them first")
    return array


def _array(values: Any, name: str, wanted: str = "an array with rows of one length") -> NDArray[Any]:
    """An array of whatever dtype; entries that are masked or not stored are refused, not made up."""
    if hasattr(values, "toarray"):
        raise ValueError(f"{name} is a sparse matrix; give the dense one, {name}.toarray()")
    _refuse_masked(values, name)
    try:
        return np.asarray(values)
    except ValueError:
        raise ValueError(f"{name} is ragged; give {wanted}") from None
    except (TypeError, RuntimeError) as refused:  # an array on another device, or one that tracks gradients
        raise ValueError(f"{name} does not turn into a NumPy array ({refused}); convert it first") from None


def _refuse_masked(values: Any, name: str) -> None:
    """What is under a mask is no data. Without a masked entry it is an array like others."""
    hidden = _masked(values)
    if hidden:
        entries = "1 masked entry, which is" if hidden == 1 else f"{hidden} masked entries, which are"
        raise ValueError(
            f"{name} has {entries} no data; leave out what is masked, or give {name}.filled(...) with values "
            "to compute with"
        )


def _masked(values: Any) -> int:
    if isinstance(values, np.ma.MaskedArray):
        return int(np.count_nonzero(np.ma.getmaskarray(values)))
    if isinstance(values, list | tuple):
        return sum(_masked(value) for value in values if isinstance(value, list | tuple | np.ma.MaskedArray))
    return 0
