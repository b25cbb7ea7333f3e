"""Theories beside sampled networks: each observable, its error bar, and how far every theory is off."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from numerics import checks
from numerics.cavity.solution import CavitySolution
from numerics.figures import short
from numerics.sampling.agreement_plot import agreement_plot
from numerics.sampling.estimate import REMEDY, Estimate
from numerics.sampling.samples import Samples
from numerics.solutions.solution import Solution
from numerics.solutions.summary import aligned

Array = NDArray[np.float64]
Theory = Solution | CavitySolution

GP, TANGENT = "Gaussian process", "first order"


@dataclass(frozen=True)
class Compared:
    """One observable of one theory.

    Attributes
    ----------
    observable, theory : str
    predicted : float
        NaN where the theory does not say.
    sampled : Estimate
    """

    observable: str
    theory: str
    predicted: float
    sampled: Estimate

    @property
    def off(self) -> float:
        """Theory over sample, less 1: the theory's error, as far as the sampling error lets it be seen."""
        return self.predicted / self.sampled.mean - 1.0

    @property
    def z(self) -> float:
        """Theory less sample in sampling errors: above some 3 the difference is the theory's."""
        gap = self.predicted - self.sampled.mean
        return gap / self.sampled.error if self.sampled.error > 0 else math.copysign(math.inf, gap)


@dataclass(frozen=True)
class Agreement(Sequence[Compared]):
    """A table of `Compared`; print it, or draw it with `plot`."""

    rows: tuple[Compared, ...]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: Any) -> Any:
        return self.rows[index]

    def of(self, observable: str, theory: str) -> Compared:
        """One row by its names."""
        for row in self.rows:
            if (row.observable, row.theory) == (observable, theory):
                return row
        known = sorted({f"{row.observable} / {row.theory}" for row in self.rows})
        raise ValueError(f"there is no {observable!r} of {theory!r}; there are {', '.join(known)}")

    @property
    def cells(self) -> list[list[str]]:
        """Headings, then a row each."""
        table = [["observable", "sampled", "theory", "predicted", "off by", "z"]]
        last = ""
        for row in self.rows:
            new = row.observable != last
            last = row.observable
            sampled = short(row.sampled.mean, row.sampled.error) if new else ""
            mark = "" if row.sampled.converged or not new else " ?"
            known = math.isfinite(row.predicted)
            table.append(
                [
                    row.observable if new else "",
                    sampled + mark,
                    row.theory,
                    f"{row.predicted:.5g}" if known else "-",
                    f"{100 * row.off:+.1f} %" if known else "-",
                    f"{row.z:+.1f}" if known else "-",
                ]
            )
        return table

    def plot(self) -> object:
        """A Figure: per observable the sample with its error, and every theory."""
        return agreement_plot([(row.observable, row.theory, row.off, row.sampled) for row in self.rows])

    def __str__(self) -> str:
        doubts = {
            f"  ? {row.observable}: {doubt}; {REMEDY}" for row in self.rows for doubt in row.sampled.doubts()
        }
        return "\n".join([*aligned(self.cells), *sorted(doubts)])

    def _repr_html_(self) -> str:
        head, *lines = self.cells
        headings = "".join(f"<th>{escape(cell)}</th>" for cell in head)
        body = "".join(
            "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in line) + "</tr>" for line in lines
        )
        return f"<table><thead><tr>{headings}</tr></thead><tbody>{body}</tbody></table>"


def compare_to_samples(
    sol: Theory | Sequence[Theory],
    samples: Samples,
    directions: ArrayLike | None = None,
    X_test: ArrayLike | None = None,
    y_test: ArrayLike | None = None,
) -> Agreement:
    """What theories say of a network beside what its sampled posterior shows.

    Parameters
    ----------
    sol : Solution or CavitySolution, or several
        Of the same network and data, each with a theory of its own; the Gaussian process and mean field's
        first order in 1/width come along.
    samples : Samples
    directions : (S,) or (k, S) array, optional
        Of the input weights whose learned variance is compared; by default the top one of the first
        solution's Sigma.
    X_test, y_test : arrays, optional
        For the test error and the mean predictive variance.

    Raises
    ------
    ValueError
        When they are of different networks or data.
    """
    solutions = [sol] if isinstance(sol, Solution | CavitySolution) else list(sol)
    if not solutions:
        raise ValueError("sol is empty; give a Solution, or several")
    for one in solutions:
        if one.problem != samples.problem:
            raise ValueError(
                "sol and samples are of different networks, widths or data; solve and sample one Problem"
            )
    if (X_test is None) != (y_test is None):
        raise ValueError("X_test and y_test belong together; give both, or neither")
    names = [one.theory for one in solutions]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise ValueError(f"sol has {twice!r} twice; give one solution per theory")
    vectors = _directions(directions, solutions[0])
    rows: list[Compared] = []
    for name, sampled, of_solution, of_tangent in _observables(samples, vectors, X_test, y_test):
        gp, tangent = solutions[0].gp, of_tangent(solutions[0])
        rows.append(Compared(name, GP, of_solution(gp), sampled))
        if math.isfinite(tangent):
            rows.append(Compared(name, TANGENT, tangent, sampled))
        rows += [Compared(name, one.theory, of_solution(one), sampled) for one in solutions]
    return Agreement(tuple(rows))


def _directions(directions: ArrayLike | None, sol: Theory) -> list[Array]:
    size = sol.problem.input_shape[1]
    if directions is None:
        return [np.linalg.eigh(sol.overlap_ratio)[1][:, -1]]
    rows = [checks.vector(row, size, "directions") for row in np.atleast_2d(np.asarray(directions))]
    if not rows or not all(row.any() for row in rows):
        raise ValueError("directions has none, or one that is zero; give directions of the input weights")
    return [row / np.linalg.norm(row) for row in rows]


Number = Callable[[Theory], float]


def _observables(
    samples: Samples, vectors: list[Array], X_test: ArrayLike | None, y_test: ArrayLike | None
) -> list[tuple[str, Estimate, Number, Number]]:
    """Name, what was sampled, what a solution says, and what its tangent says."""
    width = samples.problem.net.width

    def nothing(_: Theory) -> float:
        return math.nan

    found: list[tuple[str, Estimate, Number, Number]] = [
        ("alpha", samples.alpha, lambda sol: sol.alpha, lambda sol: sol.first_order.alpha(width)),
        ("train error", samples.train_error, lambda sol: sol.train_error, nothing),
        ("readout load", samples.readout_load, _load_at(samples), nothing),
    ]
    for index, u in enumerate(vectors):
        name = "l*/l_GP" if len(vectors) == 1 else f"l_{index + 1}/l_GP"
        found.append((name, samples.overlap(u), _overlap(u), nothing))
    trace = samples.hidden_variance(0)
    found.append((trace.name, trace, _trace, nothing))
    for layer in range(1, samples.layers):
        one = samples.hidden_variance(layer)
        found.append((one.name, one, _hidden(layer), nothing))
    if X_test is not None and y_test is not None:
        error = samples.test_error(X_test, y_test)
        found.append(("test error", error, _test_error(X_test, y_test), nothing))
    return found


def _load_at(samples: Samples) -> Number:
    fan_in = samples.problem.readout_fan_in
    return lambda sol: sol.degrees_of_freedom / fan_in


def _trace(sol: Theory) -> float:
    """Mean of the diagonal, biases included; NaN where a theory leaves them out."""
    if isinstance(sol, CavitySolution) and sol.problem.net.bias_variance > 0:
        return math.nan
    return float(np.mean(np.diag(_second_moment(sol))))


def _second_moment(sol: Theory) -> Array:
    """Of the input weights of a unit over their prior's, with those of its bias last, as sampled networks
    show it: covariance and mean."""
    if isinstance(sol, CavitySolution):
        return sol.overlap_ratio  # which is that
    std = np.sqrt(sol.equations.space.prior_variance)
    moment = sol.input_covariance + np.multiply.outer(sol.input_mean, sol.input_mean)
    return np.asarray(moment / np.multiply.outer(std, std), dtype=np.float64)


def _overlap(u: Array) -> Number:
    return lambda sol: float(u @ _second_moment(sol)[: len(u), : len(u)] @ u)


def _hidden(layer: int) -> Number:
    def mean_square(sol: Theory) -> float:
        assert isinstance(sol, Solution)  # others are of one hidden layer
        kernels = sol.kernels[layer - 1]
        return float(np.mean(np.diag(kernels.K) + kernels.mean**2))

    return mean_square


def _test_error(X_test: ArrayLike, y_test: ArrayLike) -> Number:
    y = np.asarray(y_test, dtype=np.float64)

    def relative(sol: Theory) -> float:
        return float(np.sum((sol.predict(X_test) - y) ** 2) / np.sum(y**2))

    return relative
