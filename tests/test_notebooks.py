"""Every notebook runs from top to bottom; its last cell asserts the numbers it claims."""

import json
from pathlib import Path

import jupytext
import numpy as np
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.py"))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the Jupyter machinery's own
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs_and_its_claims_hold(path):
    notebook = jupytext.read(path)
    assert "assert" in notebook.cells[-1].source, "the last cell must assert what the notebook claims"
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
