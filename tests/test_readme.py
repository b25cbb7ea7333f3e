"""What README and pages show as Python runs, page by page from top to bottom, and prints what they say."""

import contextlib
import io
import re
from pathlib import Path

import pytest

import feature_eos as eos

ROOT = Path(__file__).parent.parent
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "docs/api").glob("*.md")))
BLOCK = re.compile(r"```python\n(?P<code>.*?)```\n(?:\n```text\n(?P<printed>.*?)```)?", re.DOTALL)
LANDING = ROOT / "docs" / "index.md"  # five lines on an X and a y of the reader's own


def blocks(page):
    return [(match["code"], match["printed"]) for match in BLOCK.finditer(page.read_text())]


def run(page):
    """Namespace and all that is printed; what a page claims is compared block by block."""
    namespace, printed = {}, []
    for code, claimed in blocks(page):
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            exec(compile(code, str(page), "exec"), namespace)
        if claimed is not None:
            assert output.getvalue() == claimed
        printed.append(output.getvalue())
    return namespace, "".join(printed)


@pytest.mark.parametrize(
    "page", [page for page in PAGES if blocks(page) and page != LANDING], ids=lambda page: page.stem
)
def test_the_examples_of_a_page_run_and_print_what_it_shows(page):
    run(page)


def test_every_public_name_has_an_example_on_its_page():
    shown = "".join(code for page in PAGES if page.parent.name == "api" for code, _ in blocks(page))
    names = [name for name in eos.__all__ if name != "__version__"]
    assert len(names) > 90
    assert [name for name in names if not re.search(rf"\beos\.{name}\b", shown)] == []


def test_the_readme_shows_what_its_example_prints():
    ((_, printed),) = blocks(ROOT / "README.md")
    assert printed.startswith("alpha 0.61067, first order 0.57664, C = inf 0.76019\n")


def test_the_landing_page_s_lines_run_on_the_arrays_of_a_reader():
    import numpy as np

    rng = np.random.default_rng(0)
    X, X_test = rng.standard_normal((30, 5)), rng.standard_normal((3, 5))
    ((code, _),) = blocks(LANDING)
    namespace = {"X": X, "y": np.tanh(X[:, 0]), "X_test": X_test}
    with contextlib.redirect_stdout(io.StringIO()) as output:
        exec(compile(code, str(LANDING), "exec"), namespace)
    assert "converged" in output.getvalue()
    assert namespace["std"].shape == (3,)


def test_the_scalar_page_derives_the_physical_root_and_its_branch_point():
    namespace, printed = run(ROOT / "docs" / "scalar.md")
    # the physical root of the cubic at n = 1600, C = 640, and the branch point on its sheet
    assert "0.3897760392" in printed
    assert "-3658.27" in printed
    residual, slope = namespace["f"](0.38977603926, 1600, 640)[:2]
    assert abs(residual) < 1e-9 * abs(slope)
    # its Sigma has the scalar theory's variance along w*, so alpha is near the solved one but not it
    assert 0 < abs(namespace["hybrid"].alpha / 0.6106718375 - 1) < 0.1


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().split()) < 1000


def test_troubleshooting_knows_every_status():
    from numerics.solving.outcome import Status

    text = (ROOT / "docs" / "troubleshooting.md").read_text()
    assert [status.name for status in Status if f"| `{status.name}` |" not in text] == []


def test_every_file_that_readme_and_pages_link_to_is_there():
    broken = []
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text()):
            if not target.startswith("http") and not (page.parent / target).exists():
                broken.append((page.name, target))
    assert broken == []
