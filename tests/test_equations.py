"""docs/equations.md: each equation that the sources quote has a row; its code imports, its tests exist."""

import ast
import re
from importlib import import_module
from operator import attrgetter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "equations.md"
SOURCES = [
    path
    for folder in ("analytic", "benchmarks", "docs", "feature_eos", "notebooks", "numerics", "tests")
    for path in sorted((ROOT / folder).rglob("*"))
    if path.suffix in (".md", ".py") and not {"_build", "jupyter_execute"} & set(path.parts)
] + [ROOT / "README.md", ROOT / "CHANGELOG.md"]
# "Eq. (5), (8) and (13)" quotes three equations
QUOTED = re.compile(r"Eq\. (\(\d+\)(?:(?:,| and| or| to) \(\d+\))*)")


def rows():
    """Number of the equation to the cells of its row."""
    found = re.findall(r"^\| Eq\. \((\d+)\) \|(.*)\|$", PAGE.read_text(), re.MULTILINE)
    assert len(dict(found)) == len(found)
    return {int(number): [cell.strip() for cell in cells.split(" | ")] for number, cells in found}


def quoted(path):
    text = path.read_text()
    if path == PAGE:  # its second half says what has no row
        text = text.split("\n::::\n")[0]
    return {int(n) for numbers in QUOTED.findall(text) for n in re.findall(r"\d+", numbers)}


def symbols():
    return [name for _, code, _ in rows().values() for name in re.findall(r"`([^`]+)`", code)]


def witnesses():
    return sorted({name for _, _, tests in rows().values() for name in re.findall(r"`([^`]+)`", tests)})


def test_every_equation_that_is_quoted_has_a_row_and_every_row_is_quoted():
    everywhere = set().union(*(quoted(path) for path in SOURCES if path != PAGE))
    assert everywhere == set(rows())


def test_every_row_has_code_and_a_test():
    for number, (_, code, tests) in rows().items():
        assert "`" in code, number
        assert "`" in tests, number


@pytest.mark.parametrize("symbol", sorted(set(symbols())))
def test_code_is_where_the_table_says(symbol):
    module, _, name = symbol.partition(":")
    assert attrgetter(name)(import_module(module)) is not None


@pytest.mark.parametrize("witness", witnesses())
def test_the_table_s_tests_exist(witness):
    path, name = witness.split("::")
    tree = ast.parse((ROOT / path).read_text())
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_equations_are_spelled_in_one_way(path):
    assert re.findall(r"\bEqs?\.?~? ?\d+|\bEq \(|\bEqs\.|[Ee]quation \d", path.read_text()) == []
