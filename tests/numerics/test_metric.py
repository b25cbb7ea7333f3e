"""Vectors against the metric written out: sum_l N_l/2 tr(H H') + N_l w.w', over half the narrowest width."""

import numpy as np
import pytest
from mutants import breaks
from small_problems import symmetric
from states import arrays, inner

from numerics.gaussian.metric import FisherMetric
from numerics.gaussian.state import LayerState

SIZES = (5, 1, 7)
WIDTHS = (40.0, 10.0, 30.0)
rng = np.random.default_rng(0)


def change():
    return tuple(LayerState(symmetric(rng, size), rng.standard_normal(size)) for size in SIZES)


@pytest.fixture
def metric():
    return FisherMetric(SIZES, False, [1 / width for width in WIDTHS])


@breaks(
    "numerics/gaussian/metric.py",
    "_scale_off_diagonal(triangle, ROOT2)",
    "triangle *= 1",
    "off-diagonal entries once",
)
def test_inner_products_are_those_of_the_metric(metric):
    one, other = change(), change()
    expected = inner([1 / width for width in WIDTHS], one, other)
    found = min(WIDTHS) / 2 * (metric.vector(one) @ metric.vector(other))
    assert found == pytest.approx(expected, rel=1e-13)


def test_states_come_back(metric):
    given = change()
    for found, expected in zip(arrays(metric.state(metric.vector(given))), arrays(given), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-15)
    assert len(metric.vector(given)) == metric.dimension == 15 + 1 + 28 + 13


def test_odd_activations_have_no_means():
    metric = FisherMetric(SIZES, True, [1 / width for width in WIDTHS])
    given = tuple(LayerState(layer.theta) for layer in change())
    assert metric.dimension == 15 + 1 + 28
    assert all(layer.mu is None for layer in metric.state(metric.vector(given)))


def test_a_long_vector_is_shortened_to_its_longest_block(metric):
    given = change()
    norms = [float(np.linalg.norm(block)) for block in arrays(given)]
    capped = metric.state(metric.capped(metric.vector(given), 0.1))
    for found, block in zip(arrays(capped), arrays(given), strict=True):
        np.testing.assert_allclose(found, 0.1 / max(norms) * block, rtol=1e-14)
    vector = metric.vector(given)
    assert metric.capped(vector, 1.001 * max(norms)) is vector


def test_a_layer_of_infinite_width_has_no_entries_and_stays_at_its_prior():
    metric = FisherMetric(SIZES, False, (0.1, 0.0, 0.2))
    given = change()
    assert len(metric.vector(given)) == 15 + 28 + 12
    for state in (metric.admitted(given), metric.state(metric.vector(given))):
        assert not state[1].theta.any()
        assert not state[1].mu.any()
        np.testing.assert_allclose(state[2].theta, given[2].theta, rtol=1e-15)
