"""Quantities of sampled networks: overlaps, kernels, loads, laws of the units."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from numerics import checks
from numerics.problem import Problem
from numerics.sampling import records, stein
from numerics.sampling.energies import Posterior
from numerics.sampling.estimate import FEWEST_ESS, Estimate
from numerics.sampling.forward import Forward
from numerics.sampling.projections import Projections
from numerics.sampling.records import Record
from numerics.solutions.observables import LayerKernels

Array = NDArray[np.float64]

OFF_ZERO = 4.0  # errors that a control may be off before it is said
ACCEPTED = (0.5, 0.95)
DIVERGED_SHARE = 0.01  # of paths: a few are rejections like others


class Observed(ABC):
    """Functions of a problem and draws of its hidden weights."""

    problem: Problem
    draws: Record
    report: Any

    @property
    @abstractmethod
    def posterior(self) -> Posterior:
        """In the prior's own coordinates and double precision."""

    @abstractmethod
    def _error_of_mean(self, means: Array, y: Array, name: str) -> Estimate:
        """Mean square error of the mean of outputs (chains x draws, m, D), over the mean square of y."""

    @property
    def shape(self) -> tuple[int, int]:
        """(chains, draws)."""
        chains, draws = self.draws.scalars.shape[:2]
        return chains, draws

    @property
    def layers(self) -> int:
        return len(self.problem.widths)

    def series(self, name: str) -> Array:
        """(chains, draws) of a recorded number: `numerics.sampling.records.scalar_names`."""
        names = records.scalar_names(self.layers)
        return self.draws.scalars[:, :, names.index(checks.choice(name, names, "name"))]

    def estimate(self, series: ArrayLike, name: str = "", *directions: Array) -> Estimate:
        """An Estimate of any number of a draw, (chains, draws), with the control variates of every layer's
        virial and of input-weight directions, the top one of Sigma where none is given."""
        values = np.asarray(series, dtype=np.float64)
        if values.shape != self.shape:
            raise ValueError(f"series has shape {values.shape}; give one number per draw, {self.shape}")
        return Estimate.of(values, name, self._controls(*directions))

    def _controls(self, *directions: Array) -> Array:
        virials = [self.series(records.virial(level)) for level in range(1, self.layers + 1)]
        along = [self._direction_control(u) for u in directions] or [self._top_control]
        return np.array([*virials, *along])

    def _direction_control(self, u: Array) -> Array:
        return stein.direction_control(self._first, self.draws.slope, u)

    @cached_property
    def _first(self) -> Array:
        """(chains, draws, S, N_1): whitened weights into the first layer, biases included."""
        rows, units = self.posterior.forward.shapes[0]
        return self.draws.weights[:, :, : rows * units].reshape(*self.shape, rows, units)

    @cached_property
    def _top_control(self) -> Array:
        """The control of the direction that learned most, which each half of the draws takes from the other:
        of its own it would follow the noise."""
        out = np.empty(self.shape)
        halves = stein.halves(self.shape)
        for chosen, applied in (halves, halves[::-1]):
            W = self._first[chosen]
            top = np.linalg.eigh(np.einsum("tsn,trn->sr", W, W, optimize=True))[1][:, -1]
            out[applied] = stein.direction_control(self._first[applied], self.draws.slope[applied], top)
        return out

    @cached_property
    def _whitened_moment(self) -> Array:
        chains, draws = self.shape
        flat = self._first
        total = np.einsum("ctsn,ctrn->sr", flat, flat, optimize=True)
        return total / (chains * draws * flat.shape[3])

    def check(self) -> dict[str, Estimate]:
        """Numbers whose mean is known to be zero: every layer's virial, and the top direction's control. One
        that is off by many errors says that the chains are not in equilibrium, or a gradient is wrong."""
        found = {
            f"layer {level}": Estimate.of(self.series(records.virial(level)), f"control of layer {level}")
            for level in range(1, self.layers + 1)
        }
        found["top direction"] = Estimate.of(self._top_control, "control of the top direction")
        return found

    def doubts(self) -> Iterator[str]:
        """What speaks against the run as a whole, each with what to do."""
        report = self.report
        if report.interrupted:
            yield "interrupted: fewer draws than were asked for; sample again with the same checkpoint"
        for name, control in self.check().items():
            if control.error > 0 and abs(control.mean) > OFF_ZERO * control.error:
                yield (
                    f"control variate of {name} is {control.mean / control.error:+.1f} errors off zero: not "
                    "in equilibrium; raise draws, or start from the equations of state"
                )
        if report.divergences > DIVERGED_SHARE * math.prod(self.shape):
            yield f"{report.divergences} paths diverged: the step was too large; sample with start='eos'"
        low, high = ACCEPTED
        if not math.isnan(report.acceptance) and not low <= report.acceptance <= high:
            yield f"acceptance {report.acceptance:.2f} outside [{low}, {high}]: try start='eos' or a new seed"
        if self.alpha.plain.ess < FEWEST_ESS:
            yield f"alpha has {self.alpha.plain.ess:.0f} effective draws: raise draws"

    @cached_property
    def alpha(self) -> Estimate:
        """Overlap of discrepancy and target on the training data, as `Solution.alpha`."""
        return self.estimate(self.series(records.ALPHA), "alpha")

    @cached_property
    def train_loss(self) -> Estimate:
        """Mean square of y - f of single networks over that of y: what training sees."""
        return self.estimate(self.series(records.LOSS), "train loss")

    @cached_property
    def train_error(self) -> Estimate:
        """Mean square of y - f_bar of the mean output over that of y, as `Solution.train_error`."""
        problem = self.problem
        targets = problem.targets[problem.observed]
        chains, draws = self.shape
        eps = self.draws.eps.reshape(chains * draws, *targets.shape)
        means = targets - problem.noise_variance[problem.observed, None] * eps
        return self._error_of_mean(means, targets, "train error")

    @cached_property
    def readout_load(self) -> Estimate:
        """(n - tr[sigma^2 H]) / P per output, as a solution's, with H = <K_f^{-1}> - Cov eps: how the outputs
        of all networks together answer, of which K_f^{-1} is that of one (derived)."""
        problem = self.problem
        eps = self.draws.eps
        moved = (eps - eps.mean(axis=(0, 1))) ** 2 * problem.noise_variance[problem.observed, None]
        count = math.prod(self.shape)
        between = moved.sum(axis=(2, 3)) * count / max(count - 1, 1) / problem.outputs
        return self.estimate(
            (self.series(records.DEGREES) + between) / problem.readout_fan_in, "readout load"
        )

    @cached_property
    def output_variance(self) -> Estimate:
        """tr Q_f / n: mean square of the prior's output given the hidden weights."""
        return self.estimate(self.series(records.TRACE_Q), "tr Q_f / n")

    def hidden_variance(self, layer: int) -> Estimate:
        """tr K / (P n) of hidden layer `layer` = 1, ...: mean square of its pre-activations. Of layer 0 it is
        tr Sigma over its prior's."""
        level = checks.position(layer, "layer", self.layers) + 1
        name = "tr Sigma over its prior's" if level == 1 else f"tr K / (P n) of layer {level}"
        return self.estimate(self.series(records.square(level)), name)

    def overlap(self, w: ArrayLike) -> Estimate:
        """w.Sigma.w over its prior's for a direction w of the input weights: l_*/l_GP."""
        u = self._direction(w)
        squares = np.mean(np.einsum("ctsn,s->ctn", self._first, u) ** 2, axis=2)
        return self.estimate(squares, "overlap", u)

    def _direction(self, w: ArrayLike) -> Array:
        """Unit vector over all first-layer weights from (S,) numbers."""
        size = self.problem.input_shape[1]
        vector = checks.vector(w, size, "w")
        norm = float(np.linalg.norm(vector))
        if norm == 0:
            raise ValueError("w is zero; give a direction of the input weights")
        return np.pad(vector / norm, (0, self._first.shape[2] - size))

    @property
    def overlap_ratio(self) -> Array:
        """Second moment of the input weights of a unit over its prior's, (S, S), biases left out."""
        size = self.problem.input_shape[1]
        return self._whitened_moment[:size, :size]

    @property
    def Sigma(self) -> Array:
        """Second moment of the input weights of a unit, (S, S), biases left out."""
        size = self.problem.input_shape[1]
        return self.overlap_ratio * self.problem.net.weight_variances[0] / size

    @property
    def overlap_eigenvalues(self) -> Array:
        """Eigenvalues of the averaged `overlap_ratio`, largest first: not averages of a draw's eigenvalues,
        which are spread by its few units."""
        return np.asarray(np.linalg.eigvalsh(self.overlap_ratio)[::-1], dtype=np.float64)

    @property
    def eps(self) -> Array:
        """(y - f_bar)/sigma^2, in the shape of y; NaN where a datum is taken out."""
        return self._over_data(self.draws.eps.mean(axis=(0, 1)))

    @property
    def f_bar(self) -> Array:
        """Mean output on the training inputs, in the shape of y; NaN where a datum is taken out: `predict`
        has it there."""
        problem = self.problem
        seen = problem.observed
        gap = problem.noise_variance[seen, None] * self.draws.eps.mean(axis=(0, 1))
        return self._over_data(problem.targets[seen] - gap)

    def _over_data(self, values: Array) -> Array:
        problem = self.problem
        out = np.full((problem.samples, problem.outputs), np.nan)
        out[problem.observed] = values
        return out[:, 0] if problem.one_output else out

    @property
    def Q_f(self) -> Array:
        """Readout kernel on the training inputs, averaged, (n, n), noise left out."""
        total: Array | float = 0.0
        forward = Forward(self.problem.net, self.problem.inputs)
        count = 0
        for parts in self.networks():
            Phi = forward(parts).features
            total = total + Phi @ Phi.T
            count += 1
        return np.asarray(total) / count

    @property
    def kernels(self) -> tuple[LayerKernels, ...]:
        """K, Q and mean of every hidden layer above the first on the training inputs, averaged over units and
        draws; rows run over (pixel, sample), the sample fastest, as in `Solution.kernels`."""
        return self.kernels_at(self.problem.X)

    def kernels_at(self, X: ArrayLike) -> tuple[LayerKernels, ...]:
        """The same at any inputs."""
        problem = self.problem
        inputs = checks.inputs_like(X, problem.input_shape, problem.net.flat, "X")
        forward = Forward(problem.net, inputs)
        sums: list[list[Any]] = [[0.0, 0.0, 0.0] for _ in range(self.layers - 1)]
        count = 0
        for parts in self.networks():
            passed = forward(parts)
            count += 1
            for total, B, W in zip(sums, passed.rows[1:], passed.weights[1:], strict=True):
                h = pixel_major(B @ W, len(inputs))
                Q = pixel_major(B, len(inputs))
                total[0] = total[0] + h @ h.T / h.shape[1]
                total[1] = total[1] + Q @ Q.T
                total[2] = total[2] + h.mean(axis=1)
        odd = forward.activation.odd
        return tuple(_kernels(K / count, Q / count, mean / count, odd) for K, Q, mean in sums)

    def projections(self, direction: ArrayLike, layer: int = 0, X: ArrayLike | None = None) -> Projections:
        """Projections of every unit of a layer, over all draws and chains: the histograms of Figs. 2 to 6.

        Parameters
        ----------
        direction : (S,) array, or (P n,) for a layer above the first
            Of input weights; or over (pixel, sample), the sample fastest, of pre-activations, such as an
            eigenvector of a kernel. Normalised.
        layer : int
            0 for the input weights, 1, ... for the pre-activations of the hidden layers above.
        X : array, optional
            Inputs of the pre-activations; by default the training inputs.
        """
        level = checks.position(layer, "layer", self.layers)
        if level == 0:
            u = self._direction(direction)
            std = math.sqrt(self.problem.net.weight_variances[0] / self.problem.input_shape[1])
            return Projections(std * np.einsum("ctsn,s->ctn", self._first, u))
        problem = self.problem
        inputs = (
            problem.inputs if X is None else checks.inputs_like(X, problem.input_shape, problem.net.flat, "X")
        )
        forward = Forward(problem.net, inputs)
        size = forward.gathers[level].pixels * len(inputs)
        vector = checks.vector(direction, size, "direction")
        vector = vector / np.linalg.norm(vector)
        found = [vector @ pixel_major(forward.to(level, parts), len(inputs)) for parts in self.networks()]
        return Projections(np.array(found).reshape(*self.shape, -1))

    def correlations(self, X: ArrayLike | None = None) -> dict[str, Estimate]:
        """How far units depend on one another along the top direction of every layer: of Sigma for the first,
        of the kernel K at inputs X (by default the training inputs) above. Zero for independent units.

        "layer l": mean product of two units over their variance; "layer l, squares": the same of their
        squares, less their means; "layers l and l + 1, squares": correlation of the squares of two units of
        neighbouring layers.
        """
        size = self.problem.input_shape[1]
        tops = [np.linalg.eigh(self.overlap_ratio)[1][:size, -1]]
        inputs = self.problem.X if X is None else X
        if self.layers > 1 and len(np.asarray(inputs)) == 0:
            raise ValueError(
                "X is missing: without training inputs, give some for the kernels above the first"
            )
        tops += [np.linalg.eigh(kernels.K)[1][:, -1] for kernels in self.kernels_at(inputs)]
        each = [self.projections(top, layer, inputs) for layer, top in enumerate(tops)]
        found: dict[str, Estimate] = {}
        for layer, one in enumerate(each):
            if one.values.shape[2] > 1:
                found[f"layer {layer}"] = one.pair_correlation
                found[f"layer {layer}, squares"] = one.square_correlation
        for layer, (below, above) in enumerate(pairwise(each)):
            name = f"layers {layer} and {layer + 1}, squares"
            found[name] = Estimate.of(below.square_covariance(above), name)
        return found

    def networks(self) -> Iterator[list[Array]]:
        """Hidden weights of every draw, whitened by their prior."""
        flat = self.draws.weights.reshape(-1, self.draws.weights.shape[2])
        for weights in flat:
            yield self.posterior.coordinates.split(weights)


def _kernels(second: Array, Q: Array, mean: Array, odd: bool) -> LayerKernels:
    """Covariance and mean from the second moment; of an odd activation the mean is known to be zero."""
    if odd:
        return LayerKernels(second, Q, np.zeros_like(mean))
    return LayerKernels(second - np.multiply.outer(mean, mean), Q, mean)


def pixel_major(rows: NDArray[Any], samples: int) -> Array:
    """(n P, k) -> (P n, k)."""
    return np.ascontiguousarray(rows.reshape(samples, -1, rows.shape[1]).transpose(1, 0, 2)).reshape(
        len(rows), -1
    )
