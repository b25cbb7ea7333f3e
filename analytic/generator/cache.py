"""Generated modules in the user's cache directory: compiled once, imported from a real file.

Numba caches only functions that live in a file; the file's name holds a hash of its text and of
the versions that compile it, and it is put in place by `os.replace`, so that two processes that
write it at the same time do no harm.
"""

import atexit
import hashlib
import importlib.util
import os
import shutil
import sys
import tempfile
from functools import cache
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

from platformdirs import user_cache_dir

PACKAGES = ("numba", "llvmlite", "numpy", "sympy")


def load_source(name: str, text: str) -> ModuleType:
    """The module with source `text`, written if it is not there yet."""
    versions = "".join(f"{package} {version(package)}\n" for package in PACKAGES) + sys.version
    digest = hashlib.sha256((versions + text).encode()).hexdigest()[:20]
    unique = f"{name}_{digest}"
    path = Path(user_cache_dir("feature-eos", appauthor=False)) / "generated" / f"{unique}.py"
    if not path.exists():
        try:
            _write(path, text)
        except OSError:  # no home, or one that cannot be written to: compiled anew by every process
            path = _temporary_folder() / path.name
            _write(path, text)
    qualified = f"feature_eos_generated_{unique}"
    if qualified in sys.modules:
        return sys.modules[qualified]
    spec = importlib.util.spec_from_file_location(qualified, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"cannot import {path}; delete it and try again")
    module = importlib.util.module_from_spec(spec)
    sys.modules[qualified] = module  # Numba looks here when it reads its cache
    spec.loader.exec_module(module)
    return module


@cache
def _temporary_folder() -> Path:
    folder = tempfile.mkdtemp(prefix="feature-eos-generated-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(temporary, path)
