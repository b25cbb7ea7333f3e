"""Products of the whitened Hessian: differences of the exact gradient, symmetry, limits, a dense twin."""

from dataclasses import replace

import numpy as np
import pytest
from deep_problems import NETWORKS, RELU_NETWORKS, small
from mutants import breaks
from states import arrays, direction, inner, matrix_function, moved, off_the_solution, theory_of

from numerics import ACTIVATIONS, fcn
from numerics.gaussian.hessian import Hessian

NOISE = 0.05
SINGLE = {f"{name}, finite fan-in": (net, flat, "finite_fan_in") for name, (net, flat) in NETWORKS.items()}
RELU = {f"{name}, ReLU": (net, flat, "mean_field") for name, (net, flat) in RELU_NETWORKS.items()}
RELU |= {
    f"{name}, ReLU, finite fan-in": (net, flat, "finite_fan_in")
    for name, (net, flat) in RELU_NETWORKS.items()
}
EVERY = {
    f"three dense layers, {name}": (
        replace(NETWORKS["three dense layers"][0], activation=name),
        True,
        "mean_field",
    )
    for name in ACTIVATIONS
}
CASES = {name: (net, flat, "mean_field") for name, (net, flat) in NETWORKS.items()} | SINGLE | RELU | EVERY


def equations(net, flat, law, n=14):
    X, y = small(flat, n=n)
    return theory_of(net, X, y, NOISE, law)


def gradient_in_H(theory, x, state, change, t):
    """The gradient of F in the coordinates M^{1/2} e^{H} M^{1/2} about a state, at t H, in the metric.

    The change of e^{tH} along D is, in the eigenbasis of H, D times divided differences of exp.
    """
    there = moved(state, change, t)
    blocks = []
    for start, point, E, step in zip(state, there, theory.at(there, x).E, change, strict=True):
        across = matrix_function(np.exp, start.theta / 2) @ matrix_function(np.exp, -point.theta / 2)
        e, U = np.linalg.eigh(t * step.theta)
        gap = np.subtract.outer(e, e)
        means = np.exp(np.add.outer(e, e) / 2) * np.sinc(1j * gap / 2 / np.pi).real
        blocks.append(U @ (means * (U.T @ across @ E.theta @ across.T @ U)) @ U.T)
        if E.mu is not None:
            blocks.append(E.mu)
    return blocks


@pytest.fixture(params=CASES, ids=str)
def case(request):
    return equations(*CASES[request.param])


@breaks(
    "numerics/gaussian/hessian.py",
    "block *= -x",
    "block *= -2 * x",
    "response of the pulls doubled",
    case="three dense layers",
)
@breaks(
    "numerics/gaussian/hessian.py",
    "block += product(E, move.change.theta)",
    "block += 0",
    "curvature of the geodesic dropped",
    case="three dense layers",
)
@breaks(
    "numerics/gaussian/hessian.py",
    "outer(half + half.T + dM)",
    "outer(dM)",
    "factor's change dropped from K's",
    case="three dense layers",
)
@breaks(
    "numerics/gaussian/hessian.py",
    "L.inner(dT) + BPhi + BPhi.T",
    "L.inner(dT)",
    "factor's change dropped from B's",
    case="three dense layers",
)
@breaks(
    "numerics/gaussian/hessian.py",
    "mirror(dJ) - ZPhi - ZPhi.T",
    "mirror(dJ)",
    "inverse factor's change dropped",
    case="three dense layers",
)
@breaks(
    "numerics/gaussian/hessian.py",
    "Phi @ mu + change.mu",
    "change.mu + 0 * Phi[0]",
    "mean does not move with the factor",
    case="three dense layers, ReLU",
)
@breaks(
    "numerics/gaussian/hessian.py",
    "L.transposed(dt) + Phi.T @ self.s",
    "L.transposed(dt)",
    "s does not move with the factor",
    case="three dense layers, ReLU",
)
@breaks(
    "numerics/gaussian/hessian.py",
    "tangent(move, dT, slope / 2)",
    "tangent(move, dT, slope)",
    "slope for its half in the means",
    case="three dense layers, ReLU",
)
@breaks(
    "numerics/gaussian/hessian.py",
    "half += np.multiply.outer(dt, self.t)",
    "half += 0",
    "means' part of the message",
    case="three dense layers, ReLU",
)
@breaks(
    "numerics/gaussian/hessian.py",
    "+ product(product(self.T, move.dK), self.T)",
    "",
    "T dK T dropped",
    case="three dense layers",
)
@breaks(
    "numerics/gaussian/root.py",
    "M, transposed=True)",
    "M, transposed=False)",
    "congruence by L^T",
    case="three dense layers",
)
@breaks(
    "numerics/gaussian/root.py",
    "Phi[np.diag_indices(len(Phi))] /= 2",
    "Phi += 0",
    "whole diagonal of W",
    case="three dense layers",
)
def test_product_by_differences_of_the_gradient_of_order_two(case):
    theory, x = case
    state, H = off_the_solution(theory), direction(theory, 1)
    D = arrays(Hessian.at(theory, state, x).product(H))
    errors = []
    for h in (0.02, 0.01):
        plus, minus = (gradient_in_H(theory, x, state, H, t) for t in (h, -h))
        errors.append([np.linalg.norm((p - m) / (2 * h) - d) for p, m, d in zip(plus, minus, D, strict=True)])
    # the next order changes the ratio 4 by O(h^2); a wrong product gives the ratio 1
    np.testing.assert_allclose(np.array(errors[0]) / errors[1], 4, rtol=0.1)
    for error, block in zip(errors[1], D, strict=True):
        assert error < 1e-2 * np.linalg.norm(block)


def test_symmetric_in_the_metric(case):
    theory, x = case
    hessian = Hessian.at(theory, off_the_solution(theory), x)
    u, v = direction(theory, 1), direction(theory, 2)
    left, right = (inner(x, one, hessian.product(other)) for one, other in ((u, v), (v, u)))
    # rounding through Q^{-1}: 1e-16 times condition numbers below 1e5 here
    assert left == pytest.approx(right, rel=1e-10)


@pytest.mark.parametrize(
    ("activation", "law"), [("erf", "mean_field"), ("erf", "finite_fan_in"), ("relu", "mean_field")]
)
def test_dense_matrix_by_second_differences_of_the_free_energy(activation, law):
    """Every entry; a difference of F's values knows nothing of the gradient."""
    theory, x = equations(fcn((6, 9), (1.5, 2.0), 0.7, activation), True, law, n=2)
    state = off_the_solution(theory)
    hessian = Hessian.at(theory, state, x)
    units = np.eye(hessian.metric.dimension)

    def F(vector):
        return theory.at(moved(state, hessian.metric.state(vector)), x).F

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
    theory, x = equations(*networks[name], "mean_field")
    H = direction(theory, 3)
    layers = len(x)
    at_infinity = Hessian.at(theory, theory.prior, (0.0,) * layers).product(H)
    for D, h in zip(arrays(at_infinity), arrays(H), strict=True):
        np.testing.assert_array_equal(D, h)
    # and it is reached as 1/width
    gaps = []
    for width in (1e6, 2e6):
        found = Hessian.at(theory, theory.prior, (1 / width,) * layers).product(H)
        gaps.append(sum(np.linalg.norm(D - h) for D, h in zip(arrays(found), arrays(H), strict=True)))
    assert gaps[0] / gaps[1] == pytest.approx(2, rel=1e-3)


@pytest.mark.parametrize("networks", [NETWORKS, RELU_NETWORKS], ids=["erf", "relu"])
def test_vectors_of_the_metric_are_isometric_to_blocks(networks):
    theory, x = equations(*networks["three dense layers"], "mean_field")
    assert x == (1 / 20, 1 / 30)
    metric = Hessian.at(theory, theory.prior, x).metric
    u, v = direction(theory, 1), direction(theory, 2)
    # half of the least width is the unit
    assert metric.vector(u) @ metric.vector(v) == pytest.approx(inner(x, u, v) / 10, rel=1e-13)
    for one, other in zip(arrays(metric.state(metric.vector(u))), arrays(u), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-15)
