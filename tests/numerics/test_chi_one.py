"""The width at which chi is one: the sheet's numbers, the definition, half of alpha."""

import math

import numpy as np
import pytest
from deep_problems import reference_fcn, small
from mutants import breaks

from numerics import chi_one, cnn, datasets, fcn, plots, solve


@breaks("numerics/emergent_scale.py", "chi_width=1.0", "chi_width=2.0", "of two units")
def test_recipe_d_a_three_layer_network_in_mean_field_scaling():
    X, y, _ = reference_fcn()
    found = chi_one(fcn((100, 100), 2.0, 2 / 256), X, y, 0.001)
    assert found.paper == pytest.approx(200363.600, rel=1e-8)
    assert found.response == pytest.approx(723.571443, rel=1e-8)
    assert found.alpha_gp == pytest.approx(97.8656426, rel=1e-8)
    # the sheet's alpha is 48.27 at N = 500, half of 97.87 a little above
    assert 500 < found.half_alpha < 530
    sol = solve(fcn((found.half_alpha,) * 2, 2.0, 2 / 256), X, y, 0.001)
    assert sol.alpha == pytest.approx(found.alpha_gp / 2, rel=1e-3)
    assert 0.9 < found.chi_at_half < 2
    assert "alpha has halved at 51" in str(found)


def test_the_two_layer_cnn_of_recipe_a():
    data = datasets.make_linear_cnn(n=400, n_patches=20, patch_size=64, seed=0)
    found = chi_one(cnn(640), data.X, data.y, 0.1, half=False)
    assert found.paper == pytest.approx(420.622, abs=5.1e-4)
    assert found.response == pytest.approx(253.559, abs=5.1e-4)
    assert math.isnan(found.half_alpha)
    assert found.solves == 0
    assert "halved" not in str(found)


def test_chi_is_one_there_in_both_definitions_by_the_solution_s_own_fields():
    X, y = small(True, outputs=1)
    net = fcn((40, 20), 2.0, 0.05)
    found = chi_one(net, X, y, 0.02, half=False)
    for width, name in ((found.paper, "chi_paper"), (found.response, "chi_response")):
        assert getattr(solve(net.with_widths((2 * width, width)), X, y, 0.02).gp, name) == pytest.approx(1)


def test_widths_keep_their_ratio_while_half_of_alpha_is_looked_for():
    X, y = small(True, n=14, outputs=1)
    y = 0.3 * y[:, 0]
    equal = chi_one(fcn((20, 20), 2.0, 0.02), X, y, 0.001)
    other = chi_one(fcn((40, 20), 2.0, 0.02), X, y, 0.001)
    assert equal.response == other.response
    assert equal.half_alpha != pytest.approx(other.half_alpha, rel=1e-2)
    sol = solve(fcn((2 * other.half_alpha, other.half_alpha), 2.0, 0.02), X, y, 0.001)
    assert sol.alpha == pytest.approx(other.alpha_gp / 2, rel=1e-3)
    wide = chi_one(fcn((math.inf, math.inf), 2.0, 0.02), X, y, 0.001, half=False)
    assert wide.response == equal.response


def test_where_alpha_never_halves_it_says_so():
    X, y = small(True, outputs=1)
    found = chi_one(fcn(10, 2.0, 2.0), X, y[:, 0], 5.0)
    assert found.response < 1
    assert math.isnan(found.half_alpha)
    assert found.solves > 0
    assert "at no width from one unit on" in str(found)


def test_fig_2c_standard_scaling_needs_a_few_units_and_mean_field_and_cnns_hundreds():
    """The paper's claim, over n: at every n the three stand in this order, and CNNs grow with n."""
    scale = {}
    for n in (50, 100, 200):
        data = datasets.make_fcn_teacher(n, 16, seed=3, rms=0.3)
        cnn_data = datasets.make_linear_cnn(n, 10, 16, seed=0)
        scale[n] = [
            chi_one(fcn((2, 2), 2.0, readout), data.X, data.y, 0.001, half=False).response
            for readout in (2.0, 2 / 256)
        ] + [chi_one(cnn(2), cnn_data.X, cnn_data.y, 0.1, half=False).response]
    for standard, mean_field, channels in scale.values():
        assert standard < 20 < channels
        assert mean_field > 5 * standard
    assert scale[200][2] > 1.5 * scale[50][2]
    figure = plots.emergent_scale(
        {"FCN": [chi_one(fcn(2), *small(True, n=n, outputs=1), 0.1, half=False) for n in (10, 20)]}
    )
    assert figure.axes[0].get_xscale() == "log"
    assert np.isfinite(figure.axes[0].get_ylim()).all()
