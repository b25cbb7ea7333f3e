"""How far a solution of the Gaussian theory can be trusted, and by what it would be changed.

Each effect that a theory leaves out is put in once, at the solution: p and q of a finite readout at the same
kernel; matrices over pixels and outputs for numbers; the exact law of one unit, by a few thousand draws, in
the fields of the data. What alpha and the learned variance answer, before anything else does, is about what
leaving it out costs (derived: docs/derivations-fan-in.md, docs/derivations-cavity.md). Of alpha it is right
to a quarter or so up to loads of .4, and tells where that ends; more learning takes discrepancy away, so that
of l_* it is too much.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from numerics.gaussian.layer import Layer
from numerics.gaussian.state import State
from numerics.gaussian.theory import Theory
from numerics.problem import Problem
from numerics.readout_laws import LAWS
from numerics.readout_laws.fan_in import OneKernelTerm, PixelTerm
from numerics.readout_laws.law import DataTerm
from numerics.unit.fields import Pull, Readouts
from numerics.unit.hidden import Hidden
from numerics.unit.population import gaussian

Array = NDArray[np.float64]

DRAWS = 2048
VISIBLE = 0.02  # of alpha or l_*: what a theory may leave out without a word
LIGHT = 0.1  # load below which nothing is looked for in deep networks
MOST_ENTRIES = 5e8  # of the blocks of pixels; beyond, numbers stand for the matrices


class Solved(Protocol):
    """What is looked at."""

    @property
    def problem(self) -> Problem: ...
    @property
    def equations(self) -> Theory: ...
    @property
    def state(self) -> State: ...
    @property
    def theory(self) -> str: ...
    @property
    def readout_load(self) -> float: ...
    @property
    def degrees_of_freedom(self) -> float: ...


@dataclass(frozen=True)
class Validity:
    """Loads, and what effects would change: +.05 is 5 % more of alpha, or of l_*, once it is put in.

    Attributes
    ----------
    theory : str
        Of the solution.
    readout_load : float
        Effective degrees of freedom per readout weight.
    hidden_loads : tuple of float
        The same per unit and pixel of every hidden layer below the last: a bound on how far that layer is
        from sharp (derived).
    fan_in : (float, float)
        Response and second moment of the readout's weights: of alpha, and of the variance along the top
        direction of Sigma. What a solution of finite fan-in already has.
    pixels : (float, float)
        Of that, what matrices over pixels and outputs add to numbers; NaN where there is one, or too many.
    units : (float, float)
        The exact law of one unit, on top; NaN of deep networks.
    excess_kurtosis : float
        Of a unit's weights along that direction, in that law; 0 of a Gaussian.
    worth : float
        Share of the draws that the averages over units are worth.
    """

    theory: str
    readout_load: float
    hidden_loads: tuple[float, ...]
    fan_in: tuple[float, float]
    pixels: tuple[float, float]
    units: tuple[float, float]
    excess_kurtosis: float
    worth: float

    @property
    def advice(self) -> str:
        """Which theory to take, in a sentence."""
        fan_in, units = (
            max((abs(c) for c in costs if math.isfinite(c)), default=0.0)
            for costs in (self.fan_in, self.units)
        )
        if self.hidden_loads:
            return self._advice_in_depth(fan_in)
        if self.theory != "mean_field":
            fan_in = 0.0
        if max(fan_in, units) <= VISIBLE:
            return f"theory={self.theory!r} is right to about {100 * VISIBLE:g} % here"
        if units <= VISIBLE:
            return "take theory='finite_fan_in': units are nearly Gaussian, but the readout's weights answer"
        return "take theory='cavity': a unit's law is visibly not the Gaussian that is assumed"

    def _advice_in_depth(self, fan_in: float) -> str:
        deepest = max(self.hidden_loads)
        if self.readout_load <= LIGHT and deepest <= LIGHT and fan_in <= VISIBLE:
            return f"theory={self.theory!r} is right to some per cent here"
        if self.theory == "mean_field" and deepest <= LIGHT:
            return "take theory='finite_fan_in': the readout is not sharp; the hidden layers nearly are"
        return (
            "no theory of deep networks holds at this load: look at theory='finite_fan_in', and sample the "
            "network to be sure"
        )

    def __str__(self) -> str:
        lines = [f"readout load {self.readout_load:.3g}"]
        if self.hidden_loads:
            lines[0] += f", of the layers below {', '.join(f'{load:.3g}' for load in self.hidden_loads)}"
        there = "" if self.theory == "mean_field" else " (which this theory has)"
        for name, costs in (
            (f"response of the readout's weights{there}", self.fan_in),
            ("of that, matrices for numbers", self.pixels),
            ("exact law of a unit", self.units),
        ):
            if math.isfinite(costs[0]):
                learned = f", of l_* {100 * costs[1]:+.1f} %" if math.isfinite(costs[1]) else ""
                lines.append(f"{name}: {100 * costs[0]:+.1f} % of alpha{learned}")
        if math.isfinite(self.excess_kurtosis):
            lines.append(f"excess kurtosis along the top direction {self.excess_kurtosis:+.2f}")
        return "\n".join([*lines, self.advice])


def validity(sol: Solved) -> Validity:
    """Of a solution at finite width."""
    problem, equations = sol.problem, sol.equations
    widths = problem.inverse_widths
    layers = equations.layers(sol.state)
    readout, kernel = equations.readout, layers[-1].kernel
    pixels = readout.receptive.fan_in
    large = (pixels * problem.samples) ** 2 > MOST_ENTRIES * (4 if problem.outputs == 1 else 1)
    sharp = LAWS["mean_field"].at(readout, kernel, problem, widths)
    best = LAWS["scalar_fan_in" if large else "finite_fan_in"].at(readout, kernel, problem, widths)
    nothing = (math.nan, math.nan)
    fan_in = _change(sol, layers[-1], sharp, best)
    between = nothing
    if pixels > 1 and not large:
        number = LAWS["scalar_fan_in"].at(readout, kernel, problem, widths)
        between = _change(sol, layers[-1], number, best)
    kurtosis, worth, units = math.nan, math.nan, nothing
    if len(layers) == 1 and widths[0] > 0.0:
        kurtosis, worth, units = _unit(sol, layers[0], best)
        if sol.theory == "mean_field":  # the unit's law in a field of finite fan-in has that effect too
            units = (units[0], (1.0 + units[1]) / (1.0 + fan_in[1]) - 1.0)
    return Validity(
        theory=sol.theory,
        readout_load=sol.readout_load,
        hidden_loads=tuple(
            sol.degrees_of_freedom * x / below.receptive.pixels_out
            for x, below in zip(widths[:-1], equations.maps, strict=False)
        ),
        fan_in=fan_in,
        pixels=between,
        units=units,
        excess_kurtosis=kurtosis,
        worth=worth,
    )


def _alpha(sol: Solved, term: DataTerm) -> float:
    return float(np.sum(term.summary.eps * sol.problem.targets)) / sol.problem.target_norm2


def _change(sol: Solved, layer: Layer, before: DataTerm, after: DataTerm) -> tuple[float, float]:
    """Of alpha, and to first order of the variance along the top direction: Sigma dT Sigma / N."""
    alpha = _alpha(sol, after) / _alpha(sol, before) - 1.0
    if len(sol.problem.widths) > 1:
        return alpha, math.nan
    equations, Sigma = sol.equations, layer.covariance
    dT = after.slopes(equations.readout, layer.kernel)[0] - before.slopes(equations.readout, layer.kernel)[0]
    w = _top(Sigma, equations.prior_variance)
    learned = float(w @ Sigma @ dT @ Sigma @ w) * sol.problem.inverse_widths[0]
    return alpha, learned / float(w @ Sigma @ w)


def _top(Sigma: Array, prior: Array) -> Array:
    """The direction along which most has been learned."""
    std = np.sqrt(prior)
    return np.linalg.eigh(Sigma / np.multiply.outer(std, std))[1][:, -1] / std


def _unit(sol: Solved, layer: Layer, term: DataTerm) -> tuple[float, float, tuple[float, float]]:
    """Excess kurtosis, what the draws are worth, and what one unit's exact law would change."""
    problem, equations = sol.problem, sol.equations
    seen = problem.observed
    std = np.sqrt(problem.noise_variance[seen])
    hidden = Hidden.of(equations, equations.X[:, seen], std)
    prior = np.sqrt(equations.prior_variance)
    covariance = layer.covariance / np.multiply.outer(prior, prior)
    population = gaussian(hidden, DRAWS, covariance, 0)
    eps = np.ascontiguousarray((term.summary.eps[seen] * std[:, None]).T)
    outputs, n = eps.shape
    H = _resolvent(term, std, outputs, seen)
    width = problem.net.width
    readouts = Readouts.of(population, H.reshape(outputs, n, outputs, n), width)
    pull = Pull.of(population, readouts, eps, width)
    bias = math.sqrt(problem.net.bias_variance) / std
    y = (problem.targets[seen] / std[:, None]).T
    left = y - eps - np.multiply.outer(eps @ bias, bias) - pull.mean_output
    moved = (H @ left.ravel()).reshape(outputs, n)
    alpha = float(np.sum(moved * y) / np.sum(eps * y))
    t = population.Z @ (_top(layer.covariance, equations.prior_variance) * prior)
    t -= pull.weights @ t
    second, fourth = float(pull.weights @ t**2), float(pull.weights @ t**4)
    u = _top(layer.covariance, equations.prior_variance)
    gaussian_second = float(u @ layer.covariance @ u)
    return fourth / second**2 - 3.0, pull.effective_share, (alpha, second / gaussian_second - 1.0)


def _resolvent(term: DataTerm, std: Array, outputs: int, seen: NDArray[np.bool_]) -> Array:
    """H (D n, D n) of a term of finite fan-in, in units of each datum's noise."""
    positions = np.flatnonzero(seen)
    n = len(positions)
    if isinstance(term, PixelTerm):
        H = term.H.reshape(outputs, n, outputs, n)
        back = np.array(
            [
                [term.noise.outward(H[d, :, e])[np.ix_(positions, positions)] for e in range(outputs)]
                for d in range(outputs)
            ]
        )
    else:
        assert isinstance(term, OneKernelTerm)
        U, at = term.vectors, term.coupled
        each, V = np.linalg.eigh(term.q)
        h = 1.0 / (1.0 + np.multiply.outer(at.values, each))
        blocks = [
            term.noise.outward((U * h[:, a]) @ U.T)[np.ix_(positions, positions)] for a in range(outputs)
        ]
        back = np.einsum("da,ea,amn->demn", V, V, np.array(blocks))
    scaled = back * np.multiply.outer(std, std)
    whole: Array = scaled.transpose(0, 2, 1, 3).reshape(outputs * n, outputs * n)
    return (whole + whole.T) / 2


__all__ = ["Validity", "validity"]
