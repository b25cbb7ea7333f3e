"""Feature learning in finite-width networks: equations of state, derived, solved and compared.

`import feature_eos as eos` gives everything that `numerics` and `analytic` offer; SymPy is imported when a
name of `analytic` is first asked for.
"""

from importlib import import_module
from importlib.metadata import version
from typing import Any

import numerics
from numerics import *  # noqa: F403

__version__ = version("feature-eos")

ANALYTIC = (
    "Breakdown",
    "Certificate",
    "Expectation",
    "FanInEquation",
    "FanInState",
    "FinitePatch",
    "Own",
    "ReducedEquation",
    "activation",
    "breakdown",
    "certify",
    "certify_cubic",
    "expectation",
    "finite_patch",
    "reduced_equation",
)

__all__ = ["__version__", *sorted({*numerics.__all__, *ANALYTIC})]


def __getattr__(name: str) -> Any:
    if name in ANALYTIC:
        return getattr(import_module("analytic"), name)
    raise AttributeError(f"module 'feature_eos' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
