"""The paper's ladder of widths at n = 1600 in one `solve_path`: time, gradients per C, peak memory."""

import argparse
import resource
import time

from numerics import cnn, datasets, solve, solve_path

WIDTHS = [20000, 5000, 2560, 1280, 640, 320, 160, 80]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=1600)
    n = parser.parse_args().n
    small = datasets.make_linear_cnn(64)
    solve(cnn(640), small.X, small.y, 0.1)  # warm kernels
    data = datasets.make_linear_cnn(n)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    laps = []

    def lap(sol):
        laps.append((sol, time.perf_counter() - start))

    path = solve_path(cnn(640), data.X, data.y, noise_variance=0.1, widths=WIDTHS, callback=lap)
    total = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"{'C':>6}{'alpha':>12}{'gradients':>11}{'residual':>11}{'load':>8}{'until s':>9}")
    for sol, until in laps:
        print(
            f"{sol.width:6g}{sol.alpha:12.8f}{sol.gradients:11d}{sol.residual:11.1e}"
            f"{sol.readout_load:8.3f}{until:9.2f}"
        )
    gradients = 1 + sum(sol.gradients for sol in path)
    print(
        f"n = {n}: {total:.1f} s, {gradients} gradients ({gradients / len(WIDTHS):.1f} per C), peak "
        f"{peak / 1024**2:.2f} GB, {1024 * (peak - before) / (8 * n * n):.1f} n x n arrays above the start"
    )


if __name__ == "__main__":
    main()
