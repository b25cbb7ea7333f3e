"""A cavity solution in words: text for print(), HTML for notebooks."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np

from numerics.figures import short
from numerics.problem import Problem
from numerics.solutions.summary import as_table, data_in_words, in_lines, network_in_words, prior_in_words
from numerics.solving.outcome import Status

RARE = 0.5  # share of the output in one unit's worth of the law, above which the theory has ended


class Shown(Protocol):
    """What is put into words."""

    @property
    def problem(self) -> Problem: ...
    @property
    def status(self) -> Status: ...
    @property
    def errors(self) -> dict[str, Any]: ...
    @property
    def method(self) -> str: ...
    @property
    def draws(self) -> int: ...
    @property
    def effective_sample(self) -> float: ...
    @property
    def alpha(self) -> float: ...
    @property
    def free_energy(self) -> float: ...
    @property
    def readout_load(self) -> float: ...
    @property
    def residual(self) -> float: ...
    @property
    def gradients(self) -> int: ...
    @property
    def heaviest_unit(self) -> float: ...
    @property
    def converged(self) -> bool: ...


def text(sol: Shown, gp_alpha: float, top: float) -> str:
    """Several lines: a heading, then a name and a value each."""
    return in_lines(_heading(sol), list(_rows(sol, gp_alpha, top)))


def html(sol: Shown, gp_alpha: float, top: float) -> str:
    """The same as a small table."""
    return as_table(_heading(sol), list(_rows(sol, gp_alpha, top)))


def _heading(sol: Shown) -> str:
    return f"Solution of the cavity equations: {sol.status.name.lower().replace('_', ' ')}"


def _rows(sol: Shown, gp_alpha: float, top: float) -> Iterator[tuple[str, str]]:
    yield "network", network_in_words(sol.problem.net)
    yield "prior", prior_in_words(sol.problem.net)
    yield "data", data_in_words(sol.problem)
    errors = sol.errors
    yield "alpha", f"{_number(sol.alpha, errors['alpha'])} (Gaussian process: {gp_alpha:.6g})"
    yield "Sigma", f"largest eigenvalue {top:.4g} times the prior's"
    yield "free energy", _number(sol.free_energy, errors["free_energy"])
    yield "readout load", f"{sol.readout_load:.3g}"
    worth = f"{sol.draws} of a unit, {sol.method}, worth {sol.effective_sample:.0f}"
    yield "draws", f"{worth}; in brackets standard errors by Monte Carlo"
    yield "residual", f"{sol.residual:.1e} after {sol.gradients} sweeps"
    if math.isfinite(sol.problem.net.width) and sol.heaviest_unit > RARE:
        yield "doubt", rare_units(sol.heaviest_unit)
    if not sol.converged:
        yield "advice", sol.status.value


def _number(value: float, error: float) -> str:
    return short(value, error) if error > 0 and np.isfinite(error) else f"{value:.6g}"


def rare_units(share: float) -> str:
    """Why the theory has ended."""
    return (
        f"a rare kind of unit, of which the network has less than one, carries {100 * share:.0f} % of the "
        "output: the theory of many alike units has ended; sample the network, or take a larger width"
    )
