"""The slope of the log evidence: against solving again, and against a Gaussian process by hand."""

import math

import numpy as np
import pytest
from deep_problems import NETWORKS, RELU_NETWORKS, recursion, small
from mutants import breaks

from numerics import cnn, fcn, from_sigma, solve

NOISE = 0.05
STEP = 0.08


def vector(gradient):
    return np.array(
        [
            *gradient.weight_variances,
            gradient.readout_variance,
            gradient.bias_variance,
            gradient.noise_variance,
        ]
    )


def moved(net, noise, which, step):
    """The network and the noise with one log changed."""
    values = [*net.weight_variances, net.readout_variance, net.bias_variance]
    factors = np.ones(len(values) + 1)
    factors[which] = math.exp(step)
    *weights, readout, bias = values * factors[:-1]
    return net.with_variances(weights, readout, bias), noise * factors[-1]


def differences(net, X, y, noise, theory, step):
    """Central differences of the log evidence of solutions, in every log; 0 of biases that are not there."""

    def evidence(which, step):
        shifted, sigma2 = moved(net, noise, which, step)
        return solve(shifted, X, y, sigma2, theory=theory, tol=1e-10).log_evidence

    count = len(net.widths) + 3
    absent = len(net.widths) + 1 if net.bias_variance == 0 else None
    return np.array(
        [0.0 if k == absent else (evidence(k, step) - evidence(k, -step)) / (2 * step) for k in range(count)]
    )


PIXEL_PAIR = cnn(12, 1.5, 0.9, bias_variance=0.2)
LINEAR = fcn((9, 7), (1.5, 0.8), 0.7, activation="linear", bias_variance=0.3)

# net, flat, outputs, theory
CASES = {
    "cnn of erf with biases": (PIXEL_PAIR, False, 1, "mean_field"),
    "cnn of erf, several outputs, finite fan-in": (PIXEL_PAIR, False, 2, "finite_fan_in"),
    "cnn of erf, one output, finite fan-in": (cnn(12, 1.5, 0.9), False, 1, "finite_fan_in"),
    "two convolutions of relu": (RELU_NETWORKS["two convolutions"][0], False, 1, "mean_field"),
    "global pooling of relu, several outputs": (
        RELU_NETWORKS["global pooling"][0],
        False,
        2,
        "finite_fan_in",
    ),
    "three layers of erf, several outputs": (NETWORKS["three dense layers"][0], True, 2, "mean_field"),
    "four layers of relu with biases": (
        RELU_NETWORKS["four dense layers with biases"][0],
        True,
        1,
        "finite_fan_in",
    ),
    "singular kernels with biases": (LINEAR, True, 1, "mean_field"),
    "linear layers of finite fan-in": (NETWORKS["linear units"][0], True, 1, "finite_fan_in"),
}


@breaks(
    "numerics/solutions/evidence.py",
    "- of_bias, of_bias",
    "+ of_bias, of_bias",
    "bias counted twice",
    case="four layers of relu with biases",
)
@breaks(
    "numerics/solutions/evidence.py",
    "each + slopes.mu * layer.mean",
    "each",
    "means left out",
    case="two convolutions of relu",
)
@breaks(
    "numerics/solutions/evidence.py",
    "-(scale - noise - output_bias)",
    "-(scale - noise)",
    "the readout's bias scaled with its weights",
    case="cnn of erf with biases",
)
@breaks(
    "numerics/readout_laws/mean_field.py",
    "0.5 * (left -",
    "0.5 * (-left -",
    "sign of the complexity",
    case="cnn of erf with biases",
)
@breaks(
    "numerics/readout_laws/mean_field.py",
    "-0.5 * problem.net.bias_variance",
    "0.5 * problem.net.bias_variance",
    "sign of the bias",
    case="cnn of erf with biases",
)
@breaks(
    "numerics/readout_laws/fan_in_terms.py",
    "noise @ (diagonal - np.sum(eps**2, axis=1))",
    "noise @ (diagonal + np.sum(eps**2, axis=1))",
    "sign of the fit",
    case="cnn of erf, one output, finite fan-in",
)
@breaks(
    "numerics/readout_laws/fan_in_terms.py",
    "* (total - pull)",
    "* (total + pull)",
    "sign of the bias",
    case="cnn of erf, several outputs, finite fan-in",
)
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_slopes_are_those_of_solving_again(case):
    """Errors of central differences fall with the square of the step; without their leading part they are
    the fourth power's, 1e-6 of the largest slope at steps of .08."""
    net, flat, outputs, theory = case
    X, y = small(flat)
    data = X, (y if outputs == 2 else y[:, 0]), NOISE
    slopes = vector(solve(net, *data, theory=theory, tol=1e-10).evidence_gradient())
    wide, fine = (differences(net, *data, theory, step) for step in (STEP, STEP / 2))
    np.testing.assert_allclose((4 * fine - wide) / 3, slopes, atol=1e-6 * np.abs(slopes).max())
    there = np.abs(wide - slopes) > 1e-7 * np.abs(slopes).max()
    order = np.log2((wide - slopes)[there] / (fine - slopes)[there])
    assert there.sum() >= len(net.widths) + 2
    np.testing.assert_allclose(order, 2, atol=0.05)


@pytest.mark.parametrize("activation", ["erf", "relu"])
@pytest.mark.parametrize("outputs", [1, 2])
def test_at_infinite_width_it_is_the_gaussian_process_s(activation, outputs):
    """1/2 tr[(a a^T - K^{-1}) dK] with the kernel of a recursion that shares nothing."""
    nets = RELU_NETWORKS if activation == "relu" else NETWORKS
    net = nets["four dense layers with biases"][0].with_widths(math.inf)
    X, y = small(True)
    y = y[:, :outputs]
    K = recursion(net, X) + NOISE * np.eye(len(X))
    inverse = np.linalg.inv(K)
    pull = inverse @ y
    A = pull @ pull.T - outputs * inverse
    slopes = []
    for which in range(6):
        # differences of a smooth kernel of order one: 1e-16 / 1e-5 and 1e-5^2
        up, down = (
            recursion(shifted, X) + noise * np.eye(len(X))
            for shifted, noise in (moved(net, NOISE, which, step) for step in (1e-5, -1e-5))
        )
        slopes.append(0.5 * np.sum(A * (up - down)) / 2e-5)
    found = vector(solve(net, X, y, NOISE).evidence_gradient())
    np.testing.assert_allclose(found, slopes, rtol=1e-6, atol=1e-8)


def test_a_datum_without_weight_has_none_and_noise_scales_together():
    X, y = small(False)
    noise = np.linspace(0.03, 0.3, len(X))
    noise[4] = math.inf
    left = np.arange(len(X)) != 4
    for theory in ("mean_field", "finite_fan_in"):
        whole = solve(PIXEL_PAIR, X, y, noise, theory=theory, tol=1e-10)
        part = solve(PIXEL_PAIR, X[left], y[left], noise[left], theory=theory, tol=1e-10)
        slopes = vector(whole.evidence_gradient())
        np.testing.assert_allclose(slopes, vector(part.evidence_gradient()), rtol=1e-7)
        up, down = (
            solve(PIXEL_PAIR, X, y, noise * math.exp(h), theory=theory, tol=1e-10).log_evidence
            for h in (1e-3, -1e-3)
        )
        assert slopes[-1] == pytest.approx((up - down) / 2e-3, rel=1e-5)  # a third derivative times 1e-6


def test_coordinates_of_the_span_give_the_slopes_of_the_weights():
    """More features than data, with biases: the state is kept in the span of the data."""
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((8, 20)), rng.standard_normal(8)
    net = fcn(15, 1.5, 0.9, activation="relu", bias_variance=0.3)
    sol = solve(net, X, y, NOISE, tol=1e-10)
    assert sol.equations.space.basis is not None
    every = from_sigma(net, X, y, sol.input_covariance, NOISE, weight_mean=sol.input_mean)
    assert every.equations.space.basis is None
    np.testing.assert_allclose(vector(sol.evidence_gradient()), vector(every.evidence_gradient()), rtol=1e-8)


def test_scalar_fan_in_has_slopes_too():
    X, y = small(False)
    net = cnn(40, 1.5, 0.9)
    slopes = vector(solve(net, X, y[:, 0], NOISE, theory="scalar_fan_in", tol=1e-10).evidence_gradient())
    found = differences(net, X, y[:, 0], NOISE, "scalar_fan_in", 2e-3)
    np.testing.assert_allclose(found, slopes, rtol=1e-5, atol=1e-6)  # a third derivative times 4e-6


def test_networks_take_other_variances_and_activations():
    net = fcn((20, 30), (1.5, 2.0), 0.7, bias_variance=0.1)
    assert net.with_variances() == net
    assert net.with_variances(3.0, 0.4, 0.0) == fcn((20, 30), 3.0, 0.4)
    assert net.with_activation("relu").with_activation("erf") == net
    for bad, name in (
        ({"weight_variance": (1.0, 2.0, 3.0)}, "one per hidden layer"),
        ({"weight_variance": -1.0}, "weight_variance"),
        ({"readout_variance": 0.0}, "readout_variance"),
        ({"bias_variance": -1.0}, "bias_variance"),
    ):
        with pytest.raises(ValueError, match=name):
            net.with_variances(**bad)
    with pytest.raises(ValueError, match="activation='softmax' is unknown"):
        net.with_activation("softmax")
