"""The features of one unit at many weights, and their adjoint."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numerics.activations import Activation
from numerics.gaussian.theory import Theory
from numerics.kernels.preactivations import InputKernel
from numerics.machine.dense import mirrored

Array = NDArray[np.float64]
Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Hidden:
    """phi(z) of a unit whose input weights are z in units of their prior, at n inputs.

    Scaled by sigma_a / sqrt(m), m the slots of the readout (pixels or pools), and over the noise's standard
    deviation where there is one: the average over the prior of sum_i phi_i phi_i^T is Q_f without the
    output's bias, in those units.

    Attributes
    ----------
    X : (P n, r) array
        Inputs times the prior's standard deviation, pixel by pixel.
    means : (m, P) array
        The mean over pixels that each slot sees.
    scale : (n,) array
    activation : Activation
    """

    X: Array
    means: Array
    scale: Array
    activation: Activation

    @classmethod
    def of(cls, theory: Theory, X: Array, units: Array) -> Hidden:
        """At inputs X (P, n, r) in the theory's coordinates, features over `units` (n,)."""
        receptive = theory.readout.receptive
        pixels, n, _ = X.shape
        scale = np.sqrt(theory.readout.variance / receptive.fan_in) / units
        whitened = (X * np.sqrt(theory.prior_variance)).reshape(pixels * n, -1)
        return cls(whitened, receptive.means(pixels), scale, theory.readout.activation)

    @property
    def slots(self) -> int:
        return len(self.means)

    @property
    def pixels(self) -> int:
        return self.means.shape[1]

    @property
    def samples(self) -> int:
        return len(self.scale)

    @property
    def size(self) -> int:
        """r: weights of a unit."""
        return self.X.shape[1]

    def features(self, Z: Floats) -> Floats:
        """(draws, m, n) at weights Z (draws, r), in their precision."""
        return self.with_slopes(Z)[0]

    def with_slopes(self, Z: Floats) -> tuple[Floats, Floats]:
        """Features (draws, m, n), and phi' of the pre-activations (draws, P, n), in the precision of Z."""
        X, means, scale = self._in(Z.dtype)
        values, slopes = (np.asarray(each, Z.dtype) for each in self.activation.activate(Z @ X.T))
        shape = (len(Z), self.pixels, self.samples)
        phi = values.reshape(shape)
        if not self._plain:
            phi = means @ phi
        phi *= scale
        return phi, slopes.reshape(shape)

    def adjoint(self, slopes: Floats, G: Floats) -> Floats:
        """(draws, r): the gradient in the weights from that in the features, G (draws, m, n)."""
        X, means, scale = self._in(slopes.dtype)
        back = G * scale
        if not self._plain:
            back = means.T @ back
        back *= slopes
        return back.reshape(len(G), -1) @ X

    def _in(self, dtype: Any) -> tuple[Floats, Floats, Floats]:
        """X, means and scale in a precision."""
        return self._single if dtype == np.float32 else (self.X, self.means, self.scale)

    @cached_property
    def _single(self) -> tuple[Floats, Floats, Floats]:
        X, means, scale = (array.astype(np.float32) for array in (self.X, self.means, self.scale))
        return X, means, scale

    @cached_property
    def _plain(self) -> bool:
        """Whether the slots are the pixels."""
        return self.slots == self.pixels and np.array_equal(self.means, np.eye(self.pixels))


def gaussian_kernel(theory: Theory, X: Array, covariance: Array, units: Array) -> Array:
    """Q_f at inputs X (P, n, r), without the output's bias and over `units` (n,), where the weights are
    N(0, covariance) in units of their prior: in closed form."""
    std = np.sqrt(theory.prior_variance)
    K = InputKernel.at(X, covariance * np.multiply.outer(std, std))
    Q = mirrored(theory.readout.value(K)) - theory.readout.bias_variance
    return Q / np.multiply.outer(units, units)
