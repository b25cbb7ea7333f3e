"""Laws of a readout of finite fan-in, beyond mean field (derived: docs/derivations-fan-in.md).

Mean field takes the kernel of the readout's features for its mean. The cavity argument for one channel gives
a response p and a second moment q of its readout weights instead (`numerics.readout_laws.coupled`): the mean
output responds with Q_p, its fluctuations have kernel Q_q, and -2 dPsi/dG_ij = p_ij eps eps^T - q_ij H.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from numerics.kernels.kernel_maps import KernelMap
from numerics.kernels.preactivations import Kernel
from numerics.problem import Problem
from numerics.readout_laws import pixel_correlation
from numerics.readout_laws.blocks import Grid, Pairs
from numerics.readout_laws.fan_in_terms import FanInTerm, one_kernel, pixels
from numerics.readout_laws.law import DataSummary, DataTerm, ReadoutLaw
from numerics.readout_laws.mean_field import MeanField
from numerics.readout_laws.noise_root import NoiseRoot

Array = NDArray[np.float64]


ONE_KERNEL = (6.0, 6.0)  # arrays of a data term with one eigendecomposition
SWEEPS = 30.0  # Cholesky factors, inverses and sums over blocks of a solve for q, in n^3 per outputs^3


class FanInLaw(ReadoutLaw):
    """What the laws with p and q share."""

    @abstractmethod
    def weights(self, readout: KernelMap) -> float:
        """Readout weights per channel that each entry of p stands for."""

    @abstractmethod
    def term(
        self, readout: KernelMap, kernel: Kernel, noise: NoiseRoot, targets: Array, channels: float
    ) -> FanInTerm: ...

    def at(
        self,
        readout: KernelMap,
        kernel: Kernel,
        problem: Problem,
        inverse_widths: Sequence[float],
        basis: Array | None = None,
    ) -> DataTerm:
        noise = NoiseRoot.of(problem)
        if len(inverse_widths) > 1 and any(inverse_widths) and answers_as_one(problem):
            fan_ins = np.array([1.0 / x if x > 0.0 else np.inf for x in inverse_widths])
            Q, bias = readout.value(kernel), readout.bias_variance
            return one_kernel(Q, problem.targets, noise, fan_ins[-1], bias, fan_ins)
        if inverse_widths[-1] == 0.0:
            return MeanField().at(readout, kernel, problem, inverse_widths, basis)
        channels = self.weights(readout) / inverse_widths[-1]
        return self.term(readout, kernel, noise, problem.targets, channels)

    def alpha_slope(
        self,
        term: DataSummary,
        readout: KernelMap,
        kernel: Kernel,
        problem: Problem,
        dQ: Array,
        ratios: Sequence[float],
    ) -> float:
        """Mean field's, and p = I - T/C + ..., to which eps answers through Q_p."""
        wide = self.term(readout, kernel, NoiseRoot.of(problem), problem.targets, np.inf).coupled
        one = np.eye(wide.size)
        along = float(np.sum(wide.fluctuation(one)[0] * wide.response(one)[0])) / self.weights(readout)
        along *= sum(ratios) if answers_as_one(problem) else ratios[-1]
        mean_field = MeanField().alpha_slope(term, readout, kernel, problem, dQ, ratios)
        return mean_field + along / problem.target_norm2


def answers_as_one(problem: Problem) -> bool:
    """Whether the units of every hidden layer act on the output through one combination, and not otherwise:
    linear dense layers without biases and one output, whose fan-ins enter as products."""
    net = problem.net
    return net.flat and net.activation == "linear" and problem.outputs == 1 and net.bias_variance == 0.0


class FiniteFanIn(FanInLaw):
    """Matrices over what one channel's readout weights are indexed by: (pixel or pooled pixel, output)."""

    name = "finite_fan_in"

    def weights(self, readout: KernelMap) -> float:
        return 1.0

    def term(
        self, readout: KernelMap, kernel: Kernel, noise: NoiseRoot, targets: Array, channels: float
    ) -> FanInTerm:
        if readout.receptive.fan_in == 1:
            return one_kernel(readout.value(kernel), targets, noise, channels, readout.bias_variance)
        if targets.shape[1] == 1:
            return pixels(Pairs.at(readout, kernel, noise), targets, noise, channels)
        return pixels(Grid.at(readout, kernel, noise, targets.shape[1]), targets, noise, channels)

    def squares(self, pixels: int, outputs: int) -> tuple[float, float]:
        if pixels == 1:
            return ONE_KERNEL
        if outputs == 1:
            return 6.0 + pixels**2 / 4, 8.0 + pixels**2 / 4
        return 4.0 * outputs**2 + 3.0 * pixels**2, 4.0 * (outputs**2 + pixels**2)

    def cubes(self, pixels: int, outputs: int) -> float:
        return 7.0 if pixels == 1 else SWEEPS * outputs**3


class ScalarFanIn(FanInLaw):
    """One p and q for all pixels, P = pixels times channels: where these are alike, uncorrelated, and learn
    alike. Over outputs they are matrices."""

    name = "scalar_fan_in"

    def weights(self, readout: KernelMap) -> float:
        return readout.receptive.fan_in

    def term(
        self, readout: KernelMap, kernel: Kernel, noise: NoiseRoot, targets: Array, channels: float
    ) -> FanInTerm:
        return one_kernel(readout.value(kernel), targets, noise, channels, readout.bias_variance)

    def squares(self, pixels: int, outputs: int) -> tuple[float, float]:
        return ONE_KERNEL

    def cubes(self, pixels: int, outputs: int) -> float:
        return 7.0

    def refuse(self, problem: Problem) -> None:
        last = problem.net.receptive_windows(problem.input_shape[0])[-1]
        if any(a != b for group in last.groups[0, 0] for a, b in group.pairs):
            raise ValueError(
                "theory='scalar_fan_in' needs a readout with a weight per pixel; pooling correlates what the "
                "weights see: use theory='finite_fan_in'"
            )
        if not problem.observed.all() or problem.common_noise is None:
            raise ValueError(
                "theory='scalar_fan_in' is for one noise_variance; give one number, or use "
                "theory='finite_fan_in'"
            )

    def samples_looked_at(self, samples: int, pixels: int) -> int:
        return pixel_correlation.samples_looked_at(samples, pixels)

    def refuse_kernel(
        self, readout: KernelMap, kernel: Kernel, problem: Problem, width: float, share: float
    ) -> None:
        noise = float(problem.noise_variance[0])
        pixel_correlation.refuse_correlated_pixels(readout, kernel, noise, width, share)
