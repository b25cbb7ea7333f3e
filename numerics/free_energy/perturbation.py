"""First order in 1/width of the matrix theory about the Gaussian process, by implicit differentiation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from numerics.free_energy.chain import Blocks
from numerics.free_energy.input_space import InputSpace
from numerics.free_energy.problem import Field
from numerics.kernels.preactivations import HiddenKernel, InputKernel
from numerics.machine.dense import mirrored

Array = NDArray[np.float64]


@dataclass(frozen=True)
class FirstOrder:
    """alpha(N) = alpha_gp + alpha_slope / N + O(1/N^2), N the last width, all widths in fixed ratio.

    Attributes
    ----------
    alpha_gp, alpha_slope : float
    Sigma_gp, Sigma_slope : (S, S) arrays
        The same for the covariance of the input weights, biases left out; made again on each access.
    """

    alpha_gp: float
    alpha_slope: float
    _space: InputSpace
    _seen_slope: Array
    _size: int

    @property
    def Sigma_gp(self) -> Array:
        return np.diag(self._space.prior_variance[: self._size])

    @property
    def Sigma_slope(self) -> Array:
        return self._space.spread(self._seen_slope)[: self._size, : self._size]

    def alpha(self, width: float) -> float:
        """The tangent of alpha at 1/N = 0, evaluated at a width N."""
        return self.alpha_gp + self.alpha_slope / width


def theta_slopes(field: Field) -> Blocks:
    """d theta_l / d(1/N_l), then d mu_l / d(1/N_l), at the Gaussian process (derived).

    E = 0 reads e^{-theta} = I - L^T (T/N) L, so the slope is L^T T L with the Gaussian process's own T; that
    of mu = L^T t/N is L^T t.
    """
    chain, gp = field.chain, field.gp
    std = np.sqrt(chain.prior_variance)
    layers = chain.layers(chain.prior)
    T, t = gp.T[: len(layers)], gp.T[len(layers) :]
    roots = [layer.factor for layer in layers if layer.factor is not None]
    hidden = [root.inner(T_l) for root, T_l in zip(roots, T[1:], strict=True)]
    slopes = (std[:, None] * T[0] * std, *hidden)
    if chain.odd:
        return slopes
    return (*slopes, std * t[0], *(root.transposed(t_l) for root, t_l in zip(roots, t[1:], strict=True)))


def first_order(field: Field, ratios: Sequence[float]) -> FirstOrder:
    """Exact first order in 1/N (derived).

    Every theta_l and mu_l starts as its slope times ratio_l / N; the change runs through the kernel maps, and
    d alpha = -tr(eps^T dQ_f eps) / y.y.

    Parameters
    ----------
    ratios : sequence of float
        N / N_l with N the last width; 0 for a layer that stays infinitely wide.
    """
    chain, gp = field.chain, field.gp
    layers = chain.layers(chain.prior)
    scaled = [ratios[i % len(ratios)] * slope for i, slope in enumerate(theta_slopes(field))]
    slopes, means = scaled[: len(layers)], scaled[len(layers) :]
    std = np.sqrt(chain.prior_variance)
    dSigma = std[:, None] * slopes[0] * std
    moving: InputKernel | HiddenKernel = InputKernel.at(
        chain.X, dSigma, None if chain.odd else std * means[0]
    )
    dQ = chain.maps[0].tangent(layers[0].kernel, moving)
    for level in range(1, len(layers)):
        root = layers[level].factor
        assert root is not None
        dK = mirrored(dQ) + root.outer(slopes[level])
        dm = None if chain.odd else root.times(means[level])  # mu is zero, so L may stay
        moving = HiddenKernel.at(dK, chain.maps[level - 1].receptive.pixels_out, dm)
        dQ = chain.maps[level].tangent(layers[level].kernel, moving)
    eps, noise = gp.data.eps, field.noise_variance[:, None]
    off_diagonal = 2.0 * np.sum(eps * (np.tril(dQ, -1) @ eps))
    response = float(off_diagonal + np.diagonal(dQ) @ np.sum(eps**2, axis=1))
    if chain.readout == "finite_fan_in":
        # p = 1 - tr[Q_f K_f^{-1}]/P + ..., and eps answers to p Q_f
        fan_in = chain.maps[-1].receptive.fan_in
        response -= gp.data.degrees_of_freedom / fan_in * float(np.sum(eps * (field.y - noise * eps)))
    return FirstOrder(
        alpha_gp=float(np.sum(eps * field.y)) / field.target_norm2,
        alpha_slope=-response / field.target_norm2,
        _space=field.space,
        _seen_slope=dSigma,
        _size=field.shape[1],
    )
