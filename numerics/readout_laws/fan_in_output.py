"""What test points take from data read by a readout of finite fan-in: Q_p for the mean, Q_q for the rest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cholesky

from numerics.kernels.kernel_maps import KernelMap
from numerics.kernels.preactivations import Kernel
from numerics.machine.dense import mirrored
from numerics.readout_laws.law import OutputLaw, conditional
from numerics.readout_laws.noise_root import NoiseRoot

Array = NDArray[np.float64]


@dataclass(frozen=True)
class OneKernelOutput(OutputLaw):
    """Where every weight of a channel sees the same kernel: outputs are independent in the basis of q.

    Attributes
    ----------
    noise : NoiseRoot
    eps : (n, D) array
    p, values, vectors : (D, D), (D,), (D, D) arrays
        p, and q's eigenvalues and eigenvectors.
    factors : tuple of (k, k) arrays
        Lower Cholesky factors of q_a Q_f + noise, one per eigenvalue of q.
    """

    noise: NoiseRoot
    eps: Array
    p: Array
    values: Array
    vectors: Array
    factors: tuple[Array, ...]

    @classmethod
    def of(cls, Q: Array, noise: NoiseRoot, eps: Array, p: Array, q: Array) -> OneKernelOutput:
        """From the readout's kernel, lower triangle valid, the output's bias in it."""
        values, vectors = np.linalg.eigh(q)
        seen = noise.observed
        weights = mirrored(Q)[np.ix_(seen, seen)] - noise.bias
        S = noise.covariance
        factors = tuple(cholesky(each * weights + S, lower=True, check_finite=False) for each in values)
        return cls(noise, eps, p, values, vectors, factors)

    def mean(self, readout: KernelMap, cross: Kernel) -> Array:
        weights = readout.cross(cross) - self.noise.bias
        return weights @ self.eps @ self.p + self.noise.bias * np.sum(self.eps, axis=0)

    def covariance(self, readout: KernelMap, cross: Kernel, own: Kernel) -> tuple[Array, Array]:
        bias, outputs = self.noise.bias, len(self.values)
        between = readout.cross(cross)[:, self.noise.observed] - bias
        among = readout.cross(own) - bias
        found = [
            conditional(factor, each * between + bias, each * among + bias)
            for each, factor in zip(self.values, self.factors, strict=True)
        ]
        lost = np.max([rounding for _, rounding in found], axis=0)
        if outputs == 1:
            return found[0][0], lost
        V = self.vectors
        return np.einsum("da,ea,amn->dmen", V, V, np.array([covariance for covariance, _ in found])), lost


@dataclass(frozen=True)
class PixelOutput(OutputLaw):
    """Where the weights of a channel see pixels of their own.

    Attributes
    ----------
    noise : NoiseRoot
    eps : (n, D) array
    p, q : (N D, N D) arrays
    factor : (D k, D k) array
        Lower Cholesky factor of Q_q + noise.
    """

    noise: NoiseRoot
    eps: Array
    p: Array
    q: Array
    factor: Array

    def mean(self, readout: KernelMap, cross: Kernel) -> Array:
        outputs = self.eps.shape[1]
        total = np.zeros((cross.v_row.shape[1], outputs))
        for d, e in np.ndindex(outputs, outputs):
            total[:, d] += self._kernel(readout, cross, self.p, d, e) @ self.eps[:, e]
        return total

    def covariance(self, readout: KernelMap, cross: Kernel, own: Kernel) -> tuple[Array, Array]:
        outputs, m = self.eps.shape[1], cross.v_row.shape[1]
        between, among = (
            np.block(
                [
                    [self._kernel(readout, kernel, self.q, d, e) for e in range(outputs)]
                    for d in range(outputs)
                ]
            )
            for kernel in (cross, own)
        )
        seen = np.concatenate([d * len(self.eps) + self.noise.observed for d in range(outputs)])
        covariance, lost = conditional(self.factor, between[:, seen], among)
        if outputs == 1:
            return covariance, lost
        return covariance.reshape(outputs, m, outputs, m), lost.reshape(outputs, m).max(axis=0)

    def _kernel(self, readout: KernelMap, kernel: Kernel, w: Array, d: int, e: int) -> Array:
        """(Q_w)_de between rows and columns of the kernel, with the output's bias."""
        N, outputs = readout.receptive.fan_in, self.eps.shape[1]
        weights = w.reshape(N, outputs, N, outputs)[:, d, :, e] * (readout.variance / N)
        Q = readout.weighted(weights).cross(kernel)
        return Q + self.noise.bias if d == e else Q
