"""Networks of Fig. 3 sampled from their exact posterior: n = 800 and 1600, N = 20, S = 64, over C.

    python notebooks/data/make_sampled_cnn2.py [--size n] [--draws M] [C ...]

writes sampled_cnn2.npz, width by width; a second call goes on where the first one stopped, in the middle of a
width too. `draws` of each chain and `worker_seconds` of the sampling in the file say what each took: n = 800
minutes of two cores, n = 1600 a quarter of an hour to an hour. At C = 80 the cavity theory takes as long.
"""

import argparse
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from recording import Recording

from numerics import cnn, datasets, progress_bar, sample, solve

SIZES, CHANNELS = (800, 1600), (640, 80, 160, 320, 1280)
CHAINS, NOISE_VARIANCE, N_TEST = 4, 0.1, 1000
PRIOR_STD = np.sqrt(2 / 64)
BINS = np.linspace(-1.6, 1.6, 161)  # of projections, in weights
HERE = Path(__file__).parent


def main(sizes, channels, draws):
    out = HERE.parent.parent / "out"
    out.mkdir(exist_ok=True)
    record = Recording(
        HERE / "sampled_cnn2.npz",
        made_by="notebooks/data/make_sampled_cnn2.py",
        network="cnn(C, weight_variance=2, readout_variance=2, erf), N = 20, S = 64",
        data=f"make_linear_cnn(n, 20, 64, seed=0, n_test={N_TEST})",
        noise_variance=NOISE_VARIANCE,
        chains=CHAINS,
    )
    there = set(zip(record.columns.get("n", []), record.columns.get("C", []), strict=True))
    for n in sizes:
        for C in channels:
            if (n, C) not in there:
                record.append(sampled(n, C, draws, out / f"sampled-{n}-{C}.npz"))


def sampled(n, C, draws, checkpoint):
    data = datasets.make_linear_cnn(n, 20, 64, seed=0, n_test=N_TEST)
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as executor:
        samples = sample(
            cnn(C),
            data.X,
            data.y,
            NOISE_VARIANCE,
            draws=draws,
            chains=CHAINS,
            executor=executor,
            checkpoint=checkpoint,
            callback=progress_bar,
        )
    print(f"n = {n}, C = {C}\n{samples}", flush=True)
    random = np.random.default_rng(1).standard_normal(64)
    row = {"n": n, "C": C, "draws": draws}
    estimates = {
        "alpha": samples.alpha,
        "overlap": samples.overlap(data.w_star),
        "random_overlap": samples.overlap(random),
        "trace_Sigma": samples.hidden_variance(0),
        "train_loss": samples.train_loss,
        "train_error": samples.train_error,
        "readout_load": samples.readout_load,
        "output_variance": samples.output_variance,
        "test_error": samples.test_error(data.X_test, data.y_test),
        "kurtosis": samples.projections(data.w_star).excess_kurtosis,
        "random_kurtosis": samples.projections(random).excess_kurtosis,
    }
    for name, estimate in estimates.items():
        plain = estimate.plain
        row |= {name: estimate.mean, f"{name}_error": estimate.error, f"{name}_plain_error": plain.error}
        row |= {f"{name}_ess": plain.ess, f"{name}_rhat": plain.rhat}
    row |= theories(n, C, data)
    for name, direction in (("histogram", data.w_star), ("random_histogram", random)):
        density, error, _ = samples.projections(direction).histogram(BINS)
        row |= {name: density, f"{name}_error": error}
    row["bins"] = BINS
    row["eigenvalues"] = samples.overlap_eigenvalues
    row["control_z"] = max(abs(c.mean / c.error) for c in samples.check().values())
    for name in ("step", "acceptance", "divergences", "gradients", "warm_up_gradients"):
        row[name] = getattr(samples.report, name)
    row["worker_seconds"] = samples.report.seconds
    row["single"] = samples.report.precision == "single"
    return row


def theories(n, C, data):
    """Of the same data: the Gaussian process, mean field, finite fan-in with one number for all pixels, and
    cavity, with its Monte Carlo errors."""
    row = {}
    for theory in ("mean_field", "scalar_fan_in", "cavity"):
        sol = solve(cnn(C), data.X, data.y, NOISE_VARIANCE, theory=theory)
        found = {"gp": sol.gp, theory: sol} if theory == "mean_field" else {theory: sol}
        for name, one in found.items():
            row[f"{name}_alpha"] = one.alpha
            row[f"{name}_overlap"] = data.w_star @ one.overlap_ratio @ data.w_star
    row["cavity_alpha_error"] = sol.errors["alpha"]
    each = [data.w_star @ overlap @ data.w_star for overlap in sol.replicated("overlap_ratio")]
    row["cavity_overlap_error"] = np.std(each, ddof=1) / np.sqrt(len(each))
    row["cavity_kurtosis"] = sol.unit_law.excess_kurtosis(data.w_star)
    row["cavity_histogram"] = sol.unit_law.histogram(data.w_star, BINS / PRIOR_STD)[0] / PRIOR_STD
    return row


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", type=int, action="append")
    parser.add_argument("--draws", type=int, default=400, help="of each chain")
    parser.add_argument("channels", type=int, nargs="*")
    asked = parser.parse_args()
    main(asked.size or SIZES, asked.channels or CHANNELS, asked.draws)
