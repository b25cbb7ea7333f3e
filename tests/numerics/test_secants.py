"""Anderson's step on linear equations, where theory says exactly what it does."""

import numpy as np
import pytest
from mutants import breaks

from numerics.solving.secants import DOUBLES, FEWEST, MOST, Secants, room

SIZE = 6
rng = np.random.default_rng(0)
SLOPE = rng.standard_normal((SIZE, SIZE))  # of the fixed-point map G at width 1
FIXED = rng.standard_normal(SIZE)


def E(v, x=1.0):
    """v - G(v) with G's slope proportional to 1/width."""
    return v - FIXED - x * (SLOPE @ (v - FIXED))


def secants(number, x=1.0, most=MOST):
    known, v = Secants(most), np.zeros(SIZE)
    for change in rng.standard_normal((number, SIZE)):
        known.add(change, E(v + change, x) - E(v, x))
    return known


def test_without_secants_it_is_the_fixed_point_map():
    np.testing.assert_array_equal(Secants(3).step(FIXED), -FIXED)


@breaks("numerics/solving/secants.py", "a=-weight", "a=weight", "away from the combination")
@breaks(
    "numerics/solving/secants.py", "/ values[kept]) / scale", "/ values[kept])", "weights of scaled secants"
)
def test_as_many_secants_as_unknowns_solve_linear_equations():
    v = rng.standard_normal(SIZE)
    # the normal equations square a condition number of about 1e2
    np.testing.assert_allclose(v + secants(SIZE).step(E(v)), FIXED, atol=1e-10)


def test_fewer_are_the_image_of_the_combination_that_makes_E_least():
    known, v = Secants(MOST), rng.standard_normal(SIZE)
    changes = rng.standard_normal((3, SIZE))
    images = np.array([E(v + change) - E(v) for change in changes])
    for change, image in zip(changes, images, strict=True):
        known.add(change, image)
    w = np.linalg.lstsq(images.T, E(v), rcond=None)[0]
    best = v - w @ changes
    expected = best - E(best)
    np.testing.assert_allclose(v + known.step(E(v)), expected, atol=1e-11)


def test_dependent_and_tiny_secants_do_no_harm():
    known, v = secants(SIZE), rng.standard_normal(SIZE)
    change = 1e-9 * rng.standard_normal(SIZE)
    known.add(change, E(v + change) - E(v))
    known.add(2 * change, 2 * (E(v + change) - E(v)))
    known.add(0 * change, 0 * change)
    # a difference at 1e-9 knows seven digits
    np.testing.assert_allclose(v + known.step(E(v)), FIXED, atol=1e-5)


@breaks("numerics/solving/secants.py", "G *= factor", "G *= 1.0", "recycled as at the old width", case="3.0")
@breaks(
    "numerics/solving/secants.py",
    "(1.0 - factor) * G",
    "factor * G",
    "E for its change when recycled",
    case="3.0",
)
@pytest.mark.parametrize("factor", [0.5, 3.0])
def test_recycled_secants_are_those_of_the_other_width(factor):
    known, v = secants(SIZE), rng.standard_normal(SIZE)
    known.recycle(factor)
    np.testing.assert_allclose(v + known.step(E(v, factor)), FIXED, atol=1e-9)
    assert np.linalg.norm(v + secants(SIZE).step(E(v, factor)) - FIXED) > 1e-2


def test_what_was_recycled_is_forgotten_on_demand():
    known = secants(4)
    known.recycle(2.0)
    change = rng.standard_normal(SIZE)
    known.add(change, E(change, 2.0) - E(0 * change, 2.0))
    assert len(known) == 5
    known.forget_recycled()
    assert len(known) == 1
    known.forget_recycled()
    assert len(known) == 1
    only = Secants(MOST)
    only.add(change, E(change, 2.0) - E(0 * change, 2.0))
    np.testing.assert_allclose(known.step(FIXED), only.step(FIXED), rtol=1e-12)
    known.clear()
    np.testing.assert_array_equal(known.step(FIXED), -FIXED)


def test_the_oldest_makes_room():
    known = secants(2, most=3)
    known.recycle(1.0)
    known.add(FIXED, FIXED)
    known.add(FIXED[::-1].copy(), FIXED)
    assert len(known) == 3
    known.forget_recycled()  # one of the two is gone already
    assert len(known) == 2


def test_room_is_bounded_by_memory():
    assert room(0) == room(10) == MOST
    assert room(int(1e9)) == FEWEST
    assert room(6_000_000) == DOUBLES / 12e6
