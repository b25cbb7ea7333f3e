"""The chain of a network's layers and its free energy, with the exact gradient.

Each hidden layer l is a Gaussian measured against its prior: K_l = L_l e^{theta_l} L_l^T with
L_l L_l^T = Q_l(K_{l-1}) (Cholesky), and for the input layer Sigma = P^{1/2} e^{theta_1} P^{1/2} with the
prior covariance P. In these coordinates

    F(theta) = sum_l N_l/2 [tr e^{theta_l} - dim - tr theta_l] + Psi(Q_f),

every KL term is a function of its own theta alone, and theta = 0 is the Gaussian process. With
T_l = -2 d(rest of F)/dK_l, B_l = L_l^T (T_l/N_l) L_l and M_l = e^{theta_l}, the gradient in the Fisher
metric of the KL terms is

    E_l = M_l^{1/2} (I - B_l) M_l^{1/2} - I,       dF = (N_l/2) tr(E_l H_l) along M_l^{1/2} e^{H_l} M_l^{1/2},

and E_l = 0 is Eq. (5), (8) and (13): K_l = (I - Q_l g_l)^{-1} Q_l with g_l = T_l/N_l. What layer l says
to the one below follows without inverting Q_l:

    -2 dF/dQ_l = T_l + T_l K_l T_l / N_l + L_l^{-T} Z_l L_l^{-1},

the last term, which makes the gradient exact off the solution, vanishing with E_l (derived).

Where the activation is not odd each unit has a mean too: m_l = L_l mu_l, and P^{1/2} mu_1 for the input
weights. F gains N_l/2 |mu_l|^2 per layer, the state the vectors mu_l behind the matrices theta_l, and
everything conjugate to the state vectors likewise (`numerics.free_energy.means`).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numerics.free_energy.data_terms import DataTerm, NotPositiveDefinite, mean_field
from numerics.free_energy.factors import Factor, factor, range_basis
from numerics.free_energy.fan_in import finite_fan_in
from numerics.free_energy.means import Mean, MeanPull
from numerics.kernels.kernel_maps import KernelMap
from numerics.kernels.preactivations import HiddenKernel, InputKernel, Kernel
from numerics.machine import parallel
from numerics.machine.dense import eigh, gram, mirror, mirrored, product, symmetrise

Array = NDArray[np.float64]
Blocks = tuple[Array, ...]  # one symmetric matrix per hidden layer, then, unless odd, one vector per layer


@dataclass(frozen=True)
class Exponential:
    """M = e^theta with its symmetric roots, from one eigendecomposition."""

    M: Array
    root: Array
    inverse_root: Array
    KL: float  # 1/2 [tr M - dim - tr theta], the KL per unit

    @classmethod
    def of(cls, theta: Array) -> Exponential:
        if not theta.any():
            identity = np.eye(len(theta))
            return cls(identity, identity, identity, 0.0)
        with parallel.for_factorisation(len(theta)):
            t, U = eigh(theta)
            M, root, inverse_root = (gram(U * np.exp(power / 2 * t)) for power in (1.0, 0.5, -0.5))
        # e^t - 1 - t: the KL without cancellation at small t
        return cls(M, root, inverse_root, float(np.sum(np.expm1(t) - t)) / 2)


@dataclass(frozen=True)
class Layer:
    """One hidden layer of a chain at one state.

    `factor` is L_l and `root` is W = L_l M_l^{1/2}, so that K_l = W W^T; both are None for the input layer.
    `covariance` is Sigma or K_l; `kernel` gives the blocks of its pre-activations; `mean` is None where the
    activation is odd.
    """

    exponential: Exponential
    factor: Factor | None
    root: Array | None
    covariance: Array
    kernel: Kernel
    mean: Mean | None = None

    @property
    def KL(self) -> float:
        """Per unit."""
        return self.exponential.KL + (self.mean.KL if self.mean else 0.0)


@dataclass(frozen=True)
class Pull:
    """The free energy's slope at one state.

    Attributes
    ----------
    data : DataTerm
    layers : tuple of Layer
    T : tuple of arrays
        T_l = -2 d(rest of F)/d(Sigma or K_l), symmetric; then t_l = -d(rest of F)/dm_l.
    E : tuple of arrays
        The natural gradient: E_l, symmetric, then e_l = mu_l - L_l^T t_l / N_l.
    messages : tuple of arrays
        -2 dF/dQ of the kernel above each layer, the last one A; lower triangles valid.
    residuals : tuple of float
        max |Sigma (P^{-1} - T/N_1) - I| and max |K_l - Q_l - Q_l T_l K_l / N_l| / max |Q_l|, or, where
        that is larger, max |m_l - Q_l t_l / N_l| / max(|m_l|, sqrt(max diag Q_l)).
    """

    data: DataTerm
    layers: tuple[Layer, ...]
    T: Blocks
    E: Blocks
    messages: Blocks
    residuals: tuple[float, ...]


class Chain:
    """theta -> F and its natural gradient, for one data set and one prior, at any widths.

    Parameters
    ----------
    X : (P, n, S) array
        Pixel-major inputs.
    y : (n, D) array
    noise_variance : (n,) array
    prior_variance : (S,) array
        Prior variance of each input weight, fan-in divided out.
    maps : sequence of KernelMap
        One per hidden layer: to the next layer's prior kernel, the last one to Q_f.
    readout : str
        "mean_field" or "finite_fan_in": the data term.
    """

    def __init__(
        self,
        X: Array,
        y: Array,
        noise_variance: Array,
        prior_variance: Array,
        maps: Sequence[KernelMap],
        readout: str = "mean_field",
    ):
        self.readout = readout
        self.X = X
        self.y = y
        self.noise_variance = noise_variance
        self.prior_variance = prior_variance
        self.maps = tuple(maps)

    @property
    def odd(self) -> bool:
        """Whether the activation is: then every mean is zero, and none is tracked."""
        return self.maps[0].activation.odd

    @cached_property
    def bases(self) -> tuple[Array | None, ...]:
        """Of each hidden layer above the first: a basis of the range of Q_l where that is singular.

        The range is the Gaussian process's: it does not move with the state.
        """
        found: list[Array | None] = []
        kernel: Kernel = InputKernel.at(self.X, np.diag(self.prior_variance))
        for level in range(len(self.maps) - 1):
            Q = self.maps[level].value(kernel)
            if not np.isfinite(np.tril(Q)).all():
                raise NotPositiveDefinite
            found.append(range_basis(Q))
            kernel = HiddenKernel.at(mirrored(Q), self.maps[level].receptive.pixels_out)
        return tuple(found)

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """Dimension of each theta_l: input weights, then the ranks of the hidden kernels."""
        samples = self.X.shape[1]
        ranks = (
            m.receptive.pixels_out * samples if basis is None else basis.shape[1]
            for m, basis in zip(self.maps, self.bases, strict=False)
        )
        return (self.X.shape[2], *ranks)

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shape of each block of a state: the matrices theta_l, then the vectors mu_l unless odd."""
        vectors = () if self.odd else self.sizes
        return (*((size, size) for size in self.sizes), *((size,) for size in vectors))

    @property
    def prior(self) -> Blocks:
        """theta = 0 and mu = 0, the Gaussian process."""
        return tuple(np.zeros(shape) for shape in self.shapes)

    def layers(self, theta: Blocks) -> tuple[Layer, ...]:
        """Sigma, K_2, ... at a state.

        Raises
        ------
        NotPositiveDefinite
            When a hidden layer's Q has no Cholesky factor.
        """
        std = np.sqrt(self.prior_variance)
        matrices, vectors = theta[: len(self.maps)], theta[len(self.maps) :]
        first = Exponential.of(matrices[0])
        Sigma = std[:, None] * first.M * std
        mean = None if self.odd else Mean(vectors[0], std * vectors[0])
        layers = [
            Layer(first, None, None, Sigma, InputKernel.at(self.X, Sigma, mean.m if mean else None), mean)
        ]
        for level, block in enumerate(matrices[1:]):
            pixels = self.maps[level].receptive.pixels_out
            mu = None if self.odd else vectors[level + 1]
            layers.append(
                _hidden(self.maps[level].value(layers[-1].kernel), self.bases[level], block, mu, pixels)
            )
        return tuple(layers)

    def data_term(self, layers: Sequence[Layer], inverse_width: float = 0.0) -> DataTerm:
        """Psi at a state; `inverse_width` of the last layer matters to a readout of finite fan-in alone."""
        Q = self.maps[-1].value(layers[-1].kernel)
        if self.readout == "mean_field" or inverse_width == 0.0:
            return mean_field(Q, self.y, self.noise_variance)
        P = self.maps[-1].receptive.fan_in / inverse_width
        return finite_fan_in(Q, self.y, float(self.noise_variance[0]), P)

    def pull(self, theta: Blocks, inverse_widths: Sequence[float]) -> Pull:
        """F's data term and natural gradient: one gradient's worth of work."""
        with self.blas():
            return self._pull(theta, inverse_widths)

    def blas(self) -> AbstractContextManager[Any]:
        """The threads of BLAS during a pull, and a product of its Hessian."""
        samples, weights = len(self.y), self.X.shape[2]
        # measured: fewer weights are less work than one thread's panels
        shallow = len(self.maps) == 1 and 4 * weights < 3 * samples
        return (parallel.for_one_factorisation if shallow else parallel.for_factorisation)(samples)

    def _pull(self, theta: Blocks, inverse_widths: Sequence[float]) -> Pull:
        layers = self.layers(theta)
        data = self.data_term(layers, inverse_widths[-1])
        T: list[Array] = []
        E: list[Array] = []
        messages: list[Array] = []
        means: list[MeanPull] = []
        residuals: list[float] = []
        message = data.A
        std = np.sqrt(self.prior_variance)
        for level in reversed(range(len(layers))):
            layer, x = layers[level], inverse_widths[level]
            messages.insert(0, message)
            T_l, slope = self.maps[level].adjoints(layer.kernel, message)
            pull = None
            if layer.mean is not None:
                pull = MeanPull.of(layer.mean, slope / 2, layer.factor, std, x)
                means.insert(0, pull)
            if level > 0:
                message, E_l, residual = _relay(layer, T_l, pull, x)
            else:
                E_l, residual = _input(std, layer, T_l, x)
            T.insert(0, T_l)
            E.insert(0, E_l)
            residuals.insert(0, max(residual, pull.residual) if pull else residual)
        return Pull(
            data,
            layers,
            (*T, *(pull.t for pull in means)),
            (*E, *(pull.e for pull in means)),
            tuple(messages),
            tuple(residuals),
        )


def _hidden(Q: Array, basis: Array | None, theta: Array, mu: Array | None, pixels: int) -> Layer:
    exponential = Exponential.of(theta)
    with parallel.for_factorisation(len(Q)):
        L = factor(Q, basis)
        W = L.product(exponential.root)
        K = gram(W)
    mean = None if mu is None else Mean(mu, L.times(mu))
    return Layer(exponential, L, W, K, HiddenKernel.at(K, pixels, mean.m if mean else None), mean)


def _input(std: Array, layer: Layer, T: Array, x: float) -> tuple[Array, float]:
    """Natural gradient and residual of the input layer; nothing is below it."""
    root = layer.exponential.root
    identity = np.eye(len(T))
    with parallel.for_factorisation(len(T)):
        gap = identity - x * (std[:, None] * T * std)
        half = product(root, gap)
        E = product(half, root) - identity
        equation = product(root, half) - identity  # M (I - B/N) - I, similar to Eq. (8)
    return symmetrise(E), float(np.abs(std[:, None] * equation / std).max())


def _relay(layer: Layer, T: Array, mean: MeanPull | None, x: float) -> tuple[Array, Array, float]:
    """What a hidden layer tells the one below, -2 dF/dQ_l, with its own gradient and residual."""
    L, W, exponential = layer.factor, layer.root, layer.exponential
    assert L is not None
    assert W is not None
    with parallel.for_factorisation(len(T)):
        TW = product(T, W)
        E = product(W.T, TW)  # M^{1/2} B M^{1/2}
        E *= -x
        E += exponential.M
        E[np.diag_indices(len(E))] -= 1.0
        symmetrise(E)
        message = gram(TW)  # T K T
        message *= x
        message += T
        Z = L.transposed_product(product(product(TW, E), exponential.inverse_root))
        if mean is not None:
            message += x * np.multiply.outer(mean.t, mean.t)
            Z += np.multiply.outer(mean.s, mean.e)
        message += L.pull_back(mirror(Z))
        Q = L.square
        off = product(product(Q, TW), W.T)
        off *= x
        off += Q
        off -= layer.covariance
    return message, E, float(np.abs(off).max() / np.abs(Q).max())
