"""The kernels of trained networks, with error bars: what `measure` gives."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from numerics import checks
from numerics.activations import named
from numerics.gaussian.at_kernels import GivenKernels
from numerics.gaussian.input_space import InputSpace
from numerics.machine.dense import congruence
from numerics.measured import summary
from numerics.measured.averages import Averages
from numerics.measured.correlations import Correlation, correlations
from numerics.measured.groups import error_of
from numerics.measured.load import MeasuredLoad
from numerics.measured.noise import Spectrum
from numerics.measured.sources import Source, pixels_first
from numerics.network import Network
from numerics.sampling.estimate import Estimate
from numerics.sampling.projections import Projections
from numerics.solutions.observables import LayerKernels

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Average:
    """A measured array and the jackknife's standard error of every entry."""

    value: Array
    error: Array


@dataclass(frozen=True, eq=False, repr=False)
class Measured:
    """Kernels of trained networks on inputs X; made by `numerics.measure`.

    Layers are counted as in `net.widths`: 0 is the input layer, whose covariance Sigma its weights have.
    Averages run over units and networks; errors are the jackknife's, over groups of networks where there are
    ten or more, else over groups of units, which are then taken for independent. Of samples a group is a run
    of draws of one chain, to be longer than what they remember.

    Attributes
    ----------
    net : Network
    X : (n, P, S) array
    space : InputSpace
        The input weights that X sees.
    averages : Averages
    shrunk : tuple of float
        Share of its prior in every layer's covariance, 0 without shrinkage.
    source : Source or None
        The networks; None for a solution, whose kernels are exact.
    """

    net: Network
    X: Array
    space: InputSpace
    averages: Averages
    shrunk: tuple[float, ...]
    source: Source | None

    @property
    def groups(self) -> int:
        """Groups of the jackknife; 1: the kernels are exact."""
        return self.averages.groups

    @property
    def units(self) -> tuple[float, ...]:
        """Effective number of independent units of every layer, all networks together."""
        return self.averages.units

    @property
    def layers(self) -> int:
        return len(self.net.widths)

    @property
    def odd(self) -> bool:
        return named(self.net.activation).odd

    def covariance_without(self, layer: int, group: int | None) -> Array:
        """K of a layer, or of layer 0 the covariance of the input weights in the coordinates of `space`, from
        all groups but one; shrunk, if it was asked for."""
        covariance = self._plain(layer, group)
        share = self.shrunk[layer]
        return (
            covariance if share == 0 else (1 - share) * covariance + share * self.prior_without(layer, group)
        )

    def _plain(self, layer: int, group: int | None) -> Array:
        second = self.averages.second[layer].without(group)
        if self.odd:
            return second
        mean = self.averages.first[layer].without(group)
        units = self.averages.units[layer]
        unbiased = 1.0 if math.isinf(units) else units / (units - 1.0)
        return unbiased * (second - np.multiply.outer(mean, mean))

    def mean_without(self, layer: int, group: int | None) -> Array | None:
        """Mean of the same; None where the activation is odd, so that it is zero."""
        return None if self.odd else self.averages.first[layer].without(group)

    def prior_without(self, layer: int, group: int | None) -> Array:
        """Q of a layer: of layer 0 the prior of the input weights, above it the measured <phi phi^T> of the
        layer below, and of layer `layers` the readout's Q_f."""
        if layer == 0:
            return np.diag(self.space.span_variance)
        return self.averages.posts[layer - 1].without(group)

    def _average(self, number: Callable[[int | None], Array]) -> Average:
        return Average(number(None), error_of(self.groups, number))

    @cached_property
    def _seen(self) -> Array:
        """(P n, r): the inputs as the weights see them."""
        return self.space.coordinates(pixels_first(self.net, self.X))

    def pre_kernel(self, layer: int) -> Average:
        """K^(l) of the pre-activations of a layer, (P n, P n) over (pixel, sample), the sample fastest."""
        level = checks.position(layer, "layer", self.layers)
        if level > 0:
            return self._average(lambda group: self.covariance_without(level, group))
        return self._average(lambda group: congruence(self._seen, self.covariance_without(0, group)))

    def post_kernel(self, layer: int) -> Average:
        """Q^(l), what the layer below gives a layer for its prior; `layer` = number of hidden layers: Q_f."""
        level = checks.position(layer, "layer", self.layers + 1)
        if level > 0:
            return self._average(lambda group: self.prior_without(level, group))
        return self._average(lambda group: congruence(self._seen, self.prior_without(0, group)))

    def mean(self, layer: int) -> Average:
        """Mean of the pre-activations of a layer, (P n,): also where the activation is odd, so that it says
        how far the networks are from that symmetry."""
        level = checks.position(layer, "layer", self.layers)
        first = self.averages.first[level].without
        return self._average(first if level > 0 else lambda group: self._seen @ first(group))

    @property
    def Sigma(self) -> Array:
        """Covariance of the input weights, (S, S), biases left out.

        Raises
        ------
        ValueError
            Where X does not tell all weights apart and they were not given.
        """
        size = self.X.shape[2]
        if self.space.basis is None:
            return self.covariance_without(0, None)[:size, :size]
        moments = None if self.source is None else self.source.weight_moments
        if moments is None:
            if self.source is None:
                return self.space.covariance(self.covariance_without(0, None))[:size, :size]
            raise ValueError(
                f"X tells {len(self.space.span_variance)} of the {size} input weights apart; give weights= "
                "for Sigma"
            )
        mean, second = moments
        whole = second if self.odd else second - np.multiply.outer(mean, mean)
        return whole[:size, :size]

    @property
    def overlap_ratio(self) -> Array:
        """Sigma over its prior variance."""
        return self.Sigma / self.space.prior_variance[0]

    def overlap(self, w: ArrayLike) -> Estimate:
        """w.Sigma.w over its prior's along a direction w (S,) of the input weights: l_*/l_GP."""
        projected = self.projections(w, 0).variance
        scale = self.space.prior_variance[0]
        return (
            Estimate.of_independent(projected.series / scale, "overlap")
            if projected.independent
            else (Estimate.of(projected.series / scale, "overlap"))
        )

    @property
    def kernels(self) -> tuple[LayerKernels, ...]:
        """K, Q and mean of the hidden layers above the first, as of a solution."""
        return tuple(
            LayerKernels(
                self.covariance_without(level, None),
                self.prior_without(level, None),
                np.zeros(self.averages.first[level].values.shape[1])
                if self.odd
                else self.averages.first[level].mean,
            )
            for level in range(1, self.layers)
        )

    @property
    def Q_f(self) -> Array:
        """Readout kernel on X, (n, n), noise left out."""
        return self.prior_without(self.layers, None)

    def spectrum(self, layer: int) -> Spectrum:
        """Eigenvalues of K of a layer, of Sigma (in the coordinates that X sees) for layer 0."""
        level = checks.position(layer, "layer", self.layers)
        return self._spectrum(lambda group: self.covariance_without(level, group), self.units[level])

    def post_spectrum(self, layer: int) -> Spectrum:
        """Eigenvalues of the measured Q of a layer above the first; `layer` = number of layers: Q_f."""
        level = checks.position(layer, "layer", self.layers + 1)
        if level == 0:
            raise ValueError(
                "layer=0 has the prior of the input weights, which is not measured; give layer=1"
            )
        return self._spectrum(lambda group: self.prior_without(level, group), self.units[level - 1])

    def _spectrum(self, matrix: Callable[[int | None], Array], units: float) -> Spectrum:
        values, vectors = np.linalg.eigh(matrix(None))
        vectors = vectors[:, ::-1]

        def along(group: int | None) -> Array:
            return np.einsum("ik,ik->k", vectors, matrix(group) @ vectors)

        return Spectrum.of(values[::-1], vectors, error_of(self.groups, along), units)

    def feature_load(self, layer: int) -> MeasuredLoad:
        """Where a layer has learned: eigenpairs of K - Q, of Sigma less its prior's for layer 0, with errors
        and the level of noise."""
        level = checks.position(layer, "layer", self.layers)
        size = self.X.shape[2] if level == 0 and self.space.basis is None else None

        def pair(group: int | None) -> tuple[Array, Array]:
            found = self.covariance_without(level, group), self.prior_without(level, group)
            return found[0][:size, :size], found[1][:size, :size]

        return MeasuredLoad.measured(pair, self.groups, self.units[level])

    def projections(self, direction: ArrayLike, layer: int) -> Projections:
        """Projections of every unit of every network on a direction: `histogram`, `qq`, `excess_kurtosis`.

        Parameters
        ----------
        direction : (S,) array, or (P n,) for a layer above the first
            As of `Samples.projections`; normalised.
        """
        values = self._projected(direction, layer)
        source = self._networks()
        if source.independent and self.averages.over == "units":
            values = values.reshape(1, -1, 1)
        return Projections(values, source.independent)

    def _projected(self, direction: ArrayLike, layer: int) -> Array:
        """(chains, draws, units)."""
        level, source = checks.position(layer, "layer", self.layers), self._networks()
        if level > 0:
            vector = checks.vector(direction, self.averages.first[level].values.shape[1], "direction")
        else:
            size = self.X.shape[2]
            vector = checks.vector(direction, size, "direction")
            padded = np.pad(vector, (0, len(self.space.prior_variance) - size))
            vector = self.space.vector(padded)
            if np.linalg.norm(vector) < (1 - 1e-8) * np.linalg.norm(padded):
                raise ValueError("direction has a part that X does not see; give one in the span of X")
        norm = float(np.linalg.norm(vector))
        if norm == 0:
            raise ValueError("direction is zero; give a direction of the layer")
        unit = vector / norm
        found = [unit @ (one.h[level] if level else one.weights) for one in source]
        return np.array(found).reshape(source.chains, -1, len(found[0]))

    def _networks(self) -> Source:
        if self.source is None:
            raise ValueError(
                "these are kernels of a solution, which has no units; measure networks or samples"
            )
        return self.source

    def kurtosis(self, layer: int, modes: int = 3) -> tuple[Estimate, ...]:
        """Excess kurtosis of units along the leading eigenvectors of a layer's kernel; 0 for a Gaussian."""
        level = checks.position(layer, "layer", self.layers)
        vectors = self.spectrum(level).vectors[:, : checks.count(modes, "modes")].T
        return tuple(self.projections(self._whole(level, v), level).excess_kurtosis for v in vectors)

    def _whole(self, level: int, vector: Array) -> Array:
        """A direction as a user gives it, from one in the coordinates of the covariance."""
        return vector if level else self.space.mean(vector)[: self.X.shape[2]]

    def correlations(self) -> dict[str, Correlation]:
        """How far units depend on one another along the leading eigenvector of every layer, and the level at
        which independent units would show as much."""
        source = self._networks()
        each = [
            Projections(
                self._projected(self._whole(level, self.spectrum(level).vectors[:, 0]), level),
                source.independent,
            )
            for level in range(self.layers)
        ]
        worth = min(units / width for units, width in zip(self.units, self.net.widths, strict=True))
        return correlations(each, worth)

    def given(
        self,
        group: int | None = None,
        measured_priors: bool = False,
        ranges: Sequence[Array | None] | None = None,
    ) -> GivenKernels:
        """For the right-hand sides of the equations, from all groups but one."""
        above = range(1, self.layers)
        return GivenKernels(
            covariances=tuple(self.covariance_without(level, group) for level in range(self.layers)),
            means=tuple(self.mean_without(level, group) for level in range(self.layers)),
            priors=tuple(self.prior_without(level, group) if measured_priors else None for level in above),
            ranges=tuple(None for _ in above) if ranges is None else tuple(ranges),
        )

    def __repr__(self) -> str:
        widths = ", ".join(f"{width:g}" for width in self.net.widths)
        units = ", ".join(f"{count:.4g}" for count in self.units)
        return f"Measured(widths=({widths}), n={len(self.X)}, units=({units}), {self.groups} groups)"

    def __str__(self) -> str:
        return summary.measured_text(self)
