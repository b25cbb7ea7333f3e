"""Where a tangent in 1/C is off by so much, read between the widths of a table."""

import math
from types import SimpleNamespace

import pytest
from mutants import breaks

from numerics.compare import THRESHOLDS, _between

TANGENT = SimpleNamespace(alpha=lambda width: 0.5 - 3.0 / width)


def rows(widths, scale):
    """Off by scale/width of themselves, exactly."""
    return [SimpleNamespace(width=C, alpha=TANGENT.alpha(C) / (1.0 - scale / C)) for C in widths]


@breaks("numerics/compare.py", "row.alpha - tangent", "tangent", "the network's tangent by itself")
@breaks("numerics/compare.py", "math.log(threshold / off", "(threshold / off", "linear in the error")
def test_a_power_of_the_width_is_crossed_where_it_is():
    found = _between(TANGENT, rows([400, math.inf, 20, 100], 15.0)[::-1])
    assert [each.threshold for each in found] == list(THRESHOLDS)
    # linear in the logarithms, as a power is
    assert found[0].width == pytest.approx(15.0 / 0.05, rel=1e-12)
    assert found[1].width == pytest.approx(15.0 / 0.5, rel=1e-12)


def test_what_is_not_crossed_within_the_table_says_how_far_it_reaches():
    above, below = _between(TANGENT, rows([100, 50], 15.0))
    assert math.isnan(above.width)
    assert above.searched_to == 100
    assert math.isnan(below.width)
    assert below.searched_to == 50
