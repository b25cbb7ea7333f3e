"""A user's arrays as units of a network: checked against it, one sentence otherwise."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numerics import checks
from numerics.network import Network

Array = NDArray[np.float64]

LEFT_OVER = 1e-3  # of a layer's pre-activations beyond what it sees: single precision leaves 1e-6
LOOKED_AT = 3  # networks whose layers are checked


def stacked(values: Any, name: str, units: int, samples: int, pixels: int) -> Array:
    """Pre-activations as (networks, units, samples, pixels), from (units, samples) where there is one pixel,
    or (units, samples, pixels), either with networks in front.

    Raises
    ------
    ValueError
        With the order of axes that would fit, if one does.
    """
    array = checks.any_array(values, name)
    shape = (units, samples) if pixels == 1 else (units, samples, pixels)
    if pixels == 1 and array.shape[-1:] == (1,) and array.shape[-3:-1] == shape:
        array = array[..., 0]
    if array.ndim == len(shape) + 1 and array.shape[1:] == shape and len(array):
        return array.reshape(len(array), units, samples, pixels)
    if array.shape == shape:
        return array.reshape(1, units, samples, pixels)
    axes = "(units, samples)" if pixels == 1 else "(units, samples, pixels)"
    wanted = f"{axes} = {shape} is needed, or networks stacked in front of that"
    for order in permutations(range(array.ndim)):
        turned = tuple(array.shape[axis] for axis in order)
        if turned == shape or (array.ndim == len(shape) + 1 and turned[1:] == shape):
            turn = ", ".join(map(str, order))
            raise ValueError(f"{name} has shape {array.shape}, but {wanted}; give {name}.transpose({turn})")
    raise ValueError(
        f"{name} has shape {array.shape}, but {wanted}: units are the network's widths, samples X's"
    )


def whole_widths(net: Network) -> tuple[int, ...]:
    """Of a network that was trained.

    Raises
    ------
    ValueError
        Where a width is infinite or a fraction.
    """
    for width in net.widths:
        if not (math.isfinite(width) and width == int(width)):
            raise ValueError(
                f"net has the width {width:g}; give the whole numbers of units that were trained"
            )
    return tuple(int(width) for width in net.widths)


def enough(networks: int, widths: Sequence[int], fewest: int) -> None:
    """Refuse what is too little for an error bar."""
    if max(networks, min(widths)) < fewest:
        layer = int(np.argmin(widths))
        raise ValueError(
            f"activations[{layer}] has {widths[layer]} units of {networks} "
            f"network{'s' * (networks > 1)}: at least {fewest} units or networks are needed for error bars; "
            "stack more networks on a leading axis"
        )


def not_constant(h: Array, name: str) -> None:
    """Refuse units (networks, units, samples, pixels) that say nothing of the inputs."""
    if h.shape[2] * h.shape[3] > 1 and not np.ptp(h, axis=(2, 3)).any():
        raise ValueError(
            f"{name} does not depend on the inputs: every unit is constant; give the pre-activations of a "
            "network at X, one per sample"
        )


def left_over(H: Array, seen: Array) -> float:
    """Share of pre-activations H (rows, units) that is no linear function of what the layer sees, `seen`
    (rows, fan-in); 0 where rows are too few to tell."""
    if len(seen) <= seen.shape[1]:
        return 0.0
    beyond = H - seen @ np.linalg.lstsq(seen, H, rcond=None)[0]
    return float(np.linalg.norm(beyond) / np.linalg.norm(H))
