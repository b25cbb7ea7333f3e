"""What became of each entry, and what is said of it: an error for one number, one warning for an array."""

from __future__ import annotations

import sys
import warnings

import numpy as np
from numpy.typing import NDArray

from numerics._generated.reduced import ReducedStatus


class NotSmall(UserWarning):
    """A closure that is the first order of an expansion is used where that is not small."""


ERRORS: dict[int, tuple[type[Exception], str]] = {
    ReducedStatus.NO_ROOT: (
        ArithmeticError,
        "no root was found in double precision; rescale the problem (C, n and the variances differ by too "
        "many orders of magnitude)",
    ),
    ReducedStatus.NOT_PHYSICAL: (
        ValueError,
        "closure 'one_over_n' has no physical root here: its correction in 1/n is not small at this n; "
        "use closure='ridge', which holds at all n",
    ),
}


def judge(status: NDArray[np.int8]) -> None:
    """Raise if the only entry has no answer; warn if some entries of an array have none."""
    if not status.shape:
        if int(status) in ERRORS:
            kind, text = ERRORS[int(status)]
            raise kind(text)
    elif bad := int(np.count_nonzero(status)):
        tell(
            f"{bad} of {status.size} entries have no answer and are NaN; all arguments must be finite and "
            "above 0 (C may be inf), and closure 'one_over_n' needs large n. reduced.solve gives the status "
            "of each entry",
            RuntimeWarning,
        )


def tell(text: str, category: type[Warning]) -> None:
    """Warn at the line that called this package."""
    level, frame = 1, sys._getframe(0)
    while frame.f_back is not None and frame.f_globals["__name__"].startswith(__package__):
        level, frame = level + 1, frame.f_back
    warnings.warn(text, category, stacklevel=level)
