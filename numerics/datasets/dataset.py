"""What every data set is returned as."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Dataset:
    """Training and test data, with the teacher's weights where there is one.

    Attributes
    ----------
    X, X_test : (n, P, S) and (n_test, P, S) arrays, or (n, d) and (n_test, d)
        P pixels (patches) of size S for `numerics.cnn`, vectors for `numerics.fcn`.
    y, y_test : (n,) and (n_test,) arrays, noiseless; one-hot labels (n, D) and (n_test, D)
    a_star, w_star, v_star : arrays or None
        The teacher's readout, its input weights, and the weights of its hidden layer if it has one.
    """

    X: Array
    y: Array
    X_test: Array
    y_test: Array
    a_star: Array | None = None
    w_star: Array | None = None
    v_star: Array | None = None
