"""How far a solution of the Gaussian theory can be trusted, and by what it would be changed.

Each effect that a theory leaves out is put in once, at the solution: p and q of a finite readout at the same
kernel; matrices over pixels and outputs for numbers; the exact law of one unit, by a few thousand draws, in
the fields of the data. What alpha and the learned variance answer, before anything else does, is about what
leaving it out costs (derived: docs/derivations-fan-in.md, docs/derivations-cavity.md). Of alpha it is right
to a quarter or so up to loads of .4 where variances at most double; beyond that the solution it is
put into is too far off. More learning takes discrepancy away, so that of l_* it is too much.
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
from numerics.readout_laws.fan_in_terms import FanInTerm
from numerics.readout_laws.law import DataTerm
from numerics.unit.fields import Pull, Readouts
from numerics.unit.hidden import Hidden
from numerics.unit.population import BATCHES, Population, gaussian

Array = NDArray[np.float64]

SEED, LEAST_DRAWS = 0, 4096
DRAWS_PER_DATUM = 64  # and slot of the readout
VISIBLE = 0.02  # of alpha or l_*: what a theory may leave out without a word
LARGEST = 0.5  # cost that is told as a number
LIGHT = 0.1  # load below which nothing is looked for in deep networks
MOST_ENTRIES = 1e8  # of the blocks of pixels, (N n)^2; beyond, numbers stand for the matrices


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
    units_error : (float, float)
        Monte Carlo errors of `units`.
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
    units_error: tuple[float, float]
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
        exact = (0.0, 0.0)
        for name, costs, errors in (
            (f"response of the readout's weights{there}", self.fan_in, exact),
            ("of that, matrices for numbers", self.pixels, exact),
            ("exact law of a unit", self.units, self.units_error),
        ):
            if math.isfinite(costs[0]):
                learned = f", {percent(costs[1], errors[1])} of l_*" if math.isfinite(costs[1]) else ""
                lines.append(f"{name}: {percent(costs[0], errors[0])} of alpha{learned}")
        if math.isfinite(self.excess_kurtosis):
            lines.append(f"excess kurtosis along the top direction {self.excess_kurtosis:+.2f}")
        return "\n".join([*lines, self.advice])


def percent(cost: float, error: float = 0.0) -> str:
    """A cost in words; putting an effect in once is no estimate of large ones."""
    if abs(cost) > LARGEST:
        return f"more than {100 * LARGEST:g} %"
    return f"{100 * cost:+.1f}{f' +- {100 * error:.1f}' if error else ''} %"


def validity(sol: Solved) -> Validity:
    """Of a solution at finite width."""
    problem, equations = sol.problem, sol.equations
    widths = problem.inverse_widths
    layers = equations.layers(sol.state)
    readout, kernel = equations.readout, layers[-1].kernel
    pixels = readout.receptive.fan_in
    large = (pixels * problem.samples) ** 2 > MOST_ENTRIES
    sharp = LAWS["mean_field"].at(readout, kernel, problem, widths)
    best = LAWS["scalar_fan_in" if large else "finite_fan_in"].at(readout, kernel, problem, widths)
    nothing = (math.nan, math.nan)
    fan_in = _change(sol, layers[-1], sharp, best)
    between = nothing
    if pixels > 1 and not large:
        number = LAWS["scalar_fan_in"].at(readout, kernel, problem, widths)
        between = _change(sol, layers[-1], number, best)
    kurtosis, worth, units, errors = math.nan, math.nan, nothing, nothing
    if len(layers) == 1 and isinstance(best, FanInTerm):
        kurtosis, worth, units, errors = _unit(sol, layers[0], best)
        if sol.theory == "mean_field":  # the unit's law in a field of finite fan-in has that effect too
            units = (units[0], (1.0 + units[1]) / (1.0 + fan_in[1]) - 1.0)
            errors = (errors[0], errors[1] / (1.0 + fan_in[1]))
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
        units_error=errors,
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


def _unit(
    sol: Solved, layer: Layer, term: FanInTerm
) -> tuple[float, float, tuple[float, float], tuple[float, float]]:
    """Excess kurtosis, what the draws are worth, what one unit's exact law would change, and the error."""
    problem, equations = sol.problem, sol.equations
    seen, prior = problem.observed, np.sqrt(equations.prior_variance)
    std = np.sqrt(problem.noise_variance[seen])
    hidden = Hidden.of(equations, equations.X[:, seen], std)
    population = _drawn(hidden, layer, prior)
    unit = _Unit(
        eps=np.ascontiguousarray((term.summary.eps[seen] * std[:, None]).T),
        H=term.H * std[:, None, None] * std,
        y=(problem.targets[seen] / std[:, None]).T,
        p=term.p,
        width=problem.net.width,
        top=_top(layer.covariance, equations.prior_variance) * prior,
    )
    kurtosis, worth, units = unit.changes(population)
    batches = [unit.changes(population.batch(k))[2] for k in range(BATCHES)]
    alpha, learned = np.std(batches, axis=0, ddof=1) / math.sqrt(BATCHES)
    return kurtosis, worth, units, (float(alpha), float(learned))


@dataclass(frozen=True)
class _Unit:
    """Fields (eps, H) of finite fan-in, in units of the noise, and what they do to one unit.

    Attributes
    ----------
    eps, y : (D, n) arrays
    H : (D, n, D, n) array
    p : array
        Covariance of the readout's weights, over (slot, output), or over outputs for all slots.
    width : float
    top : (r,) array
        The direction of whitened weights along which most has been learned.
    """

    eps: Array
    H: Array
    y: Array
    p: Array
    width: float
    top: Array

    def changes(self, population: Population) -> tuple[float, float, tuple[float, float]]:
        """Excess kurtosis, what the draws are worth, and what the exact law changes of alpha and l_*: against
        the Gaussian's averages by the very same draws, so that what these miss drops out."""
        eps, width = self.eps, self.width
        pull = Pull.of(population, Readouts.of(population, self.H, width), eps, width)
        left = _gaussian_output(population, self.p, eps) - pull.mean_output
        moved = (self.H.reshape(eps.size, -1) @ left.ravel()).reshape(eps.shape)
        t = population.Z @ self.top
        before = float(np.var(t))
        t -= pull.weights @ t
        second, fourth = float(pull.weights @ t**2), float(pull.weights @ t**4)
        alpha = float(np.sum(moved * self.y) / np.sum(eps * self.y))
        return fourth / second**2 - 3.0, pull.effective_share, (alpha, second / before - 1.0)


def _drawn(hidden: Hidden, layer: Layer, prior: Array) -> Population:
    """Draws of the solution's own Gaussian, so many that their own load is below two per cent."""
    wanted = max(LEAST_DRAWS, DRAWS_PER_DATUM * hidden.samples / hidden.slots)
    draws = 2 ** math.ceil(math.log2(wanted))
    around = gaussian(hidden, draws, layer.covariance / np.multiply.outer(prior, prior), SEED)
    if layer.mean is None:
        return around
    Z = around.Z + layer.mean / prior
    closer = 0.5 * np.sum(around.Z**2 - Z**2, axis=1)
    return Population(hidden, Z, around.log_ratio + closer)


def _gaussian_output(population: Population, p: Array, eps: Array) -> Array:
    """Q_p eps (D, n) of draws that nothing tilts; p over (slot, output), or over outputs for all slots."""
    outputs, slots = len(eps), population.hidden.slots
    every = p if len(p) == slots * outputs else np.kron(np.eye(slots), p)
    each = every.reshape(slots, outputs, slots, outputs)
    total = np.zeros_like(eps)
    for _, phi in population.features():
        gain = np.einsum("idje,bje->dbi", each, phi @ eps.T, optimize=True)
        total += gain.reshape(outputs, -1) @ phi.reshape(-1, phi.shape[2])
    return total / len(population)


__all__ = ["Validity", "validity"]
