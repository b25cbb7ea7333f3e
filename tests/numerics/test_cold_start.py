"""An empty kernel cache: processes that fill it at the same time all succeed and agree."""

import os
import subprocess
import sys

SOLVE = """
import numpy as np
from numerics import cnn, solve
X = np.cos(np.arange(60.0)).reshape(10, 2, 3) * np.arange(1.0, 4.0)
print(solve(cnn(30.0), X, X[:, 0, 0], 0.1).alpha.hex())
"""


def test_processes_that_compile_at_once(tmp_path):
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    command = [sys.executable, "-c", SOLVE]
    started = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    printed = [process.communicate()[0] for process in started]
    assert [process.returncode for process in started] == [0, 0, 0]
    assert len(set(printed)) == 1
    assert float.fromhex(printed[0].strip()) > 0
    assert any((tmp_path / "cache").rglob("*.nbi"))  # the cache was used
