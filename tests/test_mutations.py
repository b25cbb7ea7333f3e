"""Mutations fit the code that they break: `make mutate` takes an hour, and one that rotted would stop it."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def test_what_a_mutation_replaces_occurs_once(request):
    """Of all tests that were collected with this one."""
    marks = {mark.args for item in request.session.items for mark in item.iter_markers("mutant")}
    if not marks:
        pytest.skip("no test with a mutation was collected")
    texts = {file: (ROOT / file).read_text(encoding="utf-8") for file, *_ in marks}
    rotten = [what for file, old, _, what, _ in marks if texts[file].count(old) != 1]
    assert not rotten
