"""Every file under numerics/_generated."""

from analytic.emit import scalar_files
from analytic.expectations.activations import ACTIVATIONS
from analytic.generator.gelu import gelu_file
from analytic.generator.kernels import CLOSED, closed_form_file, numpy_file
from analytic.generator.means import given_file
from analytic.generator.printer import module
from analytic.generator.relu import relu_file
from analytic.generator.series import series_file, shared_series_file
from analytic.generator.tanh import tanh_file

# The file of an activation, by where its kernel comes from (`Activation.kernel`).
EMITTERS = {
    "derived": closed_form_file,
    "given": closed_form_file,
    "given with means": given_file,
    "series": series_file,
    "relu": relu_file,
    "tanh": tanh_file,
    "gelu": gelu_file,
}
BY_SERIES = ("series", "tanh", "gelu")


def registry_file() -> str:
    """numerics/_generated/__init__.py: the activations, and import on demand."""
    entries = "".join(f"    {name!r}: {_built_in(name)},\n" for name in ACTIVATIONS)
    body = f'''\
class BuiltIn(NamedTuple):
    """What is generated of one activation."""

    odd: bool
    loops: str  # the file of its kernels
    with_means: bool  # which take (variance, mean) of each unit instead of the variance
    series: bool  # they are Mehler's series, at least where it is short


ACTIVATIONS = {{
{entries}}}
# Those whose kernels are functions of variances alone: theirs have a complex form in their file for NumPy.
HOLOMORPHIC = tuple(name for name, entry in ACTIVATIONS.items() if not entry.with_means)


def load(name: str) -> ModuleType:
    """The Numba file of one activation, or that of "series"; importing compiles nothing."""
    return import_module(f"numerics._generated.{{name}}") if name == "series" else _load(name, "")


def load_numpy(name: str) -> ModuleType:
    """The forward map, and kernels at zero means, on NumPy arrays, real or complex."""
    return _load(name, "_numpy")


def _load(name: str, suffix: str) -> ModuleType:
    if name not in ACTIVATIONS:
        raise ValueError(f"unknown activation {{name!r}}; available: {{', '.join(ACTIVATIONS)}}")
    return import_module(f"numerics._generated.{{name}}{{suffix}}")
'''
    title = "Which activations are built in; their files are loaded on demand."
    imports = (
        "from importlib import import_module\nfrom types import ModuleType\nfrom typing import NamedTuple\n"
    )
    return module(title, imports, body)


def _built_in(name: str) -> str:
    entry = ACTIVATIONS[name]
    loops = "series" if entry.kernel == "series" else name
    return f"BuiltIn({entry.odd}, {loops!r}, {entry.kernel not in CLOSED}, {entry.kernel in BY_SERIES})"


def generated_files() -> dict[str, str]:
    """File name under numerics/_generated -> text, for everything that is committed there."""
    files = {"__init__.py": registry_file(), "series.py": shared_series_file()}
    for name, entry in ACTIVATIONS.items():
        if entry.kernel not in EMITTERS:
            raise ValueError(f"{name!r}: emitter {entry.kernel!r} is none of {', '.join(EMITTERS)}")
        files[f"{name}.py"] = EMITTERS[entry.kernel](name)
        files[f"{name}_numpy.py"] = numpy_file(name)
    return files | scalar_files()
