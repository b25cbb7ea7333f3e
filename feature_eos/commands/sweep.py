"""The subcommand `sweep` of the command line: a problem file at every point of a grid, into one store."""

from __future__ import annotations

import argparse
import copy
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from feature_eos.commands import options, problem_file, terminal
from feature_eos.commands.problem_file import SAMPLE_KEYS, SECTIONS, SOLVE_KEYS, Table, known, section
from feature_eos.commands.sample import executor_of
from feature_eos.commands.solve import WORDS, need_matplotlib
from numerics.machine import files
from numerics.problem import Problem
from numerics.solver import THEORIES
from numerics.sweeps import quantities
from numerics.sweeps.bar import SweepBar
from numerics.sweeps.door import sweep
from numerics.sweeps.task import SAMPLED

KEYS = ("store", "grid", "path", "quantities", "theory", "plot")
ALONE = ("noise_variance", "theory")  # parameters that are in no section
DESCRIPTION = """
Solve, or sample, the network and data of a TOML file at every point of a grid of its numbers.

The results stream into a Zarr store, one chunk per task, which xarray.open_zarr reads. Run again after an
interruption, or after a failure of some tasks, it does what is missing. Printed is how many tasks were
done and failed, with the reasons; with plot = in [sweep] a phase diagram is drawn.
"""
EXAMPLES = """
  feature-eos sweep sweep.toml
  feature-eos sweep sweep.toml --workers 8

a sweep.toml is a problem file (see feature-eos solve --help) with:
  [sweep]
  store = "out/phase.zarr"
  path = "channels"                # all widths are one task, each found from the one before
  quantities = ["alpha", "top_overlap", "readout_load"]
  plot = "out/phase.png"

  [sweep.grid]
  network.channels = [640, 160, 40]
  data.n = [100, 200, 400]
  noise_variance = [0.01, 0.1]
  theory = ["mean_field", "finite_fan_in"]
"""


def register(commands: Any) -> None:
    """Add the subcommand."""
    line = "a problem file at every point of a grid, into one store that xarray reads"
    add = options.subcommand(commands, "sweep", _sweep, line, DESCRIPTION, EXAMPLES)
    add.set_defaults(words=WORDS | {"store=": "store = "})
    group = add.add_argument_group("problem")
    group.add_argument("file", metavar="SWEEP.toml", help="a problem file with [sweep], as below")
    run = add.add_argument_group("run")
    run.add_argument(
        "--workers",
        metavar="WORKERS",
        type=options.whole(1),
        help="processes, one core each (default: one task after another in this one)",
    )


@dataclass(frozen=True)
class FileProblem:
    """The problem of a file with some of its numbers replaced.

    Attributes
    ----------
    content : dict
        Of the file, without [sweep].
    source : Path
    places : dict of str to tuple
        Where the parameters stand in the content.
    """

    content: Table
    source: Path
    places: dict[str, tuple[str, ...]]

    def __call__(self, **parameters: Any) -> tuple[Problem, Any, Any]:
        content = copy.deepcopy(self.content)
        for name, value in parameters.items():
            *above, key = self.places[name]
            table = content
            for one in above:
                table = table.setdefault(one, {})
            table[key] = value
        asked = problem_file.described(content, self.source)
        problem = Problem(asked.net, asked.X, asked.y, asked.noise_variance)
        return problem, asked.X_test, asked.y_test

    def described(self) -> str:
        """For the store, which refuses another file's sweep."""
        return json.dumps(self.content, sort_keys=True, default=str)


def _sweep(given: argparse.Namespace) -> None:
    source = Path(given.file)
    if not source.is_file():
        raise ValueError(f"{source}: no such file")
    content = problem_file.content_of(source)
    known(content, (*SECTIONS, "sweep"), "the file")
    asked = section(content, "sweep")
    known(asked, KEYS, "[sweep]")
    base = {key: value for key, value in content.items() if key != "sweep"}
    store = source.parent / Path(_needed(asked, "store")).expanduser()
    places, grid = _flattened(asked.get("grid", {}))
    plot = None
    if "plot" in asked:
        need_matplotlib()
        plot = source.parent / Path(asked["plot"]).expanduser()
        plot.parent.mkdir(parents=True, exist_ok=True)
        files.usable_target(plot, options.PICTURES)
    store.parent.mkdir(parents=True, exist_ok=True)
    names = asked.get("quantities", list(quantities.DEFAULT))
    path = asked.get("path")
    tasks = math.prod(
        len(values) for name, values in grid.items() if name != path and isinstance(values, list)
    )
    terminal.note(f"{tasks} tasks into {store.resolve()}")
    with executor_of(given.workers) as executor:
        found = sweep(
            FileProblem(base, source, places),
            grid,
            executor,
            store=store,
            quantities=names,
            path=path,
            theory=asked.get("theory", base.get("solve", {}).get("theory", "mean_field")),
            options=_options(base),
            callback=SweepBar(disable=None),
        )
    _report(found)
    if plot is not None:
        from numerics import plots

        plots.save(plots.phase_diagram(found, names[0] if isinstance(names, list) else names), plot)
        terminal.note(f"written: {plot}")


def _needed(table: Mapping[str, Any], key: str) -> str:
    value = table.get(key)
    if not isinstance(value, str) or not value:
        raise ValueError(f'{key} is missing in [sweep]: write {key} = "out/phase.zarr"')
    return value


def _flattened(table: Any) -> tuple[dict[str, tuple[str, ...]], Table]:
    """Where the parameters stand, and their values, by the last word of their names."""
    if not isinstance(table, Mapping) or not table:
        raise ValueError("[sweep.grid] is missing: write for instance network.channels = [640, 160]")
    places: dict[str, tuple[str, ...]] = {}
    grid: Table = {}
    for key, value in table.items():
        inner = value if isinstance(value, Mapping) else {"": value}
        for name, values in inner.items():
            place = (key, name) if name else (key,)
            if len(place) == 1:
                known({key: value}, ALONE, "[sweep.grid]")
            else:
                known({key: value}, ("network", "data"), "[sweep.grid]")
            word = place[-1]
            if word in grid:
                raise ValueError(f"two parameters of [sweep.grid] are called {word!r}; sweep one of them")
            if not isinstance(values, list):
                raise ValueError(f"{'.'.join(place)} in [sweep.grid] must be a list of values")
            places[word], grid[word] = place, values
    places.pop("theory", None)
    return places, grid


def _options(base: Table) -> dict[str, Table]:
    """Of [solve] for every theory, and of [sample]; unknown keys are refused with the file itself."""
    solve = {key: value for key, value in base.get("solve", {}).items() if key in SOLVE_KEYS[2:]}
    sample = {
        key: value for key, value in base.get("sample", {}).items() if key in SAMPLE_KEYS if key != "widths"
    }
    found = {theory: dict(solve) for theory in THEORIES} if solve else {}
    return found | ({SAMPLED: sample} if sample else {})


def _report(found: Any) -> None:
    status = found["status"].values
    failed = int((status == 2).sum())
    terminal.say(f"{int((status == 1).sum())} tasks done, {failed} failed")
    reasons: dict[str, int] = {}
    for reason in found["reason"].values[status == 2].ravel():
        reasons[str(reason)] = reasons.get(str(reason), 0) + 1
    for reason, times in sorted(reasons.items(), key=lambda pair: -pair[1])[:5]:
        terminal.say(terminal.paragraph(f"{times} x {reason}"))
