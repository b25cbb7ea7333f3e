"""Networks by loops over samples, pixels, slots and units, with every window and pool written out."""

import math

import numpy as np

from numerics import Problem, activations, cnn, fcn
from numerics.pixels import Receptive

SCALAR = {
    "erf": math.erf,
    "linear": lambda h: h,
    "relu": lambda h: max(h, 0.0),
    "tanh": math.tanh,
    "gelu": lambda h: h * 0.5 * (1.0 + math.erf(h / math.sqrt(2.0))),
    "sin": math.sin,
    "own": lambda h: math.sin(h) + 0.3 * h * h * math.exp(-h * h),
}


def own(name="own"):
    """A user's activation, neither odd nor even."""
    return activations.quadrature(
        name,
        lambda h: np.sin(h) + 0.3 * h**2 * np.exp(-(h**2)),
        lambda h: np.cos(h) + 0.6 * h * (1 - h**2) * np.exp(-(h**2)),
    )


class Naive:
    """A network with its windows as lists (slots of every output pixel, -1 is padding) and pools as lists."""

    def __init__(self, net, flat, layers, variances, bias_variance=0.0):
        self.net, self.flat, self.layers = net, flat, layers
        self.variances, self.bias_variance = variances, bias_variance

    def data(self, n=6, outputs=1, seed=3, pixels=4, size=3):
        rng = np.random.default_rng(seed)
        shape = (n, size) if self.flat else (n, pixels, size)
        return rng.standard_normal(shape), rng.standard_normal((n, outputs) if outputs > 1 else n)

    def problem(self, activation="erf", noise_variance=0.3, n=6, outputs=1, seed=3):
        from dataclasses import replace

        net = replace(self.net, activation=own() if activation == "own" else activation)
        return Problem(net, *self.data(n, outputs, seed), noise_variance)

    def features(self, x, hidden, phi):
        """What the readout sees of one input (pixels, size), and the pre-activations of every layer, from
        whitened weights: prior variance sigma^2 / fan-in of a weight, sigma_b^2 of a bias."""
        bias = math.sqrt(self.bias_variance)
        below = [[float(v) for v in pixel] for pixel in np.atleast_2d(x)]
        found = []
        # the first layer sees every pixel by itself
        windows, pools = [[i] for i in range(len(below))], [[i] for i in range(len(below))]
        for level, variance in enumerate(self.variances):
            rows = []
            for window in windows:
                row = []
                for slot in window:
                    for unit in range(len(below[0])):
                        total = 0.0
                        for pixel in [] if slot < 0 else pools[slot]:
                            total += below[pixel][unit] / len(pools[slot])
                        row.append(total * math.sqrt(variance / (len(window) * len(below[0]))))
                rows.append(row + ([bias] if self.bias_variance else []))
            if level == len(self.variances) - 1:
                (row,) = rows
                return row, found
            W = hidden[level]
            h = [
                [sum(row[i] * W[i, unit] for i in range(len(row))) for unit in range(W.shape[1])]
                for row in rows
            ]
            found.append(h)
            below = [[phi(value) for value in pixel] for pixel in h]
            windows, pools = self.layers[level]
        raise AssertionError

    def all_features(self, X, hidden, activation):
        rows = [self.features(x, hidden, SCALAR[activation])[0] for x in X]
        return np.array(rows)


OVERLAP = [[0, 1, -1], [1, 2, 3]], [[0], [1], [2], [3]]
# windows of 2 x 2 in an image of 2 x 3 pixels, one step to the right
SQUARES = [[0, 1, 3, 4], [1, 2, 4, 5]], [[0], [1], [2], [3], [4], [5]]
ALL4 = [[0, 1, 2, 3]], [[0], [1], [2], [3]]
ALL2 = [[0, 1]], [[0], [1]]
ONE = [[0]], [[0]]
PAIRS = [[0, 1]], [[0, 1], [2, 3]]
MEAN4 = [[0]], [[0, 1, 2, 3]]


def receptive(field):
    windows, pools = field
    return Receptive(np.array(windows), tuple(map(tuple, pools)))


NAIVE = {
    "two-layer cnn": Naive(cnn(3, 1.5, 0.7), False, [ALL4], (1.5, 0.7)),
    "two-layer fcn with biases": Naive(fcn(4, 1.5, 0.7, bias_variance=0.3), True, [ONE], (1.5, 0.7), 0.3),
    "three dense layers": Naive(fcn((4, 3), (1.5, 2.0), 0.7), True, [ONE, ONE], (1.5, 2.0, 0.7)),
    "four dense layers with biases": Naive(
        fcn((4, 3, 2), (1.5, 2.0, 1.2), 0.7, bias_variance=0.3),
        True,
        [ONE, ONE, ONE],
        (1.5, 2.0, 1.2, 0.7),
        0.3,
    ),
    "two convolutions": Naive(
        cnn((3, 2), (1.5, 2.0), 0.9, windows=(2,)),
        False,
        [([[0, 1], [2, 3]], ALL4[1]), ALL2],
        (1.5, 2.0, 0.9),
    ),
    "overlap, padding and biases": Naive(
        cnn((3, 2), (1.5, 2.0), 0.9, windows=(receptive(OVERLAP),), bias_variance=0.2),
        False,
        [OVERLAP, ALL2],
        (1.5, 2.0, 0.9),
        0.2,
    ),
    "groups pooled": Naive(
        cnn((3, 2), (1.5, 2.0), 0.9, windows=(receptive(PAIRS),)), False, [PAIRS, ONE], (1.5, 2.0, 0.9)
    ),
    "global pooling": Naive(
        cnn(5, 1.5, 0.9, readout="global_pooling", bias_variance=0.2), False, [MEAN4], (1.5, 0.9), 0.2
    ),
}


class Squares(Naive):
    """An image of 2 x 3 pixels."""

    def data(self, n=6, outputs=1, seed=3, pixels=6, size=3):
        return super().data(n, outputs, seed, pixels, size)


NAIVE["windows in two dimensions"] = Squares(
    cnn((3, 2), (1.5, 2.0), 0.9, windows=(receptive(SQUARES),)),
    False,
    [SQUARES, ALL2],
    (1.5, 2.0, 0.9),
)


def dense_energy(K, y):
    """1/2 y K^{-1} y + 1/2 log det K per output, K with the noise in it."""
    y = y.reshape(len(y), -1)
    return 0.5 * np.sum(y * np.linalg.solve(K, y)) + 0.5 * y.shape[1] * np.linalg.slogdet(K)[1]


def one_unit(noise_variance=0.1):
    """Three data and a single erf unit of one weight: its posterior is an integral over two numbers."""
    X = np.array([0.7, -1.9, 1.2]).reshape(3, 1)
    return Problem(fcn(1, 2.0, 2.0), X, np.array([0.9, -0.4, 0.6]), noise_variance)


def one_unit_by_quadrature(noise_variance=0.1):
    """alpha, <w^2>, <w^4> (whitened) and the loss of `one_unit` by a sum over a grid of (a, w)."""
    problem = one_unit(noise_variance)
    a, w = np.linspace(-9, 9, 601), np.linspace(-8, 8, 601)
    erf = np.vectorize(math.erf)
    f = math.sqrt(2.0) * a[:, None, None] * erf(math.sqrt(2.0) * w[:, None] * problem.X[:, 0])
    y = problem.y
    gap = y - f
    log_p = -0.5 * a[:, None] ** 2 - 0.5 * w**2 - np.sum(gap**2, axis=2) / (2 * noise_variance)
    p = np.exp(log_p - log_p.max())
    p /= p.sum()
    alpha = float(np.sum(p * (gap @ y)) / (noise_variance * y @ y))
    loss = float(np.sum(p * np.sum(gap**2, axis=2)) / (y @ y))
    return {"alpha": alpha, "w2": float(np.sum(p * w**2)), "w4": float(np.sum(p * w**4)), "loss": loss}


def linear_problem(n=12, S=4, C=3):
    """A linear network with a teacher and noise."""
    rng = np.random.default_rng(2)
    X = rng.standard_normal((n, S))
    w = rng.standard_normal(S)
    w /= np.linalg.norm(w)
    y = X @ w + 0.3 * rng.standard_normal(n)
    return Problem(fcn(C, 2.0, 2.0, activation="linear"), X, y, 0.1), w


def linear_by_an_integral(problem, w):
    """alpha, l_*/l_GP and the loss: given q = |a|^2 of the raw readout the output is Gaussian, and q has the
    prior of a chi square with C degrees of freedom times 2/C."""
    C, (n, S) = int(problem.net.width), problem.X.shape
    y, noise = problem.y, 0.1
    k = problem.X @ problem.X.T * 2.0 / S
    q = np.exp(np.linspace(-12, 5, 2400))
    values = {"alpha": [], "overlap": [], "loss": []}
    log_p = []
    for one in q:
        K = one * k + noise * np.eye(n)
        inverse = np.linalg.inv(K)
        e = inverse @ y
        log_p.append(0.5 * C * np.log(one) - 0.5 * one * C / 2.0 - dense_energy(K, y))
        values["alpha"].append(e @ y / (y @ y))
        values["loss"].append((noise**2 * e @ e + noise * n - noise**2 * np.trace(inverse)) / (y @ y))
        # the effective weights v = W a are N(0, q 2/S) a priori; w along a has v / |a|, others the prior
        G = one * 2.0 / S * problem.X.T
        mean, cov = G @ e, one * 2.0 / S * np.eye(S) - G @ inverse @ G.T
        along = w @ (np.outer(mean, mean) + cov) @ w / one
        values["overlap"].append(((C - 1) + along * S / 2.0) / C)
    p = np.exp(np.array(log_p) - max(log_p))
    p /= p.sum()
    return {name: float(p @ np.array(value)) for name, value in values.items()}
