"""What a sweep writes down of a solution or of sampled networks: numbers by name, or a user's own."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numerics.sampling.estimate import Estimate

Array = NDArray[np.float64]
Values = dict[str, Array]


@dataclass(frozen=True)
class Found:
    """A solution or samples, and the test set that the problem came with."""

    what: Any
    X_test: Any = None
    y_test: Any = None


def _test_error(found: Found) -> Any:
    if hasattr(found.what, "test_error"):
        return found.what.test_error(found.X_test, found.y_test)
    gap = found.what.predict(found.X_test) - found.y_test
    return float(np.sum(gap**2) / np.sum(np.asarray(found.y_test) ** 2))


def _top(found: Found) -> float:
    return float(found.what.overlap_eigenvalues[0])


# name: (definition, function); one that a theory does not have is NaN there
NAMED: dict[str, tuple[str, Callable[[Found], Any]]] = {
    "alpha": ("overlap of discrepancy and target, eps.y / y.y", lambda found: found.what.alpha),
    "alpha_gp": ("alpha of the Gaussian process", lambda found: found.what.gp.alpha),
    "alpha_test": ("alpha on the test set", lambda found: found.what.alpha_test(found.X_test, found.y_test)),
    "train_error": ("mean square of y - f_bar over that of y", lambda found: found.what.train_error),
    "test_error": ("the same on the test set", _test_error),
    "top_overlap": ("largest eigenvalue of Sigma over its prior's", _top),
    "readout_load": ("degrees of freedom per readout weight", lambda found: found.what.readout_load),
    "free_energy": ("minus log evidence, without (n D/2) log 2 pi", lambda found: found.what.free_energy),
    "log_evidence": ("log evidence", lambda found: found.what.log_evidence),
    "chi_response": ("eps.Q_f eps over the width", lambda found: found.what.chi_response),
    "residual": ("of the equations", lambda found: found.what.residual),
    "gradients": ("gradients that the solve took", lambda found: found.what.gradients),
    "rhat": ("R-hat of alpha", lambda found: found.what.alpha.plain.rhat),
}
NEED_TEST = ("alpha_test", "test_error")
DEFAULT = ("alpha", "alpha_gp", "top_overlap", "readout_load")


def checked(given: Any) -> tuple[Any, ...]:
    """Names and functions.

    Raises
    ------
    ValueError
    """
    if isinstance(given, str) or callable(given):
        given = (given,)
    asked = tuple(given)
    if not asked:
        raise ValueError(f"quantities is empty; give some of {', '.join(NAMED)}, or a function of a solution")
    for one in asked:
        if not callable(one) and one not in NAMED:
            raise ValueError(
                f"{one!r} is no quantity; there are {', '.join(NAMED)}, or give a function of a solution "
                "that returns a dictionary of numbers or arrays"
            )
    return asked


def described(asked: Sequence[Any]) -> list[str]:
    """For a file that says what it holds."""
    return [one if isinstance(one, str) else named(one) for one in asked]


def named(function: Any) -> str:
    """Where a function is from."""
    kind = function if hasattr(function, "__qualname__") else type(function)
    return f"{kind.__module__}.{kind.__qualname__}"


def of(found: Found, asked: Sequence[Any]) -> Values:
    """All values, each with its error where there is one, as `..._error`."""
    values: Values = {}
    for one in asked:
        if callable(one):
            given = one(found.what)
            if not isinstance(given, Mapping):
                raise TypeError(f"{named(one)} returned no dictionary of numbers or arrays")
            values |= {str(name): np.asarray(value, np.float64) for name, value in given.items()}
        else:
            values |= _one(found, one)
    return values


def _one(found: Found, name: str) -> Values:
    if name in NEED_TEST and found.X_test is None:
        raise ValueError(f"{name} needs a test set: let problem_of return (problem, X_test, y_test)")
    try:
        value = NAMED[name][1](found)
    except AttributeError:  # of another theory
        return {name: np.array(math.nan)}
    if isinstance(value, Estimate):
        return {name: np.array(value.mean), f"{name}_error": np.array(value.error)}
    errors = getattr(found.what, "errors", {})
    here = {name: np.asarray(value, np.float64)}
    return here | ({f"{name}_error": np.asarray(errors[name], np.float64)} if name in errors else {})
