"""Data sets with a known teacher, and small real images. Every one is a function of its seed alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from numerics import checks

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Dataset:
    """Training and test data, with the teacher where there is one.

    Attributes
    ----------
    X, X_test : (n, N, S) and (n_test, N, S) arrays
    y, y_test : (n,) and (n_test,) arrays, noiseless
    a_star, w_star : (N,) and (S,) arrays of norm 1, or None
        The teacher y = sum_i a*_i w*.x_i.
    """

    X: Array
    y: Array
    X_test: Array
    y_test: Array
    a_star: Array | None = None
    w_star: Array | None = None


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
    n = checks.count(n, "n")
    n_patches = checks.count(n_patches, "n_patches")
    patch_size = checks.count(patch_size, "patch_size")
    n_test = checks.count(n_test, "n_test", least=0)
    rng = np.random.default_rng(checks.count(seed, "seed", least=0))
    X = rng.standard_normal((n, n_patches, patch_size))
    a = rng.standard_normal(n_patches)
    w = rng.standard_normal(patch_size)
    a /= np.linalg.norm(a)
    w /= np.linalg.norm(w)
    X_test = rng.standard_normal((n_test, n_patches, patch_size))

    def teacher(inputs: Array) -> Array:
        return np.einsum("nis,i,s->n", inputs, a, w)

    return Dataset(X, teacher(X), X_test, teacher(X_test), a_star=a, w_star=w)


def load_digits(n: int = 800, seed: int = 0, n_test: int | None = None) -> Dataset:
    """scikit-learn's 8 x 8 digits in four patches of 4 x 4 pixels, odd (+1) against even (-1).

    The mean training image is subtracted and the rest divided by its rms pixel, so that |x|^2 of a
    patch is 16 on average. Needs the extra `data`.

    Parameters
    ----------
    n, n_test : int
        Random disjoint training and test images of the 1797; by default all the others are test images.
    """
    try:
        from sklearn.datasets import load_digits as load
    except ImportError as missing:
        raise ImportError("the digits need scikit-learn: pip install 'feature-eos[data]'") from missing
    images, labels = load(return_X_y=True)
    n = checks.count(n, "n", least=2)
    seed = checks.count(seed, "seed", least=0)
    left = len(labels) - n
    n_test = left if n_test is None else checks.count(n_test, "n_test", least=0)
    if left < max(n_test, 0):
        raise ValueError(f"n={n} and n_test={n_test} ask for more than the {len(labels)} digits there are")
    chosen = np.random.default_rng(seed).permutation(len(labels))[: n + n_test]
    train = images[chosen[:n]]
    centre = train.mean(axis=0)
    scale = np.sqrt(np.mean((train - centre) ** 2))
    patches = ((images[chosen] - centre) / scale).reshape(-1, 2, 4, 2, 4).swapaxes(2, 3).reshape(-1, 4, 16)
    y = np.where(labels[chosen] % 2 == 1, 1.0, -1.0)
    return Dataset(patches[:n], y[:n], patches[n:], y[n:])
