"""The command line: `feature-eos` or `python -m feature_eos`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import NoReturn

from feature_eos.commands import compare, scalar, solve
from numerics.solutions.path import ConvergenceError


class OneLineParser(argparse.ArgumentParser):
    """Errors in one line with exit code 2."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one subcommand; 0 on success, 2 on bad input, 1 when a solve fails, 130 when interrupted."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        options.run(options)
    except (ValueError, ImportError, OSError) as problem:
        print(f"{parser.prog} {options.command}: {' '.join(str(problem).split())}", file=sys.stderr)
        return 2
    except (ConvergenceError, ArithmeticError) as failure:
        print(f"{parser.prog} {options.command}: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"{parser.prog} {options.command}: interrupted", file=sys.stderr)
        return 130  # what a shell gives for an interrupt
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = OneLineParser(prog="feature-eos", description="Equations of state of finite-width networks.")
    parser.add_argument("--version", action="version", version=f"%(prog)s {version('feature-eos')}")
    commands = parser.add_subparsers(
        dest="command", required=True, metavar="COMMAND", parser_class=OneLineParser
    )
    compare.register(commands)
    solve.register(commands)
    scalar.register(commands)
    return parser
