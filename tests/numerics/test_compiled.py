"""Installed where nothing can be written, and without a home: loops are compiled into a temporary folder."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from numerics.machine import compiled

ROOT = Path(__file__).parent.parent.parent
SOLVE = """
import numpy as np, numerics
X = np.random.default_rng(0).standard_normal((6, 3))
alpha = numerics.solve(numerics.fcn(20), X, X[:, 0], 0.1).alpha
print(numerics.__file__, alpha, numerics.reduced.alpha(1600, 640))
"""
WITHOUT_PRIVILEGES = ("setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all")


@pytest.fixture(scope="module")
def installed():
    """A copy of the package that nobody can write to, in a folder that everybody can enter."""
    folder = Path(tempfile.mkdtemp(prefix="read-only-"))
    for name in ("numerics", "analytic", "feature_eos"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    yield folder
    for path in (folder, *folder.rglob("*")):
        if path.is_dir():
            path.chmod(0o755)
    shutil.rmtree(folder)


def run(installed, **more):
    """SOLVE by one who may write neither to the package nor to a home; root only without its privileges."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("NUMBA", "XDG", "PYTHON"))
    }
    environment = kept | {"HOME": str(installed / "home"), "PYTHONPATH": str(installed)} | more
    prefix = WITHOUT_PRIVILEGES if os.geteuid() == 0 else ()
    command = [*prefix, sys.executable, "-c", SOLVE]
    return subprocess.run(
        command, cwd=installed, env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module", autouse=True)
def no_privileges():
    if not hasattr(os, "geteuid") or (os.geteuid() == 0 and shutil.which("setpriv") is None):
        pytest.skip("there is no folder that cannot be written to")


def test_without_a_folder_for_compiled_loops_a_temporary_one_serves(installed):
    done = run(installed)
    assert done.returncode == 0, done.stderr
    path, *numbers = done.stdout.split()
    assert path.startswith(str(installed))
    assert float(numbers[1]) == pytest.approx(0.36526519)
    assert "set NUMBA_CACHE_DIR to a folder that is kept" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(Path(tempfile.gettempdir()).glob("feature-eos-numba-*")), "it is cleared away"


def test_the_user_s_folder_is_taken_without_a_warning(installed):
    folder = Path(tempfile.mkdtemp(prefix="kept-"))
    folder.chmod(0o777)
    try:
        done = run(installed, NUMBA_CACHE_DIR=str(folder))
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        assert list(folder.rglob("*.nbi"))
    finally:
        shutil.rmtree(folder)


def test_without_any_folder_it_is_one_sentence(monkeypatch):
    def none(**_):
        raise FileNotFoundError("no usable temporary directory")

    monkeypatch.setattr(compiled, "_writable", lambda _: False)
    monkeypatch.setattr(tempfile, "mkdtemp", none)
    with pytest.raises(ImportError, match="set NUMBA_CACHE_DIR to one"):
        compiled.ensure_cache()
