"""The three-layer CNN of Fig. 4 and 5 at the paper's size: one teacher, five draws of the data, C = 100.

    python notebooks/data/make_cnn3.py

writes cnn3.npz, draw by draw; a second call goes on where the first one stopped. One gradient at this size
takes about nine seconds on one core, a draw some twenty of them.
"""

import time
from pathlib import Path

import numpy as np
from recording import Recording
from scipy.special import erf

from numerics import cnn, datasets, solve
from numerics.kernels.preactivations import InputKernel

DRAWS, TEACHER_SEED, NOISE_VARIANCE = 5, 0, 0.005
WIDTH = 100.0
MEASURED = 0.254  # the variance along w* of the paper's trained networks
LEADING = 100  # eigenvalues of the hidden kernels to keep
RANDOM_INPUT, RANDOM_HIDDEN = 1000, 20  # random directions of weights; random teachers


def main():
    record = Recording(
        Path(__file__).with_name("cnn3.npz"),
        made_by="notebooks/data/make_cnn3.py",
        network="cnn((C, C), weight_variance=2, readout_variance=15, erf, windows=(30,))",
        data=f"make_cnn_teacher(n=1000, teacher_seed={TEACHER_SEED}, seed=0 ... {DRAWS - 1})",
        noise_variance=NOISE_VARIANCE,
        width=WIDTH,
    )
    for seed in range(record.rows, DRAWS):
        record.append(draw(seed))


def draw(seed):
    """What is kept of one draw: the solution, its Gaussian process and both their spectra."""
    data = datasets.make_cnn_teacher(seed=seed, teacher_seed=TEACHER_SEED)
    net = cnn((WIDTH, WIDTH), weight_variance=2.0, readout_variance=15.0, windows=(len(data.v_star),))
    start = time.perf_counter()
    sol = solve(net, data.X, data.y, NOISE_VARIANCE)
    row = {"seed": seed, "seconds": time.perf_counter() - start}
    for name in ("alpha", "free_energy", "residual", "gradients", "readout_load", "chi_response"):
        row[name] = getattr(sol, name)
    for prefix, one in (("", sol), ("gp_", sol.gp)):
        row |= {f"{prefix}{name}": value for name, value in spectra(one, data).items()}
    row["gp_alpha"] = sol.gp.alpha
    row["Q_eigenvalues_at_measured"] = at_measured(sol, data)
    print(f"{time.strftime('%H:%M:%S')} {sol!r}, along w* {row['w_star_variance']:.5f}", flush=True)
    return row


def spectra(sol, data):
    """Spectra of Sigma, K and Q, and variances along the teacher's and along random directions."""
    kernels = sol.kernels[0]
    values, vectors = np.linalg.eigh(sol.Sigma)
    rng = np.random.default_rng(1)
    random = [along(sol.Sigma, w) for w in rng.standard_normal((RANDOM_INPUT, len(values)))]
    others = [
        datasets.make_cnn_teacher(
            n=1, n_pixels=len(data.a_star), window=len(data.v_star), patch_size=len(values), teacher_seed=seed
        )
        for seed in range(1000, 1000 + RANDOM_HIDDEN)
    ]
    hidden = [along(kernels.K, preactivations(data.X, other)) for other in others]
    unit = data.w_star / np.linalg.norm(data.w_star)
    return {
        "Sigma_eigenvalues": values[::-1],
        "top_overlap": (unit @ vectors[:, -1]) ** 2,
        "w_star_variance": along(sol.Sigma, data.w_star),
        "random_variance": np.mean(random),
        "random_variance_sd": np.std(random),
        "hidden_teacher_variance": along(kernels.K, preactivations(data.X, data)),
        "hidden_random_variance": np.mean(hidden),
        "hidden_random_variance_sd": np.std(hidden),
        "K_eigenvalues": np.linalg.eigvalsh(kernels.K)[: -LEADING - 1 : -1],
        "Q_eigenvalues": np.linalg.eigvalsh(kernels.Q)[: -LEADING - 1 : -1],
        "load_eigenvalues": np.linalg.eigvalsh(kernels.K - kernels.Q)[: -LEADING - 1 : -1],
    }


def at_measured(sol, data):
    """Leading eigenvalues of the Q^(2) that the prior's Sigma gives with MEASURED along w*."""
    unit = data.w_star / np.linalg.norm(data.w_star)
    prior = sol.gp.Sigma
    Sigma = prior + (MEASURED - prior[0, 0]) * np.outer(unit, unit)
    theory = sol.equations
    Q = theory.maps[0].value(InputKernel.at(theory.X, Sigma))  # its lower triangle, which eigvalsh reads
    return np.linalg.eigvalsh(Q)[: -LEADING - 1 : -1]


def along(covariance, direction):
    """The variance along a direction, d.S.d / d.d."""
    return direction @ covariance @ direction / (direction @ direction)


def preactivations(X, teacher):
    """h^(2)* of a one-channel teacher, in the order (pixel, datum) of the hidden kernels."""
    first = erf(X @ teacher.w_star).reshape(len(X), -1, len(teacher.v_star))
    return (first @ teacher.v_star).T.ravel()


if __name__ == "__main__":
    main()
