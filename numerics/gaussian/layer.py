"""One hidden layer at a state: Gaussian units, measured against their prior.

Covariance K = L M L^T with M = e^theta and mean m = L mu, where L L^T = Q is the prior; of the input layer K
is Sigma, of the weights. With T = -2 d(rest of F)/dK, t = -d(rest of F)/dm and B = L^T T L, the gradient in
the Fisher metric of the KL term is

    E = M^{1/2} (I - B/N) M^{1/2} - I,      e = mu - L^T t/N,
    dF = (N/2) tr(E H) + N e.w       along M^{1/2} e^H M^{1/2} and mu + w.

E = 0 is Eq. (5), (8) and (13): K = (I - Q g)^{-1} Q with g = T/N; and m = Q t/N. What a layer whose prior
moves hands on to the layer below follows without inverting Q (derived):

    -2 dF/dQ = T + (T K T + t t^T)/N + L^{-T} low(B C + s e^T) L^{-1},    C = M^{1/2} E M^{-1/2}, s = L^T t,

where low(.) is the lower triangle mirrored. The last term comes from the gauge, L being Cholesky's; it makes
the gradient exact off the solution and vanishes there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from numerics.gaussian.root import Diagonal, Root, Triangular, factor
from numerics.gaussian.state import LayerState
from numerics.kernels.preactivations import HiddenKernel, InputKernel, Kernel
from numerics.machine import parallel
from numerics.machine.dense import eigh, gram, mirror, product, symmetrise

Array = NDArray[np.float64]


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
    """Attributes
    ----------
    state : LayerState
    exponential : Exponential
    root : Root
        L.
    spread : (dim, rank) array
        W = L M^{1/2}, so that the covariance is W W^T.
    covariance : (dim, dim) array
        Sigma or K.
    mean : (dim,) array or None
        None where the activation is odd.
    kernel : Kernel
        The blocks of its pre-activations.
    """

    state: LayerState
    exponential: Exponential
    root: Root
    spread: Array
    covariance: Array
    mean: Array | None
    kernel: Kernel

    @classmethod
    def of_inputs(cls, X: Array, prior_variance: Array, state: LayerState) -> Layer:
        """Input weights with these prior variances (r,), on inputs X (P, n, r)."""
        parts = _parts(Diagonal(np.sqrt(prior_variance)), state)
        return cls(*parts, kernel=InputKernel.at(X, parts[-2], parts[-1]))

    @classmethod
    def hidden(cls, Q: Array, basis: Array | None, pixels: int, state: LayerState) -> Layer:
        """A layer whose prior is Q (pixels n, pixels n), lower triangle valid and overwritten, of that range.

        Raises
        ------
        NotPositiveDefinite
            When Q has no Cholesky factor.
        """
        with parallel.for_factorisation(len(Q)):
            root = factor(Q, basis)
        parts = _parts(root, state)
        return cls(*parts, kernel=HiddenKernel.at(parts[-2], pixels, parts[-1]))

    @property
    def KL(self) -> float:
        """Per unit."""
        mu = self.state.mu
        return self.exponential.KL + (0.0 if mu is None else float(mu @ mu) / 2)

    def backward(self, T: Array, t: Array, x: float) -> Backward:
        """What the slopes T and t of the rest of F mean at width 1/x; t is empty where there is no mean."""
        exponential, root, size = self.exponential, self.root, len(self.spread)
        with parallel.for_factorisation(max(size, len(exponential.M))):
            TW = product(T, self.spread)
            E = product(self.spread.T, TW)  # M^{1/2} B M^{1/2}
            E *= -x
            E += exponential.M
            E[np.diag_indices(len(E))] -= 1.0
            symmetrise(E)
            inner = root.transposed_product(TW)  # B M^{1/2}
            # E is the equation in units of K itself: relative to max |Q| it would not see a K far below Q
            residual = float(np.abs(E).max()) if root.moves else self._equation_8(inner, x)
            s, e = np.empty(0), None
            if self.mean is not None and self.state.mu is not None:
                s = root.transposed(t)
                e = self.state.mu - x * s
                residual = max(residual, self._mean_residual(s, x))
            if not isinstance(root, Triangular):
                return Backward(LayerState(E, e), residual, np.empty((0, 0)))
            below = gram(TW)  # T K T
            del TW
            below *= x
            below += T
            Z = product(product(inner, E), exponential.inverse_root)
            if e is not None:
                below += x * np.multiply.outer(t, t)
                Z += np.multiply.outer(s, e)
            below = root.onto_range(below)  # T is large across a range that the kernel has in rounding only
            below += root.pull_back(mirror(Z))
        return Backward(LayerState(E, e), residual, below)

    def _equation_8(self, inner: Array, x: float) -> float:
        """max |Sigma (P^{-1} - T/N) - I|, from B M^{1/2}."""
        std = np.sqrt(np.diagonal(self.root.square))
        off = self.exponential.M - x * product(inner, self.exponential.root).T  # M (I - B/N)
        return float(np.abs(std[:, None] * (off - np.eye(len(off))) / std).max())

    def _mean_residual(self, s: Array, x: float) -> float:
        """max |m - Q t/N| / max(|m|, sqrt(max diag Q))."""
        assert self.mean is not None
        scale = max(float(np.abs(self.mean).max()), float(np.sqrt(self.root.largest)))
        return float(np.abs(self.mean - x * self.root.times(s)).max()) / scale


@dataclass(frozen=True)
class Backward:
    """Attributes
    ----------
    gradient : LayerState
        E and e.
    residual : float
        Of the layer's equations: max |E|, or of input weights max |Sigma (P^{-1} - T/N) - I|, and, where that
        is larger, max |m - Q t/N| / max(|m|, sqrt(max diag Q)).
    adjoint : (dim, dim) array
        -2 dF/dQ, lower triangle valid; empty for the input layer, whose prior stays.
    """

    gradient: LayerState
    residual: float
    adjoint: Array


def prior_slope(root: Triangular, covariance: Array, mean: Array | None) -> Array:
    """-2 d/dQ of KL(N(m, K) || N(0, Q)) per unit, at a fixed K and m and on the range of Q = L L^T:
    Q^{-1} (K + m m^T - Q) Q^{-1} = L^{-T} (L^{-1} (K + m m^T) L^{-T} - I) L^{-1} (derived)."""
    M = root.whitened(covariance)
    if mean is not None:
        mu = root.solve(mean[:, None])[:, 0]
        M += np.multiply.outer(mu, mu)
    M[np.diag_indices(len(M))] -= 1.0
    return root.pull_back(M)


def _parts(root: Root, state: LayerState) -> tuple[LayerState, Exponential, Root, Array, Array, Array | None]:
    """State, exponential, root, spread, covariance and mean."""
    exponential = Exponential.of(state.theta)
    with parallel.for_factorisation(len(state.theta)):
        spread = root.product(exponential.root)
        covariance = gram(spread)
    return state, exponential, root, spread, covariance, None if state.mu is None else root.times(state.mu)
