"""Three-layer fully connected network, n = 512, d = 32: 49 widths from 30000 to 90 in one `solve_path`."""

import argparse
import resource
import time

import numpy as np
from scipy.special import erf

from numerics import fcn, solve, solve_path


def teacher_problem(n, d, seed=3):
    """Gaussian inputs, y = erf(erf(X w)) of rms 0.3."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    w = rng.standard_normal(d)
    y = erf(erf(X @ (w / np.linalg.norm(w))))
    return X, y * 0.3 / np.sqrt(np.mean(y**2))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=512)
    parser.add_argument("--d", type=int, default=32)
    parser.add_argument("--widths", type=int, default=49)
    options = parser.parse_args()
    net = fcn((1, 1), 2.0, 2 / 256)
    solve(net.with_widths(1000), *teacher_problem(32, 4), 0.001)  # warm kernels
    X, y = teacher_problem(options.n, options.d)
    widths = np.geomspace(30000, 90, options.widths)
    start = time.perf_counter()
    path = solve_path(net, X, y, 0.001, widths=widths)
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
