"""Both cores without oversubscription: a few Python threads over panels of rows, BLAS inside on one.

The threads spend their time in BLAS and in Numba loops, which both release the interpreter lock.
Work is dealt out statically, so that a result is bitwise the same in every run with as many threads; what is
done `in_order`, on any number of threads.
"""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from functools import cache
from itertools import pairwise
from typing import Any, TypeVar

from numba import config
from threadpoolctl import ThreadpoolController

Item = TypeVar("Item")
Result = TypeVar("Result")
Span = tuple[int, int]

WORTH_A_THREAD = 300_000  # kernel entries: about a millisecond, against .1 ms to start a thread
WORTH_TWO_BLAS_THREADS = 400
WORTH_HOLDING_UP_PANELS = 1400

_limit: ContextVar[int | None] = ContextVar("thread_limit", default=None)


def thread_count() -> int:
    """Threads in use: the innermost `threads(...)`, else Numba's setting (NUMBA_NUM_THREADS)."""
    limit = _limit.get()
    return config.NUMBA_NUM_THREADS if limit is None else limit


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Use `count` threads, in our loops and in BLAS, inside the `with` block."""
    token = _limit.set(count)
    try:
        with blas_threads(count):
            yield
    finally:
        _limit.reset(token)


@contextmanager
def blas_threads(count: int) -> Iterator[None]:
    """BLAS and LAPACK on so many threads inside the `with` block."""
    with _blas().limit(limits=count, user_api="blas"):
        yield


def for_factorisation(size: int) -> AbstractContextManager[Any]:
    """BLAS threads for products and factorisations of this size by `numerics.machine.dense` and SciPy.

    One thread for small matrices: a second one gains little there, and OpenBLAS's threads wait for each other
    spinning, which costs milliseconds per call on a busy machine. For large ones SciPy's BLAS has all threads
    and NumPy's, where that is another library, one: the threads of two libraries are in each other's way.
    """
    if size < WORTH_TWO_BLAS_THREADS:
        return blas_threads(1)
    return _numpy_s_own_blas().limit(limits=1, user_api="blas")


def for_one_factorisation(size: int) -> AbstractContextManager[Any]:
    """The same for a single factorisation between passes of our own threads, which those of BLAS, spinning
    for some .1 s after their work, hold up: a second thread must gain more than that."""
    return blas_threads(1) if size < WORTH_HOLDING_UP_PANELS else for_factorisation(size)


@cache
def _blas() -> ThreadpoolController:
    import scipy.linalg  # noqa: F401  (its BLAS must be loaded before the controller looks)

    return ThreadpoolController()


@cache
def _numpy_s_own_blas() -> ThreadpoolController:
    """NumPy's library; nothing when NumPy and SciPy share one, as in conda's packages."""
    libraries = [library.filepath for library in _blas().lib_controllers if library.user_api == "blas"]
    own = [path for path in libraries if "numpy.libs" in path or f"numpy{os.sep}.dylibs" in path]
    return _blas().select(filepath=own if len(libraries) > 1 else [])


def panels(rows: int, height: int) -> list[Span]:
    """Spans [low, high) of about `height` rows that cover range(rows)."""
    number = max(1, -(-rows // height))
    edges = [rows * k // number for k in range(number + 1)]
    return list(pairwise(edges))


def over_panels(
    work: Callable[[Sequence[Span]], Result], spans: Sequence[Span], entries: float
) -> list[Result]:
    """[work(share) for each thread's share of the spans], the shares of a triangle being alike in cost.

    `entries` is the number of kernel entries to be made: few are not worth a thread.
    """
    workers = min(thread_count(), len(spans)) if entries > WORTH_A_THREAD else 1
    if workers <= 1:
        with blas_threads(1):
            return [work(spans)]
    shares: list[list[Span]] = [[] for _ in range(workers)]
    for position, span in enumerate(reversed(spans)):  # longest rows first, back and forth
        lap, seat = divmod(position, workers)
        shares[seat if lap % 2 == 0 else workers - 1 - seat].append(span)
    with blas_threads(1):
        others = [_pool(workers).submit(work, share) for share in shares[1:]]
        try:
            first = work(shares[0])
        finally:
            wait(others)
        return [first, *(other.result() for other in others)]


def in_order(
    work: Callable[[Item], Result], items: Sequence[Item], entries: float = math.inf
) -> Iterator[Result]:
    """work(item) of each, in order, on the threads in use, BLAS on one in each.

    What is added up in this order is bitwise the same on any number of threads. Results wait for their turn,
    one more than threads at most. `entries` is the number of numbers to be made: few are not worth a thread.
    """
    workers = min(thread_count(), len(items)) if entries > WORTH_A_THREAD else 1
    with blas_threads(1):
        if workers <= 1:
            yield from map(work, items)
            return
        waiting: deque[Future[Result]] = deque()
        try:
            for item in items:
                waiting.append(_pool(workers + 1).submit(work, item))
                if len(waiting) > workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            wait(waiting)


@cache
def _pool(workers: int) -> ThreadPoolExecutor:
    """Threads beside the caller's, kept: to start them costs as much as a small panel."""
    return ThreadPoolExecutor(workers - 1, thread_name_prefix="panels")


if hasattr(os, "register_at_fork"):  # threads do not survive a fork; Windows has none
    os.register_at_fork(after_in_child=_pool.cache_clear)
