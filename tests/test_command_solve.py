"""`feature-eos solve`: resuming, what it refuses, one line and exit code 2 for every mistake in a file."""

import re
import signal
import subprocess
import sys
import time
from functools import partial

import numpy as np
import pytest
from mutants import breaks

from feature_eos.cli import main
from feature_eos.commands.problem_file import read
from numerics import Continuation, fcn, load, solve, solve_path
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


@breaks("feature_eos/commands/results.py", "/ np.mean(self.y**2)", "/ len(self.y)", "error per sample")
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
    alpha = solve(fcn((20, 20)), X, Y, 0.05).alpha
    calls = []
    original = Continuation.solve

    def interrupted(session, widths, *arguments, **options):
        calls.append(widths[-1])
        if len(calls) == 3:
            raise KeyboardInterrupt
        return original(session, widths, *arguments, **options)

    monkeypatch.setattr(Continuation, "solve", interrupted)
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


@breaks("numerics/problem.py", "(self.noise_variance, other.noise_variance),", "", "noise of another problem")
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


@breaks(
    "feature_eos/commands/results.py",
    "found.residual <= tol",
    "found.residual <= 1.0",
    "loose solutions kept",
)
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


def test_receptive_windows_by_index_and_pooling(folder):
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
    field, readout = read(folder / "problem.toml").net.receptive_windows(4)
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
    "unknown theory": ("[solve]", '[solve]\ntheory = "sharp"', "theory='sharp'"),
    "the law's old name": ("[solve]", '[solve]\nreadout = "mean_field"', "theory"),
    "unknown method": ("[solve]", '[solve]\nmethod = "magic"', "method='magic'"),
    "bad tolerance": ("[solve]", "[solve]\ntol = 0", "tol=0"),
    "bad flag": ("plots = false", 'plots = "no"', "plots in [output]='no'"),
    "bad memory flag": ("[solve]", '[solve]\ncheck_memory = "no"', "check_memory"),
    "bad folder": ('"results"', '"data.npz/x"', "cannot write"),
    "folder is a number": ('"results"', "3", "folder in [output]=3"),
    "not TOML": ("[network]", "[network", "not TOML"),
    "too long an integer": ("0.05", 5000 * "9", "give a smaller number"),
    "noise is a date": ("= 0.05", "= 2024-01-01", "noise_variance=datetime.date"),
    "noise is infinite": ("= 0.05", "= inf", "noise_variance=inf"),
    "noise in another section": (
        "noise_variance = 0.05\n[network]",
        "[network]\nnoise_variance = 0.05",
        "at the top",
    ),
    "option in another section": (
        "plots = false",
        "tol = 1e-6",
        "unknown key 'tol' in [output]; it belongs in [solve]",
    ),
    "a list of kinds": ('"fcn"', '["fcn"]', "kind=['fcn'] in [network] must be one of"),
    "a table of kinds": ('"fcn"', "{a = 1}", "kind={'a': 1} in [network]"),
    "two networks": ("[network]", "[[network]]", "network must be a section"),
    "no width": ("[40, 40]", "0", "(inf is the Gaussian-process limit)"),
    "an activation in pieces": ("[40, 40]", '[40, 40]\nactivation = ["erf"]', "activation=['erf']"),
    "inputs of three axes": (
        'file = "data.npz"',
        'file = "data.npz"\nshape = [2, 2]',
        "shape = the number of features",
    ),
    "inputs of two axes": (
        'kind = "fcn"\nwidths = [40, 40]',
        'kind = "cnn"\nchannels = 40',
        "say shape = [pixels, features] in [data]",
    ),
    "shape beyond integers": ('"data.npz"', '"data.npz"\nshape = [4294967296, 4294967296, 4]', "do not fill"),
    "a pixel far away": (
        'kind = "fcn"\nwidths = [40, 40]',
        'kind = "cnn"\nchannels = [4, 4]\nwindows = [{windows = [[0, 1000000000000000]]}]',
        "names pixel 1000000000000000",
    ),
    "pools are a number": (
        'kind = "fcn"\nwidths = [40, 40]',
        'kind = "cnn"\nchannels = [4, 4]\nwindows = [{windows = [[0, 1]], pools = 3}]',
        "receptive field",
    ),
    "two sources": (
        'file = "data.npz"',
        'file = "data.npz"\ndataset = "load_digits"',
        "both dataset and file",
    ),
    "a flag in words": (
        'file = "data.npz"',
        'dataset = "load_mnist"\none_hot = "no"',
        "one_hot in [data]='no'",
    ),
    "more samples than there is memory for": (
        'file = "data.npz"',
        'dataset = "make_fcn_teacher"\nn = 1_000_000_000_000',
        "n=1000000000000 inputs of shape (32,) take",
    ),
    "more test samples than there is memory for": (
        'file = "data.npz"',
        'dataset = "make_fcn_teacher"\nn_test = 1_000_000_000_000',
        "n_test=1000000000000",
    ),
    "the name of an array is a number": ('"data.npz"', '{file = "data.npz", array = 3}', "array=3 of X"),
    "a table for a file": ('"data.npz"', "{file = 3}", "X=3 must be the path"),
    "numbers for a file": ('"data.npz"', "[[1, 2], [3, 4]]", "X=[[1, 2], [3, 4]] must be the path"),
    "a null character": ('"data.npz"', '"a\\u0000.npz"', "must be the path"),
    "a folder for a file": ('"data.npz"', '"folder.npz"', "folder.npz: no such file"),
    "objects": ('"data.npz"', '"objects.npz"', "objects.npz holds Python objects; save numbers"),
    "masked by nothing": ('"data.npz"', '"holes.npz"', "X contains NaN"),
    "too many widths": ("[200, 50, 20]", "{from = 200, to = 20, count = 1e12}", "at most 10000"),
    "widths without end": (
        "[200, 50, 20]",
        "{from = inf, to = 20, count = 3}",
        "from in widths of [solve]=inf",
    ),
    "a width twice": ("[200, 50, 20]", "[200, 50, 200.0]", "has 200 twice; leave one out"),
    "a width several times": ("[200, 50, 20]", "{from = 50, to = 50, count = 3}", "has 50 twice"),
    "widths in pieces": ("[200, 50, 20]", "[200, [[50]]]", "widths"),
    "a table among widths": ("[200, 50, 20]", "[{from = 3, to = 2, count = 2}]", "widths={'from'"),
    "a true width": ("[200, 50, 20]", "[true]", "widths=True"),
    "iterations beyond counting": ("[solve]", "[solve]\nmax_iter = inf", "max_iter=inf"),
    "brackets without end": ("[200, 50, 20]", 50_000 * "[", "brackets within brackets"),
    "folder with a null character": ('"results"', '"a\\u0000"', "folder in [output]"),
}


@pytest.mark.parametrize(("old", "new", "named"), MISTAKES.values(), ids=MISTAKES)
def test_mistakes_in_the_file_are_one_line(folder, capsys, old, new, named):
    (folder / "words.csv").write_text("height,weight\ntall,heavy\n")
    (folder / "words.npz").write_text("no archive")
    np.savetxt(folder / "short.csv", Y[:-1])
    (folder / "folder.npz").mkdir()
    np.savez(folder / "objects.npz", X=np.array([None]), y=Y)
    np.savez(folder / "holes.npz", X=np.where(X > 1, np.nan, X), y=Y)
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


def test_a_folder_is_no_problem(tmp_path, capsys):
    assert main(["solve", str(tmp_path)]) == 2
    assert capsys.readouterr().err.endswith(": a folder; give the file in it\n")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_and_another_end_of_line_do_not_matter(folder, encoding):
    text = "# größe\n" + PROBLEM
    (folder / "problem.toml").write_bytes(text.replace("\n", "\r\n").encode(encoding))
    assert read(folder / "problem.toml").widths == (200, 50, 20)


def test_another_encoding_is_one_line(folder, capsys):
    (folder / "problem.toml").write_bytes(("# größe\n" + PROBLEM).encode("latin-1"))
    code, _, err = run(folder, capsys)
    assert code == 2
    assert "save it as UTF-8" in err


def test_a_home_is_found(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder))
    text = PROBLEM.replace('"data.npz"', '"~/data.npz"').replace('"results"', '"~/there"')
    (folder / "elsewhere").mkdir()
    (folder / "elsewhere" / "problem.toml").write_text(text)
    asked = read(folder / "elsewhere" / "problem.toml")
    np.testing.assert_array_equal(asked.X, X)
    assert asked.folder == folder / "there"


@pytest.mark.parametrize(
    "content", [b"", b"junk", b"PK\x03\x04 half", None], ids=["empty", "junk", "half", "cut"]
)
def test_a_damaged_solution_is_neither_taken_nor_lost(folder, capsys, content):
    run(folder, capsys)
    path = folder / "results" / "width-50.npz"
    content = path.read_bytes()[:2000] if content is None else content
    path.write_bytes(content)
    code, out, err = run(folder, capsys)
    assert (code, out) == (2, "")
    assert "width-50.npz is" in err
    assert "--overwrite solves it anew" in err
    assert len(err.splitlines()) == 1
    assert path.read_bytes() == content
    code, _, _ = run(folder, capsys, None, "--overwrite")
    assert code == 0
    assert load(path).converged


def test_a_folder_in_the_place_of_a_file_is_found_before_the_work(folder, capsys):
    (folder / "results" / "table.npz").mkdir(parents=True)
    code, out, err = run(folder, capsys)
    assert (code, out) == (2, "")
    assert "table.npz: cannot be written" in err
    assert len(err.splitlines()) == 1


def test_no_test_inputs_are_none(folder, capsys):
    np.savez(folder / "data.npz", X=X, y=Y, X_test=X[:0], y_test=Y[:0])
    code, _, _ = run(folder, capsys)
    assert code == 0
    assert "test_mean" not in table(folder)


def test_a_row_or_a_column_of_targets_is_a_vector(folder, capsys):
    run(folder, capsys)
    expected = table(folder)["alpha"]
    np.savetxt(folder / "inputs.csv", X, delimiter=";", header="a;b;c;d", comments="")
    (folder / "noise.csv").write_text("0.05\n")
    for targets in (Y[None], Y[:, None]):
        np.savetxt(folder / "row.csv", targets, delimiter=",")
        text = PROBLEM.replace('file = "data.npz"', 'X = "inputs.csv"\ny = "row.csv"')
        code, _, _ = run(folder, capsys, text.replace("0.05", '"noise.csv"'), "--overwrite")
        assert code == 0
        np.testing.assert_allclose(table(folder)["alpha"], expected, rtol=1e-12)


def test_the_path_s_table_fits_in_110_columns(folder, capsys):
    np.save(folder / "labels.npy", Y[:5])
    code, out, _ = run(folder, capsys, PROBLEM.replace("[solve]", 'y_test = "labels.npy"\n[solve]'))
    assert code == 0
    assert max(map(len, out.splitlines())) <= 110


def test_a_real_interrupt_leaves_what_was_found(folder):
    text = PROBLEM.replace("[200, 50, 20]", "{from = 400, to = 20, count = 4000}")
    (folder / "problem.toml").write_text(text)
    command = [sys.executable, "-m", "feature_eos", "solve", str(folder / "problem.toml")]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    # a job in a shell's background ignores interrupts, and so do its children
    heed = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    with subprocess.Popen(command, preexec_fn=heed, **pipes) as process:
        results = folder / "results"
        deadline = time.monotonic() + 60
        while not list(results.glob("width-*.npz")) and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.splitlines()[-1] == "feature-eos solve: interrupted"
    assert "Traceback" not in err
    for path in results.iterdir():
        assert load(path).converged
