"""Small .npz files of results that grow row by row and say how they were made."""

import json
import platform
import time
from importlib.metadata import version

import numpy as np

from numerics.machine.files import write_atomically


class Recording:
    """An .npz with one array per quantity, first axis one entry per row, and a JSON text `provenance`.

    A file that exists is gone on with, if it was made in the same way.
    """

    def __init__(self, path, **how):
        self.path = path
        self.columns = {}
        self.provenance = json.loads(json.dumps(how))  # as it will be read back
        if path.exists():
            with np.load(path) as file:
                self.columns = {name: list(file[name]) for name in file.files if name != "provenance"}
                known = json.loads(str(file["provenance"]))
            if {key: known.get(key) for key in self.provenance} != self.provenance:
                raise SystemExit(f"{path} was made in another way; move it aside to make it again")

    @property
    def rows(self):
        return len(next(iter(self.columns.values()), []))

    def append(self, row):
        """Add a row and replace the file in one step."""
        for name, value in row.items():
            self.columns.setdefault(name, []).append(np.asarray(value))
        provenance = self.provenance | {
            "date": time.strftime("%Y-%m-%d", time.gmtime()),
            "python": platform.python_version(),
            "versions": {name: version(name) for name in ("numpy", "scipy", "numba")},
        }
        text = json.dumps(provenance, indent=1)
        write_atomically(self.path, lambda file: np.savez_compressed(file, provenance=text, **self.columns))
