"""Products of the Hessian of F with a direction, in the Fisher metric.

Along M_l -> M_l^{1/2} e^{H_l} M_l^{1/2}, all layers together, F has the second derivative
sum_l (N_l/2) tr(H_l D_l), where (derived: docs/derivations-hessian.md)

    D_l = H_l + (E_l H_l + H_l E_l)/2 - M_l^{1/2} dB_l M_l^{1/2} / N_l,

B_l = L_l^T T_l L_l and dB_l is its change to first order in H: the whitened Hessian. It is the identity at
infinite width and, at any solution, the identity minus the response of the slopes to the covariances. Means
move along straight lines mu_l + w_l and add sum_l N_l w_l.d_l with d_l = w_l - ds_l / N_l, s_l = L_l^T t_l.

The change of T comes from one sweep up the layers (covariances, roots, kernels) and one down (data term,
slopes, adjoints), each the tangent of what `Theory.layers` and `Theory.gradient` do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from numerics.gaussian.layer import Layer
from numerics.gaussian.metric import FisherMetric
from numerics.gaussian.root import Triangular
from numerics.gaussian.state import LayerState, State
from numerics.gaussian.theory import Gradient, Theory
from numerics.kernels.preactivations import Kernel
from numerics.machine import parallel
from numerics.machine.dense import mirror, product, symmetrise

Array = NDArray[np.float64]


class Hessian:
    """The whitened Hessian at one state.

    Keeps the state's roots, slopes and adjoints, so that a product costs about two gradients of F.

    Parameters
    ----------
    theory : Theory
    gradient : Gradient
        The theory's at the state.
    inverse_widths : sequence of float
        1/N_l of each hidden layer.
    """

    def __init__(self, theory: Theory, gradient: Gradient, inverse_widths: Sequence[float]):
        self.theory = theory
        self.gradient = gradient
        self.inverse_widths = tuple(inverse_widths)

    @classmethod
    def at(cls, theory: Theory, state: State, inverse_widths: Sequence[float]) -> Hessian:
        """The Hessian at a state; costs one gradient.

        Raises
        ------
        NotPositiveDefinite
            From a kernel's factorisation.
        """
        return cls(theory, theory.gradient(state, inverse_widths), inverse_widths)

    def product(self, direction: State) -> State:
        """(D, d) per layer of the changes (H, w) of a state; symmetric in the metric."""
        with self.theory.blas():
            return self._down(self._up(direction))

    @cached_property
    def metric(self) -> FisherMetric:
        """States as vectors in which the Hessian is a symmetric matrix."""
        return FisherMetric(self.theory.sizes, self.theory.odd, self.inverse_widths)

    def times(self, vector: Array) -> Array:
        """The same product on a vector of `metric`."""
        return self.metric.vector(self.product(self.metric.state(vector)))

    def dense(self) -> Array:
        """The whole matrix, a product per column: for small problems."""
        columns = [self.times(unit) for unit in np.eye(self.metric.dimension)]
        matrix = np.array(columns)
        return (matrix + matrix.T) / 2

    def _up(self, direction: State) -> list[Move]:
        """The layers' changes."""
        moves = [Move.of_inputs(self.gradient.layers[0], direction[0])]
        for below, lower, layer, change in zip(
            self.theory.maps, self.gradient.layers, self.gradient.layers[1:], direction[1:], strict=False
        ):
            moves.append(Move.hidden(layer, change, below.tangent(lower.kernel, moves[-1].kernel)))
        return moves

    def _down(self, moves: Sequence[Move]) -> State:
        """(D, d) of every layer, from the changes of the layers."""
        gradient, maps = self.gradient, self.theory.maps
        found: list[LayerState] = []
        dadjoint = np.empty(0)
        for level in reversed(range(len(moves))):
            layer, move = gradient.layers[level], moves[level]
            if level == len(moves) - 1:
                dT, slope = gradient.data.slope_tangents(maps[level], layer.kernel, move.kernel)
            else:
                dT, slope = maps[level].adjoint_tangents(
                    layer.kernel, move.kernel, gradient.adjoints[level], dadjoint
                )
            dB, ds, dadjoint = self._sensitivities[level].tangent(move, dT, slope / 2)
            found.insert(0, self._change(level, move, dB, ds))
        return tuple(found)

    def _change(self, level: int, move: Move, dB: Array, ds: Array) -> LayerState:
        """D and d of one layer."""
        x, E, w = self.inverse_widths[level], self.gradient.E[level].theta, move.change.mu
        root = self.gradient.layers[level].exponential.root
        block = product(product(root, dB), root)  # of which, and of E H, the symmetric part
        block *= -x
        block += product(E, move.change.theta)
        return LayerState(move.change.theta + symmetrise(block), None if w is None else w - x * ds)

    @cached_property
    def _sensitivities(self) -> list[_Sensitivity]:
        """What every product needs of each layer."""
        parts = zip(self.gradient.layers, self.gradient.T, self.gradient.E, self.inverse_widths, strict=True)
        return [
            (_Moving if layer.root.moves else _Sensitivity).at(layer, T, E, x) for layer, T, E, x in parts
        ]


@dataclass(frozen=True)
class Move:
    """How one layer changes: theta and mu (`change`), M, l^{-1} dl where L moves, Sigma or K, its kernel."""

    change: LayerState
    dM: Array
    split: Array
    dK: Array
    kernel: Kernel

    @classmethod
    def of_inputs(cls, layer: Layer, change: LayerState) -> Move:
        """dSigma = L dM L^T and dm = L w."""
        dM = _of_exponential(layer, change)
        dK = layer.root.outer(dM)
        dm = None if change.mu is None else layer.root.times(change.mu)
        return cls(change, dM, np.empty(0), dK, layer.kernel.moving(dK, dm))

    @classmethod
    def hidden(cls, layer: Layer, change: LayerState, dQ: Array) -> Move:
        """dK = L (Phi M + M Phi^T + dM) L^T and dm = L (Phi mu + w) with dL = L Phi."""
        L, mu = layer.root, layer.state.mu
        assert isinstance(L, Triangular)
        dM = _of_exponential(layer, change)
        with parallel.for_factorisation(len(dQ)):
            Phi = L.split(dQ)
            half = product(Phi, layer.exponential.M)
            dK = L.outer(half + half.T + dM)
        dm = None if mu is None or change.mu is None else L.times(Phi @ mu + change.mu)
        return cls(change, dM, Phi, dK, layer.kernel.moving(dK, dm))


def _of_exponential(layer: Layer, change: LayerState) -> Array:
    """dM = M^{1/2} H M^{1/2}."""
    root = layer.exponential.root
    return product(product(root, change.theta), root)


@dataclass(frozen=True)
class _Sensitivity:
    """The tangent of `Layer.backward` of a layer whose prior stays."""

    layer: Layer

    @classmethod
    def at(cls, layer: Layer, T: LayerState, E: LayerState, x: float) -> _Sensitivity:
        return cls(layer)

    def tangent(self, move: Move, dT: Array, dt: Array) -> tuple[Array, Array, Array]:
        """(dB, ds, change of the adjoint) when the layer moves and its slopes change by dT and dt."""
        L = self.layer.root
        return L.inner(dT), dt if move.change.mu is None else L.transposed(dt), np.empty(0)


@dataclass(frozen=True)
class _Moving(_Sensitivity):
    """The same where the prior moves.

    The adjoint is T + (T K T + t t^T) / N + L^{-T} low(B C + s e^T) L^{-1} with
    C = M (I - B/N) - I = M^{1/2} E M^{-1/2} and e = mu - s/N; without means t, s and e are absent.
    """

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
    def at(cls, layer: Layer, T: LayerState, E: LayerState, x: float) -> _Moving:
        L, exponential = layer.root, layer.exponential
        with parallel.for_factorisation(len(T.theta)):
            B = L.inner(T.theta)
            C = product(product(exponential.root, E.theta), exponential.inverse_root)
            J, s, e = product(B, C), np.empty(0), np.empty(0)
            if T.mu is not None and E.mu is not None:
                s, e = L.transposed(T.mu), E.mu
                J += np.multiply.outer(s, e)
            TK = product(T.theta, layer.covariance)
            return cls(layer, x, T.theta, TK, B, C, mirror(J), T.mu, s, e)

    def tangent(self, move: Move, dT: Array, dt: Array) -> tuple[Array, Array, Array]:
        L, M, Phi, w = self.layer.root, self.layer.exponential.M, move.split, move.change.mu
        assert isinstance(L, Triangular)
        ds = np.empty(0)
        with parallel.for_factorisation(len(dT)):
            BPhi = product(self.B, Phi)
            dB = L.inner(dT) + BPhi + BPhi.T
            dC = move.dM - self.x * (product(move.dM, self.B) + product(M, dB))
            dJ = product(dB, self.C) + product(self.B, dC)
            half = product(dT, self.TK.T)
            if self.t is not None and w is not None:
                ds = L.transposed(dt) + Phi.T @ self.s
                dJ += np.multiply.outer(ds, self.e) + np.multiply.outer(self.s, w - self.x * ds)
                half += np.multiply.outer(dt, self.t)
            ZPhi = product(self.Z, Phi)
            dadjoint = half + half.T + product(product(self.T, move.dK), self.T)
            dadjoint *= self.x
            dadjoint += dT
            dadjoint = L.onto_range(symmetrise(dadjoint))
            dadjoint += L.pull_back(mirror(dJ) - ZPhi - ZPhi.T)
        return dB, ds, symmetrise(dadjoint)
