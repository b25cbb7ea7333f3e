"""The closures of the reduced theory, one file each."""

from analytic.closures.base import Closure
from analytic.closures.equivalent_kernel import EQUIVALENT_KERNEL

CLOSURES = {closure.name: closure for closure in (EQUIVALENT_KERNEL,)}


def closure(name: str) -> Closure:
    """The closure called `name`; ValueError listing what exists otherwise."""
    if name not in CLOSURES:
        raise ValueError(f"unknown closure {name!r}; available: {', '.join(CLOSURES)}")
    return CLOSURES[name]


__all__ = ["CLOSURES", "Closure", "closure"]
