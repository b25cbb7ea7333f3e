"""Products of the whitened Hessian: differences of the exact gradient, symmetry, limits, a dense twin."""

from dataclasses import replace

import numpy as np
import pytest
from deep_problems import NETWORKS, RELU_NETWORKS, small
from small_problems import symmetric

from numerics import ACTIVATIONS, fcn
from numerics.free_energy.hessian import Hessian
from numerics.free_energy.problem import problem
from numerics.free_energy.state import evaluate

NOISE = 0.05
SINGLE = {
    f"{name}, finite fan-in": (net, flat, "finite_fan_in")
    for name, (net, flat) in NETWORKS.items()
    if "pool" not in name
}
RELU = {f"{name}, ReLU": (net, flat, "mean_field") for name, (net, flat) in RELU_NETWORKS.items()}
EVERY = {
    f"three dense layers, {name}": (
        replace(NETWORKS["three dense layers"][0], activation=name),
        True,
        "mean_field",
    )
    for name in ACTIVATIONS
}
CASES = {name: (net, flat, "mean_field") for name, (net, flat) in NETWORKS.items()} | SINGLE | RELU | EVERY


def matrix_function(f, M):
    values, U = np.linalg.eigh(M)
    return (U * f(values)) @ U.T


def bound_problem(net, flat, readout, n=14):
    X, y = small(flat, n=n)
    return problem(net, X, y[:, 0] if readout == "finite_fan_in" else y, NOISE, readout)


def direction(chain, seed, size=1.0):
    rng = np.random.default_rng(seed)
    return tuple(
        size
        * (symmetric(rng, shape[0]) if len(shape) == 2 else rng.standard_normal(shape))
        / np.sqrt(shape[0])
        for shape in chain.shapes
    )


def off_the_solution(chain):
    return direction(chain, 0, 0.3)


def inner(x, one, other):
    """The Fisher metric of two changes of a state."""
    layers = len(x)
    return sum(
        np.sum(a * b) / x[position % layers] / (2 if position < layers else 1)
        for position, (a, b) in enumerate(zip(one, other, strict=True))
    )


def moved(theta, H, t):
    """log of M^{1/2} e^{tH} M^{1/2}; means move straight."""
    return tuple(_moved(block, h, t) for block, h in zip(theta, H, strict=True))


def _moved(block, h, t):
    if block.ndim == 1:
        return block + t * h
    root = matrix_function(np.exp, block / 2)
    return matrix_function(np.log, root @ matrix_function(np.exp, t * h) @ root)


def gradient_in_H(chain, x, theta, H, t):
    """The gradient of F in the coordinates M^{1/2} e^{H} M^{1/2} about theta, at t H, in the metric.

    The change of e^{tH} along D is, in the eigenbasis of H, D times divided differences of exp.
    """
    there = moved(theta, H, t)
    blocks = []
    for start, point, E, h in zip(theta, there, evaluate(chain, x, there).E, H, strict=True):
        if E.ndim == 1:
            blocks.append(E)
            continue
        across = matrix_function(np.exp, start / 2) @ matrix_function(np.exp, -point / 2)
        e, U = np.linalg.eigh(t * h)
        gap = np.subtract.outer(e, e)
        means = np.exp(np.add.outer(e, e) / 2) * np.sinc(1j * gap / 2 / np.pi).real
        blocks.append(U @ (means * (U.T @ across @ E @ across.T @ U)) @ U.T)
    return blocks


@pytest.fixture(params=CASES, ids=str)
def case(request):
    bound = bound_problem(*CASES[request.param])
    return bound.field.chain, bound.inverse_widths


def test_product_by_differences_of_the_gradient_of_order_two(case):
    chain, x = case
    theta, H = off_the_solution(chain), direction(chain, 1)
    D = Hessian.at(chain, theta, x).product(H)
    errors = []
    for h in (0.02, 0.01):
        plus, minus = (gradient_in_H(chain, x, theta, H, t) for t in (h, -h))
        errors.append([np.linalg.norm((p - m) / (2 * h) - d) for p, m, d in zip(plus, minus, D, strict=True)])
    # the next order changes the ratio 4 by O(h^2); a wrong product gives the ratio 1
    np.testing.assert_allclose(np.array(errors[0]) / errors[1], 4, rtol=0.1)
    for error, block in zip(errors[1], D, strict=True):
        assert error < 1e-2 * np.linalg.norm(block)


def test_symmetric_in_the_metric(case):
    chain, x = case
    hessian = Hessian.at(chain, off_the_solution(chain), x)
    u, v = direction(chain, 1), direction(chain, 2)
    left, right = (inner(x, one, hessian.product(other)) for one, other in ((u, v), (v, u)))
    # rounding through Q^{-1}: 1e-16 times condition numbers below 1e5 here
    assert left == pytest.approx(right, rel=1e-10)


@pytest.mark.parametrize(
    ("activation", "readout"), [("erf", "mean_field"), ("erf", "finite_fan_in"), ("relu", "mean_field")]
)
def test_dense_matrix_by_second_differences_of_the_free_energy(activation, readout):
    """Every entry; a difference of F's values knows nothing of the gradient."""
    bound = bound_problem(fcn((6, 9), (1.5, 2.0), 0.7, activation), True, readout, n=2)
    chain, x = bound.field.chain, bound.inverse_widths
    theta = off_the_solution(chain)
    hessian = Hessian.at(chain, theta, x)
    units = np.eye(hessian.metric.dimension)

    def F(vector):
        return evaluate(chain, x, moved(theta, hessian.metric.blocks(vector), 1.0)).F

    def differences(h):
        corners = [(1, 1, 1), (-1, 1, -1), (1, -1, -1), (-1, -1, 1)]
        return [
            [sum(sign * F(h * (s * u + t * v)) for s, t, sign in corners) / (4 * h * h) for u in units]
            for v in units
        ]

    # a vector's square is the metric over half of the least width
    coarse, fine = (np.array(differences(h)) * 2 * max(x) for h in (0.08, 0.04))
    dense = hessian.dense()
    ratio = np.linalg.norm(coarse - dense) / np.linalg.norm(fine - dense)
    assert ratio == pytest.approx(4, rel=0.1)
    assert np.abs((4 * fine - coarse) / 3 - dense).max() < 1e-4


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("networks", [NETWORKS, RELU_NETWORKS], ids=["odd", "relu"])
def test_identity_at_infinite_width(networks, name):
    bound = bound_problem(*networks[name], "mean_field")
    chain = bound.field.chain
    H = direction(chain, 3)
    layers = len(bound.inverse_widths)
    for D, h in zip(Hessian.at(chain, chain.prior, (0.0,) * layers).product(H), H, strict=True):
        np.testing.assert_array_equal(D, h)
    # and it is reached as 1/width
    gaps = []
    for width in (1e6, 2e6):
        found = Hessian.at(chain, chain.prior, (1 / width,) * layers).product(H)
        gaps.append(sum(np.linalg.norm(D - h) for D, h in zip(found, H, strict=True)))
    assert gaps[0] / gaps[1] == pytest.approx(2, rel=1e-3)


@pytest.mark.parametrize("networks", [NETWORKS, RELU_NETWORKS], ids=["erf", "relu"])
def test_vectors_of_the_metric_are_isometric_to_blocks(networks):
    chain = bound_problem(*networks["three dense layers"], "mean_field").field.chain
    x = (1 / 20, 1 / 30)
    metric = Hessian.at(chain, chain.prior, x).metric
    u, v = direction(chain, 1), direction(chain, 2)
    # half of the least width is the unit
    assert metric.vector(u) @ metric.vector(v) == pytest.approx(inner(x, u, v) / 10, rel=1e-13)
    for one, other in zip(metric.blocks(metric.vector(u)), u, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-15)
