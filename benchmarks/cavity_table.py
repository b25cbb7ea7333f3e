"""The cavity theory's columns of the table in docs/derivations-cavity.md, with the time of each row.

    python benchmarks/cavity_table.py [--only WORD] [--seed K]

WORD picks rows by their text, for example "d=20" or "n=200 N=4". The sampled numbers are in the table.
"""

import argparse
import time
import warnings

import numpy as np

from numerics import cnn, datasets, fcn, solve

NOISE_VARIANCE = 0.1
N_TEST = 1000


def dense(n, d, seed, cubic=0.0):
    """X, y, test inputs and noiseless targets, teacher."""
    rng = np.random.default_rng(seed)
    w = rng.standard_normal(d)
    w /= np.linalg.norm(w)
    X = rng.standard_normal((n + N_TEST, d))
    t = X @ w
    y = t + cubic * (t**3 - 3 * t) / np.sqrt(6)
    return X[:n], y[:n], X[n:], y[n:], w


TEACHERS = {
    "linear": lambda t: t,
    "rectified": lambda t: np.maximum(t, 0.0) - 0.4,
    "even": lambda t: (t**2 - 1) / np.sqrt(2),
}


def small_dense(n, d, seed, teacher="linear"):
    rng = np.random.default_rng(seed)
    X, w = rng.standard_normal((n, d)), rng.standard_normal(d)
    w /= np.linalg.norm(w)
    return X, TEACHERS[teacher](X @ w), None, None, w


def convolutional(n, pixels, size, seed):
    """Teacher first."""
    rng = np.random.default_rng(seed)
    a, w = rng.standard_normal(pixels), rng.standard_normal(size)
    a, w = a / np.linalg.norm(a), w / np.linalg.norm(w)
    X = rng.standard_normal((n + N_TEST, pixels, size))
    y = np.einsum("nis,i,s->n", X, a, w)
    return X[:n], y[:n], X[n:], y[n:], w


def images(n, pixels, size):
    """Inputs first."""
    data = datasets.make_linear_cnn(n, pixels, size, seed=0)
    return data.X, data.y, None, None, data.w_star


def relu(C):
    return fcn(C, activation="relu")


def mean_field_scaling(C):
    return fcn(C, readout_variance=20 / C)


ROWS = (
    ("CNN n=200 N=4 S=16", images, (200, 4, 16), cnn, (320, 160, 80, 40)),
    ("CNN n=400 N=20 S=64", images, (400, 20, 64), cnn, (160, 80)),
    ("CNN n=800 N=20 S=64", images, (800, 20, 64), cnn, (640, 320, 160, 80)),
    ("CNN n=1600 N=20 S=64", images, (1600, 20, 64), cnn, (640, 160, 80)),
    ("CNN n=200 N=4 S=16, other seed", convolutional, (200, 4, 16, 0), cnn, (160, 80, 40, 20)),
    ("FCN n=200 d=20", dense, (200, 20, 0), fcn, (200, 100, 50, 20)),
    ("FCN n=100 d=20", dense, (100, 20, 1), fcn, (200, 100, 50, 20)),
    ("FCN n=200 d=20, 20/C", dense, (200, 20, 3), mean_field_scaling, (200, 100, 50, 20)),
    ("FCN n=200 d=20, cubic", dense, (200, 20, 2, 0.5), fcn, (200, 100, 50, 20)),
    ("FCN n=100 d=8, relu", small_dense, (100, 8, 1), relu, (100, 40, 20)),
    ("FCN n=100 d=8, relu, rectified", small_dense, (100, 8, 1, "rectified"), relu, (100, 40, 20)),
    ("FCN n=100 d=8, relu, even", small_dense, (100, 8, 1, "even"), relu, (100, 40, 20)),
)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--only", default="")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    warnings.simplefilter("ignore")  # rare units are told by a column
    print(
        f"{'network, data':36}{'C':>5}{'alpha':>15}{'l*':>14}{'test':>9}{'var':>9}{'share':>7}{'rare':>6} s"
    )
    for name, make, arguments, network, widths in ROWS:
        if asked.only in name:
            data = make(*arguments)
            for C in widths:
                print(f"{name:36}{C:5}{row(network(C), *data, asked.seed)}", flush=True)


def row(net, X, y, X_test, y_test, w, seed):
    began = time.perf_counter()
    sol = solve(net, X, y, NOISE_VARIANCE, theory="cavity", seed=seed, raise_on_failure=False)
    seconds = time.perf_counter() - began
    each = [w @ overlap @ w for overlap in sol.replicated("overlap_ratio")]
    learned, error = w @ sol.overlap_ratio @ w, np.std(each, ddof=1) / np.sqrt(len(each))
    found = f"{sol.alpha:.4f}+-{sol.errors['alpha']:.4f}".rjust(15) + f"{learned:.3f}+-{error:.3f}".rjust(14)
    test = variance = np.nan
    if X_test is not None:
        mean, std = sol.predict(X_test, return_std=True)
        test, variance = np.mean((mean - y_test) ** 2), np.mean(std**2)
    share = sol.effective_sample / sol.draws
    how = sol.method if sol.converged else sol.status.name
    return f"{found}{test:9.4f}{variance:9.4f}{share:7.2f}{sol.heaviest_unit:6.2f} {seconds:.0f} {how}"


if __name__ == "__main__":
    main()
