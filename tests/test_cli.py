"""The command line: the main job on small data, files, and one line for every mistake."""

import math
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from mutants import breaks

from feature_eos import cli
from feature_eos.cli import main
from feature_eos.commands import terminal
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


@breaks(
    "numerics/compare.py",
    "/ alpha - threshold",
    "/ tangent.alpha(width) - threshold",
    "relative to the tangent, not to alpha",
)
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


def test_theories_beyond_mean_field_come_in_a_second_table(capsys, tmp_path):
    out = tmp_path / "t.npz"
    theories = ("finite_fan_in", "cavity")
    code, text, _ = run(capsys, "compare", *SMALL, "--theory", ",".join(theories), "--out", str(out))
    assert code == 0
    data = datasets.make_linear_cnn(60, 3, 8, seed=0, n_test=20)
    with np.load(out) as table:
        rows = {
            name: table[f"beyond_{name}"] for name in ("width", "theory", "alpha", "overlap", "test_error")
        }
        slope, error = table["network_alpha_slope"], table["network_alpha_slope_error"]
        crossed = table["network_threshold_width"]
    assert list(zip(rows["theory"], rows["width"], strict=True)) == [
        (theory, width) for theory in theories for width in (400, 25)
    ]
    for position, (theory, width) in enumerate(zip(rows["theory"], rows["width"], strict=True)):
        sol = solve(cnn(width), data.X, data.y, 0.1, theory=str(theory))
        # draws from the reference of another descent: both have errors, themselves known to a quarter
        close = 6 * sol.errors["alpha"] if theory == "cavity" else 1e-6
        assert rows["alpha"][position] == pytest.approx(sol.alpha, abs=close)
        mean = sol.predict(data.X_test)
        off = np.mean((mean - data.y_test) ** 2) / np.mean(data.y_test**2)
        assert rows["test_error"][position] == pytest.approx(off, rel=1e-2)
        assert str(theory) in text
    assert "the network's own first order" in text
    # between the widths of the table the relative error of the tangent grows through 5 %
    gp = solve(cnn(math.inf), data.X, data.y, 0.1).alpha
    off = [abs(a / (gp + slope / c) - 1) for a, c in zip(rows["alpha"][2:], (400, 25), strict=True)]
    assert off[0] < 0.05 < off[1] or np.isnan(crossed[0])
    if not np.isnan(crossed[0]):
        assert 25 < crossed[0] < 400
    assert error > 0


def test_theories_that_are_not_there_are_named(capsys):
    with pytest.raises(SystemExit):
        main(["compare", *SMALL, "--theory", "sharp"])
    assert "'sharp' is none of finite_fan_in, scalar_fan_in, cavity" in capsys.readouterr().err
    with pytest.raises(ValueError, match="theories"):
        compare(cnn(5), datasets.make_linear_cnn(20, 2, 3), 0.1, [50.0], theories=["sharp"])


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
        (["--channels", "640,,80"], "--channels: ''"),
        (["--channels", "640", "80"], "commas between and no spaces"),
        (["--noise-variance", "0"], "--noise-variance: '0' must be a finite number above 0"),
        (["--noise-variance", "inf"], "--noise-variance: 'inf'"),
        (["--noise-variance", "little"], "--noise-variance: 'little'"),
        (["--noise-variance"], "--noise-variance: expected one argument"),
        (["--weight-variance", "-1"], "--weight-variance: '-1'"),
        (["--readout-variance", "nan"], "--readout-variance: 'nan'"),
        (["--n", "0"], "--n: '0' must be a whole number, at least 1"),
        (["--n", "1e300"], "--n: '1e300' must be a whole number, at most 1e+12"),
        (["--n", "2.5"], "--n: '2.5'"),
        (["--n", "few"], "--n: 'few'"),
        (["--n", "100,200"], "--n takes one number here"),
        (["--n-patches", "0"], "--n-patches: '0'"),
        (["--n-test", "-1"], "--n-test: '-1'"),
        (["--seed", "-1"], "--seed: '-1'"),
        (["--data", "missing.npz"], "missing.npz: no such file"),
        (["--data", "."], "--data .: is a folder"),
        (["--data", "mine.npz", "--seed", "3"], "--seed belongs to problems that are drawn"),
        (["--data", "digits", "--patch-size", "4"], "--patch-size"),
        (["--data", "digits", "--n", "1797", "--n-test", "1"], "n=1797"),
        (["--out", "no/such/folder/o.npz"], "--out no/such/folder/o.npz: the folder no/such/folder does not"),
        (["--out", "table.txt"], "--out table.txt: must end in .npz"),
        (["--out", "table"], "--out table: must end in .npz"),
        (["--plot", "figure"], "--plot figure: must end in .png, .pdf, .svg, .eps or .jpg"),
        (["--plot", "figure.npz"], "--plot figure.npz: must end in"),
        (["--plot", "no/such/folder/p.png"], "--plot no/such/folder/p.png: the folder"),
        (["--data", "mine.npz", "--out", "./mine.npz"], "--out ./mine.npz would replace the file of --data"),
        (["--colour", "blue"], "unknown argument --colour; feature-eos compare --help lists"),
        (["--chanels", "640"], "did you mean --channels?"),
        (["--noise", "1"], "unknown argument --noise"),
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
    assert done.stderr == "feature-eos compare: --n: '0' must be a whole number, at least 1\n"


COMMANDS = ("compare", "solve", "alpha", "breakdown")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_says_what_comes_out_and_gives_two_examples(capsys, command):
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    assert "Printed " in text
    assert len(re.findall(rf"^  feature-eos {command} .*", text, re.MULTILINE)) == 2
    assert "\nproblem:\n" in text
    assert "\noutput:\n" in text
    assert "check_memory" not in text
    assert max(map(len, text.splitlines())) <= 110


@pytest.mark.parametrize("command", COMMANDS)
def test_the_examples_of_the_help_are_understood(capsys, command):
    with pytest.raises(SystemExit):
        main([command, "--help"])
    parser = cli._parser()
    for example in re.findall(rf"^  feature-eos ({command} .*)", capsys.readouterr().out, re.MULTILINE):
        parser.parse_args(example.split())


def test_an_option_is_of_one_type_everywhere():
    subparsers = cli._parser()._subparsers._group_actions[0].choices
    kinds = {}
    for command, parser in subparsers.items():
        for action in parser._actions:
            for name in action.option_strings:
                kind = (getattr(action.type, "__qualname__", action.type), action.metavar, action.nargs)
                kinds.setdefault(name, {})[kind] = command
    assert {name: found for name, found in kinds.items() if len(found) > 1} == {}


def test_without_a_command_there_is_the_help_and_exit_code_2(capsys):
    assert main([]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "commands:" in captured.err
    assert "examples:" in captured.err


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["problem.toml"], "feature-eos solve"),
        (["compute"], "compare"),
        (["--verson"], "did you mean --version?"),
    ],
)
def test_what_is_no_command_is_answered_in_one_line(capsys, arguments, named):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    captured = capsys.readouterr()
    assert named in captured.err
    assert len(captured.err.splitlines()) == 1


def test_a_csv_is_told_what_it_is(capsys, tmp_path):
    (tmp_path / "mine.csv").write_text("1,2\n3,4\n")
    code, out, err = run(capsys, "compare", "--data", str(tmp_path / "mine.csv"))
    assert (code, out) == (2, "")
    assert "mine.csv is a csv file, not an .npz of arrays; put X" in err
    assert "np.savez" in err
    assert len(err.splitlines()) == 1


def test_samples_of_a_file_are_counted(capsys, tmp_path):
    data = datasets.make_linear_cnn(20, 2, 5, n_test=6)
    path = tmp_path / "mine.npz"
    np.savez(path, X=data.X, y=data.y, X_test=data.X_test, y_test=data.y_test)
    for option, number, there in (("--n", "21", "20 samples"), ("--n-test", "7", "6 test samples")):
        code, out, err = run(capsys, "compare", "--data", str(path), option, number)
        assert (code, out) == (2, "")
        assert f"{option} {number}: the file has {there}" in err
    code, out, _ = run(
        capsys, "compare", "--data", str(path), "--n", "12", "--n-test", "0", "--channels", "50"
    )
    assert code == 0
    assert "n = 12" in out


def test_a_reader_who_goes_loses_no_files(tmp_path):
    """As in `feature-eos alpha --out table.npz | head -0`."""
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "feature_eos", "alpha", "--out", str(tmp_path / "table.npz")],
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(write)
    assert done.returncode == 0
    assert done.stderr == f"written: {tmp_path / 'table.npz'}\n"
    assert (tmp_path / "table.npz").exists()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
def test_a_full_disk_is_one_line():
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "feature_eos", "alpha"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "No space left" in done.stderr


def test_output_that_is_closed_does_not_matter(tmp_path):
    command = f"{sys.executable} -m feature_eos alpha --out {tmp_path}/t.npz >&- 2>&-"
    assert subprocess.run(command, shell=True, check=False).returncode == 0
    assert (tmp_path / "t.npz").exists()


@pytest.mark.parametrize(("columns", "lines"), [(60, 2), (200, 1)])
def test_what_does_not_fit_in_a_terminal_stands_below(monkeypatch, columns, lines):
    monkeypatch.setattr(terminal, "columns", lambda: columns)
    cells = [["C", *(f"heading {k}" for k in range(8))], ["640", *(f"{k / 7:.5f}" for k in range(8))]]
    table = terminal.table(cells)
    assert max(map(len, table)) <= columns
    assert sum(line.startswith("  C  ") for line in table) == lines
    assert [cell for line in table for cell in line.split() if "." in cell] == cells[1][1:]


def test_tables_fit_in_110_columns(capsys):
    commands = (
        ["compare", *SMALL],
        ["alpha", "--closure", "equivalent_kernel,one_over_n,ridge", "--n", "380,1600"],
        ["breakdown", "--closure", "equivalent_kernel"],
    )
    for command in commands:
        code, out, _ = run(capsys, *command)
        assert code == 0
        assert max(map(len, out.splitlines())) <= 110


def test_logarithmic_errors_keep_their_minor_ticks():
    pytest.importorskip("matplotlib")
    from numerics import plots

    data = datasets.make_linear_cnn(40, 2, 5, seed=2, n_test=10)
    table = compare(cnn(50), data, 0.1, [100.0, 50.0], theories=["scalar_fan_in"])
    panels = plots.comparison(table).axes
    assert "scalar fan in" in [line.get_label() for line in panels[0].get_lines()]
    assert all(len(axes.xaxis.get_minorticklocs()) == 0 for axes in panels)
    assert len(panels[2].yaxis.get_minorticklocs()) > 0
