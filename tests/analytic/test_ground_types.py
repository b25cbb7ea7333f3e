"""SymPy computes with Python's integers or, if python-flint is there, with FLINT's: the same results."""

import os
import subprocess
import sys

import pytest

REPORT = """
from sympy.external.gmpy import GROUND_TYPES
from analytic import reduced_equation
from analytic.__main__ import main

print(GROUND_TYPES)
assert main(["--check"]) == 0
for closure in ("equivalent_kernel", "one_over_n", "ridge"):
    eq = reduced_equation(closure, include_complexity=False if closure == "ridge" else None)
    print(eq.equation, eq.limits())
    for root in eq.roots(n=1600, C=640):
        print(root.value, root.interval, root.physical, root.why)
    print(eq.series(3, n=1600))
    if closure == "equivalent_kernel":
        print(eq.discriminant(), [(point.C, point.physical) for point in eq.branch_points(n=1600)])
"""


def report(ground_types):
    environment = {**os.environ, "SYMPY_GROUND_TYPES": ground_types}
    done = subprocess.run(
        [sys.executable, "-c", REPORT], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    used, *lines = done.stdout.splitlines()
    return used, lines


def test_generated_files_and_results_do_not_depend_on_the_ground_types():
    pytest.importorskip("flint")
    (first, lines), (second, others) = report("python"), report("flint")
    assert (first, second) == ("python", "flint")
    assert len(lines) > 10
    assert lines == others
