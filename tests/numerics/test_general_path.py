"""The two-layer CNN through the general path: a linear layer of infinite width below, kernels above.

With windows of one patch that layer hands K = X (sigma_w^2/S) X^T of all patches upwards, so the erf units
have a hidden kernel over (patch, sample), stored and conditioned on its range, instead of Sigma in weight
space: the same theory by other code.
"""

import numpy as np
import pytest

from numerics import Problem, pixels, solve
from numerics.gaussian.theory import Theory
from numerics.kernels.kernel_maps import KernelMap
from numerics.solving import fixed_point
from numerics.solving.outcome import Status


@pytest.mark.parametrize("C", [200.0, 10.0, 2.0])
def test_two_layer_network_by_the_general_path(small, C):
    sol = solve(small.net(C), *small.data, tol=1e-12)
    special = sol.equations
    patches = small.X.shape[1]
    below = KernelMap(pixels.blocks(patches, 1), 1.0, "linear")
    general = Theory(Problem(small.net(C), *small.data), basis=None)
    general.maps = (below, special.readout)
    start = general.prior
    for width in (10 * C, C):  # sin has a second minimum at C = 2, which joins no process
        outcome = fixed_point.solve(general, (0.0, 1 / width), start, 1e-12, 300)
        start = outcome.point.state
    assert outcome.status is Status.CONVERGED
    point = outcome.point
    # the rank of the hidden kernel is that of the weights
    assert [len(layer.theta) for layer in point.state] == [4, 4]
    np.testing.assert_array_equal(point.state[0].theta, 0)
    rows = special.X.reshape(-1, 4)
    K = rows @ sol.Sigma @ rows.T
    hidden = general.layers(point.state)[1].covariance
    np.testing.assert_allclose(hidden, K, rtol=0, atol=1e-10 * np.abs(K).max())
    np.testing.assert_allclose(point.data.eps[:, 0], sol.eps, rtol=0, atol=1e-10 * np.abs(sol.eps).max())
    assert pytest.approx(sol.free_energy, rel=1e-10) == point.F
