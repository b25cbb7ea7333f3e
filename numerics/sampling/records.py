"""What is kept of a draw: numbers averaged over the readout and the noise, given the hidden weights.

f is always averaged given the weights: a single readout's f varies ten times as much.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numerics.sampling.energies import CollapsedEvaluation, Posterior

Array = NDArray[np.float64]

RECORDED = ("scalars", "eps", "weights", "slope")
ALPHA, LOSS, DEGREES, TRACE_Q, ENERGY = "alpha", "train_loss", "degrees_of_freedom", "trace_Q_f", "energy"


@dataclass(frozen=True)
class Record:
    """One draw, or several along a leading axis.

    Attributes
    ----------
    scalars : (names,) array
        In the order of `scalar_names`.
    eps : (n, D) array
        K_f^{-1} y given the weights, on the data that count.
    weights : (size,) array
        Hidden weights whitened by their prior, layer after layer.
    slope : (S, N_1) array
        Of -log likelihood in the first layer's whitened weights.
    """

    scalars: Array
    eps: Array
    weights: Array
    slope: Array

    @classmethod
    def stacked(cls, records: Sequence[Record]) -> Record:
        return cls(*(np.stack([getattr(record, name) for record in records]) for name in RECORDED))

    @classmethod
    def joined(cls, blocks: Sequence[Record]) -> Record:
        """Blocks of draws, one after the other."""
        return cls(*(np.concatenate([getattr(block, name) for block in blocks]) for name in RECORDED))

    def with_loss(self, loss: float) -> Record:
        """A draw with the loss of its own readout, instead of the average over readouts."""
        scalars = self.scalars.copy()
        scalars[scalar_names(0).index(LOSS)] = loss
        return replace(self, scalars=scalars)

    def part(self, index: Any) -> Record:
        """Some of the draws, or one chain of them."""
        return Record(*(getattr(self, name)[index] for name in RECORDED))


def scalar_names(layers: int) -> tuple[str, ...]:
    """Per draw: alpha, the loss, tr[Q_f K_f^{-1}], tr Q_f / n, the energy; then of every hidden layer its
    mean square (of the whitened weights in the first, of the pre-activations above) and its virial."""
    levels = range(1, layers + 1)
    return (
        *(ALPHA, LOSS, DEGREES, TRACE_Q, ENERGY),
        *(square(level) for level in levels),
        *(virial(level) for level in levels),
    )


def square(level: int) -> str:
    return f"square_{level}"


def virial(level: int) -> str:
    """W.dU/dW / size - 1 of a layer: zero in the mean (Stein)."""
    return f"virial_{level}"


def record_of(posterior: Posterior, at: CollapsedEvaluation) -> Record:
    """A draw whose hidden weights have been evaluated, readout integrated out."""
    assert at.passed is not None
    assert at.marginal is not None
    problem, std = posterior.problem, posterior.noise_std
    E, Y, spent = at.marginal.E, posterior.Y, at.marginal.degrees_of_freedom
    samples, outputs = Y.shape
    norm2 = problem.target_norm2
    variances = std**2
    overlap = float(np.sum(E * Y)) / norm2 if samples else np.nan
    # E |y - f|^2 = sigma^4 |eps|^2 + tr[sigma^2 - sigma^4 K^{-1}] per output, in units of the noise
    gap = std[:, None] * E
    fluctuation = _unexplained(at, variances)
    loss = (float(np.sum(gap**2)) + outputs * fluctuation) / norm2 if samples else np.nan
    trace = float(np.sum(np.sum(np.square(at.passed.features, dtype=np.float64), axis=1) * variances))
    squares = [float(np.mean(at.weights[0] ** 2))]
    for B, W in zip(at.passed.rows[1:], at.passed.weights[1:], strict=True):
        squares.append(float(np.mean(np.square(B @ W, dtype=np.float64))) if samples else np.nan)
    virials = [float(np.mean(W * (W + slope))) - 1.0 for W, slope in zip(at.weights, at.slopes, strict=True)]
    scalars = [overlap, loss, spent, trace / max(samples, 1), at.value, *squares, *virials]
    flat = np.concatenate([W.ravel() for W in at.weights])
    return Record(np.array(scalars), E / std[:, None], flat, at.slopes[0])


def _unexplained(at: CollapsedEvaluation, variances: Array) -> float:
    """tr of Cov(f | W, y) on the data: sum_mu sigma_mu^2 (1 - [K^{-1}]_mumu)."""
    marginal, passed = at.marginal, at.passed
    assert marginal is not None
    assert passed is not None
    if len(variances) and variances.min() == variances.max():
        return float(variances[0]) * marginal.degrees_of_freedom
    if marginal.by_samples:
        return float(np.sum(variances * (1.0 - np.diagonal(marginal.inverse))))
    return float(np.sum(variances * marginal.variances(passed.features, passed.features)))
