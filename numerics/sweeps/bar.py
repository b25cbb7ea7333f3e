"""A progress bar for `sweep(..., callback=)`."""

from __future__ import annotations

from typing import Any

from numerics.machine.bars import tqdm
from numerics.sweeps.door import SweepProgress


class SweepBar:
    """Shows tasks done, failed, and the time to go: `sweep(..., callback=SweepBar())`."""

    def __init__(self, **options: Any):
        self.options = {"unit": "task", "leave": False, **options}
        self._bar: Any = None

    def __call__(self, progress: SweepProgress) -> None:
        if self._bar is None:
            self._bar = tqdm(total=progress.total, initial=progress.done, **self.options)
        self._bar.update(progress.done - self._bar.n)
        if progress.failed:
            self._bar.set_postfix_str(f"{progress.failed} failed")
        if progress.done >= progress.total:
            self._bar.close()
            self._bar = None
