"""Products of the chain's Hessian with a direction, in the Fisher metric.

Along M_l -> M_l^{1/2} e^{H_l} M_l^{1/2}, all layers together, F has the second derivative
sum_l (N_l/2) tr(H_l D_l), where (derived: docs/derivations-hessian.md)

    D_l = H_l + (E_l H_l + H_l E_l)/2 - M_l^{1/2} dB_l M_l^{1/2} / N_l,

B_l = L_l^T T_l L_l and dB_l is its change to first order in H: the whitened Hessian. It is the identity at
infinite width and, at any solution, the identity minus the response of the pulls to the covariances.

The change of T comes from one sweep up the layers (covariances, factors, kernels) and one down
(data term, pulls, messages), each the tangent of what `Chain.layers` and `Chain.pull` do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from numerics import parallel
from numerics.chain import Blocks, Chain, Layer, Pull
from numerics.data_terms import mirrored
from numerics.metric import FisherMetric
from numerics.preactivations import HiddenKernel, InputKernel, Kernel

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
        if not chain.odd:
            raise NotImplementedError("Hessian products of networks whose units have means are not there")
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
        """D of the symmetric blocks H, one per hidden layer; symmetric in the metric sum N_l/2 tr H_l D_l."""
        moves, dQ = self._up(H)
        return self._down(moves, self.pull.data.tangent(dQ)[1])

    @cached_property
    def metric(self) -> FisherMetric:
        """Blocks as vectors in which the Hessian is a symmetric matrix."""
        return FisherMetric(self.chain.sizes, self.inverse_widths)

    def times(self, vector: Array) -> Array:
        """The same product on a vector of `metric`."""
        return self.metric.vector(self.product(self.metric.blocks(vector)))

    def dense(self) -> Array:
        """The whole matrix, a product per column: for small problems."""
        columns = [self.times(unit) for unit in np.eye(self.metric.dimension)]
        matrix = np.array(columns)
        return (matrix + matrix.T) / 2

    def _up(self, H: Blocks) -> tuple[list[_Move], Array]:
        """The layers' changes along H, and that of Q_f."""
        moves: list[_Move] = []
        dQ = np.empty(0)
        for level, layer in enumerate(self.pull.layers):
            root = layer.exponential.root
            dM = root @ H[level] @ root
            if level == 0:
                std = np.sqrt(self.chain.prior_variance)
                dSigma = std[:, None] * dM * std
                move = _Move(H[level], dM, np.empty(0), dSigma, InputKernel.at(self.chain.X, dSigma))
            else:
                move = _hidden_move(layer, H[level], dM, dQ, self.chain.maps[level - 1].receptive.pixels_out)
            moves.append(move)
            dQ = self.chain.maps[level].tangent(layer.kernel, move.kernel)
        return moves, dQ

    def _down(self, moves: Sequence[_Move], dmessage: Array) -> Blocks:
        """D of every layer, from the changes of the layers and of A."""
        pull = self.pull
        D: list[Array] = []
        for level in reversed(range(len(moves))):
            layer, move = pull.layers[level], moves[level]
            x, E, H = self.inverse_widths[level], pull.E[level], move.H
            dT = self.chain.maps[level].adjoint_tangent(
                layer.kernel, move.kernel, pull.messages[level], dmessage
            )
            relay = self._relays[level]
            if relay is not None:
                dB, dmessage = relay.tangent(move, dT)
            else:
                std = np.sqrt(self.chain.prior_variance)
                dB = std[:, None] * dT * std
            root = layer.exponential.root
            EH = E @ H
            block = H + (EH + EH.T) / 2 - x * (root @ dB @ root)
            D.insert(0, (block + block.T) / 2)
        return tuple(D)

    @cached_property
    def _relays(self) -> list[_Relay | None]:
        """What the hidden layers' messages need at every product."""
        parts = zip(self.pull.layers, self.pull.T, self.pull.E, self.inverse_widths, strict=True)
        return [None if layer.factor is None else _Relay.at(layer, T, E, x) for layer, T, E, x in parts]


@dataclass(frozen=True)
class _Move:
    """How one layer changes along H: M, l^{-1} dl (hidden layers), Sigma or K, and its kernel."""

    H: Array
    dM: Array
    split: Array
    dK: Array
    kernel: Kernel


def _hidden_move(layer: Layer, H: Array, dM: Array, dQ: Array, pixels: int) -> _Move:
    """dK = L (Phi M + M Phi^T + dM) L^T with dL = L Phi."""
    assert layer.factor is not None
    with parallel.for_factorisation(len(dQ)):
        split = layer.factor.split(dQ)
        half = split @ layer.exponential.M
        dK = layer.factor.outer(half + half.T + dM)
    return _Move(H, dM, split, dK, HiddenKernel.at(dK, pixels))


@dataclass(frozen=True)
class _Relay:
    """A hidden layer's part in the sweep down.

    The message is T + T K T / N + L^{-T} low(B C) L^{-1}, C = M (I - B/N) - I = M^{1/2} E M^{-1/2}.
    """

    layer: Layer
    x: float
    T: Array
    TK: Array
    B: Array
    C: Array
    Z: Array  # low(B C), symmetric

    @classmethod
    def at(cls, layer: Layer, T: Array, E: Array, x: float) -> _Relay:
        assert layer.factor is not None
        exponential = layer.exponential
        with parallel.for_factorisation(len(T)):
            B = layer.factor.inner(T)
            C = exponential.root @ E @ exponential.inverse_root
            return cls(layer, x, T, T @ layer.covariance, B, C, mirrored(B @ C))

    def tangent(self, move: _Move, dT: Array) -> tuple[Array, Array]:
        """(dB, change of the message) when the layer moves and its pull changes by dT."""
        L, M, Phi = self.layer.factor, self.layer.exponential.M, move.split
        assert L is not None
        with parallel.for_factorisation(len(dT)):
            BPhi = self.B @ Phi
            dB = L.inner(dT) + BPhi + BPhi.T
            dC = move.dM - self.x * (move.dM @ self.B + M @ dB)
            ZPhi = self.Z @ Phi
            dZ = mirrored(dB @ self.C + self.B @ dC) - ZPhi - ZPhi.T
            twice = dT @ self.TK.T
            dmessage = twice + twice.T + self.T @ move.dK @ self.T
            dmessage *= self.x
            dmessage += dT
            dmessage += L.pull_back(dZ)
        return dB, (dmessage + dmessage.T) / 2
