"""A problem: network, data and noise, validated once; and the part of its free energy without 1/C.

The free energy is F(Sigma) = C KL(N(0, Sigma) || N(0, sigma_w^2/S I)) + Psi(Q_f(Sigma)). Psi and its
derivatives know nothing of the width, so one `Field` serves a whole path of widths and the
Gaussian-process limit.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from numerics import checks
from numerics.data_terms import DataTerm, NotPositiveDefinite, mean_field, mirrored
from numerics.kernel_maps import ReadoutMap
from numerics.network import Network, inverse_width

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Pull:
    """What the data say at one Sigma: Psi and T = Tr{A dQ_f/dSigma} = -2 dPsi/dSigma, shape (S, S)."""

    data: DataTerm
    T: Array


class Field:
    """Sigma -> Psi(Q_f(Sigma)), its gradient and Hessian products, for one data set and one prior."""

    def __init__(self, net: Network, X: Array, y: Array, noise_variance: float):
        self.X = X
        self.y = y
        self.noise_variance = noise_variance
        self.prior_variance = net.weight_variance / X.shape[2]  # of each input weight
        self.map = ReadoutMap(X, net.readout_variance, net.activation)

    @property
    def prior_Sigma(self) -> Array:
        """(sigma_w^2 / S) I, the covariance of the input weights at infinite width."""
        return self.prior_variance * np.eye(self.X.shape[2])

    def data_term(self, Sigma: Array) -> DataTerm:
        return mean_field(self.map.value(Sigma), self.y, self.noise_variance)

    def pull(self, Sigma: Array) -> Pull:
        data = self.data_term(Sigma)
        return Pull(data, self.map.adjoint(Sigma, data.A))

    def pull_tangent(self, Sigma: Array, data: DataTerm, dSigma: Array) -> Array:
        """The change of T along dSigma, at a Sigma whose data term is `data`; shape (S, S)."""
        _, dA = data.tangent(self.map.tangent(Sigma, dSigma))
        return self.map.adjoint_tangent(Sigma, dSigma, data.A, dA)

    def Q_f(self, Sigma: Array) -> Array:
        """The readout kernel on the training inputs, shape (n, n), both triangles."""
        return mirrored(self.map.value(Sigma))

    @cached_property
    def at_prior(self) -> Pull:
        """The Gaussian-process limit; what it needs of n x n arrays is dropped."""
        try:
            pull = self.pull(self.prior_Sigma)
        except NotPositiveDefinite:
            raise ValueError(
                f"noise_variance={self.noise_variance:g} is lost in rounding: Q_f + sigma^2 I is not "
                "positive definite in float64; raise noise_variance, or rescale X to entries of order one"
            ) from None
        if not np.isfinite(pull.T).all():
            raise ValueError("X is so large that the kernels overflow; rescale X to entries of order one")
        return Pull(pull.data.without_matrices(), pull.T)


@dataclass(frozen=True)
class Problem:
    """Network, data and noise.

    Build with `problem(net, X, y, noise_variance)`; `at_width` shares everything but the width.
    """

    net: Network
    field: Field

    @property
    def inverse_width(self) -> float:
        return inverse_width(self.net.width)

    @property
    def readout_fan_in(self) -> float:
        """P = N C, the number of readout weights."""
        return self.net.width * self.field.X.shape[1]

    def at_width(self, width: float) -> Problem:
        return Problem(self.net.with_width(width), self.field)


def problem(net: Network, X: ArrayLike, y: ArrayLike, noise_variance: float) -> Problem:
    """Validate and bind; the arrays are copied, so later changes of the caller's do not matter.

    Parameters
    ----------
    X : (n, N, S) array
        Samples, patches, pixels of a patch.
    y : (n,) or (n, 1) array
    noise_variance : float
        sigma^2 > 0.
    """
    if not isinstance(net, Network):
        raise ValueError(f"net is a {type(net).__name__}; make a network with cnn(...)")
    inputs = np.array(checks.patches(X), order="C")
    outputs = np.array(checks.targets(y, samples=inputs.shape[0]))
    inputs.flags.writeable = outputs.flags.writeable = False
    variance = checks.positive(noise_variance, "noise_variance")
    return Problem(net, Field(net, inputs, outputs, variance))
