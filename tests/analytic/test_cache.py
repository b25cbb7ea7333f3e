"""Generated modules in the user's cache directory."""

import os
import subprocess
import sys

import pytest

from analytic.generator import cache

TEXT = "def answer():\n    return 42\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "user_cache_dir", lambda *_, **__: str(tmp_path))
    return tmp_path / "generated"


@pytest.fixture(autouse=True)
def _forget(monkeypatch):
    """Modules loaded here leave no trace in sys.modules."""
    monkeypatch.setattr(sys, "modules", dict(sys.modules))


def test_written_once_under_a_hash_of_its_text(folder):
    first = cache.load_source("f", TEXT)
    assert first.answer() == 42
    (path,) = folder.glob("f_*.py")
    written = path.stat().st_mtime_ns
    assert cache.load_source("f", TEXT) is first
    assert path.stat().st_mtime_ns == written
    assert cache.load_source("f", TEXT.replace("42", "43")).answer() == 43
    assert len(list(folder.glob("f_*.py"))) == 2
    assert not list(folder.glob("*.tmp"))


def test_versions_are_part_of_the_name(folder, monkeypatch):
    cache.load_source("f", TEXT)
    monkeypatch.setattr(cache, "version", lambda package: "another")
    cache.load_source("f", TEXT)
    assert len(list(folder.glob("f_*.py"))) == 2


def test_a_second_process_reuses_what_the_first_compiled(tmp_path):
    """Numba reads its cache back, which needs the module to be importable by its name."""
    jitted = "from numba import njit\n\n@njit(cache=True)\ndef twice(x):\n    return 2 * x\n"
    script = (
        "from analytic.generator.cache import load_source\n"
        f"f = load_source('g', {jitted!r}).twice\n"
        "print(f(21), sum(f.stats.cache_hits.values()))\n"
    )
    place = {"XDG_CACHE_HOME": str(tmp_path), "HOME": str(tmp_path), "LOCALAPPDATA": str(tmp_path)}
    runs = [
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, **place, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        for _ in range(2)
    ]
    assert runs == [["42", "0"], ["42", "1"]]


def test_without_a_folder_of_the_user_s_a_temporary_one_serves(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setattr(cache, "user_cache_dir", lambda *_, **__: str(tmp_path / "file"))  # no folder below
    assert cache.load_source("g", TEXT).answer() == 42
    assert cache.load_source("g", TEXT.replace("42", "7")).answer() == 7
