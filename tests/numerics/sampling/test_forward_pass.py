"""The network as the sampler sees it: against loops, against the Gaussian-process kernel, and its adjoint by
differences."""

import numpy as np
import pytest
from mutants import breaks
from naive_networks import NAIVE, SCALAR, dense_energy

from numerics import Problem, cnn, fcn, solve
from numerics.sampling.energies import Collapsed, Joint, Posterior
from numerics.sampling.forward import Forward

FORWARD = "numerics/sampling/forward.py"


def weights_of(forward, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(shape) for shape in forward.shapes]


@breaks(
    "numerics/pixels.py",
    "row[list(pool)] = 1.0 / len(pool)",
    "row[list(pool)] = 1.0",
    "pools add up",
    case="1-global pooling",
)
@breaks(
    "numerics/pixels.py",
    "if slot >= 0:",
    "if slot >= -1:",
    "padding sees the last pixel",
    case="1-overlap, padding and biases",
)
@pytest.mark.parametrize("name", NAIVE)
@pytest.mark.parametrize("outputs", [1, 2])
def test_outputs_are_those_of_loops_over_units(name, outputs):
    naive = NAIVE[name]
    X, _ = naive.data(n=4)
    forward = Forward(naive.net, X[:, None] if naive.flat else X)
    weights = weights_of(forward)
    a = np.random.default_rng(1).standard_normal((forward.readout_weights, outputs))
    h = forward.preactivations(weights)
    f = forward(weights).features @ a
    for sample, x in enumerate(X):
        row, seen = naive.features(x, weights, SCALAR["erf"])
        for output in range(outputs):
            by_loops = sum(row[i] * a[i, output] for i in range(len(row)))
            assert f[sample, output] == pytest.approx(by_loops, rel=1e-12, abs=1e-12)
        for level, layer in enumerate(seen):
            np.testing.assert_allclose(h[level][sample], layer, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("activation", SCALAR)
def test_activations_are_those_of_single_numbers(activation):
    naive = NAIVE["three dense layers"]
    problem = naive.problem(activation)
    forward = Forward(problem.net, problem.inputs)
    weights = weights_of(forward)
    by_loops = naive.all_features(problem.X, weights, activation)
    np.testing.assert_allclose(forward(weights).features, by_loops, rtol=1e-12, atol=1e-13)
    single = Forward(problem.net, problem.inputs, single=True)(weights).features
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, by_loops, atol=3e-6)


@breaks(
    FORWARD,
    "math.sqrt(variance / fan_in)",
    "math.sqrt(variance / fan_in / 2)",
    "half the prior's variance",
    case="two-layer cnn",
)
@breaks(
    FORWARD,
    "self.bias_std = math.sqrt(net.bias_variance)",
    "self.bias_std = net.bias_variance",
    "variance of biases squared",
    case="two-layer fcn with biases",
)
@pytest.mark.parametrize("name", NAIVE)
def test_features_averaged_over_the_prior_are_the_gaussian_process_kernel(name):
    """At infinite width; here the widths are 1000 below the last, whose width does not matter."""
    naive = NAIVE[name]
    X, y = naive.data(n=3)
    deep = len(naive.net.widths) > 1
    draws = 60 if deep else 1500
    net = naive.net.with_widths([300] * (len(naive.net.widths) - 1) + [2 if not deep else 40])
    forward = Forward(net, X[:, None] if naive.flat else X)
    rng = np.random.default_rng(5)
    Q = []
    for _ in range(draws):
        Phi = forward([rng.standard_normal(shape) for shape in forward.shapes]).features
        Q.append(Phi @ Phi.T)
    expected = solve(net.with_widths(np.inf), X, y, 0.3).gp.Q_f
    error = np.std(Q, axis=0) / np.sqrt(draws) + 1e-12
    z = (np.mean(Q, axis=0) - expected) / error
    # finite widths below leave 1/300 of the kernel, under a standard error
    assert np.max(np.abs(z)) < 4.5
    assert np.max(error / np.diag(expected).mean()) < 0.06  # a factor of 2 is far outside


def energies(problem, root_seed=None):
    posterior = Posterior(problem)
    if root_seed is not None:
        size = posterior.forward.shapes[0][0]
        L = np.random.default_rng(root_seed).standard_normal((size, size))
        posterior = posterior.with_root(np.linalg.cholesky(L @ L.T / size + 0.5 * np.eye(size)))
    return Collapsed(posterior), Joint(posterior)


@breaks(
    "numerics/sampling/energies.py",
    "forward.adjoint(passed, marginal.slope(passed.features))",
    "forward.adjoint(passed, 1.5 * marginal.slope(passed.features))",
    "gradient times 1.5",
    case="two-layer cnn-erf-collapsed",
)
@breaks(
    FORWARD,
    "h *= self.dtype.type(self.scales[level + 1])",
    "h *= self.dtype.type(1.0)",
    "no scale in the adjoint",
    case="three dense layers-erf-collapsed",
)
@breaks(
    FORWARD,
    "G = G * self.per_unit",
    "G = G * 1.0",
    "no unit of noise in the adjoint",
    case="two-layer cnn-erf-collapsed",
)
@breaks(
    "numerics/sampling/coordinates.py",
    "first = self.root.T @ first",
    "first = self.root @ first",
    "root not transposed",
    case="two-layer cnn-erf-joint",
)
@breaks(
    "numerics/sampling/readout.py",
    "return Phi @ (outputs * self.inverse).astype(Phi.dtype) - E @ (E.T @ Phi)",
    "return Phi @ self.inverse.astype(Phi.dtype) - E @ (E.T @ Phi)",
    "log det of one output, readout's side",
    case="two-layer fcn with biases-erf-collapsed",
)
@pytest.mark.parametrize("kind", ["collapsed", "joint"])
@pytest.mark.parametrize("activation", SCALAR)
@pytest.mark.parametrize("name", NAIVE)
def test_gradients_by_differences_of_order_two(name, activation, kind):
    """Noise per datum, two outputs, and a reference measure for the first layer."""
    noise = np.array([0.3, 0.2, 0.5, 1.0, 0.1, 0.4])
    problem = NAIVE[name].problem(activation, noise, outputs=2)
    energy = energies(problem, root_seed=4)[kind == "joint"]
    rng = np.random.default_rng(2)
    z, v = 0.7 * rng.standard_normal((2, energy.size))
    slope = energy(z).gradient @ v
    h0 = 1e-4 if activation == "relu" else 0.01  # no pre-activation changes sign on the way
    errors = [(energy(z + h * v).value - energy(z - h * v).value) / (2 * h) - slope for h in (h0, h0 / 2)]
    size = max(1.0, abs(slope))
    if activation == "relu":
        assert abs(errors[1]) < 1e-6 * size
        return
    assert abs(errors[0]) < 0.1 * size
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.05)


@pytest.mark.parametrize(
    "name", ["two-layer cnn", "two-layer fcn with biases", "overlap, padding and biases"]
)
def test_energies_are_those_of_dense_matrices(name):
    """Up to the constant that does not depend on the weights; more data than features, and fewer."""
    naive = NAIVE[name]
    for n in (3, 9):
        noise = np.linspace(0.1, 0.5, n)
        problem = naive.problem(noise_variance=noise, n=n, outputs=2)
        collapsed, joint = energies(problem)
        a = np.random.default_rng(4).standard_normal(joint.posterior.readout_shape)
        gaps = []
        for seed in (0, 1):
            W = weights_of(collapsed.posterior.forward, seed)
            Phi = naive.all_features(problem.X, W, "erf")
            prior = 0.5 * sum(np.sum(layer**2) for layer in W)
            by_hand = prior + dense_energy(Phi @ Phi.T + np.diag(noise), problem.y)
            z = np.concatenate([layer.ravel() for layer in W])
            gaps.append(collapsed(z).value - by_hand)
            misfit = 0.5 * np.sum((problem.y - Phi @ a) ** 2 / noise[:, None])
            at = joint(np.concatenate([z, a.ravel()]))
            assert at.value == pytest.approx(prior + 0.5 * np.sum(a**2) + misfit, rel=1e-12)
            assert at.loss == pytest.approx(2 * misfit, rel=1e-12)
        assert gaps[0] == pytest.approx(gaps[1], abs=1e-9)
        assert gaps[0] == pytest.approx(-np.sum(np.log(noise)), rel=1e-9)  # two outputs, half each


@pytest.mark.parametrize("kind", ["collapsed", "joint"])
def test_a_datum_of_infinite_noise_is_not_there(kind):
    noise = np.array([0.3, np.inf, 0.5, 1.0, np.inf, 0.4])
    problem = NAIVE["two convolutions"].problem(noise_variance=noise)
    y = problem.y.copy()
    y[1] = np.nan
    with_it = Problem(problem.net, problem.X, y, noise)
    seen = np.isfinite(noise)
    without = Problem(problem.net, problem.X[seen], problem.y[seen], noise[seen])
    one, two = (energies(each)[kind == "joint"] for each in (with_it, without))
    z = np.random.default_rng(1).standard_normal(one.size)
    assert one(z).value == two(z).value
    np.testing.assert_array_equal(one(z).gradient, two(z).gradient)


def test_exchanged_units_and_changed_signs_do_not_matter():
    problem = NAIVE["two convolutions"].problem()
    energy = energies(problem)[0]
    W1, W2 = weights_of(energy.posterior.forward)
    order, sign = np.array([2, 0, 1]), np.array([1.0, -1.0, 1.0])
    W2_there = (W2.reshape(2, 3, 2)[:, order] * sign[None, :, None]).reshape(6, 2)[:, ::-1]
    there = np.concatenate([(W1[:, order] * sign).ravel(), W2_there.ravel()])
    here = np.concatenate([W1.ravel(), W2.ravel()])
    assert energy(there).value == pytest.approx(energy(here).value, rel=1e-12)


def test_no_data_leave_the_prior():
    for net in (cnn(3), fcn((4, 3), bias_variance=0.2)):
        X = np.zeros((0, 2)) if net.flat else np.zeros((0, 2, 2))
        for energy in energies(Problem(net, X, np.zeros(0), 0.1)):
            z = np.random.default_rng(0).standard_normal(energy.size)
            assert energy(z).value == pytest.approx(0.5 * z @ z, rel=1e-13)
            np.testing.assert_allclose(energy(z).gradient, z, rtol=1e-13)
