"""estimate_cost against solves that are run: memory and time, predicted over measured, side by side.

Every problem has a process of its own, whose peak (VmHWM) is counted from imports, data and warm kernels on.
With --processor one thread is used and processor time counted, which other programs disturb less. --large
takes the largest problems that an afternoon admits.

    cnn      two layers, N = 20 patches of S = 64, C = 640 (large: 2000), linear teacher
    fcn      three layers, d = 32, N = 500 (large: 300), readout in mean field
    shallow  two layers, d = 64, C = 2000
"""

import argparse
import ctypes
import json
import os
import subprocess
import sys
import time
from pathlib import Path

PROBLEMS = [
    ("cnn", 400, 640),
    ("cnn", 1600, 640),
    ("cnn", 3200, 640),
    ("fcn", 256, 500),
    ("fcn", 512, 500),
    ("fcn", 1024, 500),
]
LARGE = [("cnn", 8192, 2000), ("shallow", 8192, 2000), ("fcn", 3000, 300)]


def make(kind, n, width):
    from numerics import cnn, datasets, fcn

    if kind == "cnn":
        data = datasets.make_linear_cnn(n)
        return cnn(width), data.X, data.y, 0.1
    if kind == "shallow":
        data = datasets.make_fcn_teacher(n, 64, seed=3)
        return fcn(width), data.X, data.y, 0.1
    data = datasets.make_fcn_teacher(n, 32, seed=3, rms=0.3)
    return fcn((width, width), 2.0, 2 / 256), data.X, data.y, 0.001


def peak():
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 2**20
    raise RuntimeError("this benchmark needs Linux")


def measure(kind, n, width, clock):
    """One problem in this process, as JSON."""
    import numerics.costs.rates
    from numerics import estimate_cost, solve
    from numerics.machine import scratch

    numerics.costs.rates.clock = clock
    net, X, y, noise = make(kind, n, width)
    solve(*make(kind, 40, width))  # warm kernels
    typical = estimate_cost(net, X.shape)
    scratch.forget()
    ctypes.CDLL(None).malloc_trim(0)  # what was freed so far is not the solve's to use
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    before, start = peak(), clock()
    sol = solve(net, X, y, noise)
    seconds, memory = clock() - start, peak() - before
    laps = []
    for _ in range(2):
        start = clock()
        sol.equations.gradient(sol.state, sol.problem.inverse_widths)
        laps.append(clock() - start)
    known = estimate_cost(net, X.shape, gradients=sol.gradients)
    report = {
        "gradients": (typical.gradients, sol.gradients),
        "memory": (typical.memory, memory),
        "gradient": (typical.seconds_per_gradient, min(laps)),
        "solve": (typical.seconds_per_solve, seconds),
        "known": (known.seconds_per_solve, seconds),
    }
    print(json.dumps(report))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--processor", action="store_true", help="processor time of one thread")
    parser.add_argument("--large", action="store_true", help="n = 8192, and 3000 with a hidden kernel")
    parser.add_argument("--problem", nargs=3, metavar=("KIND", "N", "WIDTH"), help="one alone, as JSON")
    options = parser.parse_args()
    if options.problem:
        kind, n, width = options.problem
        clock = time.process_time if options.processor else time.perf_counter
        return measure(kind, int(n), int(width), clock)
    heading = ("memory GB", "s per gradient", "s per solve", "... at its gradients", "gradients")
    print(f"{'predicted / measured':20s}" + "".join(f"{name:>26s}" for name in heading))
    threads = {"OPENBLAS_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"} if options.processor else {}
    for kind, n, width in LARGE if options.large else PROBLEMS:
        command = [sys.executable, __file__, "--problem", kind, str(n), str(width)]
        command += ["--processor"] if options.processor else []
        done = subprocess.run(
            command, env=os.environ | threads, capture_output=True, text=True, check=True
        ).stdout
        found = json.loads(done)
        cells = [found[name] for name in ("memory", "gradient", "solve", "known", "gradients")]
        texts = [f"{ours:.3g} / {real:.3g} = {ours / real:.2f}" for ours, real in cells]
        print(f"{kind} n = {n:<{16 - len(kind)}d}" + "".join(f"{text:>26s}" for text in texts), flush=True)
    return None


if __name__ == "__main__":
    main()
