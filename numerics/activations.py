"""The activations: what a kernel map needs of each, and how to give one's own.

`erf` and `linear` are odd: every mean of the theory is zero and their kernels are functions of variances
alone. The others' kernels take a variance and a mean per pre-activation, stacked as (P, 2, n).
"""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from numerics import _generated

Array = NDArray[np.float64]


class Activation(Protocol):
    """What a kernel map runs.

    Attributes
    ----------
    name : str
    odd : bool
        phi(-h) = -phi(h): zero means solve the equations of state and are not tracked.
    with_means : bool
        The loops take (variance, mean) pairs per datum, shape (2, n), instead of variances (n,).
    loops : module
        `add_value`, `adjoint`, `add_tangent` and `adjoint_tangent` over tiles of a kernel.
    """

    @property
    def name(self) -> str: ...
    @property
    def odd(self) -> bool: ...
    @property
    def with_means(self) -> bool: ...
    @property
    def loops(self) -> ModuleType: ...

    def statistics(self, moments: Array) -> Array:
        """What the loops need of each datum: (P, n), or (P, rows, n), from (P, n) or (P, 2, n) moments."""

    def __hash__(self) -> int: ...


@dataclass(frozen=True)
class ClosedForm:
    """An activation with generated kernels."""

    name: str
    odd: bool

    @property
    def with_means(self) -> bool:
        return not self.odd

    @property
    def loops(self) -> ModuleType:
        return _generated.load(self.name)

    def statistics(self, moments: Array) -> Array:
        if self.odd:
            D = np.empty(moments.shape)
            self.loops.statistics(np.ascontiguousarray(moments).reshape(-1), D.reshape(-1))
            return D
        D = np.empty((len(moments), self.loops.STATISTICS, moments.shape[2]))
        for pixel, out in zip(moments, D, strict=True):
            self.loops.statistics(pixel[0], pixel[1], out)
        return D


BUILT_IN: dict[str, Activation] = {
    "erf": ClosedForm("erf", odd=True),
    "linear": ClosedForm("linear", odd=True),
    "relu": ClosedForm("relu", odd=False),
}
ACTIVATIONS = tuple(BUILT_IN)


def named(activation: str | Activation) -> Activation:
    """The activation of a name; one's own passes through.

    Raises
    ------
    ValueError
        For an unknown name, listing what exists.
    """
    if isinstance(activation, str):
        if activation in BUILT_IN:
            return BUILT_IN[activation]
    elif hasattr(activation, "loops") and hasattr(activation, "statistics"):
        return activation
    raise ValueError(f"activation={activation!r} is unknown; choose one of {ACTIVATIONS}")
