"""Products of the chain's Hessian with a direction, in the Fisher metric.

Along M_l -> M_l^{1/2} e^{H_l} M_l^{1/2}, all layers together, F has the second derivative
sum_l (N_l/2) tr(H_l D_l), where (derived: docs/derivations-hessian.md)

    D_l = H_l + (E_l H_l + H_l E_l)/2 - M_l^{1/2} dB_l M_l^{1/2} / N_l,

B_l = L_l^T T_l L_l and dB_l is its change to first order in H: the whitened Hessian. It is the identity at
infinite width and, at any solution, the identity minus the response of the pulls to the covariances. Means
move along straight lines mu_l + w_l and add sum_l N_l w_l.d_l with d_l = w_l - ds_l / N_l, s_l = L_l^T t_l.

The change of T comes from one sweep up the layers (covariances, factors, kernels) and one down
(data term, pulls, messages), each the tangent of what `Chain.layers` and `Chain.pull` do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from numerics.free_energy.chain import Blocks, Chain, Layer, Pull
from numerics.free_energy.metric import FisherMetric
from numerics.kernels.preactivations import HiddenKernel, InputKernel, Kernel
from numerics.machine import parallel
from numerics.machine.dense import mirror, product, symmetrise

Array = NDArray[np.float64]


class Hessian:
    """The whitened Hessian at one state.

    Keeps the state's factors, pulls and messages, so that a product costs about two gradients of F.

    Parameters
    ----------
    chain : Chain
    pull : Pull
        The chain's at the state.
    inverse_widths : sequence of float
        1/N_l of each hidden layer.
    """

    def __init__(self, chain: Chain, pull: Pull, inverse_widths: Sequence[float]):
        self.chain = chain
        self.pull = pull
        self.inverse_widths = tuple(inverse_widths)

    @classmethod
    def at(cls, chain: Chain, theta: Blocks, inverse_widths: Sequence[float]) -> Hessian:
        """The Hessian at theta; costs one gradient.

        Raises
        ------
        NotPositiveDefinite
            From a kernel's factorisation.
        """
        return cls(chain, chain.pull(theta, inverse_widths), inverse_widths)

    def product(self, H: Blocks) -> Blocks:
        """(D, d) of the changes (H, w) of a state, blocks in the state's order; symmetric in the metric."""
        with self.chain.blas():
            moves, dQ = self._up(H)
            return self._down(moves, self.pull.data.tangent(dQ)[1])

    @cached_property
    def metric(self) -> FisherMetric:
        """Blocks as vectors in which the Hessian is a symmetric matrix."""
        return FisherMetric(self.chain.shapes, self.inverse_widths)

    def times(self, vector: Array) -> Array:
        """The same product on a vector of `metric`."""
        return self.metric.vector(self.product(self.metric.blocks(vector)))

    def dense(self) -> Array:
        """The whole matrix, a product per column: for small problems."""
        columns = [self.times(unit) for unit in np.eye(self.metric.dimension)]
        matrix = np.array(columns)
        return (matrix + matrix.T) / 2

    def _up(self, direction: Blocks) -> tuple[list[_Move], Array]:
        """The layers' changes, and that of Q_f."""
        layers = len(self.pull.layers)
        w: Sequence[Array | None] = direction[layers:] or (None,) * layers
        moves: list[_Move] = []
        dQ = np.empty(0)
        for level, layer in enumerate(self.pull.layers):
            root = layer.exponential.root
            H = direction[level]
            dM = product(product(root, H), root)
            if layer.factor is None:
                std = np.sqrt(self.chain.prior_variance)
                dSigma, dm = std[:, None] * dM * std, _scaled(std, w[level])
                moving = InputKernel.at(self.chain.X, dSigma, dm)
                move = _Move(H, w[level], dM, np.empty(0), dSigma, moving)
            else:
                move = _hidden_move(
                    layer, H, w[level], dM, dQ, self.chain.maps[level - 1].receptive.pixels_out
                )
            moves.append(move)
            dQ = self.chain.maps[level].tangent(layer.kernel, move.kernel)
        return moves, dQ

    def _down(self, moves: Sequence[_Move], dmessage: Array) -> Blocks:
        """(D, d) of every layer, from the changes of the layers and of A."""
        pull, std = self.pull, np.sqrt(self.chain.prior_variance)
        D: list[Array] = []
        d: list[Array] = []
        for level in reversed(range(len(moves))):
            layer, move, relay = pull.layers[level], moves[level], self._relays[level]
            x, E, H = self.inverse_widths[level], pull.E[level], move.H
            dT, slope = self.chain.maps[level].adjoint_tangents(
                layer.kernel, move.kernel, pull.messages[level], dmessage
            )
            dt = slope / 2
            if relay is None:
                dB, ds = std[:, None] * dT * std, dt if move.w is None else std * dt
            else:
                dB, ds, dmessage = relay.tangent(move, dT, dt)
            root = layer.exponential.root
            block = product(product(root, dB), root)  # of which, and of E H, the symmetric part
            block *= -x
            block += product(E, H)
            D.insert(0, H + symmetrise(block))
            if move.w is not None:
                d.insert(0, move.w - x * ds)
        return (*D, *d)

    @cached_property
    def _relays(self) -> list[_Relay | None]:
        """What the hidden layers' messages need at every product."""
        pull, layers = self.pull, len(self.pull.layers)
        t: Sequence[Array | None] = pull.T[layers:] or (None,) * layers
        parts = zip(pull.layers, pull.T[:layers], pull.E[:layers], t, self.inverse_widths, strict=True)
        return [None if part[0].factor is None else _Relay.at(*part) for part in parts]


@dataclass(frozen=True)
class _Move:
    """How one layer changes: theta (H) and mu (w), M, l^{-1} dl (hidden layers), Sigma or K, its kernel."""

    H: Array
    w: Array | None
    dM: Array
    split: Array
    dK: Array
    kernel: Kernel


def _scaled(std: Array, w: Array | None) -> Array | None:
    return None if w is None else std * w


def _hidden_move(layer: Layer, H: Array, w: Array | None, dM: Array, dQ: Array, pixels: int) -> _Move:
    """dK = L (Phi M + M Phi^T + dM) L^T and dm = L (Phi mu + w) with dL = L Phi."""
    L = layer.factor
    assert L is not None
    with parallel.for_factorisation(len(dQ)):
        split = L.split(dQ)
        half = product(split, layer.exponential.M)
        dK = L.outer(half + half.T + dM)
    dm = None if layer.mean is None or w is None else L.times(split @ layer.mean.mu + w)
    return _Move(H, w, dM, split, dK, HiddenKernel.at(dK, pixels, dm))


@dataclass(frozen=True)
class _Relay:
    """A hidden layer's part in the sweep down.

    The message is T + (T K T + t t^T) / N + L^{-T} low(B C + s e^T) L^{-1} with
    C = M (I - B/N) - I = M^{1/2} E M^{-1/2} and e = mu - s/N; without means t, s and e are absent.
    """

    layer: Layer
    x: float
    T: Array
    TK: Array
    B: Array
    C: Array
    Z: Array  # low(B C + s e^T), symmetric
    t: Array | None
    s: Array
    e: Array

    @classmethod
    def at(cls, layer: Layer, T: Array, E: Array, t: Array | None, x: float) -> _Relay:
        L, exponential = layer.factor, layer.exponential
        assert L is not None
        with parallel.for_factorisation(len(T)):
            B = L.inner(T)
            C = product(product(exponential.root, E), exponential.inverse_root)
            J, s, e = product(B, C), np.empty(0), np.empty(0)
            if t is not None and layer.mean is not None:
                s = L.transposed(t)
                e = layer.mean.mu - x * s
                J += np.multiply.outer(s, e)
            return cls(layer, x, T, product(T, layer.covariance), B, C, mirror(J), t, s, e)

    def tangent(self, move: _Move, dT: Array, dt: Array) -> tuple[Array, Array, Array]:
        """(dB, ds, change of the message) when the layer moves and its pulls change by dT and dt."""
        L, M, Phi = self.layer.factor, self.layer.exponential.M, move.split
        assert L is not None
        ds = np.empty(0)
        with parallel.for_factorisation(len(dT)):
            BPhi = product(self.B, Phi)
            dB = L.inner(dT) + BPhi + BPhi.T
            dC = move.dM - self.x * (product(move.dM, self.B) + product(M, dB))
            dJ = product(dB, self.C) + product(self.B, dC)
            half = product(dT, self.TK.T)
            if self.t is not None and move.w is not None:
                ds = L.transposed(dt) + Phi.T @ self.s
                dJ += np.multiply.outer(ds, self.e) + np.multiply.outer(self.s, move.w - self.x * ds)
                half += np.multiply.outer(dt, self.t)
            ZPhi = product(self.Z, Phi)
            dmessage = half + half.T + product(product(self.T, move.dK), self.T)
            dmessage *= self.x
            dmessage += dT
            dmessage += L.pull_back(mirror(dJ) - ZPhi - ZPhi.T)
        return dB, ds, symmetrise(dmessage)
