"""What a solution says of its own theory: costs of what it leaves out, and advice."""

import math

import numpy as np
import pytest
from deep_problems import NETWORKS, POOLED, small
from mutants import breaks

from numerics import cnn, datasets, fcn, solve
from numerics.solutions.validity import validity

VALIDITY = "numerics/solutions/validity.py"
DATA = datasets.make_linear_cnn(200, 4, 16)


@breaks(
    VALIDITY,
    "_alpha(sol, after) / _alpha(sol, before)",
    "_alpha(sol, before) / _alpha(sol, after)",
    "cost inverted",
)
@breaks(VALIDITY, "- pull.mean_output", "- 1.1 * pull.mean_output", "the unit's output by a tenth too much")
@pytest.mark.parametrize(("channels", "alpha", "learned"), [(320, 0.3009, 1.1127), (80, 0.3041, 1.4160)])
def test_costs_are_about_what_sampled_networks_show(channels, alpha, learned):
    """Exact posterior means of alpha and l_*: at loads of .1 and .4."""
    sol = solve(cnn(channels), DATA.X, DATA.y, 0.1)
    found = sol.validity
    true = alpha / sol.alpha - 1
    estimated = (1 + found.fan_in[0]) * (1 + found.units[0]) - 1
    assert estimated == pytest.approx(true, rel=0.3)
    fan_in = solve(cnn(channels), DATA.X, DATA.y, 0.1, theory="finite_fan_in").validity
    assert fan_in.units[0] == pytest.approx(
        alpha / 0.30537 - 1 if channels == 320 else alpha / 0.3203 - 1, abs=0.04
    )
    assert fan_in.theory == "finite_fan_in"
    w = DATA.w_star @ sol.overlap_ratio @ DATA.w_star
    assert 0 < learned / w - 1 < (1 + found.fan_in[1]) * (1 + found.units[1]) - 1 + 0.02
    assert sol.validity is found
    assert 0.3 < found.worth <= 1


def test_the_law_of_a_unit_is_the_cavity_s():
    """Kurtosis in the field of finite fan-in, against that of the solved cavity equations."""
    net = cnn(80)
    found = solve(net, DATA.X, DATA.y, 0.1, theory="finite_fan_in").validity
    law = solve(net, DATA.X, DATA.y, 0.1, theory="cavity", draws=4096).unit_law
    assert found.excess_kurtosis == pytest.approx(law.excess_kurtosis(DATA.w_star), abs=0.12)


def test_what_is_light_is_right():
    sol = solve(cnn(1e5), DATA.X, DATA.y, 0.1)
    found = sol.validity
    np.testing.assert_allclose([*found.fan_in, *found.pixels], 0, atol=2e-3)
    assert abs(found.units[0]) < 0.02  # the noise of 4,096 draws of four readouts on 200 data
    assert found.hidden_loads == ()
    assert "is right to about 2 %" in found.advice


@pytest.mark.parametrize("outputs", [1, 2])
@pytest.mark.parametrize(
    "net",
    [fcn(9.0), cnn(9.0), cnn(9.0, activation="relu"), cnn(9.0, readout=POOLED, bias_variance=0.2)],
    ids=str,
)
def test_every_network_with_one_hidden_layer_has_all_costs(net, outputs):
    X, y = small(net.flat, outputs=outputs)
    noise = np.linspace(0.05, 0.2, len(X))
    noise[2] = math.inf
    for theory in ("mean_field", "finite_fan_in"):
        found = solve(net, X, y, noise, theory=theory).validity
        assert np.isfinite([*found.fan_in, *found.units, found.excess_kurtosis, found.worth]).all()
        assert np.isfinite(found.pixels).all() == (not net.flat)
        assert "theory=" in str(found)
        assert "exact law of a unit" in str(found)


@pytest.mark.parametrize("name", ["three dense layers", "two convolutions"])
def test_deep_networks_have_loads_of_every_layer(name):
    net, flat = NETWORKS[name]
    X, y = small(flat)
    sol = solve(net, X, y, 0.05)
    found = sol.validity
    assert len(found.hidden_loads) == 1
    assert found.hidden_loads[0] > 0
    assert math.isnan(found.units[0])
    assert "layers below" in str(found)
    assert "deep networks" in found.advice
    wide = solve(net.with_widths([1e6, 1e6]), X, y, 0.05).validity
    assert "is right to some per cent" in wide.advice
    load = sol.degrees_of_freedom / net.widths[0]
    pixels = 1 if flat else 2
    assert found.hidden_loads[0] == pytest.approx(load / pixels)


@breaks(VALIDITY, "ddof=1) / math.sqrt(BATCHES)", "ddof=1)", "spread of a batch for the error")
def test_the_estimate_s_error_is_the_spread_over_draws(monkeypatch):
    """Of batches, against that of estimates by other draws altogether, which share no number with them."""
    sol = solve(cnn(80), DATA.X, DATA.y, 0.1)
    told, found = [], []
    for seed in range(12):
        monkeypatch.setattr("numerics.solutions.validity.SEED", seed)
        one = validity(sol)
        told.append(one.units_error)
        found.append(one.units)
    spread = np.std(found, axis=0, ddof=1)
    # twelve estimates know their spread to a fifth, eight batches theirs to a quarter
    np.testing.assert_allclose(np.log(np.mean(told, axis=0) / spread), 0, atol=math.log(1.8))


def test_a_gaussian_process_leaves_nothing_out():
    with pytest.raises(ValueError, match="finite width"):
        solve(cnn(math.inf), DATA.X, DATA.y, 0.1).validity  # noqa: B018
