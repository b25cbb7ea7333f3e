"""What the reduced theory gives, entry by entry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class ReducedSolution:
    """The reduced solution; floats for scalar arguments, arrays of one shape otherwise.

    Attributes
    ----------
    alpha : float or ndarray
        Train discrepancy eps.y/y.y, relative accuracy 1e-12.
    alpha_test : float or ndarray
        The same on new inputs, (y_* - f_bar_*).y_*/(sigma^2 y_*.y_*); relative accuracy 1e-11.
    overlap_ratio : float or ndarray
        r = l_* S/sigma_w^2: the learned variance along w* over its prior. 1/(1 - chi) without
        complexity.
    inert_ratio : float or ndarray
        r_0: the same across w*; 1 without complexity.
    chi : float or ndarray
        n^2 alpha^2 lambda |a*|^2|w*|^2/C.
    status : int or ndarray of int
        `ReducedStatus`, entry by entry.
    weight_variance : float or ndarray
        sigma_w^2, as given.
    response, fluctuation : float or ndarray
        p and q of a channel's readout weights along the teacher's a*, of a readout of finite fan-in; 1 in
        mean field.
    response_across, fluctuation_across : float or ndarray
        The same across a*.
    """

    alpha: Any
    alpha_test: Any
    overlap_ratio: Any
    inert_ratio: Any
    chi: Any
    status: Any
    weight_variance: Any
    response: Any = 1.0
    fluctuation: Any = 1.0
    response_across: Any = 1.0
    fluctuation_across: Any = 1.0

    def Sigma(self, w_star: ArrayLike) -> NDArray[np.float64]:
        """The input covariance of this solution, for `numerics.from_sigma`; of scalar solutions.

        (sigma_w^2/S) [r_0 I + (r - r_0) w w^T] along the unit vector w of `w_star`, shape (S, S).
        """
        w = np.asarray(w_star, dtype=np.float64)
        norm = np.linalg.norm(w)
        if w.ndim != 1 or not 0 < norm < np.inf:
            raise ValueError("w_star must be one vector of finite norm above 0, the teacher's direction")
        if np.ndim(self.overlap_ratio) or not np.isfinite(self.overlap_ratio):
            raise ValueError("Sigma needs one solved n and C; call reduced.solve with scalar arguments")
        w = w / norm
        ratio = self.inert_ratio * np.eye(w.size)
        ratio += (self.overlap_ratio - self.inert_ratio) * np.multiply.outer(w, w)
        return self.weight_variance / w.size * ratio
