"""One gradient of F against the bare work nobody can avoid, and one Hessian product against a gradient.

Bare work: N dsyrk (n, S), N dsymm (n, n, S), dpotrf and dpotri of (n, n) on all threads, and np.arcsin
of n^2 N / 2 doubles on one. Run on an idle machine.
"""

import argparse
import statistics
import time

import numpy as np
from scipy.linalg import blas, lapack

from numerics import Problem, cnn, datasets
from numerics.gaussian.hessian import Hessian
from numerics.gaussian.state import LayerState
from numerics.gaussian.theory import Theory
from numerics.machine import parallel

N_PATCHES, PATCH_SIZE = 20, 64


def repeats(n):
    """Small problems are disturbed more by what else the machine does."""
    return 15 if n < 1600 else 5 if n < 6400 else 3


def seconds(work):
    time.sleep(0.2)  # OpenBLAS's threads go on spinning after the last measurement
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def bare_work(X, n):
    """Functions to time; arrays are made outside, so that only BLAS, LAPACK and arcsin are inside."""
    patches = [np.asfortranarray(X[:, i]) for i in range(N_PATCHES)]
    square = np.asfortranarray(np.eye(n) * n + 1.0)
    out = np.empty((n, n), order="F")
    chunk = np.linspace(-0.9, 0.9, 32768)
    result = np.empty_like(chunk)
    chunks = n * n * N_PATCHES // 2 // chunk.size

    def grams():
        for patch in patches:
            blas.dsyrk(1.0, patch, c=out, overwrite_c=1)

    def products():
        for patch in patches:
            blas.dsymm(1.0, square, patch)

    def inverse():
        factor, _ = lapack.dpotrf(square)
        lapack.dpotri(factor, overwrite_c=1)

    def arcsines():
        for _ in range(chunks):
            np.arcsin(chunk, out=result)

    return {"dsyrk": grams, "dsymm": products, "dpotrf+dpotri": inverse, "arcsin": arcsines}


def agreement(theory, state):
    """How far one thread, two, and a repeat are from one another, in F's data term and in the gradient."""
    runs = []
    for count in (1, 1, 2):
        with parallel.threads(count):
            runs.append(theory.gradient(state, (1 / 640,)))
    one, again, two = runs
    T = [run.T[0].theta for run in runs]
    apart = abs(two.data.value / one.data.value - 1), abs(T[2] - T[0]).max() / abs(T[0]).max()
    repeated = one.data.value == again.data.value and np.array_equal(T[0], T[1])
    return f"threads 1 and 2 differ by {apart[0]:.0e} in Psi, {apart[1]:.0e} in T; repeat bitwise: {repeated}"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", default="400,800,1600,3200,6400")
    sizes = [int(n) for n in parser.parse_args().n.split(",")]
    rng = np.random.default_rng(1)
    mix = rng.standard_normal((PATCH_SIZE, PATCH_SIZE)) / PATCH_SIZE
    state = (LayerState((mix + mix.T) / 2),)
    print(f"{'n':>6}{'gradient s':>12}{'bare s':>10}{'ratio':>8}{'product/gradient':>18}   bare work, s")
    for n in sizes:
        data = datasets.make_linear_cnn(n, N_PATCHES, PATCH_SIZE)
        theory = Theory(Problem(cnn(640), data.X, data.y, 0.1))
        hessian = Hessian.at(theory, state, (1 / 640,))
        hessian.product(state)  # warm kernels
        work = bare_work(data.X, n)
        ours, products, theirs, parts = [], [], [], {name: [] for name in work}
        for _ in range(repeats(n)):
            ours.append(seconds(lambda theory=theory: theory.gradient(state, (1 / 640,))))
            products.append(seconds(lambda hessian=hessian: hessian.product(state)))
            for name, one in work.items():
                parts[name].append(seconds(one))
            theirs.append(sum(times[-1] for times in parts.values()))
        ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
        product = statistics.median(a / b for a, b in zip(products, ours, strict=True))
        detail = "  ".join(f"{name} {statistics.median(times):.4f}" for name, times in parts.items())
        print(
            f"{n:6d}{statistics.median(ours):12.4f}{statistics.median(theirs):10.4f}{ratio:8.2f}{product:18.2f}"
            f"   {detail}",
            flush=True,
        )
        print(f"       {agreement(theory, state)}", flush=True)


if __name__ == "__main__":
    main()
