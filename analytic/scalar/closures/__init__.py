"""The closures of the reduced theory, one file each."""

from analytic.scalar.closures.base import NOT_SMALL, Closure, NotSmall
from analytic.scalar.closures.equivalent_kernel import EQUIVALENT_KERNEL
from analytic.scalar.closures.one_over_n import ONE_OVER_N
from analytic.scalar.closures.ridge import RIDGE

CLOSURES = {closure.name: closure for closure in (EQUIVALENT_KERNEL, ONE_OVER_N, RIDGE)}
DEFAULT = RIDGE.name


def closure(name: str) -> Closure:
    """The closure called `name`; ValueError listing what exists otherwise."""
    if name not in CLOSURES:
        raise ValueError(f"unknown closure {name!r}; available: {', '.join(CLOSURES)}")
    return CLOSURES[name]


def include_complexity(assumed: Closure, wanted: bool | None) -> bool:
    """Whether (1/2) log det K_f is kept: the closure's choice for None; ValueError where it has no place."""
    if wanted and not assumed.includes_complexity:
        raise ValueError(
            f"include_complexity=True needs closure='ridge': closure {assumed.name!r} is defined without it"
        )
    return assumed.includes_complexity if wanted is None else wanted


__all__ = ["CLOSURES", "DEFAULT", "NOT_SMALL", "Closure", "NotSmall", "closure", "include_complexity"]
