"""estimate_cost against solves that are run: memory and time, predicted over measured, side by side.

Every problem has a process of its own, whose peak (VmHWM) is counted from imports, data and warm kernels on.
With --processor one thread is used and processor time counted, which other programs disturb less.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

PROBLEMS = [("cnn", 400), ("cnn", 1600), ("cnn", 3200), ("fcn", 256), ("fcn", 512), ("fcn", 1024)]


def make(kind, n):
    """Two-layer CNN, N = 20, S = 64, C = 640; three-layer FCN, d = 32, N = 500, readout in mean field."""
    import numpy as np
    from scipy.special import erf

    from numerics import cnn, datasets, fcn

    if kind == "cnn":
        data = datasets.make_linear_cnn(n)
        return cnn(640), data.X, data.y, 0.1
    rng = np.random.default_rng(3)
    X, w = rng.standard_normal((n, 32)), rng.standard_normal(32)
    y = erf(erf(X @ w / np.linalg.norm(w)))
    return fcn((500, 500), 2.0, 2 / 256), X, y * 0.3 / np.sqrt(np.mean(y**2)), 0.001


def peak():
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 2**20
    raise RuntimeError("this benchmark needs Linux")


def measure(kind, n, clock):
    """One problem in this process, as JSON."""
    import numerics.rates
    from numerics import estimate_cost, solve

    numerics.rates.clock = clock
    net, X, y, noise = make(kind, n)
    small = make(kind, 40)
    solve(*small)  # warm kernels
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    before, start = peak(), clock()
    sol = solve(net, X, y, noise)
    seconds, memory = clock() - start, peak() - before
    chain, laps = sol.problem.field.chain, []
    for _ in range(2):
        start = clock()
        chain.pull(sol.theta, sol.problem.inverse_widths)
        laps.append(clock() - start)
    typical = estimate_cost(net, X.shape)
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
    parser.add_argument("--problem", nargs=2, metavar=("KIND", "N"), help="one of them alone, as JSON")
    options = parser.parse_args()
    if options.problem:
        kind, n = options.problem
        return measure(kind, int(n), time.process_time if options.processor else time.perf_counter)
    heading = ("memory GB", "s per gradient", "s per solve", "... at its gradients", "gradients")
    print(f"{'predicted / measured':20s}" + "".join(f"{name:>26s}" for name in heading))
    threads = {"OPENBLAS_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"} if options.processor else {}
    for kind, n in PROBLEMS:
        command = [sys.executable, __file__, "--problem", kind, str(n)]
        command += ["--processor"] if options.processor else []
        done = subprocess.run(
            command, env=os.environ | threads, capture_output=True, text=True, check=True
        ).stdout
        found = json.loads(done)
        cells = [found[name] for name in ("memory", "gradient", "solve", "known", "gradients")]
        texts = [f"{ours:.3g} / {real:.3g} = {ours / real:.2f}" for ours, real in cells]
        print(f"{kind} n = {n:<12d}" + "".join(f"{text:>26s}" for text in texts), flush=True)
    return None


if __name__ == "__main__":
    main()
