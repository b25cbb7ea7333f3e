"""Whether scalar p and q describe a readout's pixels (derived: docs/derivations-fan-in.md).

A readout of finite fan-in over pixels that are alike or correlated has matrices p and q over its N pixels. At
y = 0 they are equal, and with the blocks G_ij of the post-activations' kernel

    p^{-1} = I + T/C,   T_ij = (sigma_a^2/N) tr[G_ij H],   H = (sigma^2 + Q[p])^{-1},
    Q[p] = (sigma_a^2/N) sum_ij p_ij G_ij.

A scalar is right when T is a multiple of the identity. What it misses otherwise is measured in tr H, the mean
of tr K^{-1} over random readout kernels K: tr p itself can be almost right where tr H is not.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from numerics.kernels.kernel_maps import KernelMap
from numerics.kernels.preactivations import Kernel
from numerics.readout_laws.spectrum import Spectrum

Array = NDArray[np.float64]

TOLERATED = 0.03  # about what scalars miss by themselves: 4 % of alpha at a readout load of .43
MOST_SAMPLES = 300
MOST_ROWS = 3000  # samples times pixels: 72 MB
SWEEPS, CLOSE = 300, 1e-6


def samples_looked_at(samples: int, pixels: int) -> int:
    """How many data the matrices are made of; none where there is one pixel."""
    return min(samples, MOST_SAMPLES, max(MOST_ROWS // pixels, 1)) if pixels > 1 else 0


def refuse_correlated_pixels(
    readout: KernelMap, kernel: Kernel, noise: float, width: float, share: float
) -> None:
    """Raise where scalar p and q would be wrong for this readout at this width.

    Parameters
    ----------
    kernel : Kernel
        Of the last hidden layer at the Gaussian process, on part of the data.
    share : float
        Which part. The width is reduced in proportion, which keeps the readout load.

    Raises
    ------
    ValueError
        With the error, and what to do.
    """
    error = scalar_error(readout, kernel, noise, width * share)
    if abs(error) > TOLERATED:
        raise ValueError(
            "theory='scalar_fan_in' is for pixels that are alike and uncorrelated, but with these its two "
            f"scalars are {100 * abs(error):.2g} % off in tr K^-1 of the readout kernel at width "
            f"{width:g} (at most {100 * TOLERATED:g} % are accepted); take larger widths, or "
            "theory='finite_fan_in', which has matrices over pixels (theory='mean_field' is off by about "
            "half the readout load)"
        )


def scalar_error(readout: KernelMap, kernel: Kernel, noise: float, width: float) -> float:
    """Relative error of tr H by scalar p and q, against pixel matrices, at the Gaussian process and y = 0.

    Fewer data than there are overestimate it, where correlations are weak.
    """
    blocks = readout.blocks(kernel)
    return _scalar(blocks, noise, width) / _matrix(blocks, noise, width) - 1.0


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
