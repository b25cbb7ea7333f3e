"""The subcommand `breakdown` of the command line: what the series of the scalar alpha in 1/C is worth."""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from feature_eos.commands import options, terminal
from feature_eos.commands.alpha import (
    add_scalar_problem,
    complexity,
    refuse_what_does_not_go_together,
    settings,
)
from numerics import plots, reduced

CHANNELS = "640,320"
PADE = (1, 2, 3, 4)  # orders of numerator and denominator
DESCRIPTION = """
Say what the expansion of the scalar alpha in 1/C is worth, per closure and n.

Printed are the C below which the series diverges, the singularity that makes it so, the C below which
its first orders are off by 5 % and 50 % of alpha, and, at each of --channels, alpha itself and how far
diagonal Pade approximants are off.
"""
EXAMPLES = """
  feature-eos breakdown --n 1600 --channels 640,320,80
  feature-eos breakdown --closure ridge,equivalent_kernel --plot breakdown.png
"""


def register(commands: Any) -> None:
    """Add the subcommand."""
    line = "where the 1/C series of the scalar alpha ends, and where low orders are off"
    add = options.subcommand(commands, "breakdown", _breakdown, line, DESCRIPTION, EXAMPLES)
    add.set_defaults(words={"eq.roots(...) says why": "--closure ridge holds at all n"})
    problem = add.add_argument_group("problem")
    options.add_samples(problem, 1600, "training samples, several with commas between (default 1600)")
    add_scalar_problem(problem)
    theory = add.add_argument_group("theory")
    options.add_channels(theory, CHANNELS, "widths C at which Pade approximants are compared with alpha")
    options.add_closure(theory)
    output = add.add_argument_group("output")
    options.add_plot(output, "alpha over C, its truncated series and a Pade approximant")


def _breakdown(given: argparse.Namespace) -> None:
    from analytic import breakdown, reduced_equation

    refuse_what_does_not_go_together(given)
    if not all(map(math.isfinite, given.channels)):
        raise ValueError("--channels must be finite: at infinity the series is exact")
    targets = options.targets(given)
    drawn = {}
    for closure in given.closure:
        eq = reduced_equation(closure, include_complexity=complexity(given, closure))
        for n in given.n:
            drawn[closure, n] = found = breakdown(eq, n=float(n), **settings(given))
            terminal.say("\n".join(map(terminal.paragraph, _lines(given, closure, n, found))))
    if given.plot:
        plots.save(_figure(given, drawn), given.plot)
    for path in targets:
        terminal.note(f"written: {path}")


def _lines(given: argparse.Namespace, closure: str, n: int, found: Any) -> Iterator[str]:
    C = complex(found.branch_point.C)
    place = f"{C.real:.6g}" + (f" +- {abs(C.imag):.6g} i" if C.imag else "")
    yield f"closure {closure}, n = {n}: alpha_GP = {float(found.alpha_gp):.8g}"
    yield f"  the series in 1/C converges above C = {float(found.radius):.6g}, diverges below"
    yield f"  (branch point at C = {place}; ratios of high orders say {float(found.ratio_estimate):.6g})"
    yield f"  naive pole n^2 alpha_GP^2 lambda = {float(found.naive_pole):.6g}"
    for crossing in found.crossings:
        where = f"below C = {crossing.width:.4g}"
        yield (
            f"  order {crossing.order} is off by {100 * crossing.threshold:g} % "
            + ("nowhere above C = 1" if math.isnan(crossing.width) else where)
        )
    for width in given.channels:
        exact = _alpha(given, closure, n, width)
        off = [f"[{m}/{m}] {float(found.pade(width, m)) / exact - 1:+.2%}" for m in PADE]
        yield f"  C = {width:g}: alpha = {exact:.8g}; Pade off by {', '.join(off)}"


def _alpha(given: argparse.Namespace, closure: str, n: int, widths: Any) -> Any:
    return reduced.alpha(
        n, widths, **settings(given), closure=closure, include_complexity=complexity(given, closure)
    )


def _figure(given: argparse.Namespace, drawn: dict[tuple[str, int], Any]) -> Any:
    """A panel per closure and n: alpha(C), its truncations, a Pade approximant, the radius of convergence."""
    figure = plots.new((5.2 * len(drawn) + 0.8, 4.0))
    panels = figure.subplots(1, len(drawn), squeeze=False)[0]
    for axes, ((closure, n), found) in zip(panels, drawn.items(), strict=True):
        radius = float(found.radius)
        widths = np.geomspace(min(radius / 20, *given.channels), 10 * radius, 200)
        exact = _alpha(given, closure, n, widths)
        axes.plot(widths, exact, color="k", lw=2, label="equation")
        for order, colour in ((1, "#1b4f9c"), (2, "#d1495b"), (4, "#3b8f5a")):
            series = [float(found.series(C, order)) for C in widths]
            axes.plot(widths, series, "--", color=colour, label=f"order {order}")
        pade = [float(found.pade(C, 3)) for C in widths]
        axes.plot(widths, pade, ":", color="#e09f3e", lw=2, label="Pade [3/3]")
        axes.axvline(radius, color="#777777", lw=0.8)
        axes.text(radius, 0.02 * exact.max(), " radius of convergence", color="#777777", fontsize=8)
        limits = (0.0, 1.15 * exact.max())
        axes.set(xscale="log", xlabel="channels $C$", ylim=limits, title=f"{closure}, n = {n}")
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel(r"$\alpha$")
    panels[0].legend(fontsize=8)
    return figure
