"""The command line: `feature-eos` or `python -m feature_eos`."""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any

from feature_eos.commands import alpha, breakdown, compare, options, sample, solve, sweep
from numerics.sampling.sampler import SamplingError
from numerics.solutions.path import ConvergenceError

LONGEST = 800  # characters of a message, which may quote what a file has in place of a number
DESCRIPTION = """
Equations of state of finite-width networks: what they learn beyond the Gaussian process.

compare and solve find the covariances and kernels that a network learns from given data (the matrix
equations); sample draws networks from their posterior and sets them beside; alpha and breakdown solve
the scalar equation of a two-layer CNN with a linear teacher.
Results are printed to standard output, everything else to standard error.
"""
EXAMPLES = """
  feature-eos compare --n 200 --channels 640,160,40 --plot compare.png
  feature-eos solve problem.toml
  feature-eos sample problem.toml
  feature-eos sweep sweep.toml

feature-eos COMMAND --help says what a command prints and takes, with examples
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one subcommand; 0 on success, 2 on bad input, 1 when a solve fails, 130 when interrupted."""
    parser = _parser()
    given, unknown = parser.parse_known_args(arguments)
    if given.command is None:
        if unknown:
            parser.refuse(unknown)
        parser.print_help(sys.stderr)
        return 2
    if unknown:
        given.parser.refuse(unknown)
    try:
        with _warnings_in_one_line(given.parser.prog):
            given.run(given)
    except MemoryError:
        return _failed(given, "there is not enough memory; take fewer samples or smaller inputs", 2)
    except (ValueError, ImportError, OSError) as mistake:
        return _failed(given, _sentence(mistake), 2)
    except (ConvergenceError, SamplingError, ArithmeticError) as failure:
        return _failed(given, str(failure), 1)
    except KeyboardInterrupt:
        return _failed(given, "interrupted", 130)  # what a shell gives for an interrupt
    return 0


def _failed(given: argparse.Namespace, text: str, code: int) -> int:
    """Print one line, in words of the command line."""
    for name, word in given.words.items():
        text = text.replace(name, word)
    text = " ".join(text.split())
    text = text if len(text) <= LONGEST else f"{text[:LONGEST]} ..."
    print(f"{given.parser.prog}: {text}", file=sys.stderr)
    _drop_what_cannot_be_written()
    return code


def _sentence(mistake: Exception) -> str:
    if isinstance(mistake, OSError) and mistake.filename is not None and mistake.strerror:
        return f"{mistake.filename}: {mistake.strerror}"
    return str(mistake)


def _drop_what_cannot_be_written() -> None:
    """What is left in the buffer of a full or closed standard output would end in a traceback at exit."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError, AttributeError):
        if sys.stdout is not None:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def _warnings_in_one_line(name: str) -> Iterator[None]:
    """Warnings as sentences, without a line of source code."""
    usual = warnings.formatwarning

    def sentence(message: Any, *_: Any, **__: Any) -> str:
        return f"{name}: warning: {' '.join(str(message).split())}\n"

    warnings.formatwarning = sentence
    try:
        yield
    finally:
        warnings.formatwarning = usual


def _parser() -> options.OneLineParser:
    parser = options.OneLineParser(
        prog="feature-eos", description=DESCRIPTION.strip(), epilog=f"examples:{EXAMPLES.rstrip()}"
    )
    parser.add_argument("-V", "--version", action="version", version=f"%(prog)s {version('feature-eos')}")
    commands = parser.add_subparsers(
        dest="command", title="commands", metavar="COMMAND", parser_class=options.OneLineParser
    )
    for command in (compare, solve, sweep, sample, alpha, breakdown):
        command.register(commands)
    return parser
