"""The three-layer FCN of Fig. 2b at the paper's size, and a path of 49 widths at n = 512.

    python notebooks/data/make_fcn3.py path       # fcn3_path.npz: readout variance 2/256 at every width
    python notebooks/data/make_fcn3.py scaling    # fcn3_scaling.npz: n = 1024, d = 128, readout variance 2/N

Width by width; a second call goes on where the first one stopped. Ten to twenty minutes each on one core.
"""

import sys
import time
from pathlib import Path

import numpy as np
from recording import Recording

from numerics import datasets, fcn, solve, solve_path

HERE = Path(__file__).parent
NOISE_VARIANCE = 0.001
TEACHER = {"seed": 3, "rms": 0.3}
PATH_SIZE = {"n": 512, "d": 32}
PATH_WIDTHS = np.geomspace(30000, 90, 49)
SCALING_SIZE = {"n": 1024, "d": 128}
SCALING_WIDTHS = (8192.0, 4096.0, 2048.0, 1024.0, 512.0)


def path():
    """One `solve_path`; the readout variance does not follow the width."""
    record = recording("fcn3_path.npz", PATH_SIZE, "2/256", list(PATH_WIDTHS))
    data = datasets.make_fcn_teacher(**PATH_SIZE, **TEACHER)
    solve_path(
        fcn((1, 1), weight_variance=2.0, readout_variance=2 / 256),
        data.X,
        data.y,
        NOISE_VARIANCE,
        widths=PATH_WIDTHS[record.rows :],
        callback=lambda sol: record.append(row(sol, data)),
    )


def scaling():
    """Mean-field scaling: the readout variance is 2/N, so every width is a network of its own."""
    record = recording("fcn3_scaling.npz", SCALING_SIZE, "2/N", SCALING_WIDTHS)
    data = datasets.make_fcn_teacher(**SCALING_SIZE, **TEACHER)
    previous = None
    for N in SCALING_WIDTHS[record.rows :]:
        net = fcn((N, N), weight_variance=2.0, readout_variance=2 / N)
        previous = solve(net, data.X, data.y, NOISE_VARIANCE, start=previous)
        record.append(row(previous, data))


def recording(name, size, readout_variance, widths):
    return Recording(
        HERE / name,
        made_by="notebooks/data/make_fcn3.py",
        network=f"fcn((N, N), weight_variance=2, readout_variance={readout_variance}, erf)",
        data=f"make_fcn_teacher(**{size | TEACHER})",
        noise_variance=NOISE_VARIANCE,
        widths=widths,
    )


def row(sol, data):
    """What is kept of one width, and of its Gaussian process."""
    values = np.linalg.eigvalsh(sol.Sigma)
    kept = {
        "width": sol.width,
        "top_eigenvalue": values[-1],
        "second_eigenvalue": values[-2],
        "prior_variance": sol.gp.Sigma[0, 0],
        "w_star_variance": data.w_star @ sol.Sigma @ data.w_star / (data.w_star @ data.w_star),
        "loss": loss(sol, data),
        "gp_alpha": sol.gp.alpha,
        "gp_loss": loss(sol.gp, data),
        "condition_of_Q": np.linalg.cond(sol.kernels[0].Q),
    }
    for name in ("alpha", "residual", "gradients", "free_energy", "readout_load", "chi_response"):
        kept[name] = getattr(sol, name)
    print(
        time.strftime("%H:%M:%S"), {name: float(f"{value:.6g}") for name, value in kept.items()}, flush=True
    )
    return kept


def loss(sol, data):
    """The mean predictor's train loss on the scale of sigma^2, |y - f_bar|^2 / (sigma^2 |y|^2)."""
    return np.sum((data.y - sol.f_bar) ** 2) / (NOISE_VARIANCE * np.sum(data.y**2))


if __name__ == "__main__":
    jobs = {"path": path, "scaling": scaling}
    if len(sys.argv) != 2 or sys.argv[1] not in jobs:
        raise SystemExit(__doc__)
    jobs[sys.argv[1]]()
