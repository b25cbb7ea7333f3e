"""Problems for sweeps that worker processes can import, and runs to be killed."""

import os
import sys
from pathlib import Path

import numpy as np

from numerics import Problem, cnn, datasets, sweep

CASES = 500
BROKEN = "SWEEP_TEST_BROKEN"  # names a file; while it is there, noise .7 fails


def two_layers(n, noise, activation="erf"):
    if noise == 0.7 and Path(os.environ.get(BROKEN, "/nonexistent")).exists():
        raise ArithmeticError("a machine on fire")
    data = datasets.make_linear_cnn(n, 2, 4, seed=0, n_test=6)
    return Problem(cnn(20, activation=activation), data.X, data.y, noise), data.X_test, data.y_test


def spectrum(sol):
    return {
        "spectrum": sol.overlap_eigenvalues,
        "share": sol.overlap_eigenvalues[0] / sol.overlap_eigenvalues.sum(),
    }


def tiny(k):
    rng = np.random.default_rng(k)
    return Problem(cnn(30), rng.standard_normal((6, 2, 3)), rng.standard_normal(6), 0.1)


def run(store, executor=None, cases=CASES):
    return sweep(
        tiny, {"k": range(cases)}, executor, store=store, quantities=("alpha", "log_evidence", spectrum)
    )


def main(store, kind, cases):
    if kind == "serial":
        run(store, cases=cases)
    elif kind == "loky":
        from joblib.externals.loky import get_reusable_executor

        run(store, get_reusable_executor(2), cases)
    else:
        from dask.distributed import Client, LocalCluster

        with (
            LocalCluster(2, threads_per_worker=1, dashboard_address=None) as cluster,
            Client(cluster) as client,
        ):
            run(store, client.get_executor(), cases)


if __name__ == "__main__":
    import sweep_problems  # under its own name, which the store keeps

    sweep_problems.main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
