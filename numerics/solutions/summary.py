"""A solution and a path in words: text for print(), HTML for notebooks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

from numerics.activations import named
from numerics.network import Network
from numerics.pixels import Receptive
from numerics.problem import Problem
from numerics.solutions.observables import Observables

Array = NDArray[np.float64]

LOAD_WORTH_A_NOTE = 0.1
ROUNDING_WORTH_A_NOTE = 1e-7
RIGHT = ' style="text-align: right"'
LEFT = ' style="text-align: left"'

PATH_COLUMNS = (  # heading, cell
    ("width", lambda sol: ", ".join(f"{width:g}" for width in dict.fromkeys(sol.widths))),
    ("alpha", lambda sol: f"{sol.alpha:.6g}"),
    ("alpha/alpha_gp", lambda sol: f"{sol.alpha / sol.gp.alpha:.4f}"),
    ("top of Sigma/prior", lambda sol: f"{sol.overlap_eigenvalues[0]:.4f}"),
    ("readout load", lambda sol: f"{sol.readout_load:.3f}"),
    ("free energy", lambda sol: f"{sol.free_energy:.6g}"),
    ("residual", lambda sol: f"{sol.residual:.0e}"),
    ("gradients", lambda sol: f"{sol.gradients}"),
)


def text(sol: Observables) -> str:
    """Several lines: a heading, then a name and a value each."""
    return in_lines(_heading(sol), list(_rows(sol)))


def html(sol: Observables) -> str:
    """The same as a small table."""
    return as_table(_heading(sol), list(_rows(sol)))


def in_lines(heading: str, rows: Sequence[tuple[str, str]]) -> str:
    """A heading, then a name and a value per line."""
    indent = max(len(name) for name, _ in rows)
    return "\n".join([heading, *(f"  {name:{indent}}  {value}" for name, value in rows)])


def as_table(heading: str, rows: Sequence[tuple[str, str]]) -> str:
    """The same in HTML."""
    body = "".join(
        f"<tr><th{LEFT}>{escape(name)}</th><td{LEFT}>{escape(value)}</td></tr>" for name, value in rows
    )
    return f"<table><caption>{escape(heading)}</caption><tbody>{body}</tbody></table>"


def path_text(solutions: Sequence[Observables], **more: Sequence[float]) -> str:
    """One line per width, with columns for more numbers, if there are any, by name."""
    cells = _path_cells(solutions)
    for name, values in more.items():
        if values:
            column = [name.replace("_", " "), *(f"{value:.4g}" for value in values)]
            cells = [[*line, cell] for line, cell in zip(cells, column, strict=True)]
    return "\n".join(aligned(cells))


def path_html(solutions: Sequence[Observables]) -> str:
    """One row per width."""
    head, *lines = _path_cells(solutions)
    headings = "".join(f"<th{RIGHT}>{escape(cell)}</th>" for cell in head)
    body = "".join(
        "<tr>" + "".join(f"<td{RIGHT}>{escape(cell)}</td>" for cell in line) + "</tr>" for line in lines
    )
    return f"<table><thead><tr>{headings}</tr></thead><tbody>{body}</tbody></table>"


def aligned(cells: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table with right-aligned columns."""
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(cell.rjust(w) for cell, w in zip(line, widths, strict=True)) for line in cells]


def _path_cells(solutions: Sequence[Observables]) -> list[list[str]]:
    return [
        [name for name, _ in PATH_COLUMNS],
        *([cell(sol) for _, cell in PATH_COLUMNS] for sol in solutions),
    ]


def _mean_weight(value: float | Array) -> float:
    """A number, or the mean of a matrix's diagonal."""
    return value if isinstance(value, float) else float(np.mean(np.diagonal(value)))


def _heading(sol: Observables) -> str:
    return f"Solution of the equations of state: {sol.status.name.lower().replace('_', ' ')}"


def _rows(sol: Observables) -> Iterator[tuple[str, str]]:
    yield "network", network_in_words(sol.problem.net)
    yield "prior", prior_in_words(sol.problem.net)
    yield "data", data_in_words(sol.problem)
    if sol.theory != "mean_field":
        numbers = ", ".join(
            f"{name} {_mean_weight(value):.4g}" for name, value in sol.point.data.coefficients.items()
        )
        yield "theory", f"{sol.theory}: {numbers}" if numbers else sol.theory
    yield "alpha", f"{sol.alpha:.6g} (Gaussian process: {sol.gp.alpha:.6g})"
    yield "Sigma", f"largest eigenvalue {sol.overlap_eigenvalues[0]:.4g} times the prior's"
    terms = ", ".join(f"{name} {value:.6g}" for name, value in sol.free_energy_terms.items())
    yield "free energy", f"{sol.free_energy:.6g} ({terms})"
    heavy = sol.readout_load > LOAD_WORTH_A_NOTE and sol.theory == "mean_field"
    note = ", so mean field is low by about half of that in what is learned" if heavy else ""
    yield "readout load", f"{sol.readout_load:.3g}{note}"
    yield "residual", f"{sol.residual:.1e} after {sol.gradients} gradients"
    if sol.rounding > ROUNDING_WORTH_A_NOTE:
        yield (
            "rounding",
            f"alpha is known to about {sol.rounding:.0e} of itself: near-equal inputs, little noise",
        )
    if not sol.converged:
        yield "advice", sol.status.value


def network_in_words(net: Network) -> str:
    kind = "fully connected" if net.flat else "convolutional"
    widths = ", ".join(f"{width:g}" for width in net.widths)
    parts = [f"{kind}, {named(net.activation).name}, {'widths' if net.flat else 'channels'} {widths}"]
    if net.windows and not net.flat:
        parts.append("windows " + ", ".join(map(_window, net.windows)))
    if net.readout != "per_pixel":
        parts.append(f"readout {_window(net.readout)}")
    return ", ".join(parts)


def prior_in_words(net: Network) -> str:
    weights = ", ".join(f"{variance:.4g}" for variance in dict.fromkeys(net.weight_variances))
    biases = f", of biases {net.bias_variance:.4g}" if net.bias_variance > 0 else ""
    return f"variance of weights {weights}, of the readout {net.readout_variance:.4g}{biases}"


def _window(window: int | str | Receptive) -> str:
    return "by index" if isinstance(window, Receptive) else str(window).replace("_", " ")


def data_in_words(problem: Problem) -> str:
    pixels, features = problem.input_shape
    inputs = f"{features} features" if problem.net.flat else f"{pixels} pixels of {features} features"
    low, high = problem.noise_variance.min(), problem.noise_variance.max()
    noise = f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}"
    shown = f"{problem.samples} samples, {inputs}, noise variance {noise}"
    return shown if problem.outputs == 1 else f"{shown}, {problem.outputs} outputs"
