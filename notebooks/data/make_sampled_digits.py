"""A Myrtle-style ReLU network on digits, before and after training: pre-activations of its layers (Fig. 6).

    python notebooks/data/make_sampled_digits.py

writes sampled_digits.npz: four convolutions of 3 x 3 pixels with padding, two average poolings between them
and one behind, 20 channels each, on 8 x 8 images; before training they are draws of the prior, after it of
the exact posterior. `worker_seconds` in the file says what it took.
"""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from recording import Recording
from sklearn.datasets import load_digits

from numerics import Receptive, cnn, progress_bar, sample

N, N_TEST, CHANNELS, NOISE_VARIANCE = 100, 300, 20, 0.05
DRAWS, CHAINS, SEEN = 80, 4, 40  # images on which kernels are looked at
MODES = (1, 10)  # eigenvectors of the kernel, from the largest
BINS = np.linspace(-5, 5, 81)  # in standard deviations before training
HERE = Path(__file__).parent


def neighbours(side):
    """(side^2, 9) pixels under a 3 x 3 filter at each pixel of a square image; -1 is padding."""
    index = np.pad(np.arange(side**2).reshape(side, side), 1, constant_values=-1)
    return np.array([index[i : i + 3, j : j + 3].ravel() for i in range(side) for j in range(side)])


def quarters(side):
    """Pixels of each 2 x 2 pool of a square image."""
    index = np.arange(side**2).reshape(side, side)
    return tuple(
        tuple(int(pixel) for pixel in index[i : i + 2, j : j + 2].ravel())
        for i in range(0, side, 2)
        for j in range(0, side, 2)
    )


def network(channels):
    alone = tuple((pixel,) for pixel in range(64))
    layers = (
        Receptive(neighbours(8), alone),
        Receptive(neighbours(4), quarters(8)),
        Receptive(neighbours(2), quarters(4)),
    )
    return cnn((channels,) * 4, activation="relu", windows=layers, readout="global_pooling")


def images():
    """X (n, 64, 9): every pixel's 3 x 3 patch, padded with zeros; odd digits +1, even ones -1."""
    raw, labels = load_digits(return_X_y=True)
    chosen = np.random.default_rng(0).permutation(len(labels))[: N + 1000]
    flat = raw[chosen] - raw.mean()
    padded = np.concatenate([flat / flat.std(), np.zeros((len(flat), 1))], axis=1)  # index -1
    X, y = padded[:, neighbours(8)], np.where(labels[chosen] % 2 == 1, 1.0, -1.0)
    return X[:N], y[:N], X[N : N + N_TEST], y[N : N + N_TEST]


def main():
    out = HERE.parent.parent / "out"
    out.mkdir(exist_ok=True)
    X, y, X_test, y_test = images()
    record = Recording(
        HERE / "sampled_digits.npz",
        made_by="notebooks/data/make_sampled_digits.py",
        network="ReLU, 3 x 3 twice - pool - 3 x 3 - pool - 3 x 3 - global pooling, 20 channels, variances 2",
        data=f"{N} of scikit-learn's digits, odd against even",
        noise_variance=NOISE_VARIANCE,
        draws=DRAWS,
        chains=CHAINS,
    )
    net = network(CHANNELS)
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as executor:
        how = {
            "start": "prior",
            "draws": DRAWS,
            "chains": CHAINS,
            "executor": executor,
            "callback": progress_bar,
        }
        after = sample(net, X, y, NOISE_VARIANCE, checkpoint=out / "sampled-digits.npz", **how)
        before = sample(net, X[:0], y[:0], NOISE_VARIANCE, **how)
    print(after, flush=True)
    seen, whole = X[:SEEN], of_all(after, X_test, y_test)
    whole = {f"after_{key}": value for key, value in whole.items()}
    for name, estimate in after.correlations(seen).items():
        key = name.replace(" ", "_").replace(",", "")
        whole |= {key: estimate.mean, f"{key}_error": estimate.error}
    kernels = after.kernels_at(seen)
    for layer in range(1, 4):
        values, vectors = np.linalg.eigh(kernels[layer - 1].K)
        for mode in MODES:
            row = {"layer": layer + 1, "mode": mode, "eigenvalue": values[-mode], "trace": values.sum()}
            u = vectors[:, -mode]
            scale = None
            for name, samples in (("before", before), ("after", after)):
                projections = samples.projections(u, layer, seen)
                flat = projections.values.ravel()
                scale = flat.std() if scale is None else scale
                row |= {f"{name}_mean": flat.mean(), f"{name}_std": flat.std()}
                for kind in ("variance", "excess_kurtosis"):
                    estimate = getattr(projections, kind)
                    row |= {f"{name}_{kind}": estimate.mean, f"{name}_{kind}_error": estimate.error}
                row[f"{name}_histogram"] = np.histogram(flat / scale, BINS, density=True)[0]
            record.append(row | {"bins": BINS, "scale": scale} | whole)


def of_all(samples, X_test, y_test):
    right = float(np.mean(np.sign(samples.predict(X_test)) == y_test))
    return {
        "alpha": samples.alpha.mean,
        "alpha_error": samples.alpha.error,
        "alpha_rhat": samples.alpha.plain.rhat,
        "readout_load": samples.readout_load.mean,
        "test_accuracy": right,
        "test_error": samples.test_error(X_test, y_test).mean,
        "step": samples.report.step,
        "gradients": samples.report.gradients,
        "worker_seconds": samples.report.seconds,
    }


if __name__ == "__main__":
    main()
