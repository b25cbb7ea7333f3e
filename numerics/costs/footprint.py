"""Memory of a solve, by counting the arrays that a chain and its solver hold at once."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from numerics.activations import named
from numerics.network import Network
from numerics.pixels import Receptive
from numerics.readout_laws import ReadoutLaw
from numerics.solving.secants import room

BUFFERS = 6e6  # bytes of BLAS and of our panels
INPUT_STATES = (30, 18)  # S x S arrays at the peak: of two layers, and of more, whose peak is elsewhere
FRAGMENTS = 1.1  # freed blocks that the allocator keeps beside those in use


@dataclass(frozen=True)
class Sizes:
    """Dimensions that decide the cost of one network on data of one shape.

    Attributes
    ----------
    samples, pixels, features : int
        n, P, S of the inputs; of the features those that the data see, with the constant that carries biases.
    all_features : int
        Of the inputs as they are given, without that constant.
    hidden : tuple of int
        Dimension m_l = P_l n of each hidden kernel.
    ranks : tuple of int
        Bound on the rank of each, the dimension of theta_l.
    readout_pixels : int
        That the readout has a weight for.
    entries, hidden_entries : float
        Kernel entries made from inputs, once each, per pass over the first map; and from hidden kernels.
    statistics : int
        Numbers that a kernel map keeps per pre-activation, for inputs of order one.
    outputs : int
        Columns of y.
    """

    samples: int
    pixels: int
    features: int
    all_features: int
    hidden: tuple[int, ...]
    ranks: tuple[int, ...]
    readout_pixels: int
    entries: float
    hidden_entries: float
    statistics: int
    outputs: int = 1

    @classmethod
    def of(cls, net: Network, samples: int, pixels: int, features: int, outputs: int = 1) -> Sizes:
        windows = net.receptive_windows(pixels)
        hidden = tuple(window.pixels_out * samples for window in windows[:-1])
        within_span = min(features, samples * pixels) + (net.bias_variance > 0)
        # linear units: every kernel has at most the rank of the inputs and of the biases
        most = pixels * features + 1 if named(net.activation).name == "linear" else math.inf
        ranks = tuple(int(min(m, most)) for m in hidden)
        entries, *others = (samples**2 * _pairs(window) for window in windows)
        # the largest of many variances is about twice their mean
        rows = named(net.activation).rows(2 * (net.weight_variances[0] + net.bias_variance))
        return cls(
            samples=samples,
            pixels=pixels,
            features=within_span,
            all_features=features,
            hidden=hidden,
            ranks=ranks,
            readout_pixels=windows[-1].fan_in,
            entries=entries,
            hidden_entries=sum(others),
            statistics=rows,
            outputs=outputs,
        )

    def part(self, samples: int, features: int, statistics: int) -> Sizes:
        """The same network on fewer data with as many or fewer features."""
        share = samples / self.samples
        hidden = tuple(m * samples // self.samples for m in self.hidden)
        return replace(
            self,
            samples=samples,
            features=features,
            hidden=hidden,
            ranks=tuple(min(m, rank) for m, rank in zip(hidden, self.ranks, strict=True)),
            entries=self.entries * share**2,
            hidden_entries=self.hidden_entries * share**2,
            statistics=statistics,
        )

    @property
    def span(self) -> int:
        """Numbers in a basis of the inputs' span, where inputs have more features than that dimensions."""
        inputs = self.samples * self.pixels
        return self.all_features * inputs if inputs < self.all_features else 0

    @property
    def unknowns(self) -> int:
        """Length of the solver's vectors."""
        return sum(size * (size + 1) // 2 for size in (self.features, *self.ranks))

    @property
    def most_secants(self) -> int:
        """Pairs of such vectors that the solver remembers at most."""
        return room(self.unknowns)


def _pairs(window: Receptive) -> float:
    """Of pixels that meet; one triangle of a block on the diagonal."""
    return sum(
        len(group.pairs) * (0.5 if j == k else 1.0)
        for (j, k), groups in window.groups.items()
        if j >= k
        for group in groups
    )


def peak_memory(sizes: Sizes, gradients: float, law: ReadoutLaw, solutions: int = 1) -> float:
    """Bytes above the process at the peak of a solve, or of a path that keeps `solutions`."""
    inputs = sizes.samples * sizes.pixels * sizes.features
    arrays, later = law.squares(sizes.readout_pixels, sizes.outputs)
    # the data term, beside the inputs and their product with Sigma; or the adjoint, with one more like these
    data = max(
        arrays * sizes.samples**2 + 2 * inputs,
        later * sizes.samples**2 + 3 * inputs,
    )
    # every layer's covariances, roots and products, and the secants, two triangles each
    dense = sum(m**2 for m in sizes.hidden)
    states = sum(rank**2 for rank in sizes.ranks)
    weights = sizes.features**2
    kept = min(max(gradients - 1, 0), sizes.most_secants)
    secants = 1.2 * kept * (states + weights)
    layers = 8 * dense + 16 * states + INPUT_STATES[bool(sizes.hidden)] * weights + secants
    doubles = FRAGMENTS * data + layers + (solutions - 1) * (states + weights)
    # the inputs and a basis of their span, which biases are added to
    doubles += sizes.span * (3 if sizes.features > sizes.samples * sizes.pixels else 2)
    doubles += sizes.statistics * max(sizes.samples * sizes.pixels, *sizes.hidden, 0)
    looked_at = law.samples_looked_at(sizes.samples, sizes.readout_pixels)
    doubles = max(doubles, 3 * (sizes.readout_pixels * looked_at) ** 2)
    return 8.0 * doubles + BUFFERS
