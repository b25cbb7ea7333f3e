"""What the numbers below were measured with."""

import os
import platform
from importlib.metadata import version

import numpy.linalg  # noqa: F401  (their BLAS must be loaded)
import scipy.linalg  # noqa: F401
from threadpoolctl import threadpool_info

PACKAGES = ("numpy", "scipy", "numba", "sympy")


def main():
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    print(f"Python {platform.python_version()} on {machine}")
    print(", ".join(f"{name} {version(name)}" for name in PACKAGES))
    for library in threadpool_info():
        what = f"{library['internal_api']} {library['version']} ({library['prefix']})"
        print(f"{what}, {library.get('architecture', '')}, {library['num_threads']} threads")


if __name__ == "__main__":
    main()
