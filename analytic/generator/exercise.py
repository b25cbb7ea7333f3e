"""Generated files run once, before they are written: imported, and every function of an activation's called.

As plain Python, which takes a moment where compiling takes a minute. What is wrong in a printed expression
(a name, a number of arguments, a shape, a nan) shows here and not at a user's first call. The scalar theory's
files are imported only: their tests call all of them.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

import numpy as np

ROWS, COLUMNS, PIXELS, CHANNELS, TERMS = 3, 4, 2, 2, 4
ORDERS = 15  # derivatives that `moments` makes at most


class Unusable(RuntimeError):
    """A generated file does not run."""


def exercise(files: Mapping[str, str]) -> None:
    """Raise Unusable, with the file and the function, unless all of them run and give finite numbers."""
    with TemporaryDirectory() as folder, _interpreted():
        for name, text in files.items():
            path = Path(folder, name)
            path.write_text(text, encoding="utf-8")
            called = "import"
            try:
                module = _imported(path)
                for function, arguments in _calls(module):
                    called = function.__name__
                    with np.errstate(all="raise"):
                        _check_finite(function(*arguments), arguments)
            except Exception as error:
                raise Unusable(f"{name}, {called}: {type(error).__name__}: {error}") from error


@contextmanager
def _interpreted() -> Iterator[None]:
    """Functions decorated by Numba in here stay Python's."""
    from numba import config  # here: a second of `import analytic` otherwise

    compiled, config.DISABLE_JIT = config.DISABLE_JIT, True
    try:
        yield
    finally:
        config.DISABLE_JIT = compiled


def _imported(path: Path) -> ModuleType:
    spec = spec_from_file_location(f"exercised_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _calls(module: ModuleType) -> Iterator[tuple[Callable[..., Any], tuple[Any, ...]]]:
    """Every function that a file of an activation defines, with arguments for it."""
    stem = module.__name__.removeprefix("exercised_")
    if stem == "__init__" or stem.startswith("reduced_"):
        return
    special = {**_loops(module), **_arrays()} if stem.endswith("_numpy") else _loops(module)
    for name, function in vars(module).items():
        if inspect.isfunction(function) and function.__module__ == module.__name__:
            scalars = (0.3,) * len(inspect.signature(function).parameters)
            yield function, special.get(name, scalars)


def _arrays() -> dict[str, tuple[Any, ...]]:
    K, D = np.full((ROWS, COLUMNS), 0.3), np.full((ROWS, 1), 0.4)
    return {"phi": (K,), "dphi": (K,), "statistic": (D,), "value": (K, D, D), "first": (K, D, D)}


def _loops(module: ModuleType) -> dict[str, tuple[Any, ...]]:
    """Arguments of the functions in analytic/templates."""
    with_means = hasattr(module, "moments")
    wide = getattr(module, "WIDE", 0)  # rows beside those of the series
    per_datum = (getattr(module, "STATISTICS", 1 + 2 * TERMS + wide),) if with_means else ()
    moved = (2,) if with_means else ()  # variance and mean

    def full(*shape: int) -> Any:
        return np.full(shape, 0.3)

    def tile() -> Any:
        return full(ROWS, COLUMNS)

    def sides(shape: tuple[int, ...]) -> tuple[Any, Any]:
        return full(*shape, ROWS), full(*shape, COLUMNS)

    def inputs() -> Any:
        return full(PIXELS, COLUMNS, CHANNELS)

    D, moving = full(PIXELS, *per_datum, COLUMNS), full(PIXELS, *moved, COLUMNS)
    where = np.array([[0, 1]]), (0, ROWS), (0, COLUMNS)
    ends = full(ROWS, CHANNELS), full(PIXELS, *moved, COLUMNS), inputs()  # part, diagonal, W
    loops = {
        "statistics": (
            *(full(COLUMNS) for _ in (1, *moved)),
            full(wide, COLUMNS) if wide else full(*per_datum, COLUMNS),
        ),
        "add_value": (tile(), *sides(per_datum), tile()),
        "adjoint": (tile(), *sides(per_datum), tile(), *sides(moved)),
        "add_tangent": (tile(), tile(), *sides(per_datum), *sides(moved), tile()),
        "adjoint_tangent": (
            *(tile(), tile(), *sides(per_datum), *sides(moved)),
            *(tile(), tile(), *sides(moved)),
        ),
        "add_values": (inputs(), inputs(), *where, D, D, tile(), tile()),
        "adjoints": (inputs(), inputs(), *where, D, tile(), tile(), *ends),
        "add_tangents": (inputs(), inputs(), inputs(), *where, D, moving, tile(), tile(), tile()),
        "adjoint_tangents": (
            *(inputs(), inputs(), inputs(), *where, D, moving),
            *(tile(), tile(), tile(), tile(), *ends),
        ),
        "add_to": (tile(), tile()),
        "activate": (full(COLUMNS), full(COLUMNS), full(COLUMNS)),
        "activate_single": tuple(full(COLUMNS).astype(np.float32) for _ in range(3)),
    }
    if with_means:
        side = module.expand(full(*per_datum, COLUMNS), 4)
        loops["expand"] = (full(*per_datum, COLUMNS), 4)
        loops["moments"] = (full(COLUMNS), side, 0, side, full(ORDERS, COLUMNS))
    if hasattr(module, "series_sums"):
        side = module.series_side(full(1 + 2 * TERMS, COLUMNS), 4)
        loops["series_side"] = (full(1 + 2 * TERMS, COLUMNS), 4)
        loops["series_sums"] = (full(COLUMNS), side, 0, side, full(ORDERS, COLUMNS))
        loops["wide_moments"] = (
            full(COLUMNS),
            full(wide, ROWS),
            0,
            full(wide, COLUMNS),
            full(ORDERS, COLUMNS),
        )
    return loops


def _check_finite(results: Any, arguments: tuple[Any, ...]) -> None:
    """What a function returns and what it fills."""
    for values in (*(results if isinstance(results, tuple) else (results,)), *arguments):
        if isinstance(values, float | np.ndarray) and not np.isfinite(values).all():
            raise ArithmeticError("not finite")
