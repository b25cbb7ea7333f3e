"""Response and fluctuation of the hidden layer below the last one, at a solution's kernels."""

import math

import numpy as np
import pytest
from mutants import breaks
from test_linear_layers import net, problem

from numerics import cnn, datasets, fcn, solve
from numerics.solutions.hidden_fan_in import _split

FILE = "numerics/solutions/hidden_fan_in.py"


@breaks(FILE, "(r + q_1 * j) / last", "(r + j) / last", "the readout's response to the layer below")
@breaks(FILE, "q_2 * j / below", "j / below", "the lower layer's response to the readout")
@breaks(FILE, "p_2 * e_j / below", "e_j / below", "the data's pull on the lower layer")
@breaks(FILE, "(e_r + p_1 * e_j) / last", "(e_r + e_j) / last", "the data's pull on the readout")
def test_linear_layers_have_the_pairs_that_their_own_theory_finds():
    X, y, noise = problem(60, 90)
    sol = solve(net(90, 40), X, y, noise, theory="finite_fan_in")
    known, found = sol.point.data.coefficients, sol.hidden_fan_in
    assert found.response == pytest.approx((known["response_0"], known["response"]), abs=1e-7)
    assert found.fluctuation == pytest.approx((known["fluctuation_0"], known["fluctuation"]), abs=1e-7)
    assert found.fan_in == (90.0, 40.0)
    assert f"{found.fluctuation[0]:.4f}" in str(found)


# <|W_2 a|^2> over its prior's, and q_2: n = 100, d = 10, noise .01, readout variance 1
SAMPLED = {
    (100, 100): (0.7144, 0.4303),
    (40, 40): (0.682, 0.190),
    (20, 100): (0.324, 0.525),
    (100, 20): (0.969, 0.110),
}


@breaks(
    FILE,
    "c = hermite.coefficients(readout.activation.dphi,",
    "c = hermite.coefficients(readout.activation.phi,",
    "slope",
)
@pytest.mark.parametrize("widths", SAMPLED)
def test_erf_layers_against_sampled_networks(widths):
    """The state is finite fan-in's, whose kernels are themselves some per cent off."""
    data = datasets.make_fcn_teacher(n=100, d=10, seed=3, rms=0.3)
    sol = solve(fcn(widths, 2.0, 1.0), data.X, data.y, 0.01, theory="finite_fan_in")
    np.testing.assert_allclose(sol.hidden_fan_in.fluctuation, SAMPLED[widths], rtol=0.11)


@breaks(FILE, "(means.T @ means)", "np.eye(pixels)", "pooled pixels of the readout", case="global_pooling")
@pytest.mark.parametrize("readout", ["per_pixel", "global_pooling"])
def test_all_of_a_linear_readout_is_of_first_order(readout):
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((12, 4, 3)), rng.standard_normal(12)
    wide = cnn((30, 20), activation="linear", windows=(2,), readout=readout, bias_variance=0.3)
    sol = solve(wide, X, y, 0.1)
    R, J = _split(sol)
    np.testing.assert_allclose(R, 0, atol=1e-12 * np.abs(J).max())
    assert sol.hidden_fan_in.fan_in == (4 * 30.0, (2 if readout == "per_pixel" else 1) * 20.0)


def test_a_wide_network_has_sharp_weights_and_first_order_is_as_printed():
    """p_1 = 1 - tr[J K_f^{-1}]/P_1 and q_1 = p_1 + eps.J eps/P_1 to first order."""
    data = datasets.make_fcn_teacher(n=40, d=6, seed=3, rms=0.3)
    sol = solve(fcn((1e6, 1e6), 2.0, 1.0), data.X, data.y, 0.01)
    _, J = _split(sol)
    K = sol.Q_f + 0.01 * np.eye(40)
    p = 1 - np.trace(np.linalg.solve(K, J)) / 1e6
    q = p + sol.eps @ J @ sol.eps / 1e6
    found = sol.hidden_fan_in
    assert found.response[0] - 1 == pytest.approx(p - 1, rel=1e-3)  # the next order is 1e-4 of it
    assert found.fluctuation[0] - 1 == pytest.approx(q - 1, rel=1e-3)


def test_what_it_does_not_describe_is_refused():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((8, 3)), rng.standard_normal(8)
    for network, targets in (
        (fcn(20), y),
        (fcn((20, 20), activation="relu"), y),
        (fcn((20, 20)), np.stack([y, y], 1)),
    ):
        with pytest.raises(ValueError, match="two hidden layers with one output and an odd activation"):
            _ = solve(network, X, targets, 0.1).hidden_fan_in
    with pytest.raises(ValueError, match="finite widths"):
        _ = solve(fcn((20, math.inf)), X, y, 0.1).hidden_fan_in
