"""A quantity of a sweep over two of its parameters."""

from __future__ import annotations

from typing import Any

import numpy as np

from numerics.figures import MATRIX, new

MOST_TICKS = 9
MOST_PANELS = 6
SPREAD = 20.0  # largest over smallest value above which colours are logarithmic


def phase_diagram(found: Any, quantity: str = "alpha", x: str | None = None, y: str | None = None) -> Any:
    """A matplotlib Figure: colours over two parameters, or a curve over one; panels for the values of others.

    Parameters
    ----------
    found : xarray.Dataset
        What `sweep` returned.
    quantity : str
    x, y : str, optional
        Parameters of the axes; by default the last and the one before of those with several values.

    Raises
    ------
    ValueError
    """
    if quantity not in found:
        there = ", ".join(
            str(name) for name in found.data_vars if name not in ("status", "reason", "seconds")
        )
        raise ValueError(f"{quantity!r} is not in this sweep; it has {there}")
    values = found[quantity].squeeze(drop=True)
    axes_of = [str(name) for name in values.dims]
    for name in (x, y):
        if name is not None and name not in axes_of:
            raise ValueError(f"{name!r} is no parameter with several values; there are {', '.join(axes_of)}")
    if not axes_of:
        raise ValueError("the sweep has one point; there is nothing to draw over")
    numeric = (
        [name for name in axes_of if np.issubdtype(found[name].dtype, np.number)]
        if axes_of != ["case"]
        else []
    )
    order = [*(name for name in axes_of if name not in numeric), *numeric]
    across = x or next((name for name in reversed(order) if name != y), order[-1])
    up = y or next((name for name in reversed(numeric) if name != across), None)
    others = [name for name in axes_of if name not in (across, up)]
    stacked = values.stack(panel=others) if others else values.expand_dims(panel=[""])
    count = min(stacked.sizes["panel"], MOST_PANELS)
    figure = new((4.6 * count, 3.9))
    shown = [stacked.isel(panel=k) for k in range(count)]
    for axes, one in zip(np.atleast_1d(figure.subplots(1, count, sharey=True)), shown, strict=True):
        title = ", ".join(f"{name} = {one[name].item()}" for name in others)
        axes.set(xlabel=across, title=title)
        columns = _places(axes, found, across, "x")
        if up is None:
            axes.plot(one.values[columns], "o-", color=MATRIX)
            axes.set(ylabel=quantity)
            continue
        table = one.transpose(up, across).values[np.ix_(_places(axes, found, up, "y"), columns)]
        axes.set(ylabel=up)
        axes.set_facecolor("#dddddd")  # where there is nothing
        mesh = axes.imshow(table, origin="lower", aspect="auto", norm=_norm(stacked.values))
    if up is not None:
        bar = figure.colorbar(mesh, ax=list(figure.axes[:count]))
        bar.set_label(quantity)
    return figure


def _places(axes: Any, found: Any, name: str, which: str) -> Any:
    """One cell after the other, in the order of the values, with these beside them."""
    coordinate = found[name].values if name in found.coords else np.arange(found.sizes[name])
    numbers = np.issubdtype(coordinate.dtype, np.number)
    order = np.argsort(coordinate, kind="stable") if numbers else np.arange(len(coordinate))
    ticks = np.unique(np.linspace(0, len(order) - 1, MOST_TICKS).round().astype(int))
    words = [f"{value:.4g}" if numbers else str(value) for value in coordinate[order]]
    getattr(axes, f"set_{which}ticks")(ticks, [words[k] for k in ticks])
    return order


def _norm(values: Any) -> Any:
    from matplotlib.colors import LogNorm, Normalize

    finite = values[np.isfinite(values)]
    if finite.size and finite.min() > 0 and finite.max() / finite.min() > SPREAD:
        return LogNorm(finite.min(), finite.max())
    return Normalize(finite.min(), finite.max()) if finite.size else Normalize()
