"""A readout of finite fan-in over pixels and outputs: p and q against other codes, and predictions."""

import numpy as np
import pytest
from deep_problems import NETWORKS, POOLED, RELU_NETWORKS, small
from mutants import breaks
from states import direction, moved, off_the_solution, theory_of

from numerics import cnn, datasets, fcn, load, solve, solve_path
from numerics.gaussian.theory import Theory
from numerics.problem import Problem
from numerics.readout_laws.blocks import Grid, Pairs
from numerics.readout_laws.fan_in_terms import one_kernel, pixels
from numerics.readout_laws.noise_root import NoiseRoot

LAW = "finite_fan_in"
BLOCKS, COUPLED = "numerics/readout_laws/blocks.py", "numerics/readout_laws/coupled.py"
PIXELS, FAN_IN = "numerics/readout_laws/pixels.py", "numerics/readout_laws/fan_in_terms.py"
TWO_LAYERS = {
    "pixels": (cnn(9, 1.5, 0.9), False),
    "pairs pooled": (cnn(9, 1.5, 0.9, readout=POOLED), False),
    "a bias": (cnn(9, 1.5, 0.9, bias_variance=0.3), False),
    "ReLU": (cnn(9, 1.5, 0.9, activation="relu"), False),
}


@breaks(COUPLED, "p + p @ self.response(p)[0] @ p", "p + self.response(p)[0]", "q without p")
@breaks(PIXELS, "self.blocks.traces(H), log_det", "self.blocks.traces(H) / 2, log_det", "half of T")
@breaks(
    BLOCKS, "np.where(rows == cols, 1.0, 2.0)\n        Q =", "1.0\n        Q =", "half the pairs of pixels"
)
def test_matrices_over_the_pixels_of_a_small_cnn():
    """Numbers by an independent code, 1 to 4 % off exact sampling (1.114, 1.217, 1.418, 1.769)."""
    data = datasets.make_linear_cnn(200, 4, 16)
    path = solve_path(cnn(1), data.X, data.y, 0.1, widths=[320, 160, 80, 40], theory=LAW)
    np.testing.assert_allclose(path.alpha, [0.3054, 0.3097, 0.3203, 0.3454], atol=5e-5)
    learned = [data.w_star @ sol.overlap_ratio @ data.w_star for sol in path]
    np.testing.assert_allclose(learned, [1.1142, 1.2258, 1.4421, 1.8444], atol=5e-5)
    # the teacher's readout is on the first pixel
    np.testing.assert_allclose(np.diagonal(path[-1].fluctuation), [1.140, 0.434, 0.494, 0.501], atol=5e-4)
    assert path[-1].response.shape == (4, 4)


def coupled_term(net, X, y, noise_variance, grid=False):
    """Psi of the pixels of a two-layer network at the Gaussian process."""
    problem = Problem(net, X, y, noise_variance)
    theory = Theory(problem, LAW)
    (kernel,) = theory.prior_kernels()
    noise = NoiseRoot.of(problem)
    outputs = problem.outputs
    at = Grid.at(theory.readout, kernel, noise, outputs) if grid else Pairs.at(theory.readout, kernel, noise)
    return pixels(at, problem.targets, noise, net.width)


def by_the_book(net, X, y, noise_variance):
    """p, q and Psi by the plain iteration of the printed equations, on blocks made entry by entry."""
    problem = Problem(net, X, y, noise_variance)
    theory = Theory(problem, LAW)
    (kernel,) = theory.prior_kernels()
    G = theory.readout.blocks(kernel)
    N, n, _, _ = G.shape
    Y, D, C = problem.targets, problem.outputs, net.width
    S = np.kron(np.eye(D), np.diag(problem.noise_variance) + net.bias_variance)
    q = np.eye(N * D)

    def combined(w):
        return np.einsum("idje,imjn->dmen", w.reshape(N, D, N, D), G).reshape(D * n, D * n)

    for _ in range(2000):
        H = np.linalg.inv(S + combined(q)).reshape(D, n, D, n)
        T = np.einsum("imjn,dmen->idje", G, H).reshape(N * D, N * D)
        p = np.linalg.inv(np.eye(N * D) + T / C)
        eps = np.linalg.solve(S + combined(p), Y.T.ravel()).reshape(D, n)
        M = np.einsum("imjn,dm,en->idje", G, eps, eps).reshape(N * D, N * D)
        q = p + p @ M @ p / C
    log_det = np.linalg.slogdet(S + combined(q))[1]
    paid = np.trace(q) - np.trace(q @ np.linalg.inv(p)) - np.linalg.slogdet(p)[1]
    return p, q, 0.5 * np.sum(Y.T * eps) + 0.5 * log_det + 0.5 * C * paid, eps.T


@pytest.mark.parametrize("outputs", [1, 2])
@pytest.mark.parametrize("name", TWO_LAYERS)
def test_matrices_by_the_book(name, outputs):
    net, flat = TWO_LAYERS[name]
    X, y = small(flat, outputs=outputs)
    noise = np.linspace(0.05, 0.2, len(X))
    p, q, psi, eps = by_the_book(net, X, y, noise)
    term = coupled_term(net, X, y, noise, grid=outputs > 1)
    np.testing.assert_allclose(term.q, q, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(term.p, p, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(term.summary.eps, eps, rtol=1e-8, atol=1e-9)
    assert term.value == pytest.approx(psi, rel=1e-11)


def test_one_triangle_of_the_pairs_says_what_all_blocks_do():
    net, flat = TWO_LAYERS["pairs pooled"]
    X, y = small(flat, outputs=1)
    one, other = (coupled_term(net, X, y, 0.1, grid) for grid in (False, True))
    np.testing.assert_allclose(one.q, other.q, rtol=1e-11)
    assert one.value == pytest.approx(other.value, rel=1e-12)


def test_all_pixels_pooled_are_one_with_as_many_weights_as_channels():
    X, y = small(False)
    net = cnn(9, 1.5, 0.9, readout="global_pooling")
    theory = Theory(Problem(net, X, y, 0.1), LAW)
    (kernel,) = theory.prior_kernels()
    noise = NoiseRoot(np.full(len(X), 0.1), 0.0)
    term = one_kernel(theory.readout.value(kernel), theory.problem.targets, noise, 9.0)
    by_blocks = pixels(Grid.at(theory.readout, kernel, noise, 2), theory.problem.targets, noise, 9.0)
    np.testing.assert_allclose(term.q, by_blocks.q, rtol=1e-9)
    assert term.value == pytest.approx(by_blocks.value, rel=1e-11)
    assert solve(net, X, y, 0.1, theory=LAW).response.shape == (2, 2)


@pytest.mark.parametrize("name", [*TWO_LAYERS, *RELU_NETWORKS])
def test_gradient_by_differences_of_order_two(name):
    """Along a change of the first layer; the noise is not the same everywhere and one datum is left out."""
    net, flat = (TWO_LAYERS | RELU_NETWORKS)[name]
    X, y = small(flat)
    noise = np.linspace(0.05, 0.2, len(X))
    noise[3] = np.inf
    theory, x = theory_of(net, X, y, noise, LAW)
    state = off_the_solution(theory)
    change = [direction(theory, 1)[0], *(layer.times(0.0) for layer in state[1:])]

    def F(t):
        return theory.at(moved(state, change, t), x).F

    at = theory.at(state, x).E[0]
    slope = np.sum(at.theta * change[0].theta) / (2 * x[0])
    if at.mu is not None:
        slope += at.mu @ change[0].mu / x[0]
    errors = [abs((F(h) - F(-h)) / (2 * h) - slope) for h in (0.02, 0.01)]
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.1)


@pytest.mark.parametrize("outputs", [1, 2])
@pytest.mark.parametrize("name", TWO_LAYERS)
def test_test_points_are_data_of_infinite_noise(name, outputs, tmp_path):
    """A joint solve is another route to mean and covariance: through H and eps of all data."""
    net, flat = TWO_LAYERS[name]
    X, y = small(flat, outputs=outputs)
    y = y[:, 0] if outputs == 1 else y
    train, test = X[:10], X[10:]
    sol = solve(net, train, y[:10], 0.1, theory=LAW, tol=1e-11)
    noise = np.where(np.arange(14) < 10, 0.1, np.inf)
    both = solve(net, X, y, noise, theory=LAW, tol=1e-11)
    assert both.free_energy == pytest.approx(sol.free_energy, rel=1e-9)
    np.testing.assert_allclose(both.f_bar[10:], sol.predict(test), atol=1e-7)
    np.testing.assert_allclose(sol.predict(train), sol.f_bar, atol=1e-8)
    cov = sol.predict(train, return_cov=True)[1]
    # sigma^2 I - sigma^4 H, of which the trace is what the data leave: below the noise, above zero
    each = cov if outputs > 1 else cov[None]
    assert each.shape == (outputs, 10, 10)
    for block in each:
        assert np.all(np.linalg.eigvalsh(block) > -1e-10)
        assert np.trace(block) < 10 * 0.1
    std = sol.predict(test, return_std=True)[1]
    wide = sol.predict(test, return_cov=True)[1]
    variances = np.diagonal(wide) if outputs == 1 else np.einsum("dmm->md", wide)
    np.testing.assert_allclose(std**2, variances, rtol=1e-8)
    draws = sol.sample_y(test, 4000, random_state=1)
    np.testing.assert_allclose(draws.std(axis=-1), std, rtol=0.06)  # four errors of 4,000 draws
    sol.save(tmp_path / "sol.npz")
    back = load(tmp_path / "sol.npz")
    np.testing.assert_array_equal(back.predict(test), sol.predict(test))
    np.testing.assert_array_equal(back.fluctuation, sol.fluctuation)
    assert "finite_fan_in: response" in str(back)


def test_posterior_variance_is_the_resolvent():
    """Cov f on the training data is sigma^2 I - sigma^4 H, with H of the term."""
    net, flat = TWO_LAYERS["pixels"]
    X, y = small(flat, outputs=1)
    sol = solve(net, X, y, 0.1, theory=LAW)
    layers = sol.equations.layers(sol.state)
    term = sol.equations.data_term(layers, (1 / net.width,))
    H = term.H[0, :, 0]
    cov = sol.predict(X, return_cov=True)[1]
    np.testing.assert_allclose(cov, 0.1 * np.eye(14) - 0.01 * H, atol=1e-9)


def test_linear_outputs_are_renormalised_by_a_matrix():
    """The proportional limit's renormalisation u (x) Q_0, u^{-1} = I + (T - M)/P; errors fall as 1/n."""
    off = []
    for n in (30, 90):
        rng = np.random.default_rng(n)
        X = rng.standard_normal((n, n + n // 3))
        Y = X @ rng.standard_normal((X.shape[1], 3)) / np.sqrt(X.shape[1]) + 0.1 * rng.standard_normal((n, 3))
        P = 4 * n // 3
        sol = solve(fcn(P, 1.0, 1.0, activation="linear"), X, Y, 0.1, theory=LAW)
        exact = renormalised(X @ X.T / X.shape[1], Y, 0.1, P)
        off.append(abs(sol.alpha / exact - 1))
        assert abs(solve(fcn(P, 1.0, 1.0, activation="linear"), X, Y, 0.1).alpha / exact - 1) > 5 * off[-1]
    assert off[0] < 0.03
    assert off[0] / off[1] > 1.8  # 3 but for the draw


def renormalised(Q_0, Y, noise, P):
    """alpha, by damped iteration for u."""
    n, D = Y.shape
    u = np.eye(D)
    for _ in range(150):
        K = np.kron(u, Q_0) + noise * np.eye(n * D)
        eps = np.linalg.solve(K, Y.T.ravel()).reshape(D, n)
        H = np.linalg.inv(K).reshape(D, n, D, n)
        T = np.einsum("mn,dmen->de", Q_0, H)
        u = 0.7 * u + 0.3 * np.linalg.inv(np.eye(D) + (T - eps @ Q_0 @ eps.T) / P)
    return np.sum(eps.T * Y) / np.sum(Y**2)


@pytest.mark.parametrize(
    ("activation", "expected", "sampled"),
    [("erf", (0.347, 0.430, 0.494), (0.3180, 0.3517, 0.3539)), ("relu", None, (0.1546, 0.2242, 0.2640))],
)
def test_one_kernel_against_another_code_and_sampled_networks(activation, expected, sampled):
    """Exact posterior means at loads up to 2: where units are Gaussian enough p and q are right to 10 %, and
    ReLU needs nothing but its second moments."""
    rng = np.random.default_rng(1)
    X, w = rng.standard_normal((100, 8)), rng.standard_normal(8)
    y = X @ w / np.linalg.norm(w)
    net = fcn(100, 2.0, 2.0, activation=activation)
    widths = [100, 40, 20]
    found, sharp = (solve_path(net, X, y, 0.1, widths, theory=law).alpha for law in (LAW, "mean_field"))
    if expected is not None:
        np.testing.assert_allclose(found, expected, atol=5e-4)
    assert abs(found[0] / sampled[0] - 1) < 0.1
    if activation == "relu":
        np.testing.assert_allclose(found, sampled, rtol=0.07)
        assert np.all(sharp < 0.65 * np.array(sampled))


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_is_solved(name):
    net, flat = NETWORKS[name]
    X, y = small(flat)
    sol = solve(net, X, y, 0.05, theory=LAW)
    assert sol.converged
    assert sol.stability > 0
