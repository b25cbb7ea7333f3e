"""`feature-eos solve`: resuming, what it refuses, one line and exit code 2 for every mistake in a file."""

import re

import numpy as np
import pytest

from feature_eos.cli import main
from feature_eos.commands import solve as command_solve
from feature_eos.commands.problem_file import read
from numerics import fcn, load, solve, solve_path
from numerics.machine import memory

RNG = np.random.default_rng(0)
X = RNG.standard_normal((24, 4))
Y = np.tanh(X @ np.array([1.0, -1.0, 0.5, 0.0]))
PROBLEM = """
noise_variance = 0.05
[network]
kind = "fcn"
widths = [40, 40]
[data]
file = "data.npz"
[solve]
widths = [200, 50, 20]
[output]
folder = "results"
plots = false
"""


@pytest.fixture
def folder(tmp_path):
    np.savez(tmp_path / "data.npz", X=X, y=Y, more=np.column_stack([Y, Y**2]), X_test=X[:5] + 0.1)
    np.save(tmp_path / "inputs.npy", X)
    np.savetxt(tmp_path / "targets.csv", Y)
    (tmp_path / "problem.toml").write_text(PROBLEM)
    return tmp_path


def run(folder, capsys, text=None, *options):
    """Exit code, standard output, standard error."""
    if text is not None:
        (folder / "problem.toml").write_text(text)
    try:
        code = main(["solve", str(folder / "problem.toml"), *options])
    except SystemExit as stop:
        code = stop.code
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def table(folder):
    with np.load(folder / "results" / "table.npz") as file:
        return dict(file)


def test_a_path_is_what_solve_path_gives(folder, capsys):
    code, out, err = run(folder, capsys)
    assert code == 0
    path = solve_path(fcn((40, 40)), X, Y, 0.05, widths=[200, 50, 20])
    np.testing.assert_allclose(table(folder)["alpha"], path.alpha, rtol=1e-12)
    for sol in path:
        assert f"{sol.alpha:.6g}" in out
    assert "hidden kernels of dimension 24" in err
    mean, std = path[1].predict(X[:5] + 0.1, return_std=True)
    np.testing.assert_allclose(table(folder)["test_mean"][1], mean, atol=1e-12)
    np.testing.assert_allclose(table(folder)["test_std"][1], std, atol=1e-12)
    assert "test_error" not in table(folder)


def test_errors_are_over_the_targets_mean_square(folder, capsys):
    labels = np.array([0.5, -0.2, 0.1, 0.9, -0.6])
    np.save(folder / "labels.npy", labels)
    code, out, _ = run(folder, capsys, PROBLEM.replace("[solve]", 'y_test = "labels.npy"\n[solve]'))
    assert code == 0
    mean = solve(fcn((50, 50)), X, Y, 0.05).predict(X[:5] + 0.1)
    error = ((mean - labels) @ (mean - labels)) / (labels @ labels)
    assert table(folder)["test_error"][1] == pytest.approx(error, rel=1e-6)  # two solves to 1e-8
    assert f"{table(folder)['test_error'][1]:.4g}" in out.splitlines()[2]


def test_an_interrupted_path_is_taken_up_where_it_stopped(folder, capsys, monkeypatch):
    calls = []
    original = command_solve.solve_on

    def interrupted(branch, target, max_iter):
        calls.append(target.net.width)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return original(branch, target, max_iter)

    monkeypatch.setattr(command_solve, "solve_on", interrupted)
    code, _, err = run(folder, capsys)
    assert code == 130
    assert "interrupted" in err
    assert calls == [200, 50, 20]
    kept = sorted(path.name for path in (folder / "results").iterdir())
    assert kept == ["width-200.npz", "width-50.npz"]
    before = (folder / "results" / "width-50.npz").read_bytes()

    code, _, err = run(folder, capsys)
    assert code == 0
    assert calls == [200, 50, 20, 20]  # the last one alone
    assert "2 of 3 widths are there already" in err
    assert (folder / "results" / "width-50.npz").read_bytes() == before
    alpha = solve(fcn((20, 20)), X, Y, 0.05).alpha
    assert table(folder)["alpha"][2] == pytest.approx(alpha, rel=1e-7)

    code, _, err = run(folder, capsys)
    assert code == 0
    assert len(calls) == 4
    assert "3 of 3 widths" in err
    assert "per gradient" not in err  # nothing left to announce


def test_what_was_found_makes_the_rest_cheaper(folder, capsys):
    run(folder, capsys)
    (folder / "results" / "width-20.npz").unlink()
    run(folder, capsys)
    resumed = load(folder / "results" / "width-20.npz")
    assert resumed.gradients < solve(fcn((20, 20)), X, Y, 0.05).gradients


def test_solutions_of_another_problem_are_not_taken_and_not_lost(folder, capsys):
    run(folder, capsys)
    alpha = load(folder / "results" / "width-50.npz").alpha
    for change in (
        PROBLEM.replace("0.05", "0.06"),
        PROBLEM.replace("[40, 40]", "[40, 40]\nreadout_variance = 3.0"),
        PROBLEM.replace('file = "data.npz"', 'X = "inputs.npy"\ny = {file = "data.npz", array = "more"}'),
    ):
        code, _, err = run(folder, capsys, change)
        assert code == 2
        assert "another problem" in err
        assert "--overwrite" in err
        assert load(folder / "results" / "width-50.npz").alpha == alpha
    code, _, _ = run(folder, capsys, PROBLEM.replace("0.05", "0.06"), "--overwrite")
    assert code == 0
    assert load(folder / "results" / "width-50.npz").alpha != alpha


def test_a_smaller_tolerance_is_solved_again(folder, capsys):
    run(folder, capsys, PROBLEM.replace("[solve]", "[solve]\ntol = 1e-3"))
    loose = table(folder)["residual"]
    assert loose.max() > 1e-8
    run(folder, capsys, PROBLEM)
    assert table(folder)["residual"].max() <= 1e-8


def test_arrays_from_every_kind_of_file_are_the_same(folder, capsys):
    run(folder, capsys)
    expected = table(folder)["alpha"]
    text = PROBLEM.replace('file = "data.npz"', 'X = "inputs.npy"\ny = "targets.csv"')
    code, _, _ = run(folder, capsys, text)
    assert code == 0
    np.testing.assert_allclose(table(folder)["alpha"], expected, rtol=1e-12)


def test_samples_take_the_shape_that_is_asked_for(folder):
    text = PROBLEM.replace('"fcn"', '"cnn"').replace("widths = [40, 40]", "channels = [9, 9]\nwindows = [2]")
    text = text.replace('file = "data.npz"', 'file = "data.npz"\nshape = [2, 2]')
    (folder / "problem.toml").write_text(text)
    asked = read(folder / "problem.toml")
    np.testing.assert_array_equal(asked.X, X.reshape(24, 2, 2))
    assert asked.X_test.shape == (5, 2, 2)
    assert asked.folder == folder / "results"


def test_receptive_fields_by_index_and_pooling(folder):
    text = """
    noise_variance = 0.1
    [network]
    kind = "cnn"
    channels = [9, 9]
    windows = [{windows = [[0, 1], [1, -1]], pools = [[0, 1], [2, 3]]}]
    readout = {windows = [[0, 1]]}
    [data]
    file = "data.npz"
    shape = [4, 1]
    """
    (folder / "problem.toml").write_text(text)
    field, readout = read(folder / "problem.toml").net.receptive_fields(4)
    np.testing.assert_array_equal(field.windows, [[0, 1], [1, -1]])
    assert field.pools == ((0, 1), (2, 3))
    np.testing.assert_array_equal(readout.windows, [[0, 1]])


def test_a_run_that_does_not_fit_is_refused(folder, capsys, monkeypatch):
    monkeypatch.setattr(memory, "available", lambda: 1e5)
    code, out, err = run(folder, capsys)
    assert (code, out) == (2, "")
    assert "check_memory" in err
    code, _, _ = run(folder, capsys, PROBLEM.replace("[solve]", "[solve]\ncheck_memory = false"))
    assert code == 0


def test_a_solve_that_fails_says_so_and_keeps_the_rest(folder, capsys):
    code, _, err = run(folder, capsys, PROBLEM.replace("[solve]", "[solve]\nmax_iter = 8"))
    assert code == 1
    assert "max_iter" in err
    assert (folder / "results" / "width-200.npz").exists()
    assert not (folder / "results" / "width-20.npz").exists()


MISTAKES = {
    "no noise": ("noise_variance = 0.05", "", "noise_variance is missing"),
    "bad noise": ("= 0.05", "= -1", "noise_variance=-1"),
    "noise in words": ("= 0.05", '= "none.csv"', "none.csv: no such file"),
    "no network": (
        '[network]\nkind = "fcn"\nwidths = [40, 40]\n',
        "",
        "section [network] is missing",
    ),
    "network is a word": ('[network]\nkind = "fcn"\nwidths = [40, 40]', 'network = "fcn"', "section"),
    "no kind": ('kind = "fcn"\n', "", "kind is missing"),
    "unknown kind": ('"fcn"', '"rnn"', "'cnn', 'fcn'"),
    "no widths": ("widths = [40, 40]\n", "", "widths is missing"),
    "bad widths": ("[40, 40]", "[40, 0]", "widths"),
    "channels of a fcn": ("widths = [40", "channels = [40", "unknown key 'channels' in [network]"),
    "misspelled": ("[40, 40]", '[40, 40]\nactivaton = "erf"', "did you mean 'activation'?"),
    "misspelled section": ("[solve]", "[solver]", "did you mean 'solve'?"),
    "misspelled option": ("[solve]", "[solve]\nmaxiter = 3", "did you mean 'max_iter'?"),
    "nothing near": ("[output]", "[output]\nxyzzy = 1", "there are folder, plots"),
    "unknown activation": ("[40, 40]", '[40, 40]\nactivation = "swish"', "activation='swish'"),
    "windows are no list": (
        'kind = "fcn"\nwidths = [40, 40]',
        'kind = "cnn"\nchannels = [4, 4]\nwindows = 2',
        "windows=2",
    ),
    "window that does not divide": (
        'kind = "fcn"\nwidths = [40, 40]\n[data]',
        'kind = "cnn"\nchannels = [4, 4]\nwindows = [3]\n[data]\nshape = [4, 1]',
        "does not divide",
    ),
    "ragged windows": (
        'kind = "fcn"\nwidths = [40, 40]',
        'kind = "cnn"\nchannels = [4, 4]\nwindows = [{windows = [[0, 1], [2]]}]',
        "receptive field",
    ),
    "pixel that is not there": (
        'kind = "fcn"\nwidths = [40, 40]',
        'kind = "cnn"\nchannels = [4, 4]\nwindows = [{windows = [[0, 5]], pools = [[0], [1]]}]',
        "not there",
    ),
    "no data": ('[data]\nfile = "data.npz"\n', "", "section [data] is missing"),
    "missing file": ("data.npz", "dada.npz", "dada.npz: no such file"),
    "missing array": (
        'file = "data.npz"',
        'X = "inputs.npy"\ny = {file = "data.npz", array = "z"}',
        "no array 'z' but",
    ),
    "no targets": ('file = "data.npz"', 'X = "inputs.npy"', "y is missing"),
    "wrong ending": ("data.npz", "problem.toml", "must end in"),
    "text for numbers": (
        'file = "data.npz"',
        'X = "words.csv"\ny = "targets.csv"',
        "words.csv: line 2: 'tall' in column 1",
    ),
    "archive that is none": ("data.npz", "words.npz", "words.npz is something else, not an .npz of arrays"),
    "bad table for an array": (
        'file = "data.npz"',
        'X = {path = "x"}\ny = "targets.csv"',
        "X must be a path",
    ),
    "number for a path": ('file = "data.npz"', 'X = 3\ny = "targets.csv"', "X=3"),
    "bad shapes": ('"data.npz"', '"data.npz"\nshape = [3, 2]', "do not fill shape=[3, 2]"),
    "shape in words": ('"data.npz"', '"data.npz"\nshape = "4"', "shape='4'"),
    "too few targets": ('file = "data.npz"', 'X = "inputs.npy"\ny = "short.csv"', "y has 23 entries"),
    "unknown data set": ('file = "data.npz"', 'dataset = "load_digit"', "did you mean 'load_digits'?"),
    "unknown argument": (
        'file = "data.npz"',
        'dataset = "make_fcn_teacher"\nsed = 1',
        "did you mean 'seed'?",
    ),
    "bad argument": ('file = "data.npz"', 'dataset = "make_fcn_teacher"\nn = 0', "n=0"),
    "argument missing": ('file = "data.npz"', 'dataset = "load_cifar10"', "path is missing"),
    "empty widths": ("[200, 50, 20]", "[]", "widths=[]"),
    "bad path width": ("[200, 50, 20]", "[200, -5]", "widths"),
    "too many layers": ("[200, 50, 20]", "[[5, 5, 5]]", "widths"),
    "incomplete range": ("[200, 50, 20]", "{from = 100, to = 10}", "count is missing"),
    "bad range": ("[200, 50, 20]", "{from = 0, to = 10, count = 3}", "from in widths"),
    "unknown readout": ("[solve]", '[solve]\nreadout = "sharp"', "readout='sharp'"),
    "unknown method": ("[solve]", '[solve]\nmethod = "magic"', "method='magic'"),
    "bad tolerance": ("[solve]", "[solve]\ntol = 0", "tol=0"),
    "bad flag": ("plots = false", 'plots = "no"', "plots in [output]='no'"),
    "bad memory flag": ("[solve]", '[solve]\ncheck_memory = "no"', "check_memory"),
    "bad folder": ('"results"', '"data.npz/x"', "cannot write"),
    "folder is a number": ('"results"', "3", "folder in [output]=3"),
    "not TOML": ("[network]", "[network", "not TOML"),
}


@pytest.mark.parametrize(("old", "new", "named"), MISTAKES.values(), ids=MISTAKES)
def test_mistakes_in_the_file_are_one_line(folder, capsys, old, new, named):
    (folder / "words.csv").write_text("height,weight\ntall,heavy\n")
    (folder / "words.npz").write_text("no archive")
    np.savetxt(folder / "short.csv", Y[:-1])
    assert PROBLEM.count(old) == 1, "the mistake must be made once"
    code, out, err = run(folder, capsys, PROBLEM.replace(old, new))
    assert code == 2
    assert out == ""
    assert named in err
    assert len(err.splitlines()) == 1
    assert err.startswith("feature-eos solve: ")


def test_a_missing_problem_is_one_line(tmp_path, capsys):
    assert main(["solve", str(tmp_path / "no.toml")]) == 2
    assert re.fullmatch(r"feature-eos solve: .*no\.toml: no such file\n", capsys.readouterr().err)
