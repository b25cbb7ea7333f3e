"""A progress bar for `sample(..., callback=)`."""

from __future__ import annotations

from typing import Any

from numerics.machine.bars import tqdm
from numerics.sampling import diagnostics
from numerics.sampling.records import ALPHA
from numerics.sampling.run import Progress


class ProgressBar:
    """Shows the phase, draws so far, effective draws of alpha, and the time to go.

    `progress_bar = ProgressBar()` is ready-made: `sample(..., callback=progress_bar)`.
    """

    def __init__(self, **options: Any):
        self.name = options.pop("desc", "")
        self.options = {"leave": False, "unit": "", **options}
        self._bar: Any = None
        self._phase = ""

    def __call__(self, progress: Progress) -> None:
        if progress.phase != self._phase or self._bar is None:
            self._close()
            self._phase = progress.phase
            self._bar = tqdm(
                total=progress.total, desc=f"{self.name} {progress.phase}".strip(), **self.options
            )
        self._bar.total = progress.total  # of Langevin dynamics it grows when the rate is reduced
        self._bar.update(progress.done - self._bar.n)
        alpha = progress.series.get(ALPHA)
        if alpha is not None and alpha.shape[1] >= diagnostics.FEWEST_DRAWS:
            self._bar.set_postfix_str(f"effective draws of alpha {diagnostics.ess_bulk(alpha):.0f}")
        if progress.done >= progress.total:
            self._close()

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


progress_bar = ProgressBar()
