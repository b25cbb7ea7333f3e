"""Every notebook runs from top to bottom; its last cell asserts the numbers it claims."""

from pathlib import Path

import jupytext
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
