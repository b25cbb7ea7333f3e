"""Work arrays kept between calls.

Fresh memory is faulted in page by page, 4 kB in 3 us: a sixth of the time of a gradient at n = 400, were it
not kept. Larger arrays come in large pages, and are not worth it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

LARGE = 2**22  # bytes: from here on NumPy asks for large pages
KEPT = 2**25  # bytes in all

_free: list[Array] = []
_lock = Lock()


def _unlock() -> None:
    global _lock
    _lock = Lock()


if hasattr(os, "register_at_fork"):  # another thread may hold it; Windows has no fork
    os.register_at_fork(after_in_child=_unlock)


@contextmanager
def arrays(number: int, size: int) -> Iterator[list[Array]]:
    """So many flat arrays of `size` doubles, of whatever content, for the length of a `with` block."""
    taken = [take(size) for _ in range(number)]
    try:
        yield taken
    finally:
        for array in taken:
            give(array)


def take(size: int) -> Array:
    """A flat array of `size` doubles, of whatever content; to be given back once nothing refers to it."""
    with _lock:
        fitting = [k for k, array in enumerate(_free) if size <= array.size <= 2 * size]
        if fitting:
            return _free.pop(min(fitting, key=lambda k: _free[k].size))[:size]
    return np.empty(size)


def forget() -> None:
    """Give all memory that is kept back to the system."""
    with _lock:
        _free.clear()


def give(array: Array) -> None:
    """Keep an array that `take` gave."""
    whole = array if array.base is None else array.base
    if whole.nbytes >= LARGE:
        return
    with _lock:
        _free.append(whole)
        while sum(kept.nbytes for kept in _free) > KEPT:
            del _free[0]  # the oldest: of a size that is not asked for any more
