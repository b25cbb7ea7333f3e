"""What the draws owe to the fields that they made themselves, taken off to first order in their number.

Fields are fitted to M draws: K = S_q + sum_i phi_i R_i phi_i^T and y = S_p eps + sum_i phi_i v_i, with

    R_i = w_i P_i - q/M,    v_i = w_i g_i - (p/M) b_i,
    P = A^{-1} + g g^T/C,    g = A^{-1} b,    b = phi^T eps,

w_i the draws' weights, p and q the shares of a control variate. A draw then sees a field that knows it, and
the inverse of an average is not the average of inverses; F at its stationary point is off by

    sum_i { 1/4 tr R_i T_i R_i T_i - 1/2 v_i.T_i v_i },    T = phi^T H phi,

in the mean, of order n/(M m) (derived: the bias of a stationary value under independent noise of its slope,
with the curvature of -1/2 log det H and of eps.K eps). Added to F, this makes the fields of M draws unbiased
to that order. What is added is its sum over all orders of one draw's own part,

    X_i = 1/2 tr Y - 1/2 log det(1 + Y) - 1/2 v.V v,    Y = T R,    V = (1 + Y)^{-1} T,

which grows slowly where a single draw is heavy. Everything else follows by differentiation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from numerics.machine.parallel import in_order
from numerics.unit.fields import Pull, Readouts

Array = NDArray[np.float64]

CHUNK = 512  # draws at a time


@dataclass(frozen=True, eq=False)
class Averages:
    """How averages over the unit's law are made of the draws.

    Attributes
    ----------
    weights : (M,) array
        Of sum 1: an average of h(w) is sum weights h.
    outputs : (M, D, m) array
        The mean output is the sum of outputs times phi: Q_p eps.
    moment : (M, D m, D m) array
        Q_q is the sum of phi moment phi^T.
    value : float
        What is added to F.
    """

    weights: Array
    outputs: Array
    moment: Array
    value: float = 0.0

    @classmethod
    def plain(cls, readouts: Readouts, pull: Pull, width: float) -> Averages:
        """By the draws' weights."""
        w, size = pull.weights, readouts.inverse.shape[1]
        P = _second(readouts.inverse, pull.gain.reshape(-1, size), width)
        return cls(w, w[:, None, None] * pull.gain, w[:, None, None] * P)

    @classmethod
    def without_own(
        cls, readouts: Readouts, pull: Pull, width: float, control: tuple[float, float]
    ) -> Averages:
        """With what the draws owe to themselves taken off."""
        M, size = len(pull.gain), readouts.inverse.shape[1]
        w, gain = pull.weights, pull.gain.reshape(M, size)
        values, own = np.empty(M), np.empty(M)
        moment, seen = np.empty((M, size, size)), np.empty((M, size))
        parts = [slice(low, min(low + CHUNK, M)) for low in range(0, M, CHUNK)]

        def work(part: slice) -> None:
            B, g = readouts.inverse[part], gain[part]
            P = _second(B, g, width)
            values[part], own[part], seen[part], moment[part] = _own_terms(
                B, g, w[part], P, width, control[0] / M, control[1] / M
            )

        for _ in in_order(work, parts, M * size**3):
            pass
        weights = w - w * (own - np.sum(w * own)) / width
        for part in parts:
            P = _second(readouts.inverse[part], gain[part], width)
            moment[part] += weights[part, None, None] * P
        outputs = (weights[:, None] * gain - seen).reshape(pull.gain.shape)
        return cls(weights, outputs, moment, float(values.sum()))


def _second(B: Array, g: Array, width: float) -> Array:
    """P: second moments of the readouts given the weights."""
    return B + g[:, :, None] * (g[:, None, :] / width)


def _own_terms(
    B: Array, g: Array, w: Array, P: Array, width: float, p: float, q: float
) -> tuple[Array, Array, Array, Array]:
    """X_i, and its slopes: in w_i, in b_i, and twice that in T_i, the latter two at fixed weights."""
    one = np.eye(B.shape[1])
    A: Array = np.linalg.inv(B).astype(np.float64)
    T = width * (A - one)
    T = (T + T.transpose(0, 2, 1)) / 2
    b = _applied(A, g)
    R = w[:, None, None] * P - q * one
    v = w[:, None] * g - p * b
    Y = T @ R
    E: Array = np.linalg.inv(one + Y).astype(np.float64)
    V = E @ T
    V = (V + V.transpose(0, 2, 1)) / 2
    Vv, u = _applied(V, v), _applied(E.transpose(0, 2, 1), v)
    X = 0.5 * (np.einsum("bii->b", Y) - np.linalg.slogdet(one + Y)[1] - np.einsum("bi,bi->b", v, Vv))
    # slopes in R, in v (-Vv) and in T where it stands by itself
    G = 0.5 * (T - V + Vv[:, :, None] * Vv[:, None, :])
    explicit = R - R @ E
    own = np.einsum("bij,bij->b", G, P) - np.einsum("bi,bi->b", Vv, g)
    h = w[:, None] * ((2.0 / width) * _applied(G, g) - Vv)
    Bh = _applied(B, h)
    cross = Bh[:, :, None] * (g[:, None, :] / width)
    moment = explicit - u[:, :, None] * u[:, None, :] - (2.0 / width) * w[:, None, None] * (B @ G @ B)
    moment -= cross + cross.transpose(0, 2, 1)
    moment = (moment + moment.transpose(0, 2, 1)) / 2
    return X, own, Bh + p * Vv, moment


def _applied(M: Array, v: Array) -> Array:
    """Of each draw."""
    product: Array = np.einsum("bij,bj->bi", M, v)
    return product
