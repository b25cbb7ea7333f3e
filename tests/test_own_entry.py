"""A new activation is one entry of analytic/expectations/activations.py: each kind, in a copy of the tree."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
REGISTRY = Path("analytic", "expectations", "activations.py")

ENTRIES = """
        "sin2": Activation(sin(2 * h), G=exp(-2 * (K11 + K22)) * sinh(4 * K12)),
        "cas": Activation(
            cos(h) + sin(h),
            G=exp(K12 - (K11 + K22) / 2) * cos(m1 - m2) + exp(-K12 - (K11 + K22) / 2) * sin(m1 + m2),
        ),
        "arctan": Activation(atan(h)),
    }
"""

# Each against the same function given by a user, whose kernels are the series of numerics/hermite.py.
SCRIPT = """
import numpy as np
from numerics import ACTIVATIONS, cnn, fcn, solve
from numerics.activations import named, quadrature

assert ACTIVATIONS[-3:] == ("sin2", "cas", "arctan")
OWN = {
    "sin2": (lambda h: np.sin(2 * h), lambda h: 2 * np.cos(2 * h)),
    "cas": (lambda h: np.cos(h) + np.sin(h), lambda h: np.cos(h) - np.sin(h)),
    "arctan": (np.arctan, lambda h: 1 / (1 + h * h)),
}
rng = np.random.default_rng(3)
X = rng.standard_normal((16, 2, 3))
y = np.einsum("nps,s->n", X, [0.8, -0.4, 0.3])
h = np.linspace(-3, 3, 13)
for name, (phi, dphi) in OWN.items():
    own = quadrature("own " + name, phi, dphi)
    assert named(name).odd == own.odd == (name != "cas")
    np.testing.assert_allclose(named(name).phi(h), phi(h), rtol=1e-15, atol=1e-16)
    np.testing.assert_allclose(named(name).activate(h)[1], dphi(h), rtol=1e-15, atol=1e-15)
    two, three = (
        [solve(make(activation), data, y, 0.1, tol=1e-12) for activation in (name, own)]
        for make, data in (
            (lambda phi: cnn(8.0, 0.4, 1.5, phi), X),
            (lambda phi: fcn((20, 15), (0.4, 0.6), 1.5, activation=phi), X.reshape(16, -1)),
        )
    )
    for one, other in (two, three):
        assert one.residual <= 1e-12
        np.testing.assert_allclose(one.alpha, other.alpha, rtol=1e-10)
        np.testing.assert_allclose(one.Sigma, other.Sigma, atol=1e-10 * abs(other.Sigma).max())
        assert abs(one.alpha / one.gp.alpha - 1) > 1e-3
        np.testing.assert_allclose(one.stability, other.stability, rtol=1e-8)
        assert one.weight_mean.any() == (name == "cas")
    print(name, "agrees")
"""


@pytest.fixture
def tree(tmp_path):
    for name in ("analytic", "numerics"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def add(tree, entries):
    registry = tree / REGISTRY
    text = registry.read_text()
    start, end = text.rsplit("    }\n)", 1) if "    }\n)" in text else pytest.fail("the registry has moved")
    text = f"{start.rstrip()}{entries.rstrip()}\n){end}"
    registry.write_text(text.replace("from sympy import (", "from sympy import (atan, cos, cosh, "))


def run(tree, *arguments):
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": str(tree)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_one_entry_of_each_kind_is_solved_with(tree):
    before = {path: path.read_text() for path in tree.rglob("*.py")}
    add(tree, ENTRIES)
    written = run(tree, "-m", "analytic")
    assert written.returncode == 0, written.stderr
    changed = {path.relative_to(tree) for path, text in before.items() if path.read_text() != text}
    assert changed == {REGISTRY, Path("numerics", "_generated", "__init__.py")}
    done = run(tree, "-c", SCRIPT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[:-1] == [f"{name} agrees" for name in ("sin2", "cas", "arctan")]


@pytest.mark.parametrize(
    ("entry", "complaint"),
    [
        ("Activation(sin(2 * h), G=exp(-2 * (K11 + K22)) * sinh(4 * K12) / 2)", "the given G is"),
        ("Activation(cos(h), G=exp(-(K11 + K22) / 2) * cosh(K12))", "is not odd: its units have means"),
        ("Activation(atan(h) + besselj(1, h))", "nothing provides besselj"),
        ('Activation(Max(h, h / 10), emitter="leaky")', "emitter 'leaky' is none of derived, given"),
    ],
    ids=["half", "no means", "unknown function", "unknown emitter"],
)
def test_a_wrong_entry_is_refused_and_nothing_is_written(tree, entry, complaint):
    add(tree, f'\n        "wrong": {entry},\n    }}\n')
    registry = tree / REGISTRY
    registry.write_text(registry.read_text().replace("import (atan,", "import (atan, besselj,"))
    before = {path: path.read_text() for path in (tree / "numerics").rglob("*.py")}
    refused = run(tree, "-m", "analytic")
    assert refused.returncode == 1
    assert complaint in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    assert {path: path.read_text() for path in (tree / "numerics").rglob("*.py")} == before
