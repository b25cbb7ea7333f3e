"""The first solve on an empty kernel cache: seconds above a warm one, compilations, eight processes at once.

Each measurement is a fresh process with a cache folder of its own (NUMBA_CACHE_DIR).
"""

import collections
import json
import os
import subprocess
import sys
import tempfile

SOLVE = """
import json, time
begin = time.perf_counter()
from numba.core import event
from numerics import cnn, datasets, solve
data = datasets.make_linear_cnn(64, 4, 16)
with event.install_recorder("numba:compile") as recorder:
    sol = solve(cnn(100), data.X, data.y, 0.1)
compiled = [
    f"{e.data['dispatcher'].py_func.__module__}.{e.data['dispatcher'].py_func.__name__}{e.data['args']}"
    for _, e in recorder.buffer if e.is_start
]
print(json.dumps({"seconds": time.perf_counter() - begin, "alpha": sol.alpha, "compiled": compiled}))
"""
PROCESSES = 8


def start(cache):
    environment = {**os.environ, "NUMBA_CACHE_DIR": cache}
    return subprocess.Popen([sys.executable, "-c", SOLVE], env=environment, stdout=subprocess.PIPE, text=True)


def result(process):
    out, _ = process.communicate()
    return json.loads(out) if process.returncode == 0 else None


def main():
    with tempfile.TemporaryDirectory() as cache:
        cold, warm = result(start(cache)), result(start(cache))
    twice = [name for name, count in collections.Counter(cold["compiled"]).items() if count > 1]
    more = cold["seconds"] - warm["seconds"]
    print(f"cold {cold['seconds']:.1f} s, warm {warm['seconds']:.1f} s: {more:.1f} s more")
    counts = f"{len(cold['compiled'])} functions cold, {len(warm['compiled'])} warm"
    print(f"compiled: {counts}; twice: {twice or 'none'}")
    with tempfile.TemporaryDirectory() as cache:
        results = [result(process) for process in [start(cache) for _ in range(PROCESSES)]]
    good = [found for found in results if found is not None]
    same = len({found["alpha"] for found in good}) == 1
    print(
        f"{PROCESSES} processes at once on an empty cache: {len(good)} succeeded, alpha bitwise equal: {same}"
    )
    return 0 if len(good) == PROCESSES and same and not twice else 1


if __name__ == "__main__":
    sys.exit(main())
