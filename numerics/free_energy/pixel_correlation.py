"""Whether scalar p and q describe a readout's pixels (derived: docs/derivations-fan-in.md).

A readout of finite fan-in over pixels that are alike or correlated has matrices p and q over its N pixels. At
y = 0 they are equal, and with the blocks G_ij of the post-activations' kernel

    p^{-1} = I + T/C,   T_ij = (sigma_a^2/N) tr[G_ij H],   H = (sigma^2 + Q[p])^{-1},
    Q[p] = (sigma_a^2/N) sum_ij p_ij G_ij.

A scalar is right when T is a multiple of the identity. What it misses otherwise is measured in tr H, the mean
of tr K^{-1} over random readout kernels K: tr p itself can be almost right where tr H is not.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numerics.free_energy.chain import Chain
from numerics.free_energy.fan_in import Spectrum
from numerics.free_energy.problem import Problem
from numerics.kernels.kernel_maps import KernelMap
from numerics.machine.dense import mirrored
from numerics.pixels import Receptive

Array = NDArray[np.float64]

TOLERATED = 0.03  # about what scalars miss by themselves: 4 % of alpha at a readout load of .43
MOST_SAMPLES = 300
MOST_ROWS = 3000  # samples times pixels: 72 MB
SWEEPS, CLOSE = 300, 1e-6


def refuse_correlated_pixels(bound: Problem) -> None:
    """Raise where scalar p and q would be wrong for this readout at this width.

    Raises
    ------
    ValueError
        With the error, and what to do.
    """
    if bound.field.readout == "mean_field" or math.isinf(bound.net.width):
        return
    error = scalar_error(bound)
    if abs(error) > TOLERATED:
        raise ValueError(
            "readout='finite_fan_in' is for pixels that are alike and uncorrelated, but with these its two "
            f"scalars are {100 * abs(error):.2g} % off in tr K^-1 of the readout kernel at width "
            f"{bound.net.width:g} (at most {100 * TOLERATED:g} % are accepted); take larger widths, or "
            "readout='mean_field', which is off by about half the readout load"
        )


def scalar_error(bound: Problem) -> float:
    """Relative error of tr H by scalar p and q, against pixel matrices, at the Gaussian process and y = 0.

    On part of the data, with the width reduced in proportion, which keeps the readout load. Fewer data than
    there are overestimate it, where correlations are weak.
    """
    chain, last = bound.field.chain, bound.field.chain.maps[-1]
    pixels, samples = last.receptive.fan_in, chain.X.shape[1]
    if pixels == 1:
        return 0.0
    count = samples_looked_at(samples, pixels)
    picked = np.linspace(0, samples - 1, count).round().astype(int)
    part = Chain(
        chain.X[:, picked], chain.y[picked], chain.noise_variance[picked], chain.prior_variance, chain.maps
    )
    blocks = _pixel_blocks(part)
    noise, width = float(chain.noise_variance[0]), bound.net.width * count / samples
    return _scalar(blocks, noise, width) / _matrix(blocks, noise, width) - 1.0


def samples_looked_at(samples: int, pixels: int) -> int:
    """How many data the matrices are made of."""
    return min(samples, MOST_SAMPLES, max(MOST_ROWS // pixels, 1))


def _pixel_blocks(chain: Chain) -> Array:
    """(sigma_a^2/N) G_ij at the Gaussian process, (N, m, N, m), without the output's bias."""
    last = chain.maps[-1]
    seen = last.receptive.windows[0]
    apart = KernelMap(
        Receptive(seen[:, None], last.receptive.pools), last.variance / len(seen), last.activation
    )
    kernel = chain.layers(chain.prior)[-1].kernel
    return mirrored(apart.value(kernel)).reshape(len(seen), -1, len(seen), chain.X.shape[1])


def _scalar(blocks: Array, noise: float, width: float) -> float:
    """tr H with one p for all pixels."""
    values = np.maximum(np.linalg.eigvalsh(np.einsum("imin->mn", blocks)), 0.0)
    spectrum = Spectrum(values, np.zeros_like(values), noise, len(blocks) * width)
    q = spectrum.roots()[0]
    return float(np.sum(1.0 / (noise + q * values)))


def _matrix(blocks: Array, noise: float, width: float) -> float:
    """tr H with matrices: p falls monotonically from I to the fixed point."""
    pixels, samples = blocks.shape[:2]
    flat = np.ascontiguousarray(blocks.transpose(0, 2, 1, 3)).reshape(pixels**2, samples**2)
    p: NDArray[np.floating[Any]] = np.eye(pixels)
    for _ in range(SWEEPS):
        Q = (p.ravel() @ flat).reshape(samples, samples)
        H = np.linalg.inv((Q + Q.T) / 2 + noise * np.eye(samples))
        T = (flat @ H.ravel()).reshape(pixels, pixels)
        lower = np.linalg.inv(np.eye(pixels) + (T + T.T) / (2 * width))
        moved = np.abs(lower - p).max()
        p = lower
        if moved < CLOSE:
            break
    return float(np.trace(H))
