"""Generated code of the reduced theory: a solver per closure, what they agree on, compiled residuals."""

from importlib import import_module

from analytic.emit.fan_in import fan_in_source
from analytic.emit.residual import compile_residual
from analytic.emit.shared import shared_module
from analytic.scalar.closures import CLOSURES, closure
from analytic.scalar.equation import derived


def solver_source(name: str) -> str:
    """numerics/_generated/reduced_<closure>.py, written by the file here that is called like the closure."""
    equation = derived(name, "erf", closure(name).includes_complexity)
    return str(import_module(f"analytic.emit.{name}").solver(equation))


def scalar_files() -> dict[str, str]:
    """File name under numerics/_generated -> text, for all of the reduced theory."""
    solvers = {f"reduced_{name}.py": solver_source(name) for name in CLOSURES}
    return {"reduced.py": shared_module(), "reduced_fan_in.py": fan_in_source()} | solvers


__all__ = ["compile_residual", "fan_in_source", "scalar_files", "solver_source"]
