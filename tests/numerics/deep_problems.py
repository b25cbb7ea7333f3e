"""Networks with hidden kernels, small enough for differences and joint solves."""

import numpy as np
from scipy.special import erf

from numerics import cnn, fcn
from numerics.pixels import Receptive


def reference_fcn():
    """128 samples of 16 features, a two-neuron-wide teacher erf(erf(X w)) of rms 0.3."""
    rng = np.random.default_rng(3)
    X = rng.standard_normal((128, 16))
    w = rng.standard_normal(16)
    w /= np.linalg.norm(w)
    y = erf(erf(X @ w))
    return X, y * 0.3 / np.sqrt(np.mean(y**2)), w


def reference_cnn():
    """100 samples of 2 x 6 pixels with 10 channels, a one-channel teacher; pixel i + 6 j."""
    rng = np.random.default_rng(7)
    X = rng.standard_normal((100, 2, 6, 10))
    w = rng.standard_normal(10) * np.sqrt(2 / 10)
    v = rng.standard_normal(6) * np.sqrt(2 / 6)
    a = rng.standard_normal(2) * np.sqrt(15 / 2)
    return X.reshape(100, 12, 10), erf(erf(X @ w) @ v) @ a


def small(flat, pixels=4, n=14, size=3, outputs=2, seed=2):
    """Inputs and targets of no special structure."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, size) if flat else (n, pixels, size))
    return X, np.tanh(X.reshape(n, -1)[:, :outputs]) + 0.1 * rng.standard_normal((n, outputs))


def cubic_teacher(n, neurons, noise_variance, linear, seed=0, features=3):
    """He3 of one feature plus a linear part: many data, little noise, few neurons. Arguments of `solve`."""
    X = np.random.default_rng(seed).standard_normal((n, features))
    z = X[:, 0]
    return fcn(neurons, 2.0, 2 / neurons), X, (z**3 - 3 * z) / np.sqrt(6) + linear * z, noise_variance


OVERLAPPING = Receptive(np.array([[0, 1, -1], [1, 2, 3]]), ((0,), (1,), (2,), (3,)))
POOLED = Receptive(np.array([[0, 1]]), ((0, 1), (2, 3)))

# unequal widths, a variance per layer, both activations, every kind of layer
NETWORKS = {
    "three dense layers": (fcn((20, 30), (1.5, 2.0), 0.7), True),
    "four dense layers with biases": (fcn((20, 30, 15), (1.5, 2.0, 1.2), 0.7, bias_variance=0.3), True),
    "linear units": (fcn((9, 7), (1.5, 0.8), 0.7, activation="linear"), True),
    "two convolutions": (cnn((25, 12), (1.5, 2.0), 0.9, windows=(2,)), False),
    "convolution and dense layer": (cnn((25, 12), (1.5, 2.0), 0.9, windows=("all",)), False),
    "overlap and padding": (cnn((25, 12), (1.5, 2.0), 0.9, windows=(OVERLAPPING,)), False),
    "pooling before a dense layer": (cnn((25, 12), (1.5, 2.0), 0.9, windows=(POOLED,)), False),
    "global pooling": (cnn(11, 1.5, 0.9, readout="global_pooling", bias_variance=0.2), False),
    "pooled readout above a convolution": (
        cnn((25, 12), (1.5, 2.0), 0.9, windows=(2,), readout="global_pooling"),
        False,
    ),
}
