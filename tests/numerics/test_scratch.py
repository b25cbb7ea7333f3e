"""Work arrays kept between calls."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from mutants import breaks

from numerics.machine import scratch


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch):
    monkeypatch.setattr(scratch, "_free", [])


@breaks(
    "numerics/machine/scratch.py",
    "size <= array.size <= 2 * size",
    "array.size <= 2 * size",
    "arrays too small",
)
def test_the_same_memory_is_taken_again():
    with scratch.arrays(2, 1000) as (one, other):
        assert one.shape == other.shape == (1000,)
        assert not np.shares_memory(one, other)
    assert scratch.take(1200).shape == (1200,)  # more than any that is kept
    again = scratch.take(900)
    assert again.shape == (900,)
    assert np.shares_memory(again, one) or np.shares_memory(again, other)
    assert not np.shares_memory(again, scratch.take(900))


def test_views_give_back_the_whole_array():
    with scratch.arrays(1, 1000) as (flat,):
        square = flat[:900].reshape(30, 30)
    assert np.shares_memory(square, scratch.take(1000))
    scratch.give(square)
    assert np.shares_memory(square, scratch.take(1000))


def test_neither_far_larger_arrays_nor_large_ones_nor_too_many_are_kept(monkeypatch):
    scratch.give(np.empty(1000))
    assert scratch.take(400).base is None  # a fresh one
    scratch.give(np.empty(scratch.LARGE // 8))
    assert [array.size for array in scratch._free] == [1000]
    monkeypatch.setattr(scratch, "KEPT", 8 * 1500)
    newest = np.empty(1200)
    scratch.give(newest)
    assert len(scratch._free) == 1
    assert np.shares_memory(scratch.take(1200), newest)  # the oldest makes room


def test_kept_memory_can_be_let_go():
    scratch.give(np.empty(1000))
    scratch.forget()
    assert scratch.take(1000).base is None


def test_arrays_come_back_from_work_that_fails():
    with pytest.raises(ZeroDivisionError), scratch.arrays(1, 10):
        raise ZeroDivisionError
    assert len(scratch._free) == 1


def test_threads_never_share_one():
    def work(mark):
        for _ in range(200):
            with scratch.arrays(2, 50) as taken:
                for array in taken:
                    array.fill(mark)
                assert all((array == mark).all() for array in taken)
        return mark

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, range(8))) == list(range(8))
