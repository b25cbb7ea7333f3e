"""The subcommands `alpha` and `breakdown` of the command line: the scalar theory alone."""

from __future__ import annotations

import argparse
import math
import sys
from typing import Any

import numpy as np

from numerics import checks, plots, reduced
from numerics.machine import files

CHANNELS = "1280,640,320,160,80"
# Name of the option, argument of `reduced.alpha`, default, help.
SETTINGS = (
    ("--n-patches", "n_patches", 20.0, "N"),
    ("--patch-size", "patch_size", 64.0, "S"),
    ("--noise-variance", "noise_variance", 0.1, "sigma^2"),
    ("--weight-variance", "weight_variance", 2.0, "sigma_w^2"),
    ("--readout-variance", "readout_variance", 2.0, "sigma_a^2"),
    ("--target-norm2", "target_norm2", 1.0, "|a*|^2 |w*|^2"),
)
HEADINGS = ("closure", "n", "C", "alpha", "alpha/alpha_GP", "alpha_test", "l*/l_GP", "chi")


def register(commands: Any) -> None:
    """Add both subcommands."""
    add = commands.add_parser(
        "alpha",
        help="alpha, l_*/l_GP and chi of the scalar equation over n, C and closures",
        description="Solve the scalar equation for alpha over samples n, channels C and closures.",
    )
    add.set_defaults(run=_alpha)
    add.add_argument("--n", type=_numbers, default="1600", help="samples, commas between (default 1600)")
    add.add_argument("--channels", type=_numbers, default=CHANNELS, help=f"widths C (default {CHANNELS})")
    _add_closures(add)
    add.add_argument("--plot", metavar="FILE", help="draw alpha over C (.png, .pdf, .svg)")
    add.add_argument("--out", metavar="FILE.npz", help="save the arrays and the settings")
    add = commands.add_parser(
        "breakdown",
        help="where the 1/C series of alpha ends, Pade, and where low orders are off",
        description="Say what the expansion of the scalar alpha in 1/C is worth.",
    )
    add.set_defaults(run=_breakdown)
    add.add_argument("--n", type=float, default=1600.0, help="samples (default 1600)")
    add.add_argument("--channels", type=_numbers, default="640,320", help="widths of the table (640,320)")
    _add_closures(add)
    add.add_argument("--plot", metavar="FILE", help="draw alpha, its truncations and Pade (.png, .pdf, .svg)")


def _add_closures(add: argparse.ArgumentParser) -> None:
    add.add_argument(
        "--closures",
        type=lambda text: [part.strip() for part in text.split(",")],
        default=["ridge"],
        help=f"of {', '.join(reduced.CLOSURES)}; commas between (default ridge)",
    )
    add.add_argument("--no-complexity", action="store_true", help="leave log det K_f out of closure ridge")
    for option, name, default, symbol in SETTINGS:
        add.add_argument(
            option, dest=name, type=float, default=default, help=f"{symbol} (default {default:g})"
        )


def _numbers(text: str) -> list[float]:
    try:
        return [checks.width(float(part), "value") for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} must be numbers above 0, commas between") from None


def _settings(options: argparse.Namespace) -> dict[str, Any]:
    return {name: getattr(options, name) for _, name, _, _ in SETTINGS}


def _complexity(options: argparse.Namespace, closure: str) -> bool | None:
    if options.no_complexity and "ridge" not in options.closures:
        raise ValueError("--no-complexity is about closure ridge, which is not among --closures")
    return False if options.no_complexity and closure == "ridge" else None


def _alpha(options: argparse.Namespace) -> None:
    targets = [files.usable_target(path) for path in (options.plot, options.out) if path]
    if not all(map(math.isfinite, options.n)):
        raise ValueError("--n must be finite; the closures agree as n grows")
    finite = [width for width in options.channels if math.isfinite(width)]
    n, widths = np.array(options.n)[:, None], np.array([*finite, math.inf])
    table = {}
    for closure in options.closures:
        complexity = _complexity(options, closure)
        table[closure] = reduced.solve(
            n, widths, **_settings(options), closure=closure, include_complexity=complexity
        )
    print("".join(f"{name:>18}" for name in HEADINGS))
    for closure, found in table.items():
        for i, j in np.ndindex(found.alpha.shape):
            alpha, ratio = found.alpha[i, j], found.alpha[i, j] / found.alpha[i, -1]
            numbers = [alpha, ratio, found.alpha_test[i, j], found.overlap_ratio[i, j], found.chi[i, j]]
            texts = ["no physical root" if math.isnan(v) else f"{v:.8g}" for v in numbers]
            print("".join(f"{text:>18}" for text in (closure, f"{n[i, 0]:g}", f"{widths[j]:g}", *texts)))
    if options.plot:
        plots.save(_figure(options.n, widths, table), options.plot)
    if options.out:
        arrays = {
            f"{closure}_{field}": getattr(found, field)
            for closure, found in table.items()
            for field in ("alpha", "alpha_test", "overlap_ratio", "inert_ratio", "chi", "status")
        }
        settings: dict[str, Any] = {**_settings(options), "complexity": not options.no_complexity}
        files.write_atomically(
            options.out,
            lambda file: np.savez(file, n=np.array(options.n), C=widths, **arrays, **settings),
        )
    for path in targets:
        print(f"written: {path}", file=sys.stderr)


def _figure(samples: list[float], widths: np.ndarray, table: dict[str, reduced.ReducedSolution]) -> Any:
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


def _breakdown(options: argparse.Namespace) -> None:
    from analytic import breakdown, reduced_equation

    targets = [files.usable_target(options.plot)] if options.plot else []
    drawn = {}
    for closure in options.closures:
        eq = reduced_equation(closure, include_complexity=_complexity(options, closure))
        drawn[closure] = found = breakdown(eq, n=options.n, **_settings(options))
        C = complex(found.branch_point.C)
        place = f"{C.real:.6g}" + (f" +- {abs(C.imag):.6g} i" if C.imag else "")
        print(f"closure {closure}, n = {options.n:g}: alpha_GP = {float(found.alpha_gp):.8g}")
        print(f"  the series in 1/C converges above C = {float(found.radius):.6g}, diverges below")
        print(f"  (branch point at C = {place}; ratios of high orders say {float(found.ratio_estimate):.6g})")
        print(f"  naive pole n^2 alpha_GP^2 lambda = {float(found.naive_pole):.6g}")
        for crossing in found.crossings:
            where = f"below C = {crossing.width:.4g}"
            print(
                f"  order {crossing.order} is off by {100 * crossing.threshold:g} % "
                + ("nowhere above C = 1" if math.isnan(crossing.width) else where)
            )
        for width in options.channels:
            exact = reduced.alpha(
                options.n,
                width,
                **_settings(options),
                closure=closure,
                include_complexity=_complexity(options, closure),
            )
            off = [f"[{m}/{m}] {float(found.pade(width, m)) / exact - 1:+.2%}" for m in (1, 2, 3, 4)]
            print(f"  C = {width:g}: alpha = {exact:.8g}; Pade off by {', '.join(off)}")
    if options.plot:
        plots.save(_breakdown_figure(options, drawn), options.plot)
    for path in targets:
        print(f"written: {path}", file=sys.stderr)


def _breakdown_figure(options: argparse.Namespace, drawn: dict[str, Any]) -> Any:
    """A panel per closure: alpha(C), its truncations, a Pade approximant, the radius of convergence."""
    figure = plots.new((5.2 * len(drawn) + 0.8, 4.0))
    panels = figure.subplots(1, len(drawn), squeeze=False)[0]
    for axes, (closure, found) in zip(panels, drawn.items(), strict=True):
        radius = float(found.radius)
        widths = np.geomspace(min(radius / 20, *options.channels), 10 * radius, 200)
        complexity = _complexity(options, closure)
        exact = reduced.alpha(
            options.n, widths, **_settings(options), closure=closure, include_complexity=complexity
        )
        axes.plot(widths, exact, color="k", lw=2, label="equation")
        for order, colour in ((1, "#1b4f9c"), (2, "#d1495b"), (4, "#3b8f5a")):
            series = [float(found.series(C, order)) for C in widths]
            axes.plot(widths, series, "--", color=colour, label=f"order {order}")
        pade = [float(found.pade(C, 3)) for C in widths]
        axes.plot(widths, pade, ":", color="#e09f3e", lw=2, label="Pade [3/3]")
        axes.axvline(radius, color="#777777", lw=0.8)
        axes.text(radius, 0.02 * exact.max(), " radius of convergence", color="#777777", fontsize=8)
        limits = (0.0, 1.15 * exact.max())
        axes.set(xscale="log", xlabel="channels $C$", ylim=limits, title=f"{closure}, n = {options.n:g}")
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel(r"$\alpha$")
    panels[0].legend(fontsize=8)
    return figure
