"""What samples cost: effective draws per gradient, and a gradient against its bare work.

    python benchmarks/sampling.py [bare] [draws] [rivals]

`bare`    a gradient with the readout integrated out at n = 1600, C = 640, over its bare products,
          factorisation and one erf and one exp pass by SciPy and NumPy, in one run on one thread
`draws`   effective draws per 1,000 gradients after warm-up, and gradients for 1 %, of several networks
`rivals`  the same of all weights (joint) and of Langevin dynamics at half the stability limit
"""

import sys
import time

import numpy as np
from scipy.linalg import lapack
from scipy.special import erf

from numerics import Langevin, Problem, cnn, datasets, fcn, sample
from numerics.machine import parallel
from numerics.sampling.energies import Collapsed, Posterior

REPEATS = 3


def main(parts):
    for part in parts or ("bare", "draws", "rivals"):
        {"bare": bare, "draws": draws, "rivals": rivals}[part]()


def linear(n, n_patches, patch_size, C):
    data = datasets.make_linear_cnn(n, n_patches, patch_size, seed=0)
    return Problem(cnn(C), data.X, data.y, 0.1), data.w_star


def deep(n, d, N):
    """The three-layer network of sheet (b): erf(erf(X w)), of rms .3, mean-field scaling."""
    rng = np.random.default_rng(3)
    X, w = rng.standard_normal((n, d)), rng.standard_normal(d)
    w /= np.linalg.norm(w)
    y = erf(erf(X @ w))
    y *= 0.3 / np.sqrt(np.mean(y**2))
    return Problem(fcn((N, N), readout_variance=2 / 256), X, y, 0.001), w


def bare():
    problem, _ = linear(1600, 20, 64, 640)
    rng = np.random.default_rng(0)
    n, P, S = 1600, 20 * 640, 64
    with parallel.threads(1):
        for single in (True, False):
            kind = np.float32 if single else np.float64
            energy = Collapsed(Posterior(problem, single))
            z = rng.standard_normal(energy.size)
            X, W = rng.standard_normal((n * 20, S)).astype(kind), rng.standard_normal((S, 640)).astype(kind)
            Phi, K = rng.standard_normal((n, P)).astype(kind), rng.standard_normal((n, n)).astype(kind)
            H = rng.standard_normal((n * 20, 640)).astype(kind)
            M = K.astype(np.float64) @ K.T + n * np.eye(n)

            def products(X=X, W=W, Phi=Phi, K=K, H=H, M=M):
                for left, right in ((X, W), (Phi, Phi.T), (K, Phi), (X.T, H)):
                    left @ right
                factor, _ = lapack.dpotrf(M.T)
                lapack.dpotri(factor)
                erf(H)
                np.exp(-H * H)

            ours, work = (best(call) for call in (lambda e=energy, z=z: e(z), products))
            print(
                f"{'single' if single else 'double'}: gradient {ours:.2f} s, bare {work:.2f} s, "
                f"ratio {ours / work:.2f}"
            )


def best(call):
    call()
    found = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        call()
        found.append(time.perf_counter() - began)
    return min(found)


def draws():
    cases = {
        "n=200 N=4 S=16 C=40": (*linear(200, 4, 16, 40), 300, 1.0),
        "n=200 N=4 S=16 C=160": (*linear(200, 4, 16, 160), 200, 1.0),
        "n=400 N=20 S=64 C=80": (*linear(400, 20, 64, 80), 100, 1.0),
        "3 layers n=100 d=10 N=40, T=1.57": (*deep(100, 10, 40), 300, 1.57),
        "3 layers n=100 d=10 N=40, T=1": (*deep(100, 10, 40), 300, 1.0),
    }
    for name, (problem, w, count, length) in cases.items():
        show(name, sample(problem, draws=count, method="collapsed", path_length=length), w)


def show(name, samples, w):
    gradients = samples.report.gradients
    found = []
    for label, estimate in (("alpha", samples.alpha), ("l*", samples.overlap(w))):
        plain = estimate.plain
        needed = gradients * (estimate.error / (0.01 * abs(estimate.mean))) ** 2
        found.append(
            f"{label} {estimate}: {1000 * plain.ess / gradients:.3g} a 1,000, 1 % in {needed:.3g} gradients"
        )
    report = samples.report
    print(
        f"{name}: step {report.step:.3f}, acceptance {report.acceptance:.2f}, "
        f"{report.warm_up_gradients} gradients of warm-up, {1e3 * report.seconds / gradients:.2f} ms each\n  "
        + "\n  ".join(found),
        flush=True,
    )


def rivals():
    problem, w = linear(200, 4, 16, 40)
    show("all weights", sample(problem, draws=300, method="joint"), w)
    langevin = Langevin(share=0.5, schedule=False, burn_in=5000, interval=50)
    show("Langevin at half its limit", sample(problem, draws=400, method=langevin), w)


if __name__ == "__main__":
    main(sys.argv[1:])
