"""Data sets with a known teacher, and real images. Every one is a function of its seed and files alone."""

from numerics.datasets.dataset import Dataset
from numerics.datasets.images import load_cifar10, load_digits, load_mnist
from numerics.datasets.teachers import make_cnn_teacher, make_fcn_teacher, make_linear_cnn

__all__ = [
    "Dataset",
    "load_cifar10",
    "load_digits",
    "load_mnist",
    "make_cnn_teacher",
    "make_fcn_teacher",
    "make_linear_cnn",
]
