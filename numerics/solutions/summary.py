"""A solution and a path in words: text for print(), HTML for notebooks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import TYPE_CHECKING

from numerics.activations import named
from numerics.network import Network
from numerics.pixels import Receptive

if TYPE_CHECKING:
    from numerics.solutions.solution import Solution

LOAD_WORTH_A_NOTE = 0.1
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


def text(sol: Solution) -> str:
    """Several lines: a heading, then a name and a value each."""
    rows = list(_rows(sol))
    indent = max(len(name) for name, _ in rows)
    return "\n".join([_heading(sol), *(f"  {name:{indent}}  {value}" for name, value in rows)])


def html(sol: Solution) -> str:
    """The same as a small table."""
    body = "".join(
        f"<tr><th{LEFT}>{escape(name)}</th><td{LEFT}>{escape(value)}</td></tr>" for name, value in _rows(sol)
    )
    return f"<table><caption>{escape(_heading(sol))}</caption><tbody>{body}</tbody></table>"


def path_text(solutions: Sequence[Solution], **more: Sequence[float]) -> str:
    """One line per width, with columns for more numbers, if there are any, by name."""
    cells = _path_cells(solutions)
    for name, values in more.items():
        if values:
            column = [name.replace("_", " "), *(f"{value:.4g}" for value in values)]
            cells = [[*line, cell] for line, cell in zip(cells, column, strict=True)]
    return "\n".join(aligned(cells))


def path_html(solutions: Sequence[Solution]) -> str:
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


def _path_cells(solutions: Sequence[Solution]) -> list[list[str]]:
    return [
        [name for name, _ in PATH_COLUMNS],
        *([cell(sol) for _, cell in PATH_COLUMNS] for sol in solutions),
    ]


def _heading(sol: Solution) -> str:
    return f"Solution of the equations of state: {sol.status.name.lower().replace('_', ' ')}"


def _rows(sol: Solution) -> Iterator[tuple[str, str]]:
    field = sol.problem.field
    yield "network", _network(sol.problem.net)
    yield "prior", _prior(sol.problem.net)
    yield "data", _data(sol)
    if field.readout != "mean_field":
        yield "readout", f"{field.readout}: response {sol.response:.4g}, moment {sol.fluctuation:.4g}"
    yield "alpha", f"{sol.alpha:.6g} (Gaussian process: {sol.gp.alpha:.6g})"
    yield "Sigma", f"largest eigenvalue {sol.overlap_eigenvalues[0]:.4g} times the prior's"
    terms = ", ".join(f"{name} {value:.6g}" for name, value in sol.free_energy_terms.items())
    yield "free energy", f"{sol.free_energy:.6g} ({terms})"
    heavy = sol.readout_load > LOAD_WORTH_A_NOTE and field.readout == "mean_field"
    note = ", so mean field is low by about half of that in what is learned" if heavy else ""
    yield "readout load", f"{sol.readout_load:.3g}{note}"
    yield "residual", f"{sol.residual:.1e} after {sol.gradients} gradients"
    if not sol.converged:
        yield "advice", sol.status.value


def _network(net: Network) -> str:
    kind = "fully connected" if net.flat else "convolutional"
    widths = ", ".join(f"{width:g}" for width in net.widths)
    parts = [f"{kind}, {named(net.activation).name}, {'widths' if net.flat else 'channels'} {widths}"]
    if net.fields and not net.flat:
        parts.append("windows " + ", ".join(map(_field, net.fields)))
    if net.readout != "per_pixel":
        parts.append(f"readout {_field(net.readout)}")
    return ", ".join(parts)


def _prior(net: Network) -> str:
    weights = ", ".join(f"{variance:.4g}" for variance in dict.fromkeys(net.weight_variances))
    biases = f", of biases {net.bias_variance:.4g}" if net.bias_variance > 0 else ""
    return f"variance of weights {weights}, of the readout {net.readout_variance:.4g}{biases}"


def _field(field: int | str | Receptive) -> str:
    return "by index" if isinstance(field, Receptive) else str(field).replace("_", " ")


def _data(sol: Solution) -> str:
    field = sol.problem.field
    (samples, outputs), (pixels, size) = field.y.shape, field.shape
    inputs = f"{size} features" if sol.problem.net.flat else f"{pixels} pixels of {size}"
    low, high = field.noise_variance.min(), field.noise_variance.max()
    noise = f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}"
    shown = f"{samples} samples, {inputs}, noise variance {noise}"
    return shown if outputs == 1 else f"{shown}, {outputs} outputs"
