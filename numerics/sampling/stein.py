"""Control variates whose mean is known: zero.

For any field v of the weights E[div v - v.grad U] = 0 (Stein's identity), which Assaraf and Caffarel, and
Mira, Solgi and Imparato use for Markov chains. With v = u (u.w_c) for every unit c of the first layer and a
fixed unit vector u, and with v = W for a whole layer (derived),

    h_u = sum_c (u.w_c)(u.g_c) / N_1 - 1,        h_l = W_l.g_l / size - 1,        g = dU/dW,

are zero in the mean. Where units are nearly Gaussian, l_* - l_*^EoS h_u is nearly constant: the wider the
network, the better. An observable O becomes O - b.h, with b by least squares, fitted on one half of the
chains and applied to the other, so that its mean stays what it is.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

FEWEST = 10  # draws per coefficient, in each half


def direction_control(weights: Array, slope: Array, u: Array) -> Array:
    """h_u (chains, draws) from whitened weights and slopes (chains, draws, S, N) of the first layer."""
    along = np.einsum("...sn,s->...n", weights, u)
    pull = along + np.einsum("...sn,s->...n", slope, u)
    return np.mean(along * pull, axis=-1) - 1.0


def controlled(series: Array, controls: Array) -> Array:
    """O - b.h (chains, draws) from O (chains, draws) and controls (k, chains, draws).

    Where there are too few draws to fit b, O itself.
    """
    parts = halves(series.shape)
    if min(int(half.sum()) for half in parts) < FEWEST * (len(controls) + 1):
        return series
    out = series.copy()
    for fitted, applied in (parts, parts[::-1]):
        coefficients = _fit(series[fitted], controls[:, fitted])
        out[applied] -= coefficients @ controls[:, applied]
    return out


def halves(shape: tuple[int, ...]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Half of the chains, or of one chain's draws."""
    first = np.zeros(shape, bool)
    if shape[0] > 1:
        first[: shape[0] // 2] = True
    else:
        first[:, : shape[1] // 2] = True
    return first, ~first


def _fit(values: Array, controls: Array) -> Array:
    """Least squares of values (m,) on 1 and controls (k, m); a control that does not vary has no part."""
    design = np.concatenate([np.ones((1, controls.shape[1])), controls]).T
    return np.linalg.lstsq(design, values, rcond=None)[0][1:]
