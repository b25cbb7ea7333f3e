"""First order in 1/width of the matrix theory about the Gaussian process, by implicit differentiation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from numerics.gaussian.input_space import InputSpace
from numerics.gaussian.layer import Layer
from numerics.gaussian.state import LayerState, State
from numerics.gaussian.theory import Theory
from numerics.machine.dense import mirrored

Array = NDArray[np.float64]


@dataclass(frozen=True)
class FirstOrder:
    """alpha(N) = alpha_gp + alpha_slope / N + O(1/N^2), all widths in fixed ratio.

    Attributes
    ----------
    alpha_gp, alpha_slope : float
    layer : int
        Whose width N is: the last hidden layer, or, where that is infinitely wide, the last one that is not.
    Sigma_gp, Sigma_slope : (S, S) arrays
        The same for the covariance of the input weights, biases left out; made again on each access.
    """

    alpha_gp: float
    alpha_slope: float
    layer: int
    _space: InputSpace
    _span_slope: Array
    _size: int

    @property
    def Sigma_gp(self) -> Array:
        return np.diag(self._space.prior_variance[: self._size])

    @property
    def Sigma_slope(self) -> Array:
        return self._space.spread(self._span_slope)[: self._size, : self._size]

    def alpha(self, width: float) -> float:
        """The tangent of alpha at 1/N = 0, evaluated at a width N."""
        return self.alpha_gp + self.alpha_slope / width


def state_slopes(theory: Theory) -> State:
    """d theta_l / d(1/N_l) and d mu_l / d(1/N_l) of every layer, at the Gaussian process (derived).

    E = 0 reads e^{-theta} = I - L^T (T/N) L, so the slope is L^T T L with the Gaussian process's own T; that
    of mu = L^T t/N is L^T t.
    """
    layers = theory.layers(theory.prior)
    return tuple(_slope(layer, T) for layer, T in zip(layers, theory.gp_slopes, strict=True))


def _slope(layer: Layer, T: LayerState) -> LayerState:
    return LayerState(layer.root.inner(T.theta), None if T.mu is None else layer.root.transposed(T.mu))


def first_order(theory: Theory, widths: Sequence[float]) -> FirstOrder:
    """Exact first order in 1/N at these ratios of widths (derived).

    Every theta_l and mu_l starts as its slope times N / N_l over N; the change runs through the kernel maps
    to Q_f, to which alpha answers.
    """
    reference = max((k for k, width in enumerate(widths) if math.isfinite(width)), default=None)
    if reference is None:
        ratios, reference = [1.0] * len(widths), len(widths) - 1
    else:
        ratios = [widths[reference] / width for width in widths]
    layers = theory.layers(theory.prior)
    slopes = [slope.times(ratio) for slope, ratio in zip(state_slopes(theory), ratios, strict=True)]
    dQ = np.zeros((1, 1))  # the prior of the input weights stays
    for layer, kernel_map, slope in zip(layers, theory.maps, slopes, strict=True):
        dK = layer.root.outer(slope.theta)
        if layer.root.moves:
            dK += mirrored(dQ)
        dm = None if slope.mu is None else layer.root.times(slope.mu)  # mu is zero, so L may stay
        dQ = kernel_map.tangent(layer.kernel, layer.kernel.moving(dK, dm))
    problem, term = theory.problem, theory.gp.data
    return FirstOrder(
        alpha_gp=float(np.sum(term.eps * problem.targets)) / problem.target_norm2,
        alpha_slope=theory.law.alpha_slope(term, theory.readout, layers[-1].kernel, problem, dQ, ratios),
        layer=reference,
        _space=theory.space,
        _span_slope=layers[0].root.outer(slopes[0].theta),
        _size=problem.input_shape[1],
    )
