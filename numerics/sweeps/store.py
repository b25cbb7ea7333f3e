"""The store of a sweep: one Zarr group that xarray opens, a chunk per task, each written once.

A task's values are written before its status, which commits it: what a killed process leaves half-done is
done again. Only the process that holds the lock writes: an operating system's lock on a file beside the
store, which a killed process does not leave behind.
"""

from __future__ import annotations

import json
import math
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from numerics.sweeps.grid import Grid
from numerics.sweeps.quantities import NAMED
from numerics.sweeps.task import LONGEST, Outcome

MISSING, DONE, FAILED = 0, 1, 2
KEY = "feature_eos_sweep"
FORMAT = 1  # of Zarr 3 the types for text are not yet specified: the store is in Zarr's format 2
ZARR_FORMAT = 2


class SweepFull(ValueError):
    """Two sweeps into one store at once."""


def libraries() -> tuple[Any, Any, Any]:
    """zarr, xarray and filelock.

    Raises
    ------
    ImportError
        With the remedy.
    """
    try:
        import filelock
        import xarray
        import zarr
    except ImportError as missing:
        raise ImportError(
            "sweeps need zarr, xarray and filelock: pip install 'feature-eos[sweep]'"
        ) from missing
    return zarr, xarray, filelock


class Store:
    """Open for writing, as a context.

    Parameters
    ----------
    path : path
        A folder, made when it is not there.
    grid : Grid
    definition : dict
        What the sweep is, for a file; a store made with another is refused.
    """

    def __init__(self, path: str | Path, grid: Grid, definition: dict[str, Any]):
        self.path, self.grid = Path(path), grid
        self.definition = json.loads(json.dumps(definition))
        self._zarr, _, filelock = libraries()
        if not self.path.parent.is_dir():
            raise ValueError(f"{path}: the folder {self.path.parent} does not exist; make it first")
        self._lock = filelock.FileLock(f"{self.path}.lock", timeout=0)
        self._busy = filelock.Timeout
        self._group: Any = None
        self._arrays: dict[str, Any] = {}
        self._failed_before: set[tuple[int, ...]] = set()

    def __enter__(self) -> Store:
        try:
            self._lock.acquire()
        except self._busy:
            raise SweepFull(
                f"{self.path}: another sweep is writing there; wait for it, or give another store="
            ) from None
        try:
            self._open()
        except BaseException:
            self._lock.release()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.release()

    def _open(self) -> None:
        if not self.path.exists() or (self.path.is_dir() and not any(self.path.iterdir())):
            self._make()
            return
        self._group = opened(self._zarr, self.path)
        known = self._group.attrs[KEY]["definition"]
        if known != self.definition:
            names = [name for name in self.definition if known.get(name) != self.definition[name]]
            raise ValueError(
                f"{self.path} holds a sweep of another {' and '.join(names)}; give another store=, or move "
                "it away"
            )

    def _make(self) -> None:
        """Into a folder beside, moved into place when it is whole."""
        unfinished = self.path.with_name(f".{self.path.name}.part")
        group = self._zarr.open_group(unfinished, mode="w", zarr_format=ZARR_FORMAT)
        about = {"format": FORMAT, "definition": self.definition, "version": version("feature-eos")}
        group.attrs[KEY] = about
        self._group = group
        for name in self.grid.values:
            labels = self.grid.labels(name)
            dimension = name if self.grid.product else self.grid.dimensions[0]
            self._array(name, labels.shape, labels.shape, (dimension,), labels.dtype, None, {})[...] = labels
        flags = {"flag_values": [MISSING, DONE, FAILED], "flag_meanings": "missing done failed"}
        tasks, names = self.grid.task_shape, self.grid.dimensions[: len(self.grid.task_shape)]
        ones = (1,) * len(tasks)
        self._array("status", tasks, ones, names, np.dtype(np.int8), MISSING, flags)
        self._array("seconds", tasks, ones, names, np.dtype(np.float64), math.nan, {"units": "s"})
        self._array("reason", tasks, ones, names, np.dtype(f"<U{LONGEST}"), "", {"long_name": "of a failure"})
        self._zarr.consolidate_metadata(group.store, zarr_format=ZARR_FORMAT)
        if self.path.exists():
            self.path.rmdir()
        unfinished.rename(self.path)
        self._group = opened(self._zarr, self.path)

    def _array(
        self,
        name: str,
        shape: tuple[int, ...],
        chunks: tuple[int, ...],
        dimensions: tuple[str, ...],
        dtype: Any,
        fill: Any,
        attributes: dict[str, Any],
    ) -> Any:
        return self._group.create_array(
            name,
            shape=shape,
            chunks=chunks or None,
            dtype=dtype,
            fill_value=fill,
            compressors=None,
            attributes={"_ARRAY_DIMENSIONS": list(dimensions), **attributes},
        )

    def missing(self) -> list[tuple[int, ...]]:
        """Positions of the tasks that are not done; those that failed are tried again."""
        status = np.asarray(self._stored("status")[...])
        self._failed_before = {position for position in self.grid.positions() if status[position] == FAILED}
        return [position for position in self.grid.positions() if status[position] != DONE]

    def write(self, outcome: Outcome) -> Outcome:
        """Keep what a task gave; returned as it was kept: failed, if its values do not fit the others'."""
        names = {name for values in outcome.values if values is not None for name in values}
        reason = outcome.reason
        for name in sorted(names):
            misfit = self._write_one(name, outcome)
            reason = reason or misfit
        position = outcome.position
        self._stored("seconds")[position] = outcome.seconds
        if reason or position in self._failed_before:
            self._stored("reason")[position] = reason
        self._stored("status")[position] = FAILED if reason else DONE
        return Outcome(position, outcome.values, reason, outcome.seconds)

    def _write_one(self, name: str, outcome: Outcome) -> str:
        """Why the values of one quantity do not fit, or ""."""
        given = [None if values is None else values.get(name) for values in outcome.values]
        shape = next(value.shape for value in given if value is not None)
        array = self._quantity(name, shape)
        if array is None or any(value is not None and value.shape != shape for value in given):
            return f"{name} has another shape than in other tasks"
        nothing = np.full(shape, math.nan)
        block = np.stack([nothing if value is None else value for value in given])
        array[outcome.position] = block if self.grid.path else block[0]
        return ""

    def _stored(self, name: str) -> Any:
        """An array of the store, whose metadata are read once."""
        if name not in self._arrays:
            self._arrays[name] = self._group[name]
        return self._arrays[name]

    def _quantity(self, name: str, shape: tuple[int, ...]) -> Any:
        """The array of a quantity, made when it is first met; None where its values have another shape."""
        whole = (*self.grid.shape, *shape)
        if name in self._arrays or name in self._group:
            array = self._stored(name)
            return array if array.shape == whole else None
        if name in self.grid.values or name in ("status", "seconds", "reason"):
            return None
        of_a_task = whole[len(self.grid.task_shape) :]
        chunks = (*(1,) * len(self.grid.task_shape), *of_a_task)
        dimensions = (*self.grid.dimensions, *(f"{name}_{k}" for k in range(len(shape))))
        base = name.removesuffix("_error")
        about = {"long_name": NAMED[base][0]} if base in NAMED else {}
        if base != name and base in NAMED:
            about = {"long_name": f"standard error of {base}"}
        array = self._array(name, whole, chunks, dimensions, np.dtype(np.float64), math.nan, about)
        self._zarr.consolidate_metadata(self._group.store, zarr_format=ZARR_FORMAT)
        return array


def opened(zarr: Any, path: Path) -> Any:
    """The group of a sweep.

    Raises
    ------
    ValueError
        When something else is there.
    """
    try:
        group = zarr.open_group(path, mode="r+", zarr_format=ZARR_FORMAT, use_consolidated=False)
        if KEY in group.attrs:
            return group
    except (OSError, ValueError, KeyError):
        pass
    raise ValueError(f"{path} is there and is no store of a sweep; give another store=, or move it away")


def read(path: str | Path) -> Any:
    """The results so far, an xarray Dataset in memory.

    Raises
    ------
    ValueError
        When there is no sweep.
    """
    zarr, xarray, _ = libraries()
    if not Path(path).exists():
        raise ValueError(f"{path}: there is no store of a sweep")
    opened(zarr, Path(path))
    with xarray.open_dataset(path, engine="zarr", chunks=None) as stored:
        found = stored.load()
    found.attrs = {
        "definition": json.dumps(stored.attrs[KEY]["definition"]),
        "version": stored.attrs[KEY]["version"],
    }
    found["status"] = found["status"].fillna(MISSING).astype(np.int8)  # what is not written is read as NaN
    found["reason"] = found["reason"].fillna("").astype(str)
    return found.set_coords(list(json.loads(found.attrs["definition"])["grid"]["values"]))
