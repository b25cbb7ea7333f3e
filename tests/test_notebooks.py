"""Every notebook ends with a cell that asserts the numbers it claims, and runs from top to bottom.

The documentation build of `make test` runs them all, an error in a cell being an error of the build, so that
running them here too is left to `make notebooks`.
"""

import json
from pathlib import Path

import jupytext
import numpy as np
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.py"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_last_cell_asserts_what_the_notebook_claims(path):
    assert "assert" in jupytext.read(path).cells[-1].source


@pytest.mark.notebooks
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the Jupyter machinery's own
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs_and_its_claims_hold(path):
    notebook = jupytext.read(path)
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(path.parent)}}).execute()


def test_there_are_notebooks():
    assert NOTEBOOKS


def test_a_recording_grows_row_by_row_and_goes_on_if_it_was_made_in_the_same_way(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(NOTEBOOKS[0].parent / "data")
    from recording import Recording

    path = tmp_path / "results.npz"
    for k in range(3):
        record = Recording(path, size=(2, 3), noise=0.1)
        assert record.rows == k
        record.append({"alpha": 1.5 * k, "spectrum": [k, 2 * k]})
    with np.load(path) as file:
        np.testing.assert_array_equal(file["alpha"], [0, 1.5, 3])
        np.testing.assert_array_equal(file["spectrum"], [[0, 0], [1, 2], [2, 4]])
        provenance = json.loads(str(file["provenance"]))
    assert provenance["size"] == [2, 3]
    assert set(provenance["versions"]) == {"numpy", "scipy", "numba"}
    assert [entry.name for entry in tmp_path.iterdir()] == ["results.npz"]
    with pytest.raises(SystemExit, match="made in another way"):
        Recording(path, size=(2, 4), noise=0.1)
