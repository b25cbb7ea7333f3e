"""Reduced roots per second against SciPy's scalar and vectorised solvers, ratios from one run."""

import math
import time

import numpy as np
from scipy.optimize import brentq, elementwise, root

from numerics import reduced

COUNT = 1_000_000
LOOP = 2_000  # solved by the Python loops, whose time is then scaled up


def parameters(count: int) -> tuple[np.ndarray, np.ndarray]:
    """n and C around the paper's."""
    rng = np.random.default_rng(0)
    return 10 ** rng.uniform(2.5, 4, count), 10 ** rng.uniform(1.5, 4, count)


def timed(run, repeats: int = 3):
    """The best of a few runs, in seconds, and the result."""
    best = math.inf
    for _ in range(repeats):
        start = time.perf_counter()
        result = run()
        best = min(best, time.perf_counter() - start)
    return best, result


LAM = 16 / (5 * math.pi * 1280)
T = 4 / math.pi * (math.asin(0.8) - 0.8)


def cubic(alpha, n, C):
    """Eq. (9) with q = 1, cleared of denominators."""
    return (1 - 0.1 * alpha) * (1 - n * n * alpha * alpha * LAM / C) - n * LAM * alpha


def bracket(n, C):
    """chi < 1 and sigma^2 alpha < 1."""
    return np.minimum(np.sqrt(C / (n * n * LAM)), 10.0)


def ridge(unknown, n, C):
    """The ridge closure's conditions in lambda_* + kappa, l_*/l_GP, kappa and l_0/l_GP, scaled."""
    w, r, kappa, r0 = unknown
    share = 20 * r / w + 1260 * r0 / (r0 + kappa)
    return [
        w - r - kappa,
        r * (1 - 1 / (C * LAM * w * w) + 20 / (C * w)) - 1,
        n * kappa - (0.1 + T) / LAM - kappa * share,
        r0 - 1 + 20 / C * r0 / (r0 + kappa),
    ]


def ridge_loop(n: np.ndarray, C: np.ndarray) -> np.ndarray:
    """scipy.optimize.root from the answer at C = inf, one problem at a time."""
    gaussian = reduced.alpha(n, math.inf)
    out = np.empty(n.size)
    for i in range(n.size):
        w = 1 / (n[i] * gaussian[i] * LAM)
        out[i] = 1 / (n[i] * LAM * root(ridge, [w, 1.0, w - 1.0, 1.0], args=(n[i], C[i])).x[0])
    return out


def main() -> None:
    """Print the ratios and how well the answers agree."""
    n, C = parameters(COUNT)
    few = slice(0, LOOP)
    for closure in ("equivalent_kernel", "one_over_n", "ridge"):
        reduced.alpha(n[few] + 1e4, C[few], closure=closure)  # compiles
    ours, alpha = timed(lambda: reduced.alpha(n, C, closure="equivalent_kernel"))
    loop, by_loop = timed(
        lambda: [
            brentq(cubic, 0.0, top, args=(a, b), xtol=1e-15, rtol=1e-14)
            for top, a, b in zip(bracket(n[few], C[few]), n[few], C[few], strict=True)
        ],
        1,
    )
    vector, by_vector = timed(
        lambda: elementwise.find_root(cubic, (np.zeros(COUNT), bracket(n, C)), args=(n, C)), 1
    )
    print(f"cubic: {COUNT:,} roots in {ours:.3f} s ({1e9 * ours / COUNT:.0f} ns each)")
    print(f"  brentq loop takes {loop * COUNT / LOOP / ours:.0f} x as long", end="; ")
    print(f"largest difference {np.max(abs(np.array(by_loop) / alpha[few] - 1)):.1e}")
    print(f"  elementwise.find_root takes {vector / ours:.1f} x as long", end="; ")
    print(f"largest difference {np.max(abs(by_vector.x / alpha - 1)):.1e}")
    ours, alpha = timed(lambda: reduced.alpha(n, C))
    loop, by_loop = timed(lambda: ridge_loop(n[few], C[few]), 1)
    off = abs(by_loop / alpha[few] - 1)
    print(f"ridge: {COUNT:,} roots in {ours:.3f} s ({1e9 * ours / COUNT:.0f} ns each)")
    print(f"  scipy.optimize.root loop takes {loop * COUNT / LOOP / ours:.0f} x as long", end="; ")
    print(f"median difference {np.median(off):.1e}, {np.mean(off > 1e-6):.1%} of its answers are wrong")


if __name__ == "__main__":
    main()
