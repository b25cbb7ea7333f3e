"""Files of arrays: what is none is named for what it is; targets are checked before, written whole or not."""

import numpy as np
import pytest

from numerics import plots
from numerics.machine import files


def test_targets_are_checked_before_the_work(tmp_path):
    assert files.usable_target(tmp_path / "a.npz", (".npz",)) == tmp_path / "a.npz"
    assert files.usable_target(tmp_path / "a.PNG", (".png", ".pdf"))
    with pytest.raises(ValueError, match=r"a\.txt: must end in \.png or \.pdf"):
        files.usable_target(tmp_path / "a.txt", (".png", ".pdf"))
    with pytest.raises(ValueError, match=r"the folder .*none does not exist; make it first"):
        files.usable_target(tmp_path / "none" / "a.npz")
    with pytest.raises(ValueError, match="cannot be written"):
        files.usable_target(tmp_path)


def test_a_missing_folder_is_named_and_nothing_is_left(tmp_path):
    pytest.importorskip("matplotlib")
    figure = plots.new((1.0, 1.0))
    with pytest.raises(FileNotFoundError, match=r"p\.png: the folder .*none does not exist; make it first"):
        plots.save(figure, tmp_path / "none" / "p.png")
    with pytest.raises(ValueError, match="xyz"):
        plots.save(figure, tmp_path / "p.xyz")
    assert list(tmp_path.iterdir()) == []


def test_what_fails_in_writing_leaves_the_old_file(tmp_path):
    (tmp_path / "a").write_text("old")

    def fail(file):
        file.write(b"new")
        raise RuntimeError("a full disk")

    with pytest.raises(RuntimeError):
        files.write_atomically(tmp_path / "a", fail)
    assert (tmp_path / "a").read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("moment", ["created", "replace"])
def test_an_interrupt_as_the_file_appears_leaves_the_old_one_alone(tmp_path, monkeypatch, moment):
    (tmp_path / "a").write_text("old")

    def interrupted(unfinished, _):
        unfinished.touch()
        raise KeyboardInterrupt

    monkeypatch.setattr(*((files, "_created") if moment == "created" else (files.os, "replace")), interrupted)
    with pytest.raises(KeyboardInterrupt):
        files.write_atomically(tmp_path / "a", lambda file: file.write(b"new"))
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


def test_only_what_is_wanted_is_read(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, X=np.ones(3), objects=np.array([None]))
    assert files.array_names(path) == ["X", "objects"]
    assert list(files.read_arrays(path, ("X", "y"))) == ["X"]
    with pytest.raises(ValueError, match=r"a\.npz holds Python objects; save numbers"):
        files.read_arrays(path)


def test_an_array_in_place_of_an_archive_and_the_other_way_round(tmp_path):
    np.save(tmp_path / "a.npy", np.ones(3))
    np.savez(tmp_path / "a.npz", X=np.ones(3))
    np.testing.assert_array_equal(files.read_array(tmp_path / "a.npy"), np.ones(3))
    with pytest.raises(ValueError, match=r"a\.npy is an \.npy of one array, not an \.npz of arrays"):
        files.read_arrays(tmp_path / "a.npy")
    with pytest.raises(ValueError, match=r"a\.npz is an \.npz of arrays, not an \.npy of one array"):
        files.read_array(tmp_path / "a.npz")
    with pytest.raises(FileNotFoundError):
        files.read_array(tmp_path / "none.npy")


@pytest.mark.parametrize("kept", [1, 6, 20, 200])
def test_half_an_archive_is_damaged_and_is_closed(tmp_path, kept):
    np.savez(tmp_path / "a.npz", X=np.arange(100.0))
    content = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "a.npz").write_bytes(content[:kept])
    with pytest.raises(ValueError, match=r"a\.npz is (damaged|something else)"):  # an open file would warn
        files.read_arrays(tmp_path / "a.npz")


def test_a_header_that_promises_too_much_is_said_to(tmp_path):
    np.save(tmp_path / "a.npy", np.ones(3))
    shape = b"(30000000000000,), }"
    content = (tmp_path / "a.npy").read_bytes().replace(b"(3,), }".ljust(len(shape)), shape)
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.npy is damaged"):
        files.read_array(tmp_path / "a.npy")
