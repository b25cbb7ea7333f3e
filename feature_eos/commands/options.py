"""Options that several subcommands have: a name means one thing and is of one type wherever it occurs."""

from __future__ import annotations

import argparse
import difflib
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from numerics import plots, reduced
from numerics.machine import files

Group = Any  # argparse's argument groups have no public type

WIDEST = 100  # columns of a help text
PICTURES = (".png", ".pdf", ".svg", ".eps", ".jpg")
MOST_SAMPLES = 10**12  # beyond, a number of samples is a slip


class Help(argparse.RawDescriptionHelpFormatter):
    """Descriptions and examples as they are written; options in a column of their own."""

    def __init__(self, prog: str):
        columns = min(shutil.get_terminal_size().columns - 2, WIDEST)
        super().__init__(prog, max_help_position=min(30, columns // 3), width=columns)


class OneLineParser(argparse.ArgumentParser):
    """Errors in one line with exit code 2; no abbreviations, which the next option would make ambiguous."""

    def __init__(self, *arguments: Any, **named: Any):
        super().__init__(*arguments, **named | {"formatter_class": Help, "allow_abbrev": False})

    def error(self, message: str) -> NoReturn:
        text = " ".join(message.split()).removeprefix("argument ")
        if "invalid choice" in text and ".toml" in text:
            text = "a problem file is solved with feature-eos solve FILE"
        self.exit(2, f"{self.prog}: {text}\n")

    def refuse(self, unknown: list[str]) -> NoReturn:
        """Arguments that nobody takes, with the nearest option that there is."""
        first = unknown[0].partition("=")[0]
        known = {option.lstrip("-"): option for option in self._option_string_actions}
        near = difflib.get_close_matches(first.lstrip("-"), known, n=1)
        if near:
            hint = f"did you mean {known[near[0]]}?"
        elif first[:1].isdigit():
            hint = "give several numbers with commas between and no spaces, such as 640,320"
        else:
            hint = f"{self.prog} --help lists what there is"
        self.error(f"unknown argument {unknown[0]}; {hint}")


def subcommand(
    commands: Any,
    name: str,
    run: Callable[[argparse.Namespace], None],
    line: str,
    description: str,
    examples: str,
) -> OneLineParser:
    """A subcommand; its description says what comes out, its examples stand below the options.

    `run` takes the options, among them `parser` for errors, and `words`, which turns what the library says of
    its arguments into words of the command line.
    """
    add = commands.add_parser(
        name, help=line, description=f"{description.strip()}\n", epilog=f"examples:{examples.rstrip()}"
    )
    add.set_defaults(run=run, parser=add, words={})
    return add


def add_folder(add: OneLineParser, again: str) -> None:
    """Where the results of a problem file go, and whether to do again what is there; `again` is the verb."""
    output = add.add_argument_group("output")
    output.add_argument(
        "--folder", metavar="FOLDER", help="for the results, instead of the one the file names"
    )
    output.add_argument(
        "--overwrite", action="store_true", help=f"{again} what is in the folder, whatever it is"
    )


def positive(text: str) -> float:
    """A finite number above 0."""
    number = _number(text)
    if not (math.isfinite(number) and number > 0):
        raise argparse.ArgumentTypeError(f"{text!r} must be a finite number above 0")
    return number


def whole(least: int = 1, most: int = MOST_SAMPLES) -> Callable[[str], int]:
    """A whole number from `least` to `most`."""

    def parsed(text: str) -> int:
        number = _number(text)
        if not least <= number <= most or number != int(number):
            limit = f"at least {least}" if not number > most else f"at most {most:.0e}"
            raise argparse.ArgumentTypeError(f"{text!r} must be a whole number, {limit}")
        return int(number)

    return parsed


def several(one: Callable[[str], Any]) -> Callable[[str], list[Any]]:
    """One or more with commas between; what is given twice counts once."""

    def parsed(text: str) -> list[Any]:
        return list(dict.fromkeys(one(part.strip()) for part in text.split(",")))

    return parsed


def width(text: str) -> float:
    """A number above 0, inf allowed."""
    number = _number(text)
    if not number > 0:
        raise argparse.ArgumentTypeError(f"{text!r} must be a number above 0, or several with commas between")
    return number


def _closure(text: str) -> str:
    if text not in reduced.CLOSURES:
        raise argparse.ArgumentTypeError(
            f"{text!r} is unknown; available: {', '.join(reduced.CLOSURES)} (several with commas between)"
        )
    return text


def _number(text: str) -> float:
    """NaN for what is none, which no range has."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def add_samples(group: Group, default: int | None, text: str) -> None:
    """--n: a list everywhere, of which `compare` takes one."""
    group.add_argument("--n", metavar="N", type=several(whole()), default=default and [default], help=text)


def add_sizes(group: Group, defaults: tuple[int, int] | None, of: str = "") -> None:
    """--n-patches, --patch-size."""
    patches, size = defaults or (None, None)
    group.add_argument(
        "--n-patches", metavar="N", type=whole(), default=patches, help=f"patches per input{of} (default 20)"
    )
    group.add_argument(
        "--patch-size", metavar="S", type=whole(), default=size, help=f"numbers per patch{of} (default 64)"
    )


def add_variances(group: Group) -> None:
    """Noise and prior variances."""
    for option, default, text in (
        ("--noise-variance", 0.1, "sigma^2, of the noise on the targets"),
        ("--weight-variance", 2.0, "sigma_w^2: an input weight has prior variance sigma_w^2 / S"),
        ("--readout-variance", 2.0, "sigma_a^2: a readout weight has prior variance sigma_a^2 / (N C)"),
    ):
        group.add_argument(
            option, metavar="VAR", type=positive, default=default, help=f"{text} (default {default:g})"
        )


def add_channels(group: Group, default: str, text: str) -> None:
    """--channels."""
    group.add_argument(
        "--channels",
        metavar="C,C,...",
        type=several(width),
        default=default,
        help=f"{text} (default {default})",
    )


def add_closure(group: Group) -> None:
    """--closure, --no-complexity."""
    group.add_argument(
        "--closure",
        metavar="NAME,...",
        type=several(_closure),
        default=["ridge"],
        help="how the scalar equation is closed: ridge (all n; the default), one_over_n (large n), "
        "equivalent_kernel (n far above N S); several with commas between",
    )
    group.add_argument(
        "--no-complexity",
        action="store_true",
        help="leave log det K_f out of the free energy of closure ridge",
    )


def add_plot(group: Group, what: str) -> None:
    """--plot."""
    group.add_argument("--plot", metavar="FILE", help=f"draw {what}; .png, .pdf or .svg says the format")


def add_out(group: Group, what: str) -> None:
    """--out."""
    group.add_argument("--out", metavar="FILE.npz", help=f"save {what}, for numpy.load")


def targets(given: argparse.Namespace) -> list[Path]:
    """The files that --plot and --out name, checked before the work.

    Raises
    ------
    ValueError
        Naming the option, when a file cannot be written or has an ending that says nothing.
    ImportError
        When matplotlib is missing.
    """
    found = []
    for option, endings in (("plot", PICTURES), ("out", (".npz",))):
        path = getattr(given, option, None)
        if path is None:
            continue
        try:
            found.append(files.usable_target(path, endings))
        except ValueError as refused:
            raise ValueError(f"--{option} {refused}") from None
        if option == "plot":
            plots.new((1.0, 1.0))
    return found
