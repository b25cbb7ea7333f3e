"""Break the spine one token at a time and demand that an independent test notices: `make mutate`.

Every mutation that a test carries (`mutants.breaks`) is made in a temporary copy of the repository; what
is generated is generated again, so that no drift check is needed to notice; then its witness alone is run
and must fail. Every witness is run unmutated too and must pass. Exit code 1 if a mutation survives, 2 if
one no longer applies or a witness no longer passes. Arguments: words that select mutations by file or title.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
TREE = ("analytic", "numerics", "feature_eos", "tests", "pyproject.toml")
TIMEOUT = 300  # seconds for a few witnesses; a mutation that makes one run for ever is noticed
EACH = 15  # seconds more for each of many
# these would notice every change of generated text, or only repeat a printed number
NOT_INDEPENDENT = ("test_reference_values", "test_table", "test_committed_files", "paper_case", "drift")


class Rotten(Exception):
    """The mutations no longer fit the code or the tests."""


@dataclass(frozen=True)
class Mutation:
    """`old` occurs exactly once in `file` and becomes `new`; `witness` is the test that must fail."""

    what: str
    file: str
    old: str
    new: str
    witness: str

    @property
    def regenerates(self) -> bool:
        """Whether numerics/_generated must be written again; tests of `analytic` do not read it."""
        return self.file.startswith("analytic/") and not self.witness.startswith("tests/analytic/")


class Collector:
    """A pytest plugin that reads the marks of all tests."""

    def __init__(self) -> None:
        self.found: dict[tuple[Any, ...], str] = {}
        self.missing: dict[tuple[Any, ...], str] = {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            name, _, case = item.nodeid.partition("[")
            for mark in item.iter_markers("mutant"):
                key = (*mark.args, name)
                self.missing.setdefault(key, name)
                if mark.args[4] is None or f"{mark.args[4]}]" == case:
                    self.found.setdefault(key, item.nodeid)


def collect() -> list[Mutation]:
    """All mutations, with the first case of their witness that was asked for."""
    collector = Collector()
    quiet = ["--collect-only", "-qq", "--no-header", "--override-ini=addopts=", str(ROOT / "tests")]
    with contextlib.redirect_stdout(io.StringIO()) as said:
        code = pytest.main(quiet, plugins=[collector])
    if code != 0:
        raise Rotten(f"the tests cannot be collected:\n{said.getvalue()}")
    for key, name in collector.missing.items():
        if key not in collector.found:
            raise Rotten(f"{name} has no case {key[4]!r} ({key[3]})")
    return [Mutation(key[3], *key[:3], witness) for key, witness in collector.found.items()]


def copy_tree(target: Path) -> None:
    for name in TREE:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, target / name, ignore=shutil.ignore_patterns("__pycache__", ".*"))
        else:
            shutil.copy2(source, target / name)


def run(tree: Path, cache: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`python -m arguments` in the copy, which comes before any installed version of the packages."""
    environment = os.environ | {
        "PYTHONPATH": str(tree),
        "PYTHONDONTWRITEBYTECODE": "1",  # a file changed twice in a second looks unchanged to the cache
        "NUMBA_CACHE_DIR": str(cache),
        "XDG_CACHE_HOME": str(cache),
    }
    command = [sys.executable, "-m", *arguments]
    patience = TIMEOUT + EACH * len(arguments)
    return subprocess.run(
        command, cwd=tree, env=environment, capture_output=True, text=True, timeout=patience, check=False
    )


def test(tree: Path, cache: Path, *nodes: str) -> subprocess.CompletedProcess[str]:
    return run(tree, cache, "pytest", "-x", "-q", "-p", "no:cacheprovider", *nodes)


def check_list(mutations: list[Mutation]) -> None:
    for mutation in mutations:
        text = (ROOT / mutation.file).read_text(encoding="utf-8")
        if (found := text.count(mutation.old)) != 1:
            raise Rotten(
                f"{mutation.file}: {mutation.old!r} occurs {found} times, not once ({mutation.what})"
            )
        if any(word in mutation.witness for word in NOT_INDEPENDENT):
            raise Rotten(f"{mutation.witness} is not an independent witness ({mutation.what})")


def check_witnesses(tree: Path, cache: Path, witnesses: list[str]) -> None:
    """Each passes on the unmutated copy, which also fills the compiler's cache."""
    result = test(tree, cache, *witnesses)
    passed = re.search(r"(\d+) passed", result.stdout)
    if result.returncode != 0 or passed is None or int(passed[1]) != len(witnesses):
        raise Rotten(f"not all witnesses pass unmutated:\n{result.stdout}{result.stderr}")


def verdict(tree: Path, cache: Path, mutation: Mutation) -> str:
    """Mutate, generate, run the witness, restore."""
    path = tree / mutation.file
    generated = tree / "numerics" / "_generated"
    kept = tree / "kept"
    shutil.copytree(generated, kept)  # with its times, which the compiler's cache goes by
    original = path.read_text(encoding="utf-8")
    try:
        path.write_text(original.replace(mutation.old, mutation.new), encoding="utf-8")
        if mutation.regenerates:
            cache = Path(tempfile.mkdtemp(dir=tree.parent))
            run(tree, cache, "analytic")  # where it refuses, the witness must do without new files
        result = test(tree, cache, mutation.witness)
    except subprocess.TimeoutExpired:
        return "killed"
    finally:
        path.write_text(original, encoding="utf-8")
        shutil.rmtree(generated)
        shutil.move(kept, generated)
    # 0: passed, 1: failed; anything else: the witness could not be run
    return {0: "SURVIVED", 1: "killed"}.get(result.returncode, f"NOT RUN {result.stdout[-500:]}")


def main(words: list[str]) -> int:
    try:
        known = collect()
        check_list(known)
    except Rotten as complaint:
        print(complaint, file=sys.stderr)
        return 2
    mutations = [m for m in known if not words or any(word in f"{m.file} {m.what}" for word in words)]
    if not mutations:
        print(f"no mutation is called {' '.join(words)}; tests carry them (tests/mutants.py)")
        return 2
    witnesses = sorted({mutation.witness for mutation in mutations})
    jobs = min(2, os.cpu_count() or 1)
    free: SimpleQueue[tuple[Path, Path]] = SimpleQueue()  # copies that nobody works in
    began = time.perf_counter()
    survivors = 0

    def prepare(folder: Path) -> None:
        tree, cache = folder / "tree", folder / "cache"
        tree.mkdir(parents=True)
        copy_tree(tree)
        check_witnesses(tree, cache, witnesses)
        free.put((tree, cache))

    def judge(mutation: Mutation) -> tuple[Mutation, str, float]:
        place, start = free.get(), time.perf_counter()
        try:
            return mutation, verdict(*place, mutation), time.perf_counter() - start
        finally:
            free.put(place)

    try:
        with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(jobs) as pool:
            list(pool.map(prepare, (Path(folder, str(job)) for job in range(jobs))))
            print(f"{len(witnesses)} witnesses pass unmutated ({time.perf_counter() - began:.0f} s)\n")
            print(f"{'mutation':42s} {'file':40s} {'s':>3s}  verdict   witness")
            for mutation, outcome, seconds in pool.map(judge, mutations):
                survivors += outcome != "killed"
                node = mutation.witness.removeprefix("tests/")
                line = f"{mutation.what:42s} {mutation.file:40s} {seconds:3.0f}  {outcome:8s}  {node}"
                print(line, flush=True)
    except Rotten as complaint:
        print(complaint, file=sys.stderr)
        return 2
    print(f"\n{len(mutations) - survivors} of {len(mutations)} killed in {time.perf_counter() - began:.0f} s")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
