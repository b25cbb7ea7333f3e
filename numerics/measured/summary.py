"""Measured kernels and their equations in words: text for print()."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from numerics.figures import short

SHOWN = 3  # eigenvalues, and modes whose kurtosis is printed


def measured_text(measured: Any) -> str:
    """A heading, and per layer what was learned, against noise, and how Gaussian its units are."""
    widths = ", ".join(f"{width:g}" for width in measured.net.widths)
    source = measured.source
    if source is None:
        heading = "Kernels of a solution, exact"
    else:
        networks = f"{len(source)} network{'s' * (len(source) > 1)}"
        heading = f"Measured kernels: {networks}, errors over {measured.averages.over}"
    rows = [("network", f"{measured.net.activation}, widths {widths}, n = {len(measured.X)}")]
    for level in range(measured.layers):
        rows += [(f"layer {level}", line) for line in _layer(measured, level)]
    if source is not None:
        rows += [(f"correlation, {name}", str(each)) for name, each in measured.correlations().items()]
    return _table(heading, rows)


def _layer(measured: Any, level: int) -> Iterator[str]:
    spectrum, load = measured.spectrum(level), measured.feature_load(level)
    name = "Sigma" if level == 0 else f"K{level + 1}"
    units = measured.units[level]
    if math.isfinite(units):
        dimensions = f"{len(spectrum.values)} dimensions, {spectrum.resolved} resolved"
        yield f"{units:.4g} independent units for {dimensions}"
    top = ", ".join(
        short(value, error)
        for value, error in zip(spectrum.values[:SHOWN], spectrum.errors[:SHOWN], strict=True)
    )
    yield f"top of {name}: {top}"
    learned = ", ".join(
        short(value, error) for value, error in zip(load.values[:SHOWN], load.errors[:SHOWN], strict=True)
    )
    yield f"learned, {name} less its prior: {learned}; {load.significant} beyond noise of {load.noise:.2g}"
    if measured.source is not None:
        found = measured.kurtosis(level, min(SHOWN, len(spectrum.values)))
        modes = ", ".join(short(each.mean, each.error) for each in found)
        yield f"excess kurtosis along its top modes: {modes}"
    if measured.shrunk[level] > 0:
        yield f"shrunk by {measured.shrunk[level]:.2g} towards its prior"


def predicted_text(predicted: Any) -> str:
    """A table with an equation a row."""
    lines = [
        f"Equations of state at measured kernels ({predicted.theory}, {predicted.post_kernels} post-kernels)",
        f"  alpha {predicted.alpha:.5g}, readout load {predicted.readout_load:.2g}",
        f"  {'':6}{'learned':>9}{'residual':>10}{'noise':>9}  {'along what is predicted':^34}  {'pull':>5}",
        f"  {'':6}{'':9}{'':10}{'':9}  {'reference':>10}{'measured':>12}{'predicted':>12}",
    ]
    for each in predicted.equations:
        reference, measured, prediction, _ = each.along
        pull = f"{each.pull:+5.1f}" if math.isfinite(each.pull) else f"{'':5}"
        lines.append(
            f"  {each.name:6}{each.learned:9.2%}{each.residual:10.2g}{each.noise:9.2g}  "
            f"{reference:10.4g}{measured:12.5g}{prediction:12.5g}  {pull}  {verdict(each)}"
        )
    return "\n".join(lines)


def verdict(each: Any) -> str:
    """In words: whether the equation is obeyed, and on which range."""
    inside, whole = each.resolved
    range_ = f", on {inside} of {whole} dimensions" if inside < whole else ""
    if math.isnan(each.residual):
        return "no right-hand side: the pull, or noise in it, exceeds the prior's stiffness" + range_
    if math.isnan(each.noise):
        return "noise exceeds the prior's stiffness in a part of the units: measure more" + range_
    if each.obeyed and each.noise > each.learned:
        return "within noise, which is more than was learned" + range_
    if each.obeyed:
        return "obeyed" + range_
    return f"off by {each.residual:.2g}, {each.residual / each.noise:.1f} times noise" + range_


def _table(heading: str, rows: list[tuple[str, str]]) -> str:
    indent = max(len(name) for name, _ in rows)
    lines = [heading]
    last = ""
    for name, value in rows:
        lines.append(f"  {name if name != last else '':{indent}}  {value}")
        last = name
    return "\n".join(lines)
