"""``python -m analytic`` writes numerics/_generated; ``--check`` fails if a file there is stale.

Nothing is written, and the check fails, if a given kernel is not proved or a file does not run.
"""

import argparse
import sys
from pathlib import Path

from analytic.expectations.proof import NotProved
from analytic.files import generated_files
from analytic.generator.exercise import Unusable, exercise

TARGET = Path(__file__).resolve().parent.parent / "numerics" / "_generated"


def main(arguments: list[str] | None = None) -> int:
    """Write or check the generated files; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m analytic", description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare only; exit 1 on a difference")
    parser.add_argument("--target", type=Path, default=TARGET, help="folder of the generated files")
    options = parser.parse_args(arguments)
    try:
        wanted = generated_files()
        exercise(wanted)
    except (NotProved, Unusable, NameError, NotImplementedError, ValueError) as error:
        print(f"nothing is written: {error}", file=sys.stderr)
        return 1
    stale = [name for name, text in wanted.items() if _read(options.target / name) != text]
    orphans = sorted(path.name for path in options.target.glob("*.py") if path.name not in wanted)
    if options.check:
        for name in stale + orphans:
            print(f"{options.target / name} differs from what analytic/ derives", file=sys.stderr)
        if stale or orphans:
            print("run: python -m analytic", file=sys.stderr)
        return 1 if stale or orphans else 0
    options.target.mkdir(parents=True, exist_ok=True)
    for name in stale:
        (options.target / name).write_text(wanted[name], encoding="utf-8")
        print(f"wrote {options.target / name}")
    for name in orphans:
        (options.target / name).unlink()
        print(f"removed {options.target / name}")
    return 0


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


if __name__ == "__main__":
    sys.exit(main())
