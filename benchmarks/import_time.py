"""`import numerics` against importing numba, scipy.linalg and tqdm, alternating in fresh processes."""

import statistics
import subprocess
import sys
import time

REPEATS = 7


def seconds(statement):
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", statement], check=True)
    return time.perf_counter() - start


def main():
    ratios, ours = [], []
    for lap in range(REPEATS + 1):
        mine = seconds("import numerics")
        bare = seconds("import numba, scipy.linalg, tqdm")
        if lap:  # the first lap warms the file cache
            ours.append(mine)
            ratios.append(mine / bare)
    ratio = statistics.median(ratios)
    print(f"import numerics: {statistics.median(ours):.2f} s, {ratio:.3f} x the bare imports")


if __name__ == "__main__":
    main()
