"""A Comparison as text (the table, the verdict, the notes) and as a file."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np

from feature_eos.commands import terminal
from numerics.compare import Beyond, Comparison, Row
from numerics.figures import short
from numerics.machine.files import write_atomically
from numerics.solutions.summary import LOAD_WORTH_A_NOTE
from numerics.solutions.validity import percent

COLUMNS = (  # heading, attribute of Row, format
    ("C", "width", "{:g}"),
    ("Eq. (9)", "alpha_scalar", "{:.5f}"),
    ("ridge", "alpha_ridge", "{:.5f}"),
    ("1st order", "alpha_first_order", "{:.5f}"),
    ("matrix", "alpha", "{:.5f}"),
    ("l*/l_GP", "overlap", "{:.4f}"),
    ("chi", "chi_response", "{:.4f}"),
    ("load", "readout_load", "{:.3f}"),
    ("train", "train_error", "{:.3e}"),
    ("test", "test_error", "{:.4f}"),
    ("std", "test_std", "{:.4f}"),
    ("residual", "residual", "{:.0e}"),
)


BEYOND = (  # heading, attribute of Beyond, format, attribute of its error
    ("C", "width", "{:g}", ""),
    ("theory", "theory", "{}", ""),
    ("alpha", "alpha", "{:.5f}", "alpha_error"),
    ("l*/l_GP", "overlap", "{:.4f}", "overlap_error"),
    ("load", "readout_load", "{:.3f}", ""),
    ("train", "train_error", "{:.3e}", ""),
    ("test", "test_error", "{:.4f}", ""),
    ("std", "test_std", "{:.4f}", ""),
    ("residual", "residual", "{:.0e}", ""),
)


def text(result: Comparison) -> str:
    """The whole report."""
    above, below = (map(terminal.paragraph, lines) for lines in (_heading(result), verdict(result)))
    beyond = ["", *table_beyond(result.beyond)] if result.beyond else []
    return "\n".join([*above, "", *table(result.rows), *beyond, "", *below])


def table_beyond(rows: tuple[Beyond, ...]) -> list[str]:
    """The theories beyond mean field, with the errors of what is averaged over draws."""
    cells = [[heading for heading, _, _, _ in BEYOND]]
    for row in rows:
        line = []
        for _, attribute, form, error in BEYOND:
            value = getattr(row, attribute)
            off = getattr(row, error) if error else 0.0
            plain = isinstance(value, str) or not math.isnan(value)
            line.append(short(value, off) if off > 0 else form.format(value) if plain else "n/a")
        cells.append(line)
    return terminal.table(cells)


def _heading(result: Comparison) -> Iterator[str]:
    net, problem = result.problem.net, result.problem
    n, (n_patches, patch_size) = problem.samples, problem.input_shape
    yield (
        f"two-layer CNN, {net.activation}: n = {n}, {n_patches} patches of {patch_size}, sigma^2 = "
        f"{problem.noise_variance[0]:g}, sigma_w^2 = {net.weight_variances[0]:g}, "
        f"sigma_a^2 = {net.readout_variance:g}"
    )
    yield (
        "alpha = eps.y / y.y from the scalar equation (Eq. (9): q_train = 1; ridge: effective ridge), first "
        "order in 1/C, and the matrix equations of state"
    )


def table(rows: tuple[Row, ...]) -> list[str]:
    """Right-aligned columns with a heading, as wide as there is room."""
    cells = [[heading for heading, _, _ in COLUMNS]]
    for row in rows:
        cells.append([_cell(getattr(row, attribute), form) for _, attribute, form in COLUMNS])
    return terminal.table(cells)


def _cell(value: float, form: str) -> str:
    return "n/a" if math.isnan(value) else form.format(value)


def verdict(result: Comparison) -> Iterator[str]:
    """What the table means."""
    known = [("mean field's first order in 1/C", "", result.crossings)]
    if result.network_first_order is not None:
        slope = short(result.network_first_order.alpha_slope, result.network_first_order.alpha_error)
        name = f"the network's own first order in 1/C, d alpha/d(1/C) = {slope},"
        known.append((name, " of the cavity theory's", result.network_crossings))
    for name, whose, crossings in known:
        for crossing in crossings:
            off = f"{name} is off by {100 * crossing.threshold:g} % of alpha{whose}"
            if math.isnan(crossing.width):
                yield f"{off}: not reached above C = {crossing.searched_to:.4g}"
            else:
                yield f"{off} below C = {crossing.width:.4g}"
    if result.scalar_missing:
        yield f"scalar columns and their series: n/a, {result.scalar_missing}"
        yield "l*/l_GP: no teacher to project on, so the top eigenvalue of Sigma S/sigma_w^2 is given"
    else:
        yield f"the 1/C series of alpha of Eq. (9) diverges below C = {result.scalar_radius:.6g}"
    yield from trust(result)
    yield (
        "chi = (1/C) eps.Q_f.eps; train and test: mean squares over the targets' mean square; std: mean "
        "latent predictive standard deviation over the targets' rms"
    )


def trust(result: Comparison) -> Iterator[str]:
    """What mean field, which the first table is, leaves out, width by width where it is visible."""
    heavy = [sol for sol in result.solutions if sol.readout_load > LOAD_WORTH_A_NOTE]
    if not heavy:
        return
    yield (
        f"what mean field leaves out, where the readout load is above {LOAD_WORTH_A_NOTE:g} (estimated by "
        "putting it in once):"
    )
    for sol in sorted(heavy, key=lambda each: -each.width):
        found = sol.validity
        told = {
            "the response of the readout's weights": (found.fan_in[0], 0.0),
            "the exact law of a unit": (found.units[0], found.units_error[0]),
        }
        left_out = [
            f"{what} {percent(*cost)} of alpha" for what, cost in told.items() if math.isfinite(cost[0])
        ]
        if math.isfinite(found.excess_kurtosis):
            left_out.append(f"its excess kurtosis {found.excess_kurtosis:+.2f}")
        yield f"C = {sol.width:g}: {', '.join(left_out)}; {found.advice}"


def save(result: Comparison, path: str | Path) -> None:
    """An .npz: an array per column of the table, Sigma per finite width, the verdict, the settings."""
    net, problem = result.problem.net, result.problem
    arrays: dict[str, Any] = {
        column.name: np.array([asdict(row)[column.name] for row in result.rows]) for column in fields(Row)
    }
    arrays |= {
        "Sigma_width": np.array([sol.width for sol in result.solutions]),
        "Sigma": np.array([sol.Sigma for sol in result.solutions]),
        "alpha_slope": result.first_order.alpha_slope,
        "threshold": np.array([crossing.threshold for crossing in result.crossings]),
        "threshold_width": np.array([crossing.width for crossing in result.crossings]),
        "threshold_searched_to": np.array([crossing.searched_to for crossing in result.crossings]),
        "scalar_radius": result.scalar_radius,
        "noise_variance": problem.noise_variance[0],
        "weight_variance": net.weight_variances[0],
        "readout_variance": net.readout_variance,
        "activation": net.activation,
        "shape": np.array([problem.samples, *problem.input_shape]),
    }
    for field in fields(Beyond):
        arrays[f"beyond_{field.name}"] = np.array([getattr(row, field.name) for row in result.beyond])
    if result.network_first_order is not None:
        arrays["network_alpha_slope"] = result.network_first_order.alpha_slope
        arrays["network_alpha_slope_error"] = result.network_first_order.alpha_error
        arrays["network_threshold_width"] = np.array([each.width for each in result.network_crossings])
    write_atomically(path, lambda file: np.savez(file, **arrays))
