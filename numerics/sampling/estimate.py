"""A number from samples: its mean, its Monte Carlo error, and whether the error can be believed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

from numerics.figures import short
from numerics.sampling import diagnostics
from numerics.sampling.stein import controlled

Array = NDArray[np.float64]

MOST_RHAT = 1.01
FEWEST_ESS = 100.0
REMEDY = "raise draws"


@dataclass(frozen=True, eq=False, repr=False)
class Estimate:
    """A posterior mean.

    Attributes
    ----------
    mean, error : float
        Of the series, and the standard error of that by its effective draws, or by the spread of half chains
        where these are too far apart for so many.
    ess, ess_tail : float
        Effective draws in the bulk and in the tails.
    rhat : float
        Split R-hat; NaN for a single chain.
    series : (chains, draws) array
        What was averaged, a draw of the posterior each, or its controlled form.
    name : str
    without : Estimate or None
        The same without control variates, if there are any; `plain` is it in any case.
    independent : bool
        The series is no Markov chain: its entries are independent, and nothing has to converge.
    """

    mean: float
    error: float
    ess: float
    ess_tail: float
    rhat: float
    series: Array
    name: str
    without: Estimate | None = None
    independent: bool = False

    @classmethod
    def of(cls, series: Array, name: str = "", controls: Array | None = None) -> Estimate:
        """From draws (chains, draws), with controls (k, chains, draws) if there are any."""
        plain = cls._of(series, name, None)
        if controls is None or len(controls) == 0:
            return plain
        better = controlled(series, controls)
        return plain if better is series else cls._of(better, name, plain)

    @classmethod
    def of_independent(cls, values: Array, name: str = "") -> Estimate:
        """From independent numbers, (any shape), such as of networks that were trained one by one."""
        flat = np.asarray(values).reshape(1, -1)
        count = flat.size
        error = float(np.std(flat, ddof=1)) / math.sqrt(count) if count > 1 else math.nan
        return cls(float(np.mean(flat)), error, count, count, math.nan, flat, name, independent=True)

    @classmethod
    def _of(cls, series: Array, name: str, without: Estimate | None) -> Estimate:
        enough = series.shape[1] >= diagnostics.FEWEST_DRAWS and bool(np.isfinite(series).all())
        numbers = (
            (
                diagnostics.mean_error(series),
                diagnostics.ess_bulk(series),
                diagnostics.ess_tail(series),
                diagnostics.rhat(series),
            )
            if enough
            else (math.nan,) * 4
        )
        return cls(float(np.mean(series)), *numbers, series, name, without)

    @property
    def plain(self) -> Estimate:
        return self if self.without is None else self.without

    @property
    def converged(self) -> bool:
        """Whether chains agree and are long enough, as far as they tell."""
        return not any(True for _ in self.doubts())

    def doubts(self) -> Iterator[str]:
        """What speaks against the error; `REMEDY` is what to do."""
        plain = self.plain
        if self.independent:
            return
        if math.isnan(plain.ess):
            yield "too few draws to tell an error"
            return
        if not plain.rhat <= MOST_RHAT and len(self.series) > 1:
            yield f"R-hat {plain.rhat:.3f}"
        if len(self.series) == 1:
            yield "one chain, R-hat n/a (take chains=4)"
        if plain.ess < FEWEST_ESS:
            yield f"{plain.ess:.0f} effective draws"

    def __float__(self) -> float:
        return self.mean

    def __str__(self) -> str:
        doubts = ", ".join(self.doubts())
        note = f" [not converged: {doubts}; {REMEDY}]" if doubts else ""
        return short(self.mean, self.error) + note

    def __repr__(self) -> str:
        return (
            f"Estimate({short(self.mean, self.error)}, ess={self.ess:.0f}, ess_tail={self.ess_tail:.0f}, "
            f"rhat={self.rhat:.4f})"
        )

    def _repr_html_(self) -> str:
        return f"<code>{escape(str(self))}</code>"
