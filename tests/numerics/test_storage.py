"""Saved solutions come back whole, and files of another kind are refused."""

import json

import numpy as np
import pytest
from deep_problems import NETWORKS, small

from numerics import cnn, load, solve
from numerics.pixels import Receptive


@pytest.mark.parametrize("name", NETWORKS)
def test_a_loaded_solution_is_the_saved_one(name, tmp_path):
    net, flat = NETWORKS[name]
    X, y = small(flat)
    sol = solve(net, X, y, 0.05)
    sol.save(tmp_path / "sol.npz")
    back = load(tmp_path / "sol.npz")
    assert back.widths == sol.widths
    assert back.alpha == sol.alpha
    assert back.free_energy == sol.free_energy
    assert back.converged
    np.testing.assert_array_equal(back.Sigma, sol.Sigma)
    # the same arithmetic in the same order
    np.testing.assert_array_equal(back.predict(X[:3]), sol.predict(X[:3]))
    assert back.gp.chi_response == sol.gp.chi_response
    assert [path.name for path in tmp_path.iterdir()] == ["sol.npz"]


def test_one_output_stays_one_dimensional(tmp_path):
    net, flat = NETWORKS["three dense layers"]
    X, y = small(flat)
    solve(net, X, y[:, 0], 0.05).save(tmp_path / "sol.npz")
    assert load(tmp_path / "sol.npz").predict(X).shape == (14,)


def test_other_files_are_refused(tmp_path):
    np.savez(tmp_path / "other.npz", X=np.ones(3))
    (tmp_path / "text.npz").write_text("no archive")
    (tmp_path / "empty.npz").touch()
    (tmp_path / "table.csv").write_text("1,2")
    np.save(tmp_path / "array.npy", np.ones(3))
    for name, kind in {
        "other.npz": "no header",
        "text.npz": "something else",
        "empty.npz": "empty",
        "table.csv": "a csv file",
        "array.npy": "an .npy of one array",
    }.items():
        with pytest.raises(ValueError, match=rf"no solution.*{kind}.*sol\.save"):
            load(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "missing.npz")
    np.savez(tmp_path / "later.npz", header=np.array('{"format": "feature-eos solution", "version": 99}'))
    with pytest.raises(ValueError, match="of version 99; this package reads"):
        load(tmp_path / "later.npz")


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A file of a network with everything in it: hidden kernels, means, biases, windows by index."""
    path = tmp_path_factory.mktemp("saved") / "sol.npz"
    rng = np.random.default_rng(0)
    X = rng.standard_normal((8, 4, 2))
    window = Receptive(np.array([[0, 1], [1, -1]]), ((0, 1), (2, 3)))
    net = cnn((20, 20), activation="relu", windows=(window,), bias_variance=0.1)
    solve(net, X, X[:, 0, 0], 0.1).save(path)
    return path


def changed(saved, path, header=None, **arrays):
    """A copy with other arrays (None: without) and other header entries, nested ones by a dotted name."""
    with np.load(saved) as file:
        parts = dict(file) | arrays
    text = json.loads(str(parts["header"]))
    for name, value in (header or {}).items():
        *above, last = name.split(".")
        place = text
        for key in above:
            place = place[key]
        place.pop(last) if value is None else place.__setitem__(last, value)
    parts["header"] = np.array(json.dumps(text))
    np.savez(path, **{name: array for name, array in parts.items() if array is not None})
    return path


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.99])
def test_a_truncated_file_is_said_to_be_damaged(saved, tmp_path, share):
    content = saved.read_bytes()
    (tmp_path / "cut.npz").write_bytes(content[: int(share * len(content))])
    with pytest.raises(ValueError, match=r"cut\.npz is (damaged|no solution)"):
        load(tmp_path / "cut.npz")


def test_a_changed_byte_is_never_taken_for_a_solution_and_never_a_traceback(saved, tmp_path):
    content, rng = saved.read_bytes(), np.random.default_rng(0)
    (tmp_path / "flipped.npz").touch()
    for _ in range(60):
        flipped = bytearray(content)
        flipped[rng.integers(len(content))] ^= int(rng.integers(1, 256))
        (tmp_path / "flipped.npz").write_bytes(flipped)
        try:
            again = load(tmp_path / "flipped.npz")
        except ValueError as refused:
            assert "flipped.npz is" in str(refused)  # noqa: PT017  (some bytes, such as dates, say nothing)
        else:
            assert again.alpha == load(saved).alpha


ARRAYS = ("theta_0", "theta_1", "mu_0", "mu_1", "Sigma", "eps")
BAD_ARRAYS = {
    "missing": lambda array: None,
    "longer": lambda array: np.concatenate([array, array]),
    "an axis more": lambda array: array[None],
    "NaN": lambda array: np.full(array.shape, np.nan),
    "integers": lambda array: array.astype(int),
    "text": lambda array: np.array("x"),
    "single precision": lambda array: array.astype(np.float32),
}


@pytest.mark.parametrize("bad", BAD_ARRAYS.values(), ids=BAD_ARRAYS)
@pytest.mark.parametrize("name", [*ARRAYS, "X", "y", "noise_variance"])
def test_a_damaged_array_is_named(saved, tmp_path, name, bad):
    with np.load(saved) as file:
        array = bad(file[name])
    path = changed(saved, tmp_path / "bad.npz", **{name: array})
    if name not in ARRAYS and bad in (BAD_ARRAYS["integers"], BAD_ARRAYS["single precision"]):
        load(path) if array.all() else None  # data may be any numbers
        return
    with pytest.raises(
        ValueError, match=r"bad\.npz is (damaged|no solution).*\b(Sigma|eps|theta|mu|X|y|noise)"
    ):
        load(path)


BAD_HEADERS = {
    "no network": {"network": None},
    "no widths": {"network.widths": None},
    "widths in words": {"network.widths": ["many", "more"]},
    "one width too few": {"network.widths": [20.0]},
    "a layer too many": {"network.widths": [20.0, 20.0, 20.0]},
    "negative variance": {"network.weight_variances": [2.0, -1.0]},
    "unknown part": {"network.colour": "blue"},
    "unknown activation": {"network.activation": "swish"},
    "an activation without means": {"network.activation": "erf"},
    "a pixel that is not there": {"network.windows": [{"windows": [[0, 9]], "pools": [[0], [1]]}]},
    "a window of a million": {"network.windows": [{"windows": [[0, 10**12]], "pools": []}]},
    "unknown readout": {"network.readout": "sharp"},
    "unknown law": {"theory": "sharp"},
    "unknown status": {"status": "FINE"},
    "no status": {"status": None},
    "no blocks": {"layers": 0},
    "too many blocks": {"layers": 10**9},
    "blocks in words": {"layers": "all"},
    "residual in words": {"residual": "small"},
    "no residual": {"residual": None},
    "an integer beyond floats": {"gradients": 10**400},
    "terms are a number": {"parts": 3.0},
    "version in words": {"version": "three"},
    "no version": {"version": None},
    "another format": {"format": ["x"]},
}


@pytest.mark.parametrize("header", BAD_HEADERS.values(), ids=BAD_HEADERS)
def test_a_damaged_header_is_said_to_be_so(saved, tmp_path, header):
    path = changed(saved, tmp_path / "bad.npz", header)
    with pytest.raises(
        ValueError, match=r"bad\.npz is (damaged|no solution|'feature-eos solution' of|\"\['x)"
    ) as refused:
        load(path)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 500


@pytest.mark.parametrize("text", ["", "[]", "3", "null", '{"format"', pytest.param("[" * 100_000, id="[[[")])
def test_a_header_that_is_no_table_is_said_to_be_so(saved, tmp_path, text):
    with np.load(saved) as file:
        arrays = dict(file) | {"header": np.array(text)}
    np.savez(tmp_path / "bad.npz", **arrays)
    with pytest.raises(ValueError, match=r"bad\.npz is no solution"):
        load(tmp_path / "bad.npz")


def test_saving_into_a_folder_that_is_not_there_names_it(saved, tmp_path):
    sol = load(saved)
    with pytest.raises(
        FileNotFoundError, match=r"sol\.npz: the folder .*/missing does not exist; make it first"
    ):
        sol.save(tmp_path / "missing" / "sol.npz")
    with pytest.raises(IsADirectoryError, match="is a folder; give the name of a file in it"):
        sol.save(tmp_path)
    assert list(tmp_path.iterdir()) == []
