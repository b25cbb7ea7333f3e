"""The law of the output, and of every hidden layer, at test inputs.

Test points carry no data, so each hidden block of theirs follows the prior's conditional given the training
block. With Q_tt = L L^T and K_tt = L M L^T, m = L mu as in `numerics.gaussian.layer`, and B = L^{-1} Q_t*,

    K_*t = B^T M L^T,    K_** = Q_** - B^T B + B^T M B,    m_* = B^T mu

(derived: Q_*t Q^{-1} is B^T L^{-1}; checked by a joint solve whose test points have infinite noise). Nothing
is inverted, and where K is far below its prior nothing of its size is made by differences. What the readout
makes of it is the readout law's (`numerics.readout_laws.law.OutputLaw`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from numerics.gaussian.layer import Layer
from numerics.gaussian.root import Triangular
from numerics.gaussian.state import State
from numerics.gaussian.theory import Theory
from numerics.kernels.preactivations import HiddenKernel, InputKernel, Kernel
from numerics.machine.dense import symmetrise
from numerics.readout_laws.law import OutputLaw
from numerics.solutions.predictive import JointLaw, Law, warn_of_lost_variances

Array = NDArray[np.float64]

CHUNK = 256  # test points at a time when only the diagonal of their covariance is asked for


@dataclass(frozen=True)
class TestKernels:
    """A hidden layer's kernels at m test inputs, beside n training inputs.

    Rows and columns run over (pixel, sample), the sample fastest, as in `Solution.kernels`.

    Attributes
    ----------
    K_cross, Q_cross : (P m, P n) arrays
        Between the test inputs and the training inputs: pre-activations, and their prior.
    K, Q : (P m, P m) arrays
        Among the test inputs.
    mean : (P m,) array
        Of the pre-activations at the test inputs; zero where the activation is odd.
    """

    __test__ = False  # the name is no invitation to pytest

    K_cross: Array
    Q_cross: Array
    K: Array
    Q: Array
    mean: Array


class Predictor:
    """A solved theory, ready for test inputs X (m, P, S)."""

    def __init__(self, theory: Theory, inverse_widths: Sequence[float], state: State):
        self.theory = theory
        self.layers = theory.layers(state)
        self.inverse_widths = inverse_widths

    @cached_property
    def output(self) -> OutputLaw:
        theory, kernel = self.theory, self.layers[-1].kernel
        data = theory.data_term(self.layers, self.inverse_widths)
        return data.output_law(theory.readout, kernel, theory.problem)

    def mean(self, X: Array) -> Array:
        """f_bar, shape (m, D)."""
        readout = self.theory.readout
        chunks = [self.output.mean(readout, self._below_readout(chunk)[0]) for chunk in _chunks(X)]
        return np.concatenate(chunks)

    def law(self, X: Array) -> Law | JointLaw:
        """Mean and full covariance."""
        law, rounding = self._law(X)
        warn_of_lost_variances(_least(law.variances), rounding)
        return law

    def mean_and_variance(self, X: Array) -> tuple[Array, Array]:
        """Mean (m, D) and latent variance, (m,) or (m, D), a chunk of test points at a time."""
        laws, roundings = zip(*map(self._law, _chunks(X)), strict=True)
        variance = np.concatenate([law.variances for law in laws])
        rounding = np.concatenate(roundings)
        warn_of_lost_variances(_least(variance), rounding)
        # what is lost in rounding may be negative, and is at most so large
        lost = rounding if variance.ndim == 1 else rounding[:, None]
        return np.concatenate([law.mean for law in laws]), np.where(variance > 0, variance, lost)

    def _law(self, X: Array) -> tuple[Law | JointLaw, Array]:
        readout = self.theory.readout
        cross, own = self._below_readout(X)
        mean = self.output.mean(readout, cross)
        covariance, rounding = self.output.covariance(readout, cross, own)
        return (Law if covariance.ndim == 2 else JointLaw)(mean, covariance), rounding

    def hidden(self, X: Array) -> Iterator[TestKernels]:
        """Kernels of the hidden layers above the first, from below."""
        cross, own = self._inputs(X)
        for level in range(1, len(self.layers)):
            found = self._through(level, cross, own)
            yield found
            cross, own = self._pre_activations(level, found)

    def _below_readout(self, X: Array) -> tuple[Kernel, Kernel]:
        """What the readout sees: the last layer's kernel between X and the training inputs, and among X."""
        if len(self.layers) == 1:
            return self._inputs(X)
        for found in self.hidden(X):
            last = found
        return self._pre_activations(len(self.layers) - 1, last)

    def _inputs(self, X: Array) -> tuple[Kernel, Kernel]:
        """Test inputs may leave the span of the training inputs: among them all weights count."""
        X = self.theory.pixel_major(X)
        weights, space = self.layers[0], self.theory.space
        cross = InputKernel.between(space.coordinates(X), self.theory.X, weights.covariance, weights.mean)
        Y = space.times_covariance(X, weights.covariance)
        v = np.einsum("pms,pms->pm", Y, X)
        own = InputKernel(Y, X, v, v, cross.m_row, cross.m_row)  # means are within the span
        return replace(cross, v_row=v), own

    def _through(self, level: int, cross: Kernel, own: Kernel) -> TestKernels:
        """Kernels of hidden layer `level` at the test points, from those of the layer below."""
        lower, layer = self.theory.maps[level - 1], self.layers[level]
        root: Triangular = _moving(layer)
        Q_cross, Q = lower.cross(cross), lower.cross(own)
        B = root.solve(Q_cross.T)
        MB = layer.exponential.M @ B
        K = symmetrise(Q - B.T @ B + B.T @ MB)
        floor = B.T * MB.T  # a conditional variance is >= 0 but for rounding
        K[np.diag_indices(len(K))] = np.maximum(np.diagonal(K), floor.sum(axis=1))
        mean = np.zeros(len(Q)) if layer.state.mu is None else B.T @ layer.state.mu
        return TestKernels(root.product(MB).T, Q_cross, K, Q, mean)

    def _pre_activations(self, level: int, found: TestKernels) -> tuple[Kernel, Kernel]:
        """The same layer's K as blocks over its pixels."""
        pixels = self.theory.maps[level - 1].receptive.pixels_out
        train = self.layers[level].kernel
        own = HiddenKernel.at(found.K, pixels, None if train.m_row is None else found.mean)
        return HiddenKernel(found.K_cross, own.v_row, train.v_row, own.m_row, train.m_row), own


def _moving(layer: Layer) -> Triangular:
    assert isinstance(layer.root, Triangular)  # of every layer above the first
    return layer.root


def _least(variances: Array) -> Array:
    """(m,): over the outputs, where they differ."""
    return variances if variances.ndim == 1 else variances.min(axis=1)


def _chunks(X: Array) -> Iterator[Array]:
    for low in range(0, max(len(X), 1), CHUNK):
        yield X[low : low + CHUNK]
