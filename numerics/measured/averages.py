"""One pass over networks: second moments, means and prior kernels of every layer, group by group."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from numerics.machine.dense import gram
from numerics.measured import arrays
from numerics.measured.groups import FEWEST, MOST_GROUPS, Groups, blocks
from numerics.measured.sources import OneNetwork, Source, effective_networks, seen_above

Array = NDArray[np.float64]

MOST_BYTES = 2.0**30  # of all groups' kernels: with larger ones there are fewer groups
FEW_NETWORKS = 10  # fewer are no sample of networks: then units are the sample


@dataclass(frozen=True)
class Averages:
    """Attributes
    ----------
    second, first : tuple of Groups
        Second and first moments of every layer: of the input weights in the source's coordinates, then of the
        pre-activations of the hidden layers above, over (pixel, sample).
    posts : tuple of Groups
        Prior kernels Q of the hidden layers above the first, and Q_f.
    units : tuple of float
        Effective number of independent units of every layer.
    over : str
        What was grouped, "networks" or "units".
    """

    second: tuple[Groups, ...]
    first: tuple[Groups, ...]
    posts: tuple[Groups, ...]
    units: tuple[float, ...]
    over: str

    @property
    def groups(self) -> int:
        return len(self.second[0].counts)


def averages(source: Source) -> Averages:
    """Of all networks.

    Raises
    ------
    ValueError
        Where units and networks are too few for an error bar.
    """
    widths = source.forward.widths
    arrays.enough(len(source), widths, FEWEST)
    by_networks = len(source) >= FEW_NETWORKS or len(source) >= min(widths)
    dims = [len(source.X) * gather.pixels for gather in source.forward.gathers]
    outs = [len(source.X) * gather.receptive.pixels_out for gather in source.forward.gathers]
    size = len(source.space.span_variance)
    sums = sum(dim**2 for dim in (size, *dims[1:], *outs)) * 8.0
    count = int(np.clip(MOST_BYTES / sums, FEWEST, MOST_GROUPS))
    parts = _network_groups(len(source), source.chains, count) if by_networks else None
    count = min(count, min(widths)) if parts is None else max(parts) + 1
    tally = _Tally(count, [size, *dims[1:]], outs)
    traces = np.empty((len(widths), len(source)))
    for number, network in enumerate(source):
        layers = [network.weights, *network.h[1:]]
        traces[:, number] = [float(np.mean(layer**2)) for layer in layers]
        for group in range(count) if parts is None else (parts[number],):
            tally.add(source, network, group, count if parts is None else 1)
    series = traces.reshape(len(widths), source.chains, -1)
    effective = [effective_networks(one, source.independent) for one in series]
    return tally.averages(
        tuple(width * worth for width, worth in zip(widths, effective, strict=True)),
        "networks" if by_networks else "units",
    )


def _network_groups(networks: int, chains: int, count: int) -> list[int]:
    """The group of every network: neighbours of one chain."""
    per_chain = max(1, count // chains)
    runs = blocks(networks // chains, per_chain)
    group = [index for index, run in enumerate(runs) for _ in range(run.stop - run.start)]
    return [chain * len(runs) + index for chain in range(chains) for index in group]


class _Tally:
    def __init__(self, count: int, dims: list[int], outs: list[int]):
        self.second = [np.zeros((count, dim, dim)) for dim in dims]
        self.first = [np.zeros((count, dim)) for dim in dims]
        self.posts = [np.zeros((count, dim, dim)) for dim in outs]
        self.counts = np.zeros((len(dims), count))

    def add(self, source: Source, network: OneNetwork, group: int, of: int) -> None:
        """All units of a network to a group, or block `group` of its units where there are `of` blocks."""
        layers = [network.weights, *network.h[1:]]
        for level, (layer, h) in enumerate(zip(layers, network.h, strict=True)):
            block = slice(None) if of == 1 else blocks(layer.shape[1], of)[group]
            part, seen = layer[:, block], h[:, block]
            units = part.shape[1]
            self.counts[level, group] += units
            self.second[level][group] += gram(np.ascontiguousarray(part))
            self.first[level][group] += part.sum(axis=1)
            above = seen_above(source.forward, level, seen, len(source.X))
            self.posts[level][group] += units * gram(above)

    def averages(self, units: tuple[float, ...], over: str) -> Averages:
        def groups(sums: list[Array]) -> tuple[Groups, ...]:
            found = []
            for count, total in zip(self.counts, sums, strict=True):
                total /= count.reshape(-1, *(1,) * (total.ndim - 1))
                found.append(Groups(count, total))
            return tuple(found)

        return Averages(groups(self.second), groups(self.first), groups(self.posts), units, over)
