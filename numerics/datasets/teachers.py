"""Gaussian inputs and the targets of a teacher network."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf

from numerics import checks
from numerics.datasets.dataset import Dataset
from numerics.machine import memory

Array = NDArray[np.float64]

GIGABYTE = 2.0**30


def make_linear_cnn(
    n: int = 800, n_patches: int = 20, patch_size: int = 64, seed: int = 0, n_test: int = 0
) -> Dataset:
    """Gaussian inputs and a linear convolutional teacher, y = sum_i a*_i w*.x_i with |a*| = |w*| = 1.

    X, y, a* and w* do not depend on `n_test`: the test set is drawn after them.

    Raises
    ------
    ValueError
        For sizes that are not whole numbers of at least 1 (n_test: 0).
    """
    shape = checks.count(n_patches, "n_patches"), checks.count(patch_size, "patch_size")
    rng = np.random.default_rng(checks.count(seed, "seed", least=0))
    X = _gaussian(rng, checks.count(n, "n"), shape)
    a, w = (rng.standard_normal(size) for size in shape)
    a /= np.linalg.norm(a)
    w /= np.linalg.norm(w)

    def teacher(inputs: Array) -> Array:
        return np.einsum("nis,i,s->n", inputs, a, w)

    return _dataset(X, teacher, rng, n_test, a_star=a, w_star=w)


def make_fcn_teacher(
    n: int = 512,
    d: int = 32,
    seed: int = 0,
    n_test: int = 0,
    *,
    teacher_seed: int | None = None,
    weight_variance: float = 2.0,
    readout_variance: float = 2.0,
    rms: float | None = None,
) -> Dataset:
    """Gaussian inputs and a three-layer teacher of widths one, y = a* erf(v* erf(w*.x)), X of shape (n, d).

    The teacher is drawn like a student (Methods of the paper, N_1 = N_2 = 1): w* ~ N(0, sigma_w^2/d),
    v* ~ N(0, sigma_w^2), a* ~ N(0, sigma_a^2).

    Parameters
    ----------
    n, d, n_test : int
        Samples, features, test samples; the training set does not depend on `n_test`.
    teacher_seed : int, optional
        The teacher's own seed, so that one teacher labels several draws of data (`seed`); by default the
        teacher follows the inputs in the stream of `seed`.
    weight_variance, readout_variance : float
        sigma_w^2 of both hidden layers, sigma_a^2.
    rms : float, optional
        A teacher of a fixed strength instead: |w*| = v* = 1, and a* > 0 such that the training targets
        have this root mean square.

    Returns
    -------
    Dataset
        With w_star (d,), v_star (1,), a_star (1,).
    """
    n, d = checks.count(n, "n"), checks.count(d, "d")
    rng = np.random.default_rng(checks.count(seed, "seed", least=0))
    X = _gaussian(rng, n, (d,))
    w, v, a = _weights(_teacher_rng(rng, teacher_seed), (d, 1, 1), weight_variance, readout_variance)
    if rms is not None:
        w, v, a = w / np.linalg.norm(w), np.ones(1), np.ones(1)
        a *= checks.positive(rms, "rms") / math.sqrt(np.mean(erf(erf(X @ w)) ** 2))

    def teacher(inputs: Array) -> Array:
        return a[0] * erf(v[0] * erf(inputs @ w))

    return _dataset(X, teacher, rng, n_test, a_star=a, w_star=w, v_star=v)


def make_cnn_teacher(
    n: int = 1000,
    n_pixels: int = 2,
    window: int = 30,
    patch_size: int = 50,
    seed: int = 0,
    n_test: int = 0,
    *,
    teacher_seed: int | None = None,
    weight_variance: float = 2.0,
    readout_variance: float = 15.0,
) -> Dataset:
    """Gaussian inputs and a three-layer convolutional teacher with one channel, Eq. (14) with C_1 = C_2 = 1.

    y = sum_j a*_j erf(sum_i v*_i erf(w*.x_{i + j S_1})), X of shape (n, N S_1, S_0) with pixel i + j S_1.
    The teacher is drawn like a student: w* ~ N(0, sigma_w^2/S_0), v* ~ N(0, sigma_w^2/S_1) and
    a* ~ N(0, sigma_a^2/N). The defaults are the paper's experiment.

    Parameters
    ----------
    n, n_test : int
        Samples and test samples; the training set does not depend on `n_test`.
    n_pixels, window, patch_size : int
        N latent pixels, S_1 patches in the window of each, S_0 numbers in a patch; the student is
        `cnn((C_1, C_2), windows=(window,))`.
    teacher_seed, weight_variance, readout_variance
        As in `make_fcn_teacher`.

    Returns
    -------
    Dataset
        With w_star (S_0,), v_star (S_1,), a_star (N,).
    """
    n, pixels = checks.count(n, "n"), checks.count(n_pixels, "n_pixels")
    slots, size = checks.count(window, "window"), checks.count(patch_size, "patch_size")
    rng = np.random.default_rng(checks.count(seed, "seed", least=0))
    X = _gaussian(rng, n, (pixels * slots, size))
    sizes = (size, slots, pixels)
    w, v, a = _weights(_teacher_rng(rng, teacher_seed), sizes, weight_variance, readout_variance)

    def teacher(inputs: Array) -> Array:
        first = erf(inputs @ w).reshape(-1, pixels, slots)
        return erf(first @ v) @ a

    return _dataset(X, teacher, rng, n_test, a_star=a, w_star=w, v_star=v)


def _gaussian(rng: np.random.Generator, n: int, shape: tuple[int, ...], name: str = "n") -> Array:
    """n Gaussian inputs of a shape.

    Raises
    ------
    ValueError
        When they do not fit in memory, which the system would find out too late.
    """
    size, left = 8.0 * math.prod(shape), memory.available()
    if left is not None and n * size > left:
        fit = int(left / size)
        remedy = f"take at most {fit} samples" if fit else "make the inputs smaller"
        raise ValueError(
            f"{name}={n} inputs of shape {shape} take {n * size / GIGABYTE:.3g} GB, but "
            f"{left / GIGABYTE:.3g} GB are available; {remedy}"
        )
    return rng.standard_normal((n, *shape))


def _teacher_rng(rng: np.random.Generator, teacher_seed: int | None) -> np.random.Generator:
    """The data's own stream, or another one.

    A plain `default_rng(teacher_seed)` would repeat the first inputs when the two seeds are equal.
    """
    if teacher_seed is None:
        return rng
    return np.random.default_rng([checks.count(teacher_seed, "teacher_seed", least=0), 1])


def _weights(
    rng: np.random.Generator, fan_ins: tuple[int, int, int], weight_variance: float, readout_variance: float
) -> tuple[Array, Array, Array]:
    """w*, v*, a* of one channel, each of variance sigma^2 over its fan-in."""
    hidden = checks.positive(weight_variance, "weight_variance")
    variances = hidden, hidden, checks.positive(readout_variance, "readout_variance")
    w, v, a = (
        rng.standard_normal(fan_in) * math.sqrt(variance / fan_in)
        for fan_in, variance in zip(fan_ins, variances, strict=True)
    )
    return w, v, a


def _dataset(
    X: Array, teacher: Callable[[Array], Array], rng: np.random.Generator, n_test: int, **weights: Array
) -> Dataset:
    """Label the training set, then draw and label the test set."""
    X_test = _gaussian(rng, checks.count(n_test, "n_test", least=0), X.shape[1:], "n_test")
    return Dataset(X, teacher(X), X_test, teacher(X_test), **weights)
