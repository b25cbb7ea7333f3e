"""The README's example prints what the README says."""

import contextlib
import io
import re
from pathlib import Path

README = Path(__file__).parent.parent / "README.md"


def test_the_ten_line_example_prints_what_the_readme_shows():
    example, printed = re.search(
        r"## Ten lines\n\n```python\n(.*?)```\n\n```text\n(.*?)```", README.read_text(), re.DOTALL
    ).groups()
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        exec(compile(example, "README.md", "exec"), {})
    assert output.getvalue() == printed


def test_the_second_example_runs():
    example = re.search(
        r"```python\n(from analytic import reduced_equation.*?)```", README.read_text(), re.DOTALL
    )[1]
    output = io.StringIO()
    namespace = {}
    with contextlib.redirect_stdout(output):
        exec(compile(example, "README.md", "exec"), namespace)
    # the physical root of the cubic at n = 1600, C = 640, and the branch point on its sheet
    assert "0.3897760392" in output.getvalue()
    assert "-3658.27" in output.getvalue()
    residual, slope = namespace["f"](0.38977603926, 1600, 640)[:2]
    assert abs(residual) < 1e-9 * abs(slope)


def test_the_hybrid_example_runs_on_the_data_of_the_first():
    text = README.read_text()
    first = re.search(r"## Ten lines\n\n```python\n(.*?)```", text, re.DOTALL)[1]
    hybrid = re.search(r"```python\n(from numerics import cnn, from_sigma, reduced.*?)```", text, re.DOTALL)[
        1
    ]
    namespace = {}
    with contextlib.redirect_stdout(io.StringIO()):
        exec(compile(first + hybrid, "README.md", "exec"), namespace)
    # its Sigma has the scalar theory's variance along w*, so alpha is near the solved one but not it
    assert 0 < abs(namespace["hybrid"].alpha / namespace["sol"].alpha - 1) < 0.1
