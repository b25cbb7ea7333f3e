"""What all closures and `numerics.reduced` agree on, emitted: the setting, the statuses, the closures."""

from analytic.generator.printer import module
from analytic.scalar.closures import CLOSURES, DEFAULT, NOT_SMALL
from analytic.symbols import ARGUMENTS, DEFAULTS

# What may become of one entry, in the order of the numbers.
STATUSES = {
    "SOLVED": "",
    "BAD_ARGUMENT": "not positive, not finite, or a patch_size below the closure's least",
    "NO_ROOT": "outside the range of doubles",
    "NOT_PHYSICAL": "the closure has no physical root there (one_over_n)",
}


def status_constants() -> str:
    """The statuses as globals of a solver, which has to be a file without imports of its own."""
    return f"{', '.join(STATUSES)} = {', '.join(map(str, range(len(STATUSES))))}\n"


def shared_module() -> str:
    """numerics/_generated/reduced.py."""
    statuses = "".join(
        f"    {name} = {number}" + (f"  # {said}" if said else "") + "\n"
        for number, (name, said) in enumerate(STATUSES.items())
    )
    fields = "".join(
        f"    {name}: Any" + (f" = {DEFAULTS[name]}" if name in DEFAULTS else "") + "\n" for name in ARGUMENTS
    )
    closures = "".join(
        f"    {name!r}: Closure({name!r}, {assumed.least_patch}, {assumed.includes_complexity}, "
        f"{assumed.truncation.trusted if assumed.truncation else None}),\n"
        for name, assumed in CLOSURES.items()
    )
    body = f'''\
class ReducedStatus(IntEnum):
    """What became of one entry."""

{statuses}

@dataclass(frozen=True)
class Setting:
    """The arguments of the reduced theory, in the order of every generated function; numbers or arrays."""

{fields}

class Closure(NamedTuple):
    """What `numerics.reduced` has to know of a closure.

    least_patch: the smallest patch size it can count with. complexity: whether log det K_f has a place in it.
    trusted: how much of alpha a first order in 1/n may leave out without a warning; None for all orders.
    """

    name: str
    least_patch: int
    complexity: bool
    trusted: float | None


CLOSURES = {{
{closures}}}
DEFAULT = {DEFAULT!r}
NOT_SMALL = (
    {NOT_SMALL!r}
)
'''
    imports = (
        "from dataclasses import dataclass\nfrom enum import IntEnum\nfrom typing import Any, NamedTuple\n"
    )
    return module("What the solvers of the reduced theory and numerics.reduced agree on.", imports, body)
