"""The subcommand `alpha` of the command line: the scalar equation over samples, widths and closures."""

from __future__ import annotations

import argparse
import math
import warnings
from typing import Any

import numpy as np

from feature_eos.commands import options, terminal
from numerics import plots, reduced
from numerics.machine import files

CHANNELS = "1280,640,320,160,80"
HEADINGS = ("closure", "n", "C", "alpha", "alpha/alpha_GP", "alpha_test", "l*/l_GP", "chi")
FIELDS = ("alpha", "alpha_test", "overlap_ratio", "inert_ratio", "chi", "status")
WITHOUT_ROOT = {
    reduced.ReducedStatus.NOT_PHYSICAL: "no physical root: n is too small; --closure ridge is for all n",
    reduced.ReducedStatus.NO_ROOT: "no root found: C, n and variances are too many orders of magnitude apart",
}
DESCRIPTION = """
Solve the scalar equation, Eq. (9), of a two-layer CNN on Gaussian inputs with a linear teacher.

Printed is a row per closure, n and C, and for C = infinity: alpha, the overlap of discrepancy and
target, its ratio to the Gaussian process's, alpha on new inputs, l*/l_GP, the learned variance along
the teacher over its prior, and chi, the size of the feature learning.
"""
EXAMPLES = """
  feature-eos alpha --n 400,1600 --channels 640,80 --plot alpha.png
  feature-eos alpha --closure ridge,equivalent_kernel --noise-variance 0.05 --out alpha.npz
"""


def register(commands: Any) -> None:
    """Add the subcommand."""
    line = "alpha of the scalar equation over samples n, channels C and closures"
    add = options.subcommand(commands, "alpha", _alpha, line, DESCRIPTION, EXAMPLES)
    problem = add.add_argument_group("problem")
    options.add_samples(problem, 1600, "training samples, several with commas between (default 1600)")
    add_scalar_problem(problem)
    theory = add.add_argument_group("theory")
    options.add_channels(theory, CHANNELS, "widths C; infinity is in the table anyway")
    options.add_closure(theory)
    output = add.add_argument_group("output")
    options.add_plot(output, "alpha and l*/l_GP over C")
    options.add_out(output, "the arrays and the settings")


def add_scalar_problem(group: options.Group) -> None:
    """What the scalar equation has beside n, C and the closure."""
    options.add_sizes(group, (20, 64))
    options.add_variances(group)
    group.add_argument(
        "--target-norm2",
        metavar="VAR",
        type=options.positive,
        default=1.0,
        help="|a*|^2 |w*|^2 of the teacher (default 1)",
    )


def settings(given: argparse.Namespace) -> dict[str, Any]:
    """The problem as arguments of `numerics.reduced` and `analytic.breakdown`, n aside."""
    names = (
        "n_patches",
        "patch_size",
        "noise_variance",
        "weight_variance",
        "readout_variance",
        "target_norm2",
    )
    return {name: getattr(given, name) for name in names}


def complexity(given: argparse.Namespace, closure: str) -> bool | None:
    """Whether log det K_f is kept; None leaves it to the closure."""
    return False if given.no_complexity and closure == "ridge" else None


def refuse_what_does_not_go_together(given: argparse.Namespace) -> None:
    """What `alpha` and `breakdown` both refuse."""
    if given.no_complexity and "ridge" not in given.closure:
        raise ValueError("--no-complexity is about closure ridge, which is not among --closure")


def _alpha(given: argparse.Namespace) -> None:
    refuse_what_does_not_go_together(given)
    targets = options.targets(given)
    finite = [width for width in given.channels if math.isfinite(width)]
    if given.plot and not finite:
        raise ValueError("--plot draws over C, but --channels has no finite width; add some")
    n, widths = np.array(given.n)[:, None], np.array([*finite, math.inf])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of entries without a root: the table says so
        table = {
            closure: reduced.solve(
                n, widths, **settings(given), closure=closure, include_complexity=complexity(given, closure)
            )
            for closure in given.closure
        }
    cells = [list(HEADINGS)]
    for closure, found in table.items():
        for i, j in np.ndindex(found.alpha.shape):
            cells.append([closure, f"{given.n[i]}", f"{widths[j]:g}", *_numbers(found, i, j)])
    terminal.say("\n".join(terminal.table(cells, names=3)))
    statuses = {int(status) for found in table.values() for status in found.status.flat}
    for status, text in WITHOUT_ROOT.items():
        if status in statuses:
            terminal.note(text)
    if given.plot:
        plots.save(_figure(given.n, widths, table), given.plot)
    if given.out:
        arrays = {
            f"{closure}_{field}": getattr(found, field)
            for closure, found in table.items()
            for field in FIELDS
        }
        more: dict[str, Any] = {**settings(given), "complexity": not given.no_complexity}
        files.write_atomically(
            given.out, lambda file: np.savez(file, n=np.array(given.n), C=widths, **arrays, **more)
        )
    for path in targets:
        terminal.note(f"written: {path}")


def _numbers(found: reduced.ReducedSolution, i: int, j: int) -> list[str]:
    """A row of the table, from alpha on."""
    alpha = found.alpha[i, j]
    if math.isnan(alpha):
        return [WITHOUT_ROOT[reduced.ReducedStatus(found.status[i, j])].partition(":")[0], "-", "-", "-", "-"]
    numbers = (
        alpha,
        alpha / found.alpha[i, -1],
        found.alpha_test[i, j],
        found.overlap_ratio[i, j],
        found.chi[i, j],
    )
    return [f"{number:.8g}" for number in numbers]


def _figure(samples: list[int], widths: np.ndarray, table: dict[str, reduced.ReducedSolution]) -> Any:
    """alpha/alpha_GP and l_*/l_GP over C, a colour per n, a line style per closure."""
    figure = plots.new((11.5, 4.0))
    ratio_axes, learned_axes = figure.subplots(1, 2)
    order = np.argsort(widths[:-1])
    styles, colours = ("-", "--", ":"), ("#1b4f9c", "#d1495b", "#3b8f5a", "#777777")
    for (closure, found), style in zip(table.items(), styles, strict=False):
        for i, n in enumerate(samples):
            look = {"ls": style, "color": colours[i % len(colours)], "marker": "o", "ms": 3}
            x, alpha = widths[order], found.alpha[i]
            ratio_axes.plot(x, alpha[order] / alpha[-1], label=f"{closure}, n = {n:g}", **look)
            learned_axes.plot(x, found.overlap_ratio[i][order], **look)
    ratio_axes.set(ylabel=r"$\alpha/\alpha_{\rm GP}$", title="Discrepancy along the target", ylim=(0, None))
    learned_axes.set(ylabel=r"$l_*/l_{\rm GP}$", title="Learned variance along $w^*$")
    figure.legend(fontsize=8, loc="outside right upper")
    for axes in (ratio_axes, learned_axes):
        axes.set(xscale="log", xlabel="channels $C$")
        axes.set_xticks(widths[order], [f"{c:g}" for c in widths[order]])
        axes.minorticks_off()
        axes.spines[["top", "right"]].set_visible(False)
    return figure
