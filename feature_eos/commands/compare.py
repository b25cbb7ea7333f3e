"""The subcommand `compare` of the command line: the theories side by side over the number of channels."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from feature_eos.commands import report
from numerics import checks, datasets
from numerics.compare import compare
from numerics.costs.cost import GIGABYTE, typical_gradients
from numerics.costs.footprint import Sizes, peak_memory
from numerics.datasets import Dataset
from numerics.machine import files
from numerics.network import cnn

CHANNELS = "2560,1280,640,320,160,80"


def register(commands: Any) -> None:
    """Add the subcommand."""
    add = commands.add_parser(
        "compare",
        help="alpha over C from the scalar equation, first order in 1/C and the matrix equations",
        description="Compare three theories over the number of channels C, and say where 1/C fails.",
    )
    add.set_defaults(run=_compare)
    add.add_argument(
        "--data",
        metavar="FILE.npz|digits",
        help="arrays X (n, patches, pixels), y and optionally X_test, y_test; or scikit-learn's digits; "
        "default: Gaussian inputs with a linear teacher",
    )
    add.add_argument("--n", type=int, help="training samples (default 800)")
    add.add_argument(
        "--n-test", type=int, help="test samples (default: 400; digits and files: all there are)"
    )
    add.add_argument("--n-patches", type=int, help="patches of the teacher problem (default 20)")
    add.add_argument("--patch-size", type=int, help="pixels per patch of the teacher problem (default 64)")
    add.add_argument("--channels", type=_widths, default=CHANNELS, help=f"widths C (default {CHANNELS})")
    add.add_argument("--noise-variance", type=float, default=0.1, help="sigma^2 (default 0.1)")
    add.add_argument("--weight-variance", type=float, default=2.0, help="sigma_w^2 (default 2)")
    add.add_argument("--readout-variance", type=float, default=2.0, help="sigma_a^2 (default 2)")
    add.add_argument("--seed", type=int, default=0, help="of the teacher problem or of the choice of digits")
    add.add_argument("--no-memory-check", action="store_true", help="the same as check_memory=False")
    add.add_argument("--plot", metavar="FILE", help="draw the table (.png, .pdf, .svg)")
    add.add_argument("--out", metavar="FILE.npz", help="save the table, Sigma at each C and the settings")


def _widths(text: str) -> list[float]:
    try:
        return [checks.width(float(part), "--channels") for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} must be numbers above 0 with commas between, such as {CHANNELS}"
        ) from None


def _compare(options: argparse.Namespace) -> None:
    targets = [files.usable_target(path) for path in (options.plot, options.out) if path]
    widths = [width for width in options.channels if np.isfinite(width)]
    if not widths:
        raise ValueError("--channels has no finite width; C = infinity is in the table anyway")
    net = cnn(widths[0], options.weight_variance, options.readout_variance)
    checks.positive(options.noise_variance, "noise_variance")  # before anything is announced
    data = _dataset(options)
    n, sizes = len(data.X), Sizes.of(net, *data.X.shape)
    peak = peak_memory(sizes, typical_gradients(net, n)) / GIGABYTE
    print(f"n = {n}: about {peak:.2g} GB at the peak", file=sys.stderr)
    with tqdm(total=len(set(widths)) + 3, unit="step", leave=False, disable=None) as bar:

        def progress(done: str) -> None:
            bar.set_description(done)
            bar.update()

        check = not options.no_memory_check
        result = compare(net, data, options.noise_variance, widths, progress, check)
    print(report.text(result))
    if options.plot:
        from numerics import plots

        plots.save(plots.comparison(result), options.plot)
    if options.out:
        report.save(result, options.out)
    for path in targets:
        print(f"written: {path}", file=sys.stderr)


def _dataset(options: argparse.Namespace) -> Dataset:
    sizes = {"n": options.n, "n_test": options.n_test, "seed": options.seed}
    given = {name: value for name, value in sizes.items() if value is not None}
    teacher_sizes = {"n_patches": options.n_patches, "patch_size": options.patch_size}
    if options.data is None:
        chosen = {name: value for name, value in teacher_sizes.items() if value is not None}
        return datasets.make_linear_cnn(**({"n_test": 400} | given | chosen))
    for name, value in teacher_sizes.items():
        if value is not None:
            raise ValueError(
                f"--{name.replace('_', '-')} belongs to the teacher problem; --data has its own sizes"
            )
    if options.data == "digits":
        return datasets.load_digits(**given)
    return _from_file(Path(options.data), options.n, options.n_test)


def _from_file(path: Path, n: int | None, n_test: int | None) -> Dataset:
    """The first n training and n_test test samples of an .npz with X, y and optionally X_test, y_test."""
    if not path.is_file():
        raise ValueError(f"--data {path}: no such file; give an .npz with X and y, or 'digits'")
    try:
        arrays = files.read_arrays(path, ("X", "y", "X_test", "y_test"))
    except ValueError as other:
        raise ValueError(
            f"--data {other}; put X (n, patches, pixels) and y into one: np.savez(file, X=X, y=y)"
        ) from None
    if not {"X", "y"} <= arrays.keys():
        names = ", ".join(files.array_names(path)) or "nothing"
        raise ValueError(f"--data {path}: has {names}, but needs X and y (np.savez(file, X=X, y=y))")
    if ("X_test" in arrays) != ("y_test" in arrays):
        raise ValueError(f"--data {path}: X_test and y_test come together; add the missing one")
    X = checks.inputs(arrays["X"], flat=False)
    y = checks.targets(arrays["y"], len(X))[:, 0]
    if n is not None and checks.count(n, "--n") > len(X):
        raise ValueError(f"--n {n}: the file has {len(X)} samples; ask for at most that many")
    if "X_test" in arrays and len(arrays["X_test"]):
        X_test = checks.inputs_like(arrays["X_test"], X.shape[1:], flat=False)[:n_test]
        y_test = checks.targets(arrays["y_test"], len(arrays["X_test"]), "y_test")[:n_test, 0]
    else:
        X_test, y_test = np.empty((0, *X.shape[1:])), np.empty(0)
    return Dataset(X[:n], y[:n], X_test, y_test)
