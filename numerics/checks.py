"""What an argument must be: each check returns the cleaned value or raises one sentence with the remedy."""

from __future__ import annotations

import math
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
    return number


def width(value: Any, name: str) -> float:
    """A width: a number > 0, `math.inf` allowed."""
    number = _number(value, name)
    if not number > 0:
        raise ValueError(f"{name}={value!r} must be above 0 (math.inf is the Gaussian-process limit)")
    return number


def count(value: Any, name: str, least: int = 1) -> int:
    """A whole number >= least."""
    number = _number(value, name)
    if number != int(number) or number < least:
        raise ValueError(f"{name}={value!r} must be a whole number, at least {least}")
    return int(number)


def _number(value: Any, name: str) -> float:
    """A real number that is not NaN; zero-dimensional arrays count, booleans and strings do not."""
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value.item()
    if isinstance(value, bool | np.bool_) or not isinstance(value, Real) or math.isnan(float(value)):
        raise ValueError(f"{name}={value!r} must be one real number")
    return float(value)


def patches(X: ArrayLike, name: str = "X") -> Array:
    """Inputs as a float64 array of shape (n, N, S): samples, patches, pixels of a patch."""
    array = _real_array(X, name)
    if array.ndim != 3:
        raise ValueError(
            f"{name} has shape {array.shape}, but (samples, patches, pixels per patch) is needed; "
            f"for one patch per sample use {name}[:, None, :]"
        )
    if 0 in array.shape:
        raise ValueError(f"{name} has shape {array.shape}: no axis may be empty")
    return array


def patches_like(X: ArrayLike, like: Array, name: str = "X_test") -> Array:
    """Test inputs with the patches and pixels of the training inputs."""
    array = patches(X, name)
    if array.shape[1:] != like.shape[1:]:
        raise ValueError(
            f"{name} has (patches, pixels) = {array.shape[1:]}, but the training inputs have "
            f"{like.shape[1:]}; cut both the same way"
        )
    return array


def targets(y: ArrayLike, samples: int, name: str = "y") -> Array:
    """Targets of one output, shape (n,); (n, 1) is taken as one output. All zero is refused."""
    array = _real_array(y, name)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise ValueError(
            f"{name} has shape {array.shape}, but ({samples},) is needed: this version has one output"
        )
    if array.size != samples:
        raise ValueError(f"{name} has {array.size} entries for {samples} samples; give one per sample")
    if not np.any(array):
        raise ValueError(f"{name} is zero everywhere, so alpha = eps.y / y.y has no meaning; check {name}")
    return np.ascontiguousarray(array)


def _real_array(values: ArrayLike, name: str) -> Array:
    """A finite float64 array; complex numbers, text and objects are refused."""
    array = np.asarray(values)
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{name} has dtype {array.dtype}; give real numbers (an array of floats)")
    array = array.astype(np.float64, copy=False)
    if not np.isfinite(array).all():
        raise ValueError(f"{name} contains NaN or infinite entries; remove or impute them first")
    return array
