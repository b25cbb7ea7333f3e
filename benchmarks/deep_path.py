"""Three-layer fully connected network, n = 512, d = 32: 49 widths from 30000 to 90 in one `solve_path`."""

import argparse
import resource
import time

import numpy as np

from numerics import datasets, fcn, solve, solve_path


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=512)
    parser.add_argument("--d", type=int, default=32)
    parser.add_argument("--widths", type=int, default=49)
    options = parser.parse_args()
    net = fcn((1, 1), 2.0, 2 / 256)
    small = datasets.make_fcn_teacher(32, 4)
    solve(net.with_widths(1000), small.X, small.y, 0.001)  # warm kernels
    data = datasets.make_fcn_teacher(options.n, options.d, seed=3, rms=0.3)
    widths = np.geomspace(30000, 90, options.widths)
    start = time.perf_counter()
    path = solve_path(net, data.X, data.y, 0.001, widths=widths)
    total = time.perf_counter() - start
    for sol in path[:: max(1, len(path) // 8)]:
        print(
            f"{sol.width:9.1f}  alpha {sol.alpha:10.6f}  gradients {sol.gradients:3d}  "
            f"residual {sol.residual:.1e}  condition of Q {np.linalg.cond(sol.kernels[0].Q):.1e}"
        )
    gradients = sum(sol.gradients for sol in path)
    print(
        f"n = {options.n}: {len(path)} widths, {total:.1f} s, {gradients} gradients "
        f"({gradients / len(path):.1f} per width), largest residual {max(s.residual for s in path):.1e}, "
        f"alpha monotone: {bool((np.diff(path.alpha) < 0).all())}, peak "
        f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GB"
    )


if __name__ == "__main__":
    main()
