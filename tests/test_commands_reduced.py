"""`feature-eos alpha` and `feature-eos breakdown`: numbers, files, mistakes."""

import numpy as np
import pytest

from feature_eos.cli import main
from numerics import reduced


def test_alpha_table_and_file(tmp_path, capsys):
    out = tmp_path / "table.npz"
    arguments = ["alpha", "--n", "380,1600", "--channels", "640,80", "--closure", "ridge,one_over_n"]
    assert main([*arguments, "--out", str(out), "--plot", str(tmp_path / "a.png")]) == 0
    printed, announced = capsys.readouterr()
    assert "--closure ridge is for all n" in announced
    assert "0.36526519" in printed  # n = 1600, C = 640, ridge
    assert "no physical root" in printed  # one_over_n at n = 380
    assert (tmp_path / "a.png").stat().st_size > 1000
    with np.load(out) as saved:
        np.testing.assert_array_equal(saved["C"], [640, 80, np.inf])
        np.testing.assert_array_equal(saved["ridge_alpha"], reduced.alpha([[380], [1600]], [640, 80, np.inf]))
        assert saved["one_over_n_status"][0, 0] == reduced.ReducedStatus.NOT_PHYSICAL


def test_without_complexity(capsys):
    assert main(["alpha", "--channels", "640", "--no-complexity"]) == 0
    assert f"{reduced.alpha(1600, 640, include_complexity=False):.8g}" in capsys.readouterr().out


def test_breakdown(capsys, tmp_path):
    plot = tmp_path / "breakdown.png"
    assert main(["breakdown", "--closure", "equivalent_kernel", "--plot", str(plot)]) == 0
    assert plot.stat().st_size > 1000
    printed = capsys.readouterr().out
    for number in ("3658.27", "1080.28", "0.38977604", "[3/3] +0.51%"):
        assert number in printed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["alpha", "--closure", "kriging"], "available: equivalent_kernel"),
        (["alpha", "--closures", "ridge"], "did you mean --closure?"),
        (["alpha", "--closure", "one_over_n", "--no-complexity"], "not among --closure"),
        (["alpha", "--n", "0"], "--n: '0' must be a whole number"),
        (["alpha", "--n", "inf"], "--n: 'inf'"),
        (["alpha", "--channels", "-3"], "--channels: '-3' must be a number above 0"),
        (["alpha", "--channels", "inf", "--plot", "a.png"], "no finite width"),
        (["alpha", "--noise-variance", "-1"], "--noise-variance: '-1'"),
        (["breakdown", "--channels", "inf"], "--channels must be finite"),
        (["breakdown", "--plot", "a.xyz"], "must end in .png"),
        (["breakdown", "--out", "a.npz"], "unknown argument --out"),
        (["alpha", "--out", "/no/such/folder/x.npz"], "does not exist"),
        (["breakdown", "--plot", "/no/such/folder/x.png"], "does not exist"),
        (["breakdown", "--closure", "one_over_n", "--n", "380"], "no physical root"),
    ],
)
def test_mistakes_are_one_line(arguments, message, capsys):
    try:
        code = main(arguments)
    except SystemExit as stopped:
        code = stopped.code
    error = capsys.readouterr().err
    assert code == 2
    assert message in error
    assert error.count("\n") == 1


def test_a_root_that_doubles_cannot_hold_is_another_matter(capsys):
    assert main(["alpha", "--channels", "1e-300"]) == 0
    printed, announced = capsys.readouterr()
    assert "no root found" in printed
    assert "orders of magnitude" in announced
