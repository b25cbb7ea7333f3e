"""Networks drawn from the posterior, and what they say: functions of outputs and kernels, with error bars."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from numerics import checks
from numerics.problem import Problem
from numerics.sampling import archive, records, summary
from numerics.sampling.chain import LANGEVIN, Tally
from numerics.sampling.energies import Posterior
from numerics.sampling.estimate import Estimate
from numerics.sampling.mixture import Mixture
from numerics.sampling.observed import Observed
from numerics.sampling.records import Record
from numerics.sampling.run import NoDraws, Run
from numerics.sampling.tables import dataset
from numerics.sampling.traces import trace_plot
from numerics.solutions.predictive import Predictive

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Report:
    """How the draws were made.

    Attributes
    ----------
    method : "collapsed", "joint" or "langevin"
    precision : "single" or "double"
        Of activations, products and gradients.
    step, length : float
        Of the integrator, and the length of a path.
    acceptance : float
        Mean probability of acceptance of the draws' paths.
    divergences : int
        Paths that were given up.
    gradients, warm_up_gradients : int
        Of all chains.
    seconds : float
        Of all workers, in the draws.
    interrupted : bool
        Fewer draws than were asked for.
    notes : tuple of str
        What was found on the way: a choice that was made, a start that was not possible.
    """

    method: str
    precision: str
    step: float
    length: float
    acceptance: float
    divergences: int
    gradients: int
    warm_up_gradients: int
    seconds: float
    interrupted: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False, repr=False)
class Samples(Observed, Predictive):
    """Draws of the hidden weights of a network from its exact posterior; made by `numerics.sample`.

    Everything is averaged over the readout and the noise given the hidden weights, and is a function of
    outputs or kernels: weights themselves mean nothing, as units can be exchanged and change sign.

    Attributes
    ----------
    problem : Problem
    draws : Record
        (chains, draws, ...).
    report : Report
    run : Run
        Where the chains are: more draws can be made from there.
    asked : dict
        Arguments that a run that goes on must have too.
    """

    problem: Problem
    draws: Record
    report: Report
    run: Run
    asked: dict[str, Any]

    @classmethod
    def of(cls, run: Run, asked: dict[str, Any], notes: tuple[str, ...]) -> Samples:
        """The draws of a run so far.

        Raises
        ------
        NoDraws
        """
        draws = run.stacked()
        return cls(run.plan.posterior.problem, draws, _report(run, notes), run, asked)

    @cached_property
    def posterior(self) -> Posterior:
        """In the prior's own coordinates, and the precision that the draws were made with."""
        return Posterior(self.problem, self.report.precision == "single")

    def save(self, path: str | Path) -> None:
        """Write to an .npz: data, draws, and the chains' states, so that `numerics.load_samples` reads it and
        `numerics.sample(..., checkpoint=path)` goes on from it."""
        archive.write(path, self.run, self.asked, self.report.notes)

    def to_xarray(self) -> Any:
        """A Dataset of what was recorded per draw, with chain and draw as dimensions; needs the extra
        `xarray`."""
        return dataset(self)

    def plot_trace(self, names: tuple[str, ...] = (records.ALPHA, records.LOSS)) -> Any:
        """A Figure: each quantity over the draws of every chain, and its distribution."""
        return trace_plot(self, names)

    def test_error(self, X_test: ArrayLike, y_test: ArrayLike) -> Estimate:
        """Mean square error of the mean output, over the mean square of the targets.

        Parameters
        ----------
        X_test : (m, pixels, features) array, or (m, d) for a fully connected network
        y_test : (m,) or (m, D) array
            Noiseless targets.

        Notes
        -----
        The square of a noisy mean is high by its variance; what is averaged are the linearised contributions
        of every draw, and the excess, estimated from their error, is taken off.
        """
        X = self._test_inputs(X_test)
        y = checks.targets(y_test, samples=len(X), name="y_test")
        if y.shape[1] != self.problem.outputs:
            raise ValueError(f"y_test has {y.shape[1]} outputs, the training targets {self.problem.outputs}")
        return self._error_of_mean(self._mixture(X).means(), y, "test error")

    def _error_of_mean(self, means: Array, y: Array, name: str) -> Estimate:
        """Of mean outputs per draw (chains x draws, m, D)."""
        chains, draws = self.shape
        norm2 = float(np.sum(y**2))
        gap = y - means.mean(axis=0)
        moved = means - means.mean(axis=0)
        linear = -2.0 * np.einsum("tmd,md->t", moved, gap).reshape(chains, draws) / norm2
        spread = np.einsum("tmd,tmd->t", moved, moved).reshape(chains, draws) / norm2
        excess = float(spread.mean()) / max(Estimate.of(linear).ess, 1.0) if draws > 3 else 0.0
        return self.estimate(linear + float(np.sum(gap**2)) / norm2 - excess, name)

    def _mixture(self, X: Array) -> Mixture:
        draws, count = self.draws, math.prod(self.shape)
        return Mixture(
            self.posterior,
            draws.weights.reshape(count, -1),
            draws.eps.reshape(count, *draws.eps.shape[2:]),
            X,
        )

    def _output_mean(self, X: Array) -> Array:
        return self._mixture(X).mean

    def _output_law(self, X: Array) -> Mixture:
        return self._mixture(X)

    def _output_variance(self, X: Array) -> tuple[Array, Array]:
        return self._mixture(X).variance()

    def __repr__(self) -> str:
        chains, draws = self.shape
        return f"Samples({chains} chains of {draws} draws, alpha={self.alpha}, {self.report.method})"

    def __str__(self) -> str:
        return summary.text(self)

    def _repr_html_(self) -> str:
        return summary.html(self)


def _report(run: Run, notes: tuple[str, ...]) -> Report:
    plan, chains = run.plan, run.chains
    drawing = [chain.tally for chain in chains]
    paths = max(1, sum(tally.paths for tally in drawing))
    moves = plan.method != LANGEVIN
    return Report(
        method=plan.method,
        precision="single" if plan.posterior.single else "double",
        step=float(np.mean([chain.step for chain in chains])),
        length=plan.length,
        acceptance=sum(tally.acceptance for tally in drawing) / paths if moves else math.nan,
        divergences=sum(tally.divergences for tally in drawing),
        gradients=_gradients(drawing),
        warm_up_gradients=_gradients([chain.warm_up for chain in chains]),
        seconds=run.seconds,
        interrupted=not run.done,
        notes=notes,
    )


def _gradients(tallies: list[Tally]) -> int:
    return sum(tally.gradients for tally in tallies)


def load_samples(path: str | Path) -> Samples:
    """Read what `Samples.save` or a checkpoint wrote.

    Raises
    ------
    ValueError
        When the file is something else, has no draws yet, or was written by another version.
    """
    run, asked, notes = archive.read(path)
    try:
        return Samples.of(run, asked, notes)
    except NoDraws:
        raise ValueError(
            f"{path} is a checkpoint from the warm-up, without draws; go on with sample(..., checkpoint=)"
        ) from None
