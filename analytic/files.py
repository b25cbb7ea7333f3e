"""Every file under numerics/_generated."""

from analytic.closures import CLOSURES, closure
from analytic.equation import derived
from analytic.expectations.activations import ACTIVATIONS
from analytic.generator.kernels import activation_module, numpy_module
from analytic.generator.printer import module
from analytic.generator.relu import relu_module
from analytic.generator.series import series_module
from analytic.one_over_n_module import one_over_n_module
from analytic.reduced_module import solver_module
from analytic.ridge_module import ridge_module

# Kernels over (variance, mean) of each unit: the ReLU, and what activations without a closed form share.
WITH_MEANS = ("relu", "series")


def registry_module() -> str:
    """numerics/_generated/__init__.py: the names, and import on demand."""
    body = f'''\
ACTIVATIONS = {tuple(ACTIVATIONS)!r}
WITH_MEANS = {WITH_MEANS!r}


def load(name: str) -> ModuleType:
    """The Numba kernels of one activation, or those of "series"; importing compiles nothing."""
    return import_module(f"numerics._generated.{{name}}") if name in WITH_MEANS else _load(name, "")


def load_numpy(name: str) -> ModuleType:
    """The same kernels on NumPy arrays, real or complex."""
    return _load(name, "_numpy")


def _load(name: str, suffix: str) -> ModuleType:
    if name not in ACTIVATIONS:
        raise ValueError(f"unknown activation {{name!r}}; available: {{', '.join(ACTIVATIONS)}}")
    return import_module(f"numerics._generated.{{name}}{{suffix}}")
'''
    title = "Which activations have generated kernels, loaded on demand."
    imports = "from importlib import import_module\nfrom types import ModuleType\n"
    return module(title, imports, body)


def solver_source(name: str) -> str:
    """numerics/_generated/reduced_<closure>.py."""
    write = {
        "equivalent_kernel": solver_module,
        "one_over_n": one_over_n_module,
        "ridge": ridge_module,
    }
    assumed = closure(name)
    return write[name](derived(name, "erf", assumed.includes_complexity))


def generated_files() -> dict[str, str]:
    """File name under numerics/_generated -> text, for everything that is committed there."""
    files = {"__init__.py": registry_module(), "relu.py": relu_module(), "series.py": series_module()}
    for name in ACTIVATIONS:
        files[f"{name}.py"] = activation_module(name)
        files[f"{name}_numpy.py"] = numpy_module(name)
    for name in CLOSURES:
        files[f"reduced_{name}.py"] = solver_source(name)
    return files
