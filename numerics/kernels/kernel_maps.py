"""The map K -> Q from one layer's pre-activations to the next layer's prior kernel.

    Q_(mu j)(nu j') = variance sum_groups weight sum_(a, b) G(K)_(mu a)(nu b) + bias_variance

over the pairs of pixels that the receptive field lets meet (Eq. (7): the readout of a two-layer CNN, where
only equal patches meet; Eq. (14): a hidden convolution). Kernel entries are never all stored: panels of
rows are made pair by pair, used while they sit in cache, and made again where they are needed again. Of
symmetric matrices the lower triangle alone is made and read.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numerics.activations import Activation, Formula, named
from numerics.kernels.panels import Panel, all_rows, panels, with_arrays
from numerics.kernels.preactivations import Gatherer, Kernel
from numerics.machine import parallel
from numerics.machine.dense import mirrored
from numerics.machine.parallel import Span
from numerics.pixels import Receptive, Weighted

Array = NDArray[np.float64]


class KernelMap:
    """One layer's K -> Q.

    Parameters
    ----------
    receptive : Receptive
    variance : float
        sigma^2 of the weights above, with the fan-in divided out by the receptive field.
    activation : str or Activation
        Whose kernels to run.
    bias_variance : float
        Prior variance of the units' biases, added to every entry.
    """

    def __init__(
        self,
        receptive: Receptive,
        variance: float,
        activation: str | Activation | Formula,
        bias_variance: float = 0.0,
    ):
        self.receptive = receptive
        self.variance = variance
        self.bias_variance = bias_variance
        self.activation = named(activation)

    @property
    def loops(self) -> ModuleType:
        return self.activation.loops

    def weighted(self, weights: Array) -> KernelMap:
        """sum_ij w_ij G_ij over pairs of (pooled) pixels of a readout, variance / fan-in taken out and no
        bias; w (N, N), symmetric but for `cross`."""
        (slots,) = self.receptive.windows
        return KernelMap(Weighted(slots, self.receptive.pools, weights), 1.0, self.activation)

    def pair(self, one: int, two: int) -> KernelMap:
        """(variance / fan-in) (G_ij + G_ji)/2 of one pair of (pooled) pixels that a readout has a weight for,
        without the output's bias."""
        (slots,) = self.receptive.windows
        weights = np.ones((1, 1)) if one == two else np.array([[0.0, 0.5], [0.5, 0.0]])
        picked = slots[[one]] if one == two else slots[[one, two]]
        seen = Weighted(picked, self.receptive.pools, weights)
        return KernelMap(seen, self.variance / len(slots), self.activation)

    @property
    def apart(self) -> KernelMap:
        """(variance / fan-in) G_ij of every pair of (pooled) pixels that a readout has a weight for, as the
        blocks of one (N n, N n) array, without the output's bias."""
        (slots,) = self.receptive.windows
        apart = Receptive(slots[:, None], self.receptive.pools)
        return KernelMap(apart, self.variance / len(slots), self.activation)

    def blocks(self, kernel: Kernel) -> Array:
        """The values of `apart`, (N, n, N, n)."""
        slots, n = self.receptive.fan_in, kernel.v_col.shape[1]
        return mirrored(self.apart.value(kernel)).reshape(slots, n, slots, n)

    def value(self, kernel: Kernel) -> Array:
        """Q of a symmetric kernel, (P_out n, P_out n); the lower triangle is valid, the rest is not."""
        return self._sum(kernel, triangle=True)

    def cross(self, kernel: Kernel) -> Array:
        """Q between the kernel's row and column inputs, (P_out m, P_out n), every entry."""
        return self._sum(kernel, triangle=False)

    def _sum(self, kernel: Kernel, triangle: bool) -> Array:
        D_row, D_col = self._statistics(kernel)
        m, n = D_row.shape[-1], D_col.shape[-1]
        Q = np.zeros((self.receptive.pixels_out * m, self.receptive.pixels_out * n))

        def work(spans: Sequence[Span]) -> None:
            for panel, (K, part, total) in with_arrays(3, panels(self.receptive, spans, n, triangle)):
                total.fill(self.bias_variance)
                for tiles in panel.tiles(self.loops):
                    part.fill(0.0)
                    kernel.add_values(tiles, D_row, D_col, K, part)
                    part *= self.variance * tiles.group.weight
                    total += part
                panel.of(Q, m, n)[...] = total

        parallel.over_panels(work, all_rows(m), m * n * self.receptive.terms)
        return Q

    def adjoint(self, kernel: Kernel, A: Array) -> Array:
        """Tr{A dQ/dK}: the first of `adjoints`, (S, S) or (P n, P n)."""
        return self.adjoints(kernel, A)[0]

    def adjoints(self, kernel: Kernel, A: Array) -> tuple[Array, Array]:
        """(V, u) with sum_mn A_mn dQ_mn = sum_mn V_mn dK_mn + sum_m u_m dm_m, gathered by the kernel.

        A is symmetric and its lower triangle is read. For an input kernel V is (S, S), with respect to
        Sigma, and u (S,), with respect to m_w; for a hidden one (P n, P n) and (P n,). V is symmetric.
        u is empty where the activation is odd.
        """
        D, moments = self._statistics(kernel)[0], self._moments(kernel)[0]
        n = kernel.v_col.shape[1]
        gatherer = kernel.gatherer()

        def work(spans: Sequence[Span]) -> Array:
            diagonal = np.zeros(moments.shape)
            for panel, (K, B) in with_arrays(2, panels(self.receptive, spans, n, triangle=True)):
                for tiles in panel.tiles(self.loops):
                    self._weights(A, panel, n, tiles.group.weight, B)
                    gatherer.add(tiles, D, B, K, diagonal)
            return diagonal

        return self._total(gatherer, self._over(work, n))

    def tangent(self, kernel: Kernel, moving: Kernel) -> Array:
        """dQ when a symmetric kernel moves along `moving`; the lower triangle is valid.

        The blocks of `moving` are dK, its `v_row` is dv, the diagonal of dK, and its `m_row` is dm (None:
        the means stay).
        """
        D, n = self._statistics(kernel)[0], kernel.v_col.shape[1]
        dv = self._moments(moving)[0]
        dQ = np.zeros((self.receptive.pixels_out * n,) * 2)

        def work(spans: Sequence[Span]) -> Array:
            for panel, (K, dK, part, total) in with_arrays(
                4, panels(self.receptive, spans, n, triangle=True)
            ):
                total.fill(0.0)
                for tiles in panel.tiles(self.loops):
                    part.fill(0.0)
                    kernel.add_tangents(tiles, moving, D, dv, K, dK, part)
                    part *= self.variance * tiles.group.weight
                    total += part
                panel.of(dQ, n, n)[...] = total
            return np.zeros(1)

        self._over(work, n)
        return dQ

    def adjoint_tangent(self, kernel: Kernel, moving: Kernel, A: Array, dA: Array) -> Array:
        """The change of `adjoint(kernel, A)` when the kernel moves along `moving` and A along dA."""
        return self.adjoint_tangents(kernel, moving, A, dA)[0]

    def adjoint_tangents(self, kernel: Kernel, moving: Kernel, A: Array, dA: Array) -> tuple[Array, Array]:
        """(dV, du), the change of `adjoints(kernel, A)`; `moving` as in `tangent`, its dm entering both."""
        D, n = self._statistics(kernel)[0], kernel.v_col.shape[1]
        dv = self._moments(moving)[0]
        gatherer = kernel.gatherer()

        def work(spans: Sequence[Span]) -> Array:
            diagonal = np.zeros(dv.shape)
            for panel, (K, dK, B, dB) in with_arrays(4, panels(self.receptive, spans, n, triangle=True)):
                for tiles in panel.tiles(self.loops):
                    self._weights(A, panel, n, tiles.group.weight, B)
                    self._weights(dA, panel, n, tiles.group.weight, dB)
                    gatherer.add_tangent(tiles, moving, D, dv, B, dB, K, dK, diagonal)
            return diagonal

        return self._total(gatherer, self._over(work, n))

    def _moments(self, kernel: Kernel) -> tuple[Array, Array]:
        """What the loops take of the pre-activations of rows and columns: variances (P, n), or (P, 2, n)
        variances and means."""
        if not self.activation.with_means:
            return kernel.v_row, kernel.v_col
        rows = _stacked(kernel.v_row, kernel.m_row)
        same = kernel.v_row is kernel.v_col and kernel.m_row is kernel.m_col
        return rows, rows if same else _stacked(kernel.v_col, kernel.m_col)

    def _statistics(self, kernel: Kernel) -> tuple[Array, Array]:
        rows, cols = self._moments(kernel)
        D = self.activation.statistics(rows)
        return D, D if rows is cols else self.activation.statistics(cols)

    def _total(self, gatherer: Gatherer, diagonal: Array) -> tuple[Array, Array]:
        V, u = gatherer.total(diagonal)
        return V, u[:0] if self.activation.odd else u

    def _over(self, work: Any, n: int) -> Array:
        """Run over the panels of a triangle and add up what the threads return."""
        parts = parallel.over_panels(work, all_rows(n), n * n * self.receptive.terms / 2)
        return sum(parts[1:], start=parts[0])

    def _weights(self, A: Array, panel: Panel, n: int, weight: float, out: Array) -> None:
        """The weight of each entry of a panel: 2 A off the diagonal block, where an entry stands for its
        mirror image too, and the whole symmetric A inside it; times variance and group weight."""
        scale = self.variance * weight
        block = panel.of(A, n, n)
        np.multiply(block, 2 * scale, out=out)
        if panel.on_diagonal:
            height = panel.shape[0]
            corner = np.tril(block[:, -height:])
            corner += np.tril(corner, -1).T
            out[:, -height:] = scale * corner


def _stacked(v: Array, m: Array | None) -> Array:
    """(P, 2, n) variances and means from (P, n) each; None is zero."""
    return np.stack([v, np.zeros_like(v) if m is None else m], axis=1)
