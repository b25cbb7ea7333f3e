"""How far Langevin dynamics are off by their step: the same run at a rate and at half of it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from numerics.problem import Problem
from numerics.sampling.estimate import Estimate
from numerics.sampling.langevin import Langevin
from numerics.sampling.sampler import sample


@dataclass(frozen=True)
class StepBias:
    """Losses at a rate and at half of it, of an error that is proportional to the rate to leading order.

    Attributes
    ----------
    rate : float
        eta, the mean of the chains'.
    loss, loss_at_half : Estimate
        Mean square of y - f of single networks over that of y.
    """

    rate: float
    loss: Estimate
    loss_at_half: Estimate

    @property
    def bias(self) -> tuple[float, float]:
        """Relative bias of the loss at the rate, 2 (loss - loss at half) over the limit, and its error."""
        gap = 2.0 * (self.loss.mean - self.loss_at_half.mean)
        limit = self.loss.mean - gap
        return gap / limit, 2.0 * math.hypot(self.loss.error, self.loss_at_half.error) / abs(limit)

    def __str__(self) -> str:
        relative, error = self.bias
        return (
            f"rate {self.rate:.3g}: loss {self.loss}, at half the rate {self.loss_at_half}; bias of the loss "
            f"{100 * relative:+.1f} % +- {100 * error:.1f} %"
        )


def step_bias(problem: Problem, langevin: Langevin, **options: Any) -> StepBias:
    """Run Langevin dynamics at a rate and at half of it, twice as long.

    Parameters
    ----------
    problem : Problem
    langevin : Langevin
        With `schedule=False`, whose rate does not change.
    **options
        Of `numerics.sample`.

    Raises
    ------
    ValueError
        With a schedule, which has no one rate.
    """
    if langevin.schedule:
        raise ValueError("langevin has a schedule, so no one rate; take Langevin(schedule=False, ...)")
    whole = sample(problem, method=langevin, **options)
    rate = whole.report.step
    slower = replace(langevin, rate=rate / 2, burn_in=2 * langevin.burn_in, interval=2 * langevin.interval)
    half = sample(problem, method=slower, **options)
    return StepBias(rate, whole.train_loss.plain, half.train_loss.plain)
