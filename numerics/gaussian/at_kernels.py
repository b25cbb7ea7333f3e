"""The right-hand sides of the equations of state with kernels from elsewhere in them, layer by layer.

A solver evaluates the equations along a chain: every kernel is a function of the state below. Here each
equation is given the kernels that stand in it, measured ones for instance, and gives the kernel on its left:

    Q_l = map(K_{l-1}, m_{l-1})           and Q_f of the last hidden layer
    K_l = (Q_l^{-1} - T_l/N_l)^{-1}       Eq. (5), (8) and (13), and m_l = Q_l t_l/N_l,

where T_l = -2 d(rest)/dK_l and t_l = -d(rest)/dm_l come from the data term at the last layer's given kernel,
and below it from N_{l+1} KL(N(m, K_{l+1}) || N(0, Q_{l+1})) at fixed K_{l+1}: the derivative as printed, not
that along a chain. At a solution of the equations the two agree, and left- and right-hand sides too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from numerics.gaussian.layer import Layer, prior_slope
from numerics.gaussian.root import Triangular
from numerics.gaussian.theory import Theory
from numerics.kernels.preactivations import HiddenKernel, InputKernel, Kernel
from numerics.machine.dense import congruence, eigh, mirrored
from numerics.readout_laws.law import DataSummary

Array = NDArray[np.float64]


@dataclass(frozen=True)
class GivenKernels:
    """Kernels of every layer, from elsewhere.

    Attributes
    ----------
    covariances : tuple of arrays
        Of the input weights in the theory's coordinates, (r, r), then K of the hidden layers above the first,
        (P n, P n).
    means : tuple of arrays or None
        Of the same; None where the activation is odd.
    priors : tuple of arrays or None
        Q of the hidden layers above the first, for what stands on the right-hand sides; None: the map's.
    ranges : tuple of (P n, rank) arrays or None
        Orthonormal columns to which a hidden layer's equation is restricted; None is everything.
    """

    covariances: tuple[Array, ...]
    means: tuple[Array | None, ...]
    priors: tuple[Array | None, ...]
    ranges: tuple[Array | None, ...]


@dataclass(frozen=True)
class RightHandSides:
    """Attributes
    ----------
    covariances, means : tuple of arrays
        As given, but what the equations say; NaN where the pull of the rest exceeds the stiffness of the
        prior, so that there is no right-hand side.
    priors : tuple of (P n, P n) arrays
        Q of the hidden layers above the first by the Gaussian map, and last Q_f (n, n).
    data : DataSummary
        eps and its kind at the last layer's given kernel.
    """

    covariances: tuple[Array, ...]
    means: tuple[Array | None, ...]
    priors: tuple[Array, ...]
    data: DataSummary


def right_hand_sides(theory: Theory, given: GivenKernels, inverse_widths: Sequence[float]) -> RightHandSides:
    """Every equation's right-hand side.

    Raises
    ------
    NotPositiveDefinite
        When a prior kernel has no Cholesky factor on its range.
    """
    with theory.blas():
        kernels = _kernels(theory, given)
        mapped = [mirrored(below.value(kernel)) for below, kernel in zip(theory.maps, kernels, strict=True)]
        at_prior = _layers_at_their_prior(theory, given, mapped)
        data = theory.data_term_of(kernels[-1], inverse_widths)
        slopes = data.slopes(theory.readout, kernels[-1])
        covariances: list[Array] = []
        means: list[Array | None] = []
        for level in reversed(range(len(kernels))):
            layer, x = at_prior[level], inverse_widths[level]
            E = layer.backward(slopes[0], slopes[1] / 2, x).gradient
            covariances.insert(0, _stationary(layer.spread, E.theta))
            means.insert(0, None if E.mu is None else layer.root.times(-E.mu))
            if level > 0:
                assert isinstance(layer.root, Triangular)
                pull = prior_slope(layer.root, given.covariances[level], given.means[level]) / x
                slopes = theory.maps[level - 1].adjoints(kernels[level - 1], pull)
    return RightHandSides(tuple(covariances), tuple(means), tuple(mapped), data.summary)


def _kernels(theory: Theory, given: GivenKernels) -> list[Kernel]:
    kernels: list[Kernel] = [InputKernel.at(theory.X, given.covariances[0], given.means[0])]
    for below, K, m in zip(theory.maps, given.covariances[1:], given.means[1:], strict=False):
        kernels.append(HiddenKernel.at(K, below.receptive.pixels_out, m))
    return kernels


def _layers_at_their_prior(theory: Theory, given: GivenKernels, mapped: Sequence[Array]) -> list[Layer]:
    """Layers at theta = 0, mu = 0, whose natural gradient is -L^T (T/N) L and -L^T t/N."""
    first, *others = theory.prior
    layers = [Layer.of_inputs(theory.X, theory.prior_variance, first)]
    for below, state, Q, other, within, basis in zip(
        theory.maps, others, mapped, given.priors, given.ranges, theory.bases, strict=False
    ):
        span = basis if within is None else within
        prior = np.array(Q if other is None else other)
        if span is not None:
            state = type(state)(
                np.zeros((span.shape[1],) * 2), None if state.mu is None else np.zeros(span.shape[1])
            )
        layers.append(Layer.hidden(prior, span, below.receptive.pixels_out, state))
    return layers


def _stationary(spread: Array, E: Array) -> Array:
    """(Q^{-1} - T/N)^{-1} = L (I + E)^{-1} L^T, from the gradient E = -L^T (T/N) L at the prior."""
    values, U = eigh(E)
    if 1.0 + values[0] <= 0.0:
        return np.full((len(spread),) * 2, np.nan)
    return congruence(spread @ U, np.diag(1.0 / (1.0 + values)))
