"""Vectors against the metric written out: sum_l N_l/2 tr(H H') + N_l w.w', over half the narrowest width."""

import numpy as np
import pytest
from small_problems import symmetric

from numerics.free_energy.metric import FisherMetric

SHAPES = ((5, 5), (1, 1), (7, 7), (5,), (1,), (7,))
WIDTHS = (40.0, 10.0, 30.0)
rng = np.random.default_rng(0)


def change():
    return tuple(
        symmetric(rng, shape[0]) if len(shape) == 2 else rng.standard_normal(shape) for shape in SHAPES
    )


@pytest.fixture
def metric():
    return FisherMetric(SHAPES, [1 / width for width in WIDTHS])


def test_inner_products_are_those_of_the_metric(metric):
    one, other = change(), change()
    expected = sum(N / 2 * np.sum(H * J) for N, H, J in zip(WIDTHS, one[:3], other[:3], strict=True))
    expected += sum(N * (w @ v) for N, w, v in zip(WIDTHS, one[3:], other[3:], strict=True))
    found = min(WIDTHS) / 2 * (metric.vector(one) @ metric.vector(other))
    assert found == pytest.approx(expected, rel=1e-13)


def test_blocks_come_back(metric):
    given = change()
    for found, expected in zip(metric.blocks(metric.vector(given)), given, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-15)
    assert len(metric.vector(given)) == metric.dimension == 15 + 1 + 28 + 13


def test_a_long_vector_is_shortened_to_its_longest_block(metric):
    given = change()
    norms = [float(np.linalg.norm(block)) for block in given]
    capped = metric.blocks(metric.capped(metric.vector(given), 0.1))
    for found, block in zip(capped, given, strict=True):
        np.testing.assert_allclose(found, 0.1 / max(norms) * block, rtol=1e-14)
    vector = metric.vector(given)
    assert metric.capped(vector, 1.001 * max(norms)) is vector


def test_a_layer_of_infinite_width_has_no_entries_and_stays_at_its_prior():
    metric = FisherMetric(SHAPES, (0.1, 0.0, 0.2))
    given = change()
    assert len(metric.vector(given)) == 15 + 28 + 12
    for blocks in (metric.admitted(given), metric.blocks(metric.vector(given))):
        assert not blocks[1].any()
        assert not blocks[4].any()
        np.testing.assert_allclose(blocks[2], given[2], rtol=1e-15)
