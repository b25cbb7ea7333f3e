"""Random small problems for `numerics.solve`: every one has a minimum of F, and none should fail.

    python -m tests.fuzz [--seconds S] [--first SEED] [--count N]

prints each failure with its seed, and what the gradients were spent on. The problem of a seed is
`random_problem(seed)`. `make fuzz` runs it for ten minutes, and `tests/test_fuzz.py` a few seeds in CI.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from numerics import ACTIVATIONS, ConvergenceError, NegativeCurvature, Solution, cnn, fcn, solve
from numerics.network import Network
from numerics.solving.outcome import Status

EASY = 100  # gradients
FIRST = ("erf", "linear", "relu", "tanh", "gelu")  # in the order that seeds mean
LISTED = (
    Status.LOST,
    Status.OUT_OF_RANGE,
)  # float64, or a series, ends before the minimum: the status says so


@dataclass(frozen=True)
class Random:
    """Arguments of `solve`."""

    net: Network
    X: np.ndarray
    y: np.ndarray
    noise_variance: Any

    def __str__(self) -> str:
        noise = np.min(self.noise_variance)
        return (
            f"{self.net.activation} {tuple(float(f'{w:.3g}') for w in self.net.widths)}, X {self.X.shape}, "
            f"y {self.y.shape} up to {np.abs(self.y).max():.2g}, noise from {noise:.2g}"
        )


@dataclass(frozen=True)
class Run:
    """What became of one seed."""

    seed: int
    problem: Random
    status: str
    gradients: int
    residual: float
    warned: bool
    solution: Solution | None

    @property
    def failed(self) -> bool:
        return self.status not in (Status.CONVERGED.name, Status.ROUNDING.name, "refused")


def random_problem(seed: int) -> Random:
    """One to three hidden layers, widths .5 to 1e6, noise 1e-8 to 1e3, |y| mostly of order one."""
    rng = np.random.default_rng([seed, 2023])
    layers = int(rng.integers(1, 4))
    widths = [_log_uniform(rng, 0.5, 1e6) for _ in range(layers)]
    if rng.random() < 0.5:
        widths = [widths[0]] * layers
    flat = rng.random() < 0.6
    common = {
        "weight_variance": [_log_uniform(rng, 0.1, 10.0) for _ in range(layers)],
        "readout_variance": _log_uniform(rng, 1e-2, 1e2) if rng.random() < 0.5 else 2.0,
        "activation": _activation(rng, seed),
        "bias_variance": _log_uniform(rng, 1e-2, 10.0) if rng.random() < 0.3 else 0.0,
    }
    n, size = int(rng.integers(3, 25)), int(rng.integers(1, 11))
    if flat:
        net, X = fcn(widths, **common), rng.standard_normal((n, size))
    else:
        pixels = int(rng.choice([1, 2, 4]))
        windows, count = [], pixels
        for _ in range(layers - 1):
            window = int(rng.choice([w for w in (1, 2, 4) if count % w == 0]))
            windows.append(window)
            count //= window
        readout = "global_pooling" if rng.random() < 0.4 else "per_pixel"
        net = cnn(widths, windows=windows, readout=readout, **common)
        X = rng.standard_normal((n, pixels, size))
    y = _targets(rng, X.reshape(n, -1))
    noise = _log_uniform(rng, 1e-8, 1e3)
    per_datum = rng.random() < 0.2
    return Random(net, X, y, noise * np.exp(rng.standard_normal(n)) if per_datum else noise)


def _activation(rng: np.random.Generator, seed: int) -> str:
    """Any in the registry; one that is added to it changes few seeds."""
    first = str(rng.choice(FIRST))
    new = [name for name in ACTIVATIONS if name not in FIRST]
    own = np.random.default_rng([seed, 1])
    return str(own.choice(new)) if own.random() < len(new) / len(ACTIVATIONS) else first


def _targets(rng: np.random.Generator, X: np.ndarray) -> np.ndarray:
    """A linear teacher bent a little, with noise; of order one, now and then of any size up to 1e4."""
    outputs = int(rng.integers(1, 4))
    linear = X @ rng.standard_normal((X.shape[1], outputs)) / np.sqrt(X.shape[1])
    y = np.tanh(linear) + 0.3 * linear**2 + 0.1 * rng.standard_normal(linear.shape)
    y *= _log_uniform(rng, 0.1, 1e4) if rng.random() < 0.15 else _log_uniform(rng, 0.3, 3.0)
    return y[:, 0] if outputs == 1 else y


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def run(seed: int, **options: Any) -> Run:
    """Solve the problem of a seed with default arguments, or others."""
    problem = random_problem(seed)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            sol = solve(problem.net, problem.X, problem.y, problem.noise_variance, **options)
        except ConvergenceError as error:
            sol = error.solution
        except ValueError:  # refused with a reason: noise that rounding loses, inputs that overflow
            return Run(seed, problem, "refused", 0, np.nan, False, None)
    strange = [w for w in caught if not issubclass(w.category, NegativeCurvature)]
    status = f"warned: {strange[0].message}" if strange else sol.status.name
    return Run(seed, problem, status, sol.gradients, sol.residual, bool(caught), sol)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=10**9)
    asked = parser.parse_args()
    end = time.monotonic() + asked.seconds
    runs = []
    for seed in range(asked.first, asked.first + asked.count):
        if time.monotonic() > end:
            break
        runs.append(run(seed))
        if runs[-1].failed:
            found = runs[-1]
            print(f"seed {seed}: {found.status}, residual {found.residual:.1e}, {found.problem}", flush=True)
    gradients = np.array([found.gradients for found in runs if found.status != "refused"])
    kinds = Counter("converged" if found.status == "CONVERGED" else found.status.lower() for found in runs)
    print(f"{len(runs)} problems from seed {asked.first}: {dict(kinds)}")
    print(f"negative curvature said aloud: {sum(found.warned for found in runs)}")
    easy = gradients[gradients <= EASY]
    print(
        f"gradients: median {np.median(gradients):g}, of the {len(easy)} easy ones {np.median(easy):g}, "
        f"{np.quantile(gradients, 0.9):g} in nine of ten, at most {gradients.max()}"
    )
    sys.exit(any(found.failed and found.status not in {s.name for s in LISTED} for found in runs))


if __name__ == "__main__":
    main()
