"""What a sweep runs over: the product of some lists, or a list of cases, and the tasks that these make."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

CASE = "case"  # the dimension of a list of cases
OWN = ("status", "seconds", "reason")


@dataclass(frozen=True)
class Grid:
    """Attributes
    ----------
    values : dict of str to tuple
        Of every parameter: along its own dimension, or one per case.
    product : bool
    path : str or None
        The parameter whose values are widths, all found in one task by continuation.
    """

    values: dict[str, tuple[Any, ...]]
    product: bool
    path: str | None = None

    @classmethod
    def of(cls, given: Any, path: str | None) -> Grid:
        """Checked.

        Raises
        ------
        ValueError
        """
        if isinstance(given, Mapping):
            values = {name: _listed(name, entries) for name, entries in given.items()}
        elif isinstance(given, Sequence) and not isinstance(given, str):
            values = _cases(given)
        else:
            raise ValueError(
                "grid must be a dictionary, each parameter's name with the list of its values, or a list of "
                "dictionaries, one per case"
            )
        if not values or not all(values.values()):
            raise ValueError("grid is empty; give every parameter at least one value")
        for name in values:
            if not isinstance(name, str) or not name.isidentifier() or name in (*OWN, CASE):
                raise ValueError(
                    f"{name!r} cannot be a parameter's name; take a word that is not {CASE!r}, "
                    f"{', '.join(map(repr, OWN))}"
                )
        if path is not None:
            if not isinstance(given, Mapping) or path not in values:
                raise ValueError(f"path={path!r} must be a parameter of a grid that is a product")
            _widths(path, values[path])
        return cls(values, isinstance(given, Mapping), path)

    @property
    def dimensions(self) -> tuple[str, ...]:
        """Of the results, the path's last."""
        if not self.product:
            return (CASE,)
        return (*(name for name in self.values if name != self.path), *((self.path,) if self.path else ()))

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the results."""
        if not self.product:
            return (len(next(iter(self.values.values()))),)
        return tuple(len(self.values[name]) for name in self.dimensions)

    @property
    def task_shape(self) -> tuple[int, ...]:
        return self.shape[:-1] if self.path else self.shape

    @property
    def widths(self) -> tuple[float, ...] | None:
        """Of a path."""
        return None if self.path is None else tuple(map(float, self.values[self.path]))

    def positions(self) -> Iterator[tuple[int, ...]]:
        """Of all tasks, the last dimension fastest."""
        return itertools.product(*map(range, self.task_shape))

    def parameters(self, position: tuple[int, ...]) -> dict[str, Any]:
        """Of a task, without the path's."""
        if not self.product:
            return {name: entries[position[0]] for name, entries in self.values.items()}
        names = self.dimensions[: len(self.task_shape)]
        return {name: self.values[name][k] for name, k in zip(names, position, strict=True)}

    def labels(self, name: str) -> np.ndarray[Any, Any]:
        """Coordinates: numbers where all values are, else their words."""
        values = self.values[name]
        if all(
            isinstance(value, int | float | np.number) and not isinstance(value, bool) for value in values
        ):
            return np.asarray(values)
        return np.array([str(value) for value in values])

    def described(self) -> dict[str, Any]:
        """For a file that says what it holds."""
        return {
            "values": {name: [str(value) for value in values] for name, values in self.values.items()},
            "product": self.product,
            "path": self.path,
        }


def _listed(name: Any, entries: Any) -> tuple[Any, ...]:
    if isinstance(entries, str | bytes | Mapping) or not hasattr(entries, "__iter__"):
        raise ValueError(f"{name} in grid must be a list of values, such as [{entries!r}]")
    found = tuple(entry.item() if isinstance(entry, np.generic) else entry for entry in entries)
    words = [str(entry) for entry in found]
    twice = next((word for word in words if words.count(word) > 1), None)
    if twice is not None:
        raise ValueError(f"{name} in grid has {twice} twice; give every value once")
    return found


def _cases(given: Sequence[Any]) -> dict[str, tuple[Any, ...]]:
    if not all(isinstance(case, Mapping) for case in given):
        raise ValueError("a grid that is a list must have one dictionary of parameters per case")
    names = list(given[0]) if given else []
    for case in given:
        if set(case) != set(names):
            raise ValueError(f"all cases of grid must have the same parameters, here {', '.join(names)}")
    return {name: tuple(case[name] for case in given) for name in names}


def _widths(path: str, values: tuple[Any, ...]) -> None:
    for value in values:
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not (value > 0 or math.isinf(value))
        ):
            raise ValueError(f"{path} is the path, so its values must be widths above zero; {value!r} is not")
