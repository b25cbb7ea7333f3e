"""The arguments of the reduced theory: one signature for all functions, checked and broadcast."""

from __future__ import annotations

import reprlib
from collections.abc import Callable
from dataclasses import fields
from functools import wraps
from inspect import Parameter, Signature, signature
from numbers import Real
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from numerics._generated.reduced import Closure, Setting

Array = NDArray[np.float64]
Result = TypeVar("Result")
NAMES = tuple(field.name for field in fields(Setting))


def takes_setting(
    at_width: float | None = None,
) -> Callable[[Callable[..., Result]], Callable[..., Result]]:
    """Make f(setting, *, ...) a function of n, C, n_patches, ...; without C if `at_width` says what it is."""

    def made(function: Callable[..., Result]) -> Callable[..., Result]:
        _, *options = signature(function).parameters.values()
        own = [p for p in _arguments() if at_width is None or p.name != "C"]
        outer = Signature([*own, *options], return_annotation=signature(function).return_annotation)

        @wraps(function)
        def call(*positional: Any, **named: Any) -> Result:
            try:
                bound = outer.bind(*positional, **named)
            except TypeError as error:
                known = ", ".join(str(p.replace(annotation=p.empty)) for p in outer.parameters.values())
                raise TypeError(f"{function.__name__}: {error}; the arguments are {known}") from None
            given = {} if at_width is None else {"C": at_width}
            given |= {p.name: bound.arguments.pop(p.name) for p in own if p.name in bound.arguments}
            return function(Setting(**given), **bound.arguments)

        call.__signature__ = outer  # type: ignore[attr-defined]
        return call

    return made


def _arguments() -> list[Parameter]:
    kind = Parameter.POSITIONAL_OR_KEYWORD
    return [p.replace(kind=kind, annotation="ArrayLike") for p in signature(Setting).parameters.values()]


def broadcast(setting: Setting, closure: Closure) -> Setting:
    """Float arrays of one shape; a bad scalar raises, a bad entry of an array is left to be marked."""
    arrays = {name: _array(name, getattr(setting, name), closure) for name in NAMES}
    try:
        common = np.broadcast_arrays(*arrays.values())
    except ValueError as error:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in arrays.items() if array.ndim)
        raise ValueError(f"shapes do not broadcast together: {shapes}") from error
    return Setting(*map(np.array, common))


def columns(setting: Setting) -> tuple[Array, ...]:
    """What generated functions take: the arrays of `broadcast` without axes, in their order."""
    return tuple(getattr(setting, name).ravel() for name in NAMES)


def _array(name: str, value: ArrayLike, closure: Closure) -> Array:
    array = _real(name, value)
    if array.ndim == 0:
        if not array > 0 or (np.isinf(array) and name != "C"):
            limit = "above 0 (math.inf is the Gaussian process)" if name == "C" else "finite and above 0"
            raise ValueError(f"{name}={value!r} must be {limit}")
        if name == "patch_size" and array < closure.least_patch:
            raise ValueError(f"patch_size={value!r} must be at least 1: the closure counts S - 1 directions")
    return array


def _real(name: str, value: ArrayLike) -> Array:
    if np.ma.is_masked(value):
        raise ValueError(f"{name} has masked entries; give {name}.compressed() or fill them first")
    try:
        array = np.asarray(value)
    except ValueError:
        raise ValueError(f"{name} is ragged; give a number or an array with rows of one length") from None
    kind = array.dtype.kind
    if kind == "O" and all(isinstance(entry, Real) and not isinstance(entry, bool) for entry in array.flat):
        kind = "i"  # integers beyond 64 bits, fractions
    if kind not in "iuf":
        raise ValueError(f"{name} must be a real number or an array of them, not {reprlib.repr(value)}")
    try:
        return array.astype(np.float64)
    except OverflowError:
        raise ValueError(f"{name} is an integer too large for a float; give a smaller number") from None
