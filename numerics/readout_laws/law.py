"""What a law of the readout gives the theory: the data term Psi, its slopes in the last layer, the output's
law.

A law says what the weights of the readout do to the kernel that the last hidden layer makes. Everything that
depends on it stands behind two objects: `ReadoutLaw`, chosen by name (`theory=`), and the `DataTerm` that it
makes at a state.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

from numerics.kernels.kernel_maps import KernelMap
from numerics.kernels.preactivations import Kernel
from numerics.problem import Problem

Array = NDArray[np.float64]


class NotPositiveDefinite(ArithmeticError):
    """A kernel has no Cholesky factor in float64."""


class ReadoutLaw(ABC):
    """One law of the readout; stateless.

    Attributes
    ----------
    name : str
        What `theory=` calls it.
    """

    name: ClassVar[str]

    @abstractmethod
    def squares(self, pixels: int, outputs: int) -> tuple[float, float]:
        """n x n arrays that a data term holds at once, beside the inputs and twice their number: when it is
        made, and later at the adjoint. The readout has so many (pooled) pixels."""

    @abstractmethod
    def cubes(self, pixels: int, outputs: int) -> float:
        """Multiplications of a data term, over n^3."""

    @abstractmethod
    def at(
        self,
        readout: KernelMap,
        kernel: Kernel,
        problem: Problem,
        inverse_widths: Sequence[float],
        basis: Array | None = None,
    ) -> DataTerm:
        """Psi where the last hidden layer has this kernel, and the hidden layers these widths.

        `basis` (n, r): orthonormal columns that span Q_f in units of the noise, Q_(mu nu)/(sigma_mu
        sigma_nu), at every state, where that is known to be singular.

        Raises
        ------
        NotPositiveDefinite
            When rounding makes Q_f + sigma^2 I indefinite.
        """

    @abstractmethod
    def alpha_slope(
        self,
        term: DataSummary,
        readout: KernelMap,
        kernel: Kernel,
        problem: Problem,
        dQ: Array,
        ratios: Sequence[float],
    ) -> float:
        """d alpha/d(1/N) about infinite width, where `term` and `kernel` are, when Q_f moves along dQ (lower
        triangle); `ratios` are N / N_l."""

    def refuse(self, problem: Problem) -> None:  # noqa: B027  (most laws have nothing to say)
        """Raise a ValueError with the remedy where this law does not describe the network or the data."""

    def samples_looked_at(self, samples: int, pixels: int) -> int:
        """How many data `refuse_kernel` wants to see of a readout over so many pixels; 0: none."""
        return 0

    def refuse_kernel(  # noqa: B027
        self, readout: KernelMap, kernel: Kernel, problem: Problem, width: float, share: float
    ) -> None:
        """Raise where the last layer's kernel at the Gaussian process, on a share of the data, is not what
        this law is for at this width."""


@dataclass(frozen=True)
class DataSummary:
    """The numbers of Psi at one state.

    Attributes
    ----------
    eps : (n, D) array
        (y - f_bar) / sigma^2, the scaled discrepancy; zero where the datum is taken out.
    parts : dict
        What Psi is the sum of: `"fit"`, `"complexity"` (half of log det K_f, summed over outputs), and what
        the law adds.
    degrees_of_freedom : float
        tr[Q_f K_f^{-1}], between 0 and n.
    rounding : float
        Estimated relative error of alpha by rounding alone: unit roundoff times sum_i K_ii eps_i^2/(eps.y).
    coefficients : dict
        Numbers, or symmetric matrices, of the law at this state, by name: none in mean field.
    """

    eps: Array
    parts: dict[str, float]
    degrees_of_freedom: float
    rounding: float
    coefficients: dict[str, float | Array]

    @property
    def value(self) -> float:
        return sum(self.parts.values())


class DataTerm(ABC):
    """Psi at one state, with the matrices that its derivatives need."""

    summary: DataSummary

    @property
    def value(self) -> float:
        """Psi."""
        return self.summary.value

    @abstractmethod
    def slopes(self, readout: KernelMap, kernel: Kernel) -> tuple[Array, Array]:
        """(T, t) = -(2 d/dK, d/dm) Psi of the last layer, as `KernelMap.adjoints` gives them."""

    @abstractmethod
    def slope_tangents(self, readout: KernelMap, kernel: Kernel, moving: Kernel) -> tuple[Array, Array]:
        """The change of `slopes` when the kernel moves along `moving`."""

    @abstractmethod
    def noise_slope(self, problem: Problem) -> float:
        """dPsi/dt when every noise variance becomes e^t times itself, at a fixed kernel of the weights:
        1/2 sum_d (tr[N H_dd] - eps_d.N eps_d), N = diag(sigma_mu^2)."""

    @abstractmethod
    def bias_slope(self, problem: Problem) -> float:
        """dPsi/dt when the variance of the output's bias becomes e^t times itself:
        sigma_b^2/2 sum_d (1.H_dd 1 - (1.eps_d)^2)."""

    @abstractmethod
    def output_law(self, readout: KernelMap, kernel: Kernel, problem: Problem) -> OutputLaw:
        """What test points take from the training data; `kernel` is the one the term was made at."""


class OutputLaw(ABC):
    """The output at test points, given the last hidden layer's kernel between them and the training data."""

    @abstractmethod
    def mean(self, readout: KernelMap, cross: Kernel) -> Array:
        """(m, D)."""

    @abstractmethod
    def covariance(self, readout: KernelMap, cross: Kernel, own: Kernel) -> tuple[Array, Array]:
        """(m, m), the same of every output, or (D, m, D, m); and what rounding may have done to the variances
        (m,)."""


def conditional(factor: Array, cross: Array, own: Array) -> tuple[Array, Array]:
    """own - cross H cross^T and what rounding may have done to its diagonal.

    Whatever the data take away is a sum of squares, so that rounding alone can make a variance negative:
    by about its unit times Q_** and times |K_f^{1/2} w|^2, w the weights of the regression on the data.

    Parameters
    ----------
    factor : (k, k) array
        Lower Cholesky factor of H^{-1}, over the data that are observed.
    cross, own : (m, k), (m, m) arrays
    """
    whitened = solve_triangular(factor, cross.T, lower=True, check_finite=False)
    covariance = own - whitened.T @ whitened
    weights = solve_triangular(factor, whitened, lower=True, trans=1, check_finite=False)
    scale = float(np.einsum("ik,ik->i", factor, factor).max(initial=0.0))
    lost = np.diagonal(own) + scale * np.sum(weights**2, axis=0)
    return (covariance + covariance.T) / 2, np.finfo(float).eps * lost
