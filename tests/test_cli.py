"""The command line: the main job on small data, files, and one line for every mistake."""

import math
import re
import subprocess
import sys

import numpy as np
import pytest

from feature_eos.cli import main
from numerics import cnn, datasets, reduced, solve
from numerics.compare import compare
from numerics.machine import memory

SMALL = ["--n", "60", "--n-test", "20", "--n-patches", "3", "--patch-size", "8", "--channels", "400,25"]


def run(capsys, *arguments):
    code = main(list(arguments))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_compare_prints_the_table_of_what_solve_finds(capsys):
    code, out, _ = run(capsys, "compare", *SMALL)
    assert code == 0
    data = datasets.make_linear_cnn(60, 3, 8, seed=0, n_test=20)
    scalar = {"n": 60, "n_patches": 3, "patch_size": 8, "noise_variance": 0.1}
    for width in (400, 25):
        sol = solve(cnn(width), data.X, data.y, 0.1)
        line = next(line for line in out.splitlines() if line.split()[:1] == [str(width)])
        assert f"{sol.alpha:.5f}" in line.split()
        assert f"{sol.first_order.alpha(width):.5f}" in line.split()
        for closure in ("equivalent_kernel", "ridge"):
            assert f"{reduced.alpha(C=width, closure=closure, **scalar):.5f}" in line.split()


def test_the_crossing_is_where_the_tangent_is_off_by_that_much():
    data = datasets.make_linear_cnn(120, 3, 8, seed=1)
    result = compare(cnn(400), data, 0.1, [400.0, 100.0])
    reached = [crossing for crossing in result.crossings if not math.isnan(crossing.width)]
    assert reached, "this problem learns enough at C = 100/16 for the tangent to be off by 5 %"
    for crossing in reached:
        alpha = solve(cnn(crossing.width), data.X, data.y, 0.1).alpha
        off = abs(alpha - result.first_order.alpha(crossing.width)) / alpha
        # the root is found to 5e-5 in log C, and the difference goes like C^-2 or slower
        assert off == pytest.approx(crossing.threshold, rel=5e-4)


def test_own_arrays_have_no_scalar_theory_and_say_why(capsys, tmp_path):
    data = datasets.make_linear_cnn(40, 2, 5, seed=2, n_test=10)
    np.savez(tmp_path / "mine.npz", X=data.X, y=data.y)
    code, out, _ = run(
        capsys,
        "compare",
        "--data",
        str(tmp_path / "mine.npz"),
        "--channels",
        "50",
        "--out",
        str(tmp_path / "o.npz"),
    )
    assert code == 0
    assert "n/a, the scalar equation is for Gaussian inputs" in out
    with np.load(tmp_path / "o.npz") as saved:
        sol = solve(cnn(50), data.X, data.y, 0.1)
        assert saved["alpha"][0] == pytest.approx(sol.alpha, rel=1e-9)
        assert saved["overlap"][0] == pytest.approx(np.linalg.eigvalsh(sol.overlap_ratio)[-1], rel=1e-7)
        assert np.isnan(saved["test_error"]).all()
        assert saved["Sigma"].shape == (1, 5, 5)


def test_digits(capsys):
    pytest.importorskip("sklearn")
    code, out, _ = run(
        capsys, "compare", "--data", "digits", "--n", "60", "--n-test", "30", "--channels", "100"
    )
    assert code == 0
    assert "n = 60, 4 patches of 16" in out


def test_plot_is_written(capsys, tmp_path):
    pytest.importorskip("matplotlib")
    code, _, _ = run(capsys, "compare", *SMALL, "--plot", str(tmp_path / "p.png"))
    assert code == 0
    assert (tmp_path / "p.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--channels", "0,5"], "--channels"),
        (["--channels", "many"], "--channels"),
        (["--channels", "inf"], "--channels"),
        (["--noise-variance", "0"], "noise_variance"),
        (["--weight-variance", "-1"], "weight_variance"),
        (["--readout-variance", "nan"], "readout_variance"),
        (["--n", "0"], "n=0"),
        (["--n", "few"], "--n"),
        (["--seed", "-1"], "seed"),
        (["--data", "missing.npz"], "missing.npz"),
        (["--data", "digits", "--patch-size", "4"], "--patch-size"),
        (["--data", "digits", "--n", "1797", "--n-test", "1"], "n=1797"),
        (["--out", "no/such/folder/o.npz"], "no/such/folder"),
        (["--colour", "blue"], "--colour"),
    ],
)
def test_a_mistake_is_answered_in_one_line_with_exit_code_2(capsys, arguments, named):
    try:
        code = main(["compare", *arguments])
    except SystemExit as stop:
        code = stop.code
    captured = capsys.readouterr()
    assert code == 2
    assert captured.out == ""
    assert named in captured.err
    assert len(captured.err.splitlines()) == 1


def test_a_comparison_that_does_not_fit_is_refused(capsys, monkeypatch):
    monkeypatch.setattr(memory, "available", lambda: 1e5)
    code, out, err = run(capsys, "compare", *SMALL)
    assert (code, out) == (2, "")
    assert re.search(r"GB, but .* GB are available; take at most about \d+ samples", err)
    code, out, _ = run(capsys, "compare", *SMALL, "--no-memory-check")
    assert code == 0
    assert "matrix" in out


@pytest.mark.parametrize(
    ("arrays", "named"),
    [
        ({"X": np.ones((4, 2, 3))}, "X and y"),
        ({"X": np.ones((4, 6)), "y": np.ones(4)}, "X has shape (4, 6)"),
        ({"X": np.full((4, 2, 3), np.nan), "y": np.ones(4)}, "X contains NaN"),
        ({"X": np.ones((4, 2, 3)), "y": np.ones(5)}, "y has 5 entries"),
        ({"X": np.ones((4, 2, 3)), "y": np.zeros(4)}, "y is zero"),
        ({"X": np.ones((4, 2, 3)), "y": np.ones(4), "X_test": np.ones((2, 2, 3))}, "X_test and y_test"),
        (
            {"X": np.ones((4, 2, 3)), "y": np.ones(4), "X_test": np.ones((2, 2, 4)), "y_test": np.ones(2)},
            "X_test",
        ),
    ],
)
def test_a_bad_file_is_answered_in_one_line(capsys, tmp_path, arrays, named):
    np.savez(tmp_path / "bad.npz", **arrays)
    code, out, err = run(capsys, "compare", "--data", str(tmp_path / "bad.npz"))
    assert code == 2
    assert out == ""
    assert named in err
    assert len(err.splitlines()) == 1


def test_a_text_file_is_not_an_npz(capsys, tmp_path):
    (tmp_path / "bad.npz").write_text("not an archive")
    code, _, err = run(capsys, "compare", "--data", str(tmp_path / "bad.npz"))
    assert code == 2
    assert len(err.splitlines()) == 1


def test_module_and_script_are_the_same_program():
    done = subprocess.run(
        [sys.executable, "-m", "feature_eos", "compare", "--n", "0"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("feature-eos compare: n=0")


def test_logarithmic_errors_keep_their_minor_ticks():
    pytest.importorskip("matplotlib")
    from numerics import plots

    data = datasets.make_linear_cnn(40, 2, 5, seed=2, n_test=10)
    panels = plots.comparison(compare(cnn(50), data, 0.1, [100.0, 50.0])).axes
    assert all(len(axes.xaxis.get_minorticklocs()) == 0 for axes in panels)
    assert len(panels[2].yaxis.get_minorticklocs()) > 0
