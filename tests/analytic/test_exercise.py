"""Generated files run before they are written."""

import re

import pytest

from analytic.files import generated_files
from analytic.generator.exercise import Unusable, exercise


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("def f(a, b):\n    return a\n\ndef g(x):\n    return f(x)\n", "sin.py, g: TypeError"),
        ("def f(a):\n    return a.missing\n", "sin.py, f: AttributeError"),
        ("import numpy as np\ndef f(a):\n    return np.nan * a\n", "sin.py, f: ArithmeticError: not finite"),
        ("def activate(h, phi, dphi):\n    phi[h.size] = 0\n", "sin.py, activate: IndexError"),
        ("from math import nothing\n", "sin.py, import: ImportError"),
        ("from numba import njit\n@njit\ndef f(a):\n    return 1 / (a - a)\n", "sin.py, f: ZeroDivision"),
    ],
)
def test_a_file_that_does_not_run_is_found_before_it_is_written(text, complaint):
    with pytest.raises(Unusable, match=complaint):
        exercise({"sin.py": text})


def test_every_function_of_a_generated_file_is_called(monkeypatch):
    """Each is made to fail once."""
    files = generated_files()
    for name in ("sin.py", "relu.py", "series.py", "gelu.py", "linear_numpy.py"):
        functions = re.findall(r"^def (\w+)", files[name], re.MULTILINE)
        assert functions
        for function_name in functions:
            broken = re.sub(
                rf"(def {function_name}\([^)]*\):\n(    \"\"\"(?:.|\n)*?\"\"\"\n)?)",
                r"\1    raise KeyError\n",
                files[name],
            )
            with pytest.raises(Unusable, match="KeyError"):
                exercise({name: broken})
