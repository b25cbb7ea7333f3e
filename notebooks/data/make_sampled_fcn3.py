"""Three-layer networks in mean-field scaling, sampled from their exact posterior (Fig. 2a, b).

    python notebooks/data/make_sampled_fcn3.py [ROW ...]

writes sampled_fcn3.npz, row by row; a second call goes on where the first one stopped, in the middle of a row
too. `worker_seconds` in the file says what each took.
"""

import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from recording import Recording

from numerics import datasets, fcn, progress_bar, sample

# (n, d, N): one problem at four widths, and problems that grow in all three
ROWS = (
    (128, 16, 64),
    (128, 16, 128),
    (128, 16, 256),
    (128, 16, 512),
    (64, 8, 64),
    (256, 32, 256),
    (512, 64, 512),
)
DRAWS, CHAINS, NOISE_VARIANCE = 250, 4, 0.001
QUANTILES = np.concatenate([[1e-3, 3e-3], np.linspace(0.01, 0.99, 99), [1 - 3e-3, 1 - 1e-3]])
BINS = np.linspace(-4.5, 4.5, 91)  # in standard deviations of the projection
HERE = Path(__file__).parent


def main(rows):
    out = HERE.parent.parent / "out"
    out.mkdir(exist_ok=True)
    record = Recording(
        HERE / "sampled_fcn3.npz",
        made_by="notebooks/data/make_sampled_fcn3.py",
        network="fcn((N, N), weight_variance=2, readout_variance=2/N, erf)",
        data="make_fcn_teacher(n, d, seed=3, rms=0.3)",
        noise_variance=NOISE_VARIANCE,
        draws=DRAWS,
        chains=CHAINS,
    )
    there = set(zip(*(record.columns.get(name, []) for name in ("n", "d", "N")), strict=True))
    for row in rows:
        if row not in there:
            record.append(sampled(*row, out / "sampled-fcn3-{}-{}-{}.npz".format(*row)))


def sampled(n, d, N, checkpoint):
    data = datasets.make_fcn_teacher(n=n, d=d, seed=3, rms=0.3)
    net = fcn((N, N), weight_variance=2.0, readout_variance=2 / N)
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as executor:
        samples = sample(
            net,
            data.X,
            data.y,
            NOISE_VARIANCE,
            draws=DRAWS,
            chains=CHAINS,
            executor=executor,
            checkpoint=checkpoint,
            callback=progress_bar,
        )
    print(f"n = {n}, d = {d}, N = {N}\n{samples}", flush=True)
    row = {"n": n, "d": d, "N": N}
    eigenvalues, vectors = np.linalg.eigh(samples.Sigma)
    top, second = vectors[:, -1], vectors[:, -2]
    estimates = {
        "alpha": samples.alpha,
        "overlap": samples.overlap(data.w_star),
        "top": samples.overlap(top),
        "second": samples.overlap(second),
        "train_loss": samples.train_loss,
        "train_error": samples.train_error,
        "readout_load": samples.readout_load,
        "kurtosis": samples.projections(top).excess_kurtosis,
        "second_kurtosis": samples.projections(second).excess_kurtosis,
    }
    for name, estimate in estimates.items():
        row |= {name: estimate.mean, f"{name}_error": estimate.error}
        row |= {f"{name}_ess": estimate.plain.ess, f"{name}_rhat": estimate.plain.rhat}
    for name, direction in (("", top), ("second_", second)):
        values = np.asarray(samples.projections(direction).values).ravel()
        values = np.concatenate([values, -values])  # w and -w are as likely
        scale = np.sqrt(np.mean(values**2))
        row[f"{name}quantiles"] = np.quantile(values / scale, QUANTILES)
        row[f"{name}histogram"] = np.histogram(values / scale, BINS, density=True)[0]
        row[f"{name}scale"] = scale
    row |= {"probabilities": QUANTILES, "bins": BINS, "eigenvalues": eigenvalues[::-1][:8] * d / 2}
    row["along_teacher"] = (top @ data.w_star) ** 2 / (data.w_star @ data.w_star)
    for name in ("step", "acceptance", "divergences", "gradients", "warm_up_gradients"):
        row[name] = getattr(samples.report, name)
    row["worker_seconds"] = samples.report.seconds
    return row


if __name__ == "__main__":
    main([ROWS[int(given)] for given in sys.argv[1:]] or ROWS)
