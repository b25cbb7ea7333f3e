"""The subcommand `compare` of the command line: the theories side by side over the number of channels."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from feature_eos.commands import options, report, terminal
from feature_eos.commands import sample as sampling
from numerics import checks, datasets, plots
from numerics.compare import compare
from numerics.costs.cost import GIGABYTE, typical_gradients
from numerics.costs.footprint import Sizes, peak_memory
from numerics.datasets import Dataset
from numerics.machine import files
from numerics.network import cnn
from numerics.readout_laws import LAWS
from numerics.sampling.agreement import compare_to_samples
from numerics.solver import THEORIES

CHANNELS = "2560,1280,640,320,160,80"
DESCRIPTION = """
Compare theories of a two-layer CNN over the number of channels C: the scalar equation, first order in
1/C, and the matrix equations of state, solved for these data; with --theory also those beyond mean field.

Printed is a row per C and for C = infinity, the Gaussian process: alpha, the overlap of discrepancy and
target, of each theory; what is learned, the readout load, training and test error of the matrix
equations; and, below, the C under which first order in 1/C is off by 5 % and 50 %.
"""
EXAMPLES = """
  feature-eos compare --n 200 --channels 640,160,40 --theory cavity --plot compare.png
  feature-eos compare --data mine.npz --noise-variance 0.05 --sample 100 --out mine-table.npz
"""


def register(commands: Any) -> None:
    """Add the subcommand."""
    line = "alpha over C from the scalar equation, first order in 1/C and the matrix equations"
    add = options.subcommand(commands, "compare", _compare, line, DESCRIPTION, EXAMPLES)
    add.set_defaults(words={"check_memory=False": "--no-memory-check"})
    problem = add.add_argument_group("problem")
    problem.add_argument(
        "--data",
        metavar="FILE.npz|digits",
        help="your arrays X (n, pixels, features), y (n,) and, if there are any, X_test, y_test; or "
        "scikit-learn's digits, odd against even; by default Gaussian inputs with a linear teacher",
    )
    options.add_samples(problem, None, "training samples (default 800; of a file all there are)")
    problem.add_argument(
        "--n-test",
        metavar="N",
        type=options.whole(0),
        help="test samples (default 400; of digits and files all there are)",
    )
    options.add_sizes(problem, None, ", without --data")
    options.add_variances(problem)
    problem.add_argument(
        "--seed",
        metavar="SEED",
        type=options.whole(0, 2**53),
        help="of the teacher problem, or of the choice of digits (default 0)",
    )
    theory = add.add_argument_group("theory")
    options.add_channels(theory, CHANNELS, "widths C; infinity is in the table anyway")
    theory.add_argument(
        "--sample",
        metavar="DRAWS",
        type=options.whole(4),
        help="draw networks from their exact posterior too, so many of each of 4 chains per C: dots on the "
        "plot and a table of how far every theory is off",
    )
    theory.add_argument(
        "--theory",
        metavar="NAME,NAME,...",
        type=_theories,
        default=(),
        help="theories beyond mean field in a second table: finite_fan_in, scalar_fan_in, cavity; with the "
        "last comes first order in 1/C of the network itself (minutes)",
    )
    output = add.add_argument_group("output")
    options.add_plot(output, "alpha, what is learned, and the errors over C")
    options.add_out(output, "the table, Sigma at each C and the settings")
    output.add_argument(
        "--no-memory-check",
        action="store_true",
        help="try what would not fit in the memory that is available",
    )


def _compare(given: argparse.Namespace) -> None:
    targets = options.targets(given)
    if given.out and given.data and Path(given.out).resolve() == Path(given.data).resolve():
        raise ValueError(f"--out {given.out} would replace the file of --data; name another")
    widths = [width for width in given.channels if np.isfinite(width)]
    if not widths:
        raise ValueError("--channels has no finite width; C = infinity is in the table anyway")
    net = cnn(widths[0], given.weight_variance, given.readout_variance)
    data = _dataset(given)
    n, sizes = len(data.X), Sizes.of(net, *data.X.shape)
    peak = peak_memory(sizes, typical_gradients(net, n), LAWS["mean_field"]) / GIGABYTE
    terminal.note(f"n = {n}: about {peak:.2g} GB at the peak")
    theories = given.theory
    steps = len(set(widths)) + 3 + len(theories) + ("cavity" in theories)
    with tqdm(total=steps, unit="step", leave=False, disable=None) as bar:

        def progress(done: str) -> None:
            bar.set_description(done)
            bar.update()

        result = compare(
            net, data, given.noise_variance, widths, progress, not given.no_memory_check, theories
        )
    terminal.say(report.text(result))
    sampled = []
    if given.sample:
        sampled = sampling.dots(result.solutions, data.w_star, given.sample, given.seed or 0)
        for sol, (_, samples, direction) in zip(result.solutions, sampled, strict=True):
            test = (data.X_test, data.y_test) if len(data.X_test) else (None, None)
            agreement = compare_to_samples(sol, samples, direction, *test)
            terminal.say("\n".join(["", f"C = {sol.width:g}", *sampling.table(agreement)]))
    if given.plot:
        dots = [(width, one.alpha, one.overlap(direction)) for width, one, direction in sampled]
        plots.save(plots.comparison(result, dots), given.plot)
    if given.out:
        report.save(result, given.out)
    for path in targets:
        terminal.note(f"written: {path}")


def _theories(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    for name in names:
        if name not in THEORIES[1:]:
            raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(THEORIES[1:])}")
    return names


def _dataset(given: argparse.Namespace) -> Dataset:
    if given.n is not None and len(given.n) > 1:
        raise ValueError("--n takes one number here; run compare once for each")
    _refuse_what_data_have(given)
    n = None if given.n is None else given.n[0]
    asked = {
        "n": n,
        "n_test": given.n_test,
        "seed": given.seed,
        "n_patches": given.n_patches,
        "patch_size": given.patch_size,
    }
    chosen = {name: value for name, value in asked.items() if value is not None}
    if given.data is None:
        return datasets.make_linear_cnn(**({"n_test": 400} | chosen))
    if given.data == "digits":
        return datasets.load_digits(**chosen)
    return _from_file(Path(given.data), n, given.n_test)


def _refuse_what_data_have(given: argparse.Namespace) -> None:
    """Sizes of the teacher problem beside --data, and a seed beside a file."""
    alone = {"--n-patches": given.n_patches, "--patch-size": given.patch_size} if given.data else {}
    if given.data not in (None, "digits"):
        alone["--seed"] = given.seed
    for option, value in alone.items():
        if value is not None:
            raise ValueError(f"{option} belongs to problems that are drawn; --data {given.data} has its own")


def _from_file(path: Path, n: int | None, n_test: int | None) -> Dataset:
    """The first n training and n_test test samples of an .npz with X, y and optionally X_test, y_test."""
    if not path.is_file():
        kind = "is a folder" if path.is_dir() else "no such file"
        raise ValueError(f"--data {path}: {kind}; give an .npz with X and y, or 'digits'")
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
    if n is not None and n > len(X):
        raise ValueError(f"--n {n}: the file has {len(X)} samples; ask for at most that many")
    X_test, y_test = np.empty((0, *X.shape[1:])), np.empty(0)
    if "X_test" in arrays and len(arrays["X_test"]):
        X_test = checks.inputs_like(arrays["X_test"], X.shape[1:], flat=False)
        y_test = checks.targets(arrays["y_test"], len(X_test), "y_test")[:, 0]
    if n_test is not None and n_test > len(X_test):
        raise ValueError(
            f"--n-test {n_test}: the file has {len(X_test)} test samples; ask for at most that many"
        )
    return Dataset(X[:n], y[:n], X_test[:n_test], y_test[:n_test])
