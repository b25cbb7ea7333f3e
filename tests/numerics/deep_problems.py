"""Networks with hidden kernels, small enough for differences and joint solves."""

from dataclasses import replace

import numpy as np
from scipy.special import erf

from numerics import cnn, fcn, solve
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

# the same layers with units that have means
RELU_NETWORKS = {name: (replace(net, activation="relu"), flat) for name, (net, flat) in NETWORKS.items()}


def arcsine_kernel(K):
    """E[erf(h) erf(h')] of a kernel (n, pixels, n, pixels)."""
    D = 1 + 2 * np.einsum("mama->ma", K)
    return 2 / np.pi * np.arcsin(2 * K / np.sqrt(np.multiply.outer(D, D)))


def arccosine_kernel(K):
    """E[relu(h) relu(h')] of a kernel (n, pixels, n, pixels) at zero mean (Cho and Saul 2009)."""
    s = np.sqrt(np.einsum("mama->ma", K))
    cosine = np.clip(K / np.multiply.outer(s, s), -1, 1)
    angle = np.arccos(cosine)
    return np.multiply.outer(s, s) * (np.sin(angle) + (np.pi - angle) * cosine) / (2 * np.pi)


RECURSIONS = {"erf": arcsine_kernel, "linear": lambda K: K, "relu": arccosine_kernel}


def recursion(net, X):
    """The Gaussian-process kernel pixel by pixel, written with loops over pixels and nothing shared."""
    X = X[:, None, :] if X.ndim == 2 else X
    n, pixels, size = X.shape
    K = np.einsum("mas,nbs->manb", X, X) * net.weight_variances[0] / size + net.bias_variance
    fields = net.receptive_windows(pixels)
    for field, variance in zip(fields, (*net.weight_variances[1:], net.readout_variance), strict=True):
        G = RECURSIONS[net.activation](K)
        Q = np.zeros((n, field.pixels_out, n, field.pixels_out))
        for j, k in np.ndindex(field.pixels_out, field.pixels_out):
            for slot in range(field.fan_in):
                one, two = field.windows[j, slot], field.windows[k, slot]
                if one < 0 or two < 0:
                    continue
                pools = field.pools[one], field.pools[two]
                Q[:, j, :, k] += np.mean([[G[:, a, :, b] for b in pools[1]] for a in pools[0]], axis=(0, 1))
        K = variance * Q / field.fan_in + net.bias_variance
    return K[:, 0, :, 0]


def first_order_error_ratio(net, X, y, noise_variance=0.05):
    """Error of the tangent in 1/width at a thousand times the widths, over that at two thousand times."""
    sol = solve(net, X, y, noise_variance)
    errors = []
    for scale in (1e3, 2e3):
        wide = net.with_widths([scale * width for width in net.widths])
        found = solve(wide, X, y, noise_variance, tol=1e-12).alpha
        errors.append(abs(found - sol.first_order.alpha(scale * net.width)))
    return errors[0] / errors[1]
