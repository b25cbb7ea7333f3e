"""Three-layer CNNs sampled from their posterior, at a size that equilibrates and the paper's (Figs. 4, 5).

    python notebooks/data/make_sampled_cnn3.py [ROW ...]

writes sampled_cnn3.npz, row by row; a second call goes on where the first one stopped, in the middle of a row
too. `worker_seconds` in the file says what each took.
"""

import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from make_cnn3 import preactivations
from recording import Recording

from numerics import cnn, datasets, progress_bar, sample

# (n, S_1, S_0, C, draws), N = 2 latent pixels: few data at readout loads of about 1 and 5; the paper's
ROWS = ((200, 10, 12, 80, 120), (200, 10, 12, 20, 200), (1000, 30, 50, 100, 100))
CHAINS, NOISE_VARIANCE, TEACHER_SEED, RANDOM = 4, 0.005, 0, 20
BINS = np.linspace(-6, 6, 97)  # in standard deviations before training
COARSE = np.linspace(-5, 5, 41)
LEADING = 40  # eigenvalues of Q^(2)
SHARED = {"method": "collapsed", "path_length": 1.0}
HERE = Path(__file__).parent


def main(rows):
    out = HERE.parent.parent / "out"
    out.mkdir(exist_ok=True)
    record = Recording(
        HERE / "sampled_cnn3.npz",
        made_by="notebooks/data/make_sampled_cnn3.py",
        network="cnn((C, C), weight_variance=2, readout_variance=15, erf, windows=(S_1,)), N = 2",
        data=f"make_cnn_teacher(n, 2, S_1, S_0, seed=0, teacher_seed={TEACHER_SEED})",
        noise_variance=NOISE_VARIANCE,
        chains=CHAINS,
    )
    there = set(zip(record.columns.get("n", []), record.columns.get("C", []), strict=True))
    for n, window, size, C, draws in rows:
        if (n, C) not in there:
            record.append(sampled(n, window, size, C, draws, out / f"sampled-cnn3-{n}-{C}.npz"))


def problem(n, window, size, C):
    data = datasets.make_cnn_teacher(
        n=n, n_pixels=2, window=window, patch_size=size, seed=0, teacher_seed=TEACHER_SEED
    )
    return cnn((C, C), weight_variance=2.0, readout_variance=15.0, windows=(window,)), data


def sampled(n, window, size, C, draws, checkpoint):
    net, data = problem(n, window, size, C)
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as executor:
        samples = sample(
            net,
            data.X,
            data.y,
            NOISE_VARIANCE,
            draws=draws,
            chains=CHAINS,
            executor=executor,
            checkpoint=checkpoint,
            callback=progress_bar,
            **SHARED,
        )
    print(f"n = {n}, C = {C}\n{samples}", flush=True)
    prior = sample(net, data.X[:0], data.y[:0], NOISE_VARIANCE, draws=100, chains=CHAINS)
    rng = np.random.default_rng(1)
    teacher = preactivations(data.X, data)
    others = [
        datasets.make_cnn_teacher(n=1, n_pixels=2, window=window, patch_size=size, teacher_seed=seed)
        for seed in range(1000, 1000 + RANDOM)
    ]
    random = preactivations(data.X, others[0])
    directions = {
        "weights_teacher": (data.w_star, 0),
        "weights_random": (rng.standard_normal(size), 0),
        "hidden_teacher": (teacher, 1),
        "hidden_random": (random, 1),
    }
    row = {"n": n, "C": C, "window": window, "size": size, "draws": draws}
    estimates = {
        "alpha": samples.alpha,
        "overlap": samples.overlap(data.w_star),
        "train_loss": samples.train_loss,
        "train_error": samples.train_error,
        "readout_load": samples.readout_load,
    }
    values = {}
    for name, (direction, layer) in directions.items():
        there = samples.projections(direction, layer, data.X)
        values[name] = there.values
        estimates[f"{name}_variance"] = there.variance
        estimates[f"{name}_kurtosis"] = there.excess_kurtosis
        scale = prior.projections(direction, layer, data.X).values.std()
        row[f"{name}_scale"] = scale
        row[f"{name}_histogram"] = np.histogram(there.values / scale, BINS, density=True)[0]
        values[f"{name}_scale"] = scale
    for layer in ("weights", "hidden"):
        along, across = (
            (values[f"{layer}_{kind}"] / values[f"{layer}_{kind}_scale"]).ravel()
            for kind in ("teacher", "random")
        )
        row[f"{layer}_plane"] = np.histogram2d(along, across, (COARSE, COARSE), density=True)[0]
    row |= specialised(values["hidden_teacher"])
    for name, estimate in estimates.items():
        row |= {name: estimate.mean, f"{name}_error": estimate.error}
        row |= {f"{name}_ess": estimate.plain.ess, f"{name}_rhat": estimate.plain.rhat}
    row["hidden_others_variance"] = np.mean(
        [samples.projections(preactivations(data.X, other), 1, data.X).variance.mean for other in others[:5]]
    )
    row |= {"bins": BINS, "coarse_bins": COARSE}
    row["Sigma_eigenvalues"] = np.full(LEADING, np.nan)
    row["Sigma_eigenvalues"][:size] = np.linalg.eigvalsh(samples.Sigma)[: -LEADING - 1 : -1]
    (kernels,) = samples.kernels
    row["Q_eigenvalues"] = np.linalg.eigvalsh(kernels.Q)[: -LEADING - 1 : -1]
    row["K_eigenvalues"] = np.linalg.eigvalsh(kernels.K)[: -LEADING - 1 : -1]
    for name in ("step", "acceptance", "divergences", "gradients", "warm_up_gradients"):
        row[name] = getattr(samples.report, name)
    row["worker_seconds"] = samples.report.seconds
    return row


def specialised(values):
    """Over the channels of one network: the kurtosis of the hidden pre-activation along the teacher, and the
    share of its variance that the top tenth of the channels carry; of Gaussian channels beside it."""
    found = {}
    rng = np.random.default_rng(0)
    for name, each in (("", values), ("gaussian_", rng.standard_normal(values.shape))):
        square = np.sort(each**2, axis=2)[:, :, ::-1]
        top = square[:, :, : max(1, each.shape[2] // 10)].sum(axis=2) / square.sum(axis=2)
        fourth = np.mean(square**2, axis=2) / np.mean(square, axis=2) ** 2
        found |= {f"{name}channel_kurtosis": fourth.mean(), f"{name}top_tenth": top.mean()}
    return found


if __name__ == "__main__":
    main([ROWS[int(given)] for given in sys.argv[1:]] or ROWS)
