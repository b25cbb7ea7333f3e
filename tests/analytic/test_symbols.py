"""Symbols are made in one file: two of one name and different assumptions are different objects to SymPy."""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2] / "analytic"
MAKERS = {"Symbol", "symbols", "Dummy", "Wild", "numbered_symbols", "PaperSymbol", "sympify", "parse_expr"}


def test_symbols_are_made_in_one_file():
    makers = {}
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            name = (
                getattr(node.func, "id", getattr(node.func, "attr", "")) if isinstance(node, ast.Call) else ""
            )
            if name in MAKERS:
                makers.setdefault(str(path.relative_to(ROOT)), set()).add(name)
    assert set(makers) == {"symbols.py"}
    assert makers["symbols.py"] == {"Symbol", "PaperSymbol", "numbered_symbols"}
