"""The example problems of `feature-eos solve` run, and give what `solve` and `solve_path` give."""

from pathlib import Path

import numpy as np
import pytest

from feature_eos.cli import main
from numerics import cnn, datasets, fcn, load, solve, solve_path

EXAMPLES = Path(__file__).parent.parent / "examples"


def run(name, tmp_path, capsys):
    """The table and what was printed."""
    folder = tmp_path / "results"
    assert main(["solve", str(EXAMPLES / f"{name}.toml"), "--folder", str(folder)]) == 0
    with np.load(folder / "table.npz") as table:
        return dict(table), folder, capsys.readouterr()


def test_linear_cnn(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    table, folder, printed = run("linear-cnn", tmp_path, capsys)
    data = datasets.make_linear_cnn(200, 20, 16, n_test=200)
    path = solve_path(cnn(80), data.X, data.y, 0.1, widths=[2560, 640, 160, 40])
    np.testing.assert_allclose(table["alpha"], path.alpha, rtol=1e-12)
    np.testing.assert_allclose(table["widths"][:, 0], path.widths)
    np.testing.assert_array_equal(table["Sigma"][2], path[2].Sigma)
    mean, std = path[3].predict(data.X_test, return_std=True)
    np.testing.assert_allclose(table["test_mean"][3], mean, atol=1e-12)
    np.testing.assert_allclose(table["test_std"][3], std, atol=1e-12)
    error = np.mean((mean - data.y_test) ** 2) / np.mean(data.y_test**2)
    assert table["test_error"][3] == pytest.approx(error, rel=1e-10)
    assert f"{path.alpha[2]:.6g}" in printed.out
    assert f"{error:.4g}" in printed.out
    announced, *_ = printed.err.splitlines()
    assert announced == "convolutional, erf, 2 layers, n = 200"
    again = load(folder / "width-160.npz")
    assert again.alpha == path[2].alpha
    for picture in ("path.png", "spectra.png"):
        assert (folder / picture).stat().st_size > 10_000


def test_deep_fcn(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    table, folder, _ = run("deep-fcn", tmp_path, capsys)
    assert (np.diff(table["alpha"]) < 0).all()
    np.testing.assert_allclose(table["widths"][[0, -1]], [[10000, 10000], [100, 100]])
    assert table["residual"].max() <= 1e-8
    sol = load(folder / "width-100.npz")
    np.testing.assert_allclose(table["load_1"][-1], sol.feature_load(1).values[:50], rtol=1e-9)


def test_deep_cnn(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    table, folder, _ = run("deep-cnn", tmp_path, capsys)
    data = datasets.make_cnn_teacher(80, 2, 6, 10, seed=7)
    sol = solve(cnn((200, 100), 2.0, 15.0, windows=(6,)), data.X, data.y, 0.005)
    assert table["alpha"][1] == pytest.approx(sol.alpha, rel=1e-7)  # two solves to 1e-8
    assert (folder / "width-200x100.npz").exists()


def test_pooled_digits(tmp_path, capsys):
    pytest.importorskip("sklearn")
    pytest.importorskip("matplotlib")
    table, folder, printed = run("pooled-digits", tmp_path, capsys)
    net = cnn(50, readout="global_pooling", bias_variance=0.1)
    data = datasets.load_digits(150, n_test=300)
    sol = solve(net, data.X, data.y, 0.5)
    assert table["alpha"][0] == pytest.approx(sol.alpha, rel=1e-12)
    assert "readout global pooling" in printed.out
    assert not (folder / "path.png").exists()  # one width is no path
    assert (folder / "spectra.png").exists()


def test_own_arrays(tmp_path, capsys):
    table, folder, _ = run("own-arrays", tmp_path, capsys)
    X = np.loadtxt(EXAMPLES / "own-arrays-inputs.csv", delimiter=",")
    with np.load(EXAMPLES / "own-arrays.npz") as given:
        sol = solve(fcn(40), X, given["labels"], given["noise"])
    assert table["alpha"][0] == pytest.approx(sol.alpha, rel=1e-12)
    assert sorted(path.name for path in folder.iterdir()) == ["table.npz", "width-40.npz"]


def test_every_example_has_a_test():
    names = {path.stem for path in EXAMPLES.glob("*.toml")}
    # a sweep is tested in test_command_sweep.py
    assert names == {"linear-cnn", "deep-fcn", "deep-cnn", "pooled-digits", "own-arrays", "sweep"}
