"""What a law of the readout gives the theory: the data term Psi, its slopes in the last layer, the output's
law.

A law says what the weights of the readout do to the kernel that the last hidden layer makes. Everything that
depends on it stands behind two objects: `ReadoutLaw`, chosen by name (`theory=`), and the `DataTerm` that it
makes at a state.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cholesky, solve_triangular
from scipy.linalg.blas import dsyrk

from numerics.kernels.kernel_maps import KernelMap
from numerics.kernels.preactivations import Kernel
from numerics.machine.dense import mirrored
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
    squares : (float, float)
        n x n arrays that a data term holds at once, beside the inputs and twice their number: when it is
        made, and later at the adjoint.
    cubes : float
        Multiplications of a data term, over n^3.
    """

    name: ClassVar[str]
    squares: ClassVar[tuple[float, float]]
    cubes: ClassVar[float]

    @abstractmethod
    def at(
        self,
        readout: KernelMap,
        kernel: Kernel,
        problem: Problem,
        inverse_width: float,
        basis: Array | None = None,
    ) -> DataTerm:
        """Psi where the last hidden layer has this kernel and width.

        `basis` (n, r): orthonormal columns that span Q_f in units of the noise, Q_(mu nu)/(sigma_mu
        sigma_nu), at every state, where that is known to be singular.

        Raises
        ------
        NotPositiveDefinite
            When rounding makes Q_f + sigma^2 I indefinite.
        """

    @abstractmethod
    def alpha_slope(self, term: DataSummary, readout: KernelMap, problem: Problem, dQ: Array) -> float:
        """d alpha/d(1/N) about infinite width, where `term` is, when Q_f moves along dQ (lower triangle)."""

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
        Scalars of the law at this state, by name: none in mean field.
    """

    eps: Array
    parts: dict[str, float]
    degrees_of_freedom: float
    rounding: float
    coefficients: dict[str, float]

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
    def output_law(self, readout: KernelMap, kernel: Kernel, problem: Problem) -> OutputLaw:
        """What test points take from the training data; `kernel` is the one the term was made at."""


@dataclass(frozen=True)
class KernelTerm(DataTerm):
    """A data term that knows the last layer through Q_f alone.

    Attributes
    ----------
    H : (n, n) array
        (q Q_f + sigma^2)^{-1}, in Fortran order with a valid upper triangle (the lower one of its transpose).
    response, fluctuation : float
        p and q of `numerics.readout_laws.finite_fan_in`; 1 in mean field, where H is K_f^{-1}.
    within : (n, D) array or None
        eps within the range of a singular Q_f, where H is given too; None where Q_f is regular.
    """

    summary: DataSummary
    H: Array
    response: float = 1.0
    fluctuation: float = 1.0
    within: Array | None = None

    @property
    def eps(self) -> Array:
        return self.summary.eps

    @property
    def pulling(self) -> Array:
        """(n, D): the part of eps that the kernel can answer to."""
        return self.eps if self.within is None else self.within

    @cached_property
    def A(self) -> Array:
        """A = -2 dPsi/dQ_f = p sum_c eps_c eps_c^T - D q H, lower triangle valid; mean field: Eq. (5)."""
        weight = -self.fluctuation * self.eps.shape[1]
        return dsyrk(self.response, self.pulling, beta=weight, c=self.H, lower=0).T

    @abstractmethod
    def tangent(self, dQ: Array) -> tuple[Array, Array]:
        """(deps, dA) when Q_f moves along the symmetric dQ, whose lower triangle is read."""

    def slopes(self, readout: KernelMap, kernel: Kernel) -> tuple[Array, Array]:
        return readout.adjoints(kernel, self.A)

    def slope_tangents(self, readout: KernelMap, kernel: Kernel, moving: Kernel) -> tuple[Array, Array]:
        dA = self.tangent(readout.tangent(kernel, moving))[1]
        return readout.adjoint_tangents(kernel, moving, self.A, dA)

    def output_law(self, readout: KernelMap, kernel: Kernel, problem: Problem) -> OutputLaw:
        observed = np.flatnonzero(problem.observed)
        K_f = mirrored(readout.value(kernel))[np.ix_(observed, observed)]
        K_f *= self.fluctuation
        K_f[np.diag_indices(len(observed))] += problem.noise_variance[observed]
        factor = cholesky(K_f, lower=True, overwrite_a=True, check_finite=False)
        return OutputLaw(self.response * self.eps, self.fluctuation, factor, observed)


@dataclass(frozen=True)
class OutputLaw:
    """The output at test points, given kernels between them and the training inputs.

    f_bar_* = Q_*t p eps and Cov f_* = q Q_** - q^2 Q_*t H Q_t* with H = (q Q_f + sigma^2)^{-1}; in mean field
    p = q = 1 and H = K_f^{-1}.

    Attributes
    ----------
    weights : (n, D) array
        p eps.
    fluctuation : float
        q.
    factor : (observed, observed) array
        Lower Cholesky factor of q Q_f + sigma^2, over the data that are observed.
    observed : array of int
        Their positions.
    """

    weights: Array
    fluctuation: float
    factor: Array
    observed: NDArray[np.intp]

    def mean(self, cross: Array) -> Array:
        """(m, D) of Q_*t (m, n)."""
        return cross @ self.weights

    def covariance(self, cross: Array, own: Array) -> tuple[Array, Array]:
        """Of Q_*t (m, n) and Q_** (m, m): the covariance, and what rounding may have done to the variances.

        Whatever the data take away is a sum of squares, so that rounding alone can make a variance negative:
        by about its unit times Q_** and times |K_f^{1/2} w|^2, w the weights of the regression on the data.
        """
        whitened = solve_triangular(
            self.factor, self.fluctuation * cross[:, self.observed].T, lower=True, check_finite=False
        )
        covariance = self.fluctuation * own - whitened.T @ whitened
        weights = solve_triangular(self.factor, whitened, lower=True, trans=1, check_finite=False)
        scale = float(np.einsum("ik,ik->i", self.factor, self.factor).max(initial=0.0))
        lost = self.fluctuation * np.diagonal(own) + scale * np.sum(weights**2, axis=0)
        return (covariance + covariance.T) / 2, np.finfo(float).eps * lost
