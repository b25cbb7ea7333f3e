"""What a test must notice: mutations stand on their witnesses (`make mutate`)."""

from __future__ import annotations

import pytest


def breaks(file: str, old: str, new: str, what: str, case: str | None = None) -> pytest.MarkDecorator:
    """The decorated test fails when `old`, which occurs once in `file`, becomes `new`.

    A witness shares nothing with the mutated line: a derivative by differences, a dense oracle, an exact
    symmetry, a network solved by hand. Neither drift of generated files nor golden numbers serve.

    Parameters
    ----------
    what : str
        The mutation in words.
    case : str, optional
        Of a test with parameters, the identifier of the one case that notices.
    """
    return pytest.mark.mutant(file, old, new, what, case)
