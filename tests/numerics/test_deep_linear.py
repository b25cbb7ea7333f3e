"""Deep linear networks against the exact saddle of the linear theory (Eq. (6)), found another way.

With linear units everything lives on the row space of X: X = U S V^T, K_l = (U S) A_l (U S)^T with A_l of
the size of the rank, however many data there are. The layers then share one matrix Z,

    A_l = Q_l (1 + Z / N_l),   Q_{l+1} = sigma_{l+1}^2 A_l,   Q_1 = (sigma_1^2 / d) 1,     Z = A_{L-1} T,

T = sigma_a^2 (U S)^T (eps eps^T - K_f^{-1}) U S (docs/derivations-chain.md), which SciPy's general root
finder solves for the entries of Z.
"""

from dataclasses import dataclass

import numpy as np
import pytest
from scipy.optimize import brentq, root

from numerics import fcn, solve

NOISE, READOUT = 0.05, 0.8
WIDTHS = {1: (12,), 2: (9, 14), 3: (15, 8, 11)}
VARIANCES = {1: (1.5,), 2: (1.5, 0.8), 3: (1.5, 0.8, 1.2)}


def inputs(kind):
    """X of every rank a linear layer may meet; the targets are never all in its range."""
    rng = np.random.default_rng(4)
    X = rng.standard_normal({"more data": (14, 4), "fewer data": (5, 8)}.get(kind, (14, 3)))
    if kind == "repeated features":
        X = np.column_stack([X, X[:, 0], X[:, 1] - 2 * X[:, 2]])
    if kind == "repeated data":
        X = rng.standard_normal((3, 6))[rng.integers(0, 3, 9)]
    n, d = X.shape
    return X, 4 * X @ rng.standard_normal(d) / np.sqrt(d) + 0.3 * rng.standard_normal(n)


KINDS = ("more data", "fewer data", "repeated features", "repeated data")


@dataclass
class LinearSaddle:
    """Sigma, K_2, ..., alpha and F from the entries of one symmetric matrix of the size of the rank."""

    X: np.ndarray
    y: np.ndarray
    widths: tuple
    variances: tuple

    def __post_init__(self):
        U, s, Vt = np.linalg.svd(self.X, full_matrices=False)
        rank = np.sum(s > 1e-10 * s[0])
        self.rows, self.V = U[:, :rank] * s[:rank], Vt[:rank].T
        self.prior = self.variances[0] / self.X.shape[1]
        lower = np.tril_indices(rank)

        def symmetric(entries):
            Z = np.zeros((rank, rank))
            Z[lower] = entries
            return Z + np.tril(Z, -1).T

        def equation(entries):
            Z = symmetric(entries)
            last = self.layers(Z)[-1]
            gap = Z - last @ self.pull(last)
            return (gap + gap.T)[lower]

        process = self.layers(np.zeros((rank, rank)))[-1]
        found = root(equation, 0.1 * (process @ self.pull(process))[lower], tol=1e-13)
        self.Z = symmetric(found.x)
        assert np.abs(equation(found.x)).max() < 1e-11, found.message
        self.A = self.layers(self.Z)
        self.K_f = self.readout_kernel(self.A[-1])

    def layers(self, Z):
        below, found = self.prior * np.eye(len(Z)), []
        for width, variance in zip(self.widths, (1.0, *self.variances[1:]), strict=True):
            below = variance * below @ (np.eye(len(Z)) + Z / width)
            found.append(below)
        return found

    def readout_kernel(self, A):
        return READOUT * self.rows @ A @ self.rows.T + NOISE * np.eye(len(self.y))

    def pull(self, A):
        inverse = np.linalg.inv(self.readout_kernel(A))
        eps = inverse @ self.y
        return READOUT * self.rows.T @ (np.outer(eps, eps) - inverse) @ self.rows

    @property
    def Sigma(self):
        across = np.eye(len(self.V)) - self.V @ self.V.T
        return self.V @ self.A[0] @ self.V.T + self.prior * across

    @property
    def alpha(self):
        return self.y @ np.linalg.solve(self.K_f, self.y) / (self.y @ self.y)

    @property
    def F(self):
        KL = 0.0
        for width in self.widths:
            R = np.eye(len(self.Z)) + self.Z / width
            KL += width / 2 * (np.trace(R) - len(R) - np.linalg.slogdet(R)[1])
        fit = self.y @ np.linalg.solve(self.K_f, self.y) / 2
        return KL + fit + np.linalg.slogdet(self.K_f)[1] / 2


@pytest.fixture(scope="module", params=WIDTHS, ids=lambda layers: f"{layers} hidden")
def depth(request):
    return request.param


@pytest.fixture(scope="module", params=KINDS)
def pair(request, depth):
    """(the package's solution, the other one)"""
    X, y = inputs(request.param)
    net = fcn(WIDTHS[depth], VARIANCES[depth], READOUT, activation="linear")
    return solve(net, X, y, NOISE, tol=1e-11), LinearSaddle(X, y, WIDTHS[depth], VARIANCES[depth])


def close(actual, desired):
    """1e-9 of the largest entry: a residual of 1e-11 may leave a hundred times that in the solution."""
    np.testing.assert_allclose(actual, desired, rtol=0, atol=1e-9 * np.abs(desired).max())


def test_all_covariances_alpha_and_free_energy_are_the_linear_saddle_s(pair):
    sol, saddle = pair
    assert np.linalg.eigvalsh(saddle.Z)[-1] > 3  # learning of order one in layers of ten
    close(sol.Sigma, saddle.Sigma)
    upper = zip(sol.kernels, saddle.A, saddle.A[1:], saddle.variances[1:], strict=False)
    for layer, below, A, variance in upper:
        close(layer.K, saddle.rows @ A @ saddle.rows.T)
        close(layer.Q, variance * saddle.rows @ below @ saddle.rows.T)
    close(sol.Q_f + NOISE * np.eye(len(saddle.y)), saddle.K_f)
    assert sol.alpha == pytest.approx(saddle.alpha, rel=1e-9)
    assert sol.free_energy == pytest.approx(saddle.F, rel=1e-11)


def test_every_layer_carries_the_same_charge(pair):
    """N_l (K_l Q_l^{-1} - 1) does not depend on the layer."""
    sol, saddle = pair
    charges = np.linalg.eigvals(saddle.Z).real
    for width, layer in zip(sol.widths, sol.state, strict=True):
        found = width * np.expm1(np.linalg.eigvalsh(layer.theta))
        own = found[np.argsort(-np.abs(found))[: len(charges)]]
        close(np.sort(own), np.sort(charges))


def test_equation_6_as_printed_where_the_kernels_have_inverses(depth):
    X, y = inputs("fewer data")
    net = fcn(WIDTHS[depth], VARIANCES[depth], READOUT, activation="linear")
    sol = solve(net, X, y, NOISE, tol=1e-11)
    below = sol.kernels[-1].Q if depth > 1 else X @ X.T * VARIANCES[1][0] / X.shape[1]
    inverse = np.linalg.inv(sol.Q_f + NOISE * np.eye(len(y)))
    eps = inverse @ y  # (y - f)/sigma^2: the printed (y - f)/sigma is a slip
    right = np.linalg.inv(below) - READOUT / WIDTHS[depth][-1] * (np.outer(eps, eps) - inverse)
    close(READOUT * np.linalg.inv(sol.Q_f), right)


def test_one_feature_is_one_scalar_equation():
    """d = 1, four layers: Z is a number, found by bracketing."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal(6)
    y = 2 * x + 0.1 * rng.standard_normal(6)
    widths, variances = (7, 5, 9), (1.5, 0.8, 1.2)
    x2, xy2 = x @ x, (x @ y) ** 2

    def variance(Z):
        return np.prod([v * (1 + Z / N) for v, N in zip(variances, widths, strict=True)])

    def gap(Z):
        own = READOUT * variance(Z)
        denominator = NOISE + own * x2
        return Z - own * (xy2 / denominator**2 - x2 / denominator)

    Z = brentq(gap, -1.0, 50.0, xtol=1e-14)
    net = fcn(widths, variances, READOUT, activation="linear")
    sol = solve(net, x[:, None], y, NOISE, tol=1e-11)
    assert sol.Sigma[0, 0] == pytest.approx(1.5 * (1 + Z / 7), rel=1e-9)
    close(sol.Q_f, READOUT * variance(Z) * np.outer(x, x))
