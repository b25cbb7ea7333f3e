"""The fan-in of the hidden layer below the last, as a diagnostic: how far its units' pull on the output is
from the sharp one that the equations assume.

Take out one unit of the first of two hidden layers: the output moves along b (c o phi), b = W a the unit's
weights into the readout's direction and c = E phi'(h) of the layer above. So the layer is, for the output, a
readout of finite fan-in with weights b on the kernel J, what Q_f has of first Hermite order,

    J = sigma_a^2/m sum_slots (c c^T) o K,    R = Q_f - J,

    1/p_2 = 1 + tr[(R + q_1 J) H]/P_2,                   q_2 = p_2 + p_2^2 eps^T (R + p_1 J) eps/P_2,
    1/p_1 = 1 + q_2 tr[J H]/P_1,                         q_1 = p_1 + p_1^2 p_2 eps^T J eps/P_1,
    H = (s2 + q_2 [R + q_1 J])^{-1},                     eps = (s2 + p_2 [R + p_1 J])^{-1} y,

P_l the fan-ins (derived; one number each for all pixels). q_1 and q_2 are what sampled networks show of both
layers, to some per cent. Solving for the kernels with them is another matter: for layers that are not linear
the units' non-Gaussian law is as large and of the other sign, so that no theory here does it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import root

from numerics import hermite
from numerics.gaussian.state import State
from numerics.gaussian.theory import Theory
from numerics.machine.dense import mirrored
from numerics.problem import Problem

Array = NDArray[np.float64]

STEPS, DAMPING = 60, 0.5  # from the wide network towards the root, before it is polished
SOLVED = 1e-8  # of the logarithms of p and q


class Solved(Protocol):
    @property
    def problem(self) -> Problem: ...
    @property
    def equations(self) -> Theory: ...
    @property
    def state(self) -> State: ...


@dataclass(frozen=True)
class HiddenFanIn:
    """Attributes
    ----------
    response : (float, float)
        p of the hidden layer below the last and of the readout: what is left of their weights' prior freedom.
    fluctuation : (float, float)
        q: second moments of a unit's weights towards the output over their prior's.
    fan_in : (float, float)
        Weights of each.
    """

    response: tuple[float, float]
    fluctuation: tuple[float, float]
    fan_in: tuple[float, float]

    def __str__(self) -> str:
        lines = ["                      fan-in   response p   fluctuation q"]
        names = ("hidden layer below", "readout")
        for name, fan_in, p, q in zip(names, self.fan_in, self.response, self.fluctuation, strict=True):
            lines.append(f"{name:20}{fan_in:8.4g}{p:13.4f}{q:16.4f}")
        return "\n".join(lines)


def hidden_fan_in(sol: Solved) -> HiddenFanIn:
    """At a solution's kernels.

    Raises
    ------
    ValueError
        For networks it does not describe.
    ArithmeticError
        When no root was found.
    """
    problem, equations = sol.problem, sol.equations
    if len(problem.widths) != 2 or problem.outputs != 1 or not equations.odd:
        raise ValueError(
            "hidden_fan_in is for networks of two hidden layers with one output and an odd activation, such "
            "as erf; look at sol.validity.hidden_loads instead"
        )
    if math.isinf(sum(problem.widths)):
        raise ValueError("at infinite width p and q are 1; give a solution at finite widths")
    seen = problem.observed
    std = np.sqrt(problem.noise_variance[seen])
    R, J = (kernel[np.ix_(seen, seen)] / np.multiply.outer(std, std) for kernel in _split(sol))
    y = problem.targets[seen, 0] / std
    below = equations.maps[0].receptive
    fan_in = (below.fan_in * below.pixels_out * problem.widths[0], float(problem.readout_fan_in))
    equation = _Equation(
        np.eye(len(y)) + equations.readout.bias_variance / np.multiply.outer(std, std), R, J, y
    )
    p_1, p_2, q_1, q_2 = np.exp(equation.solve(np.array(fan_in)))
    return HiddenFanIn((float(p_1), float(p_2)), (float(q_1), float(q_2)), fan_in)


def _split(sol: Solved) -> tuple[Array, Array]:
    """R and J (n, n), without the output's bias."""
    readout, kernel = sol.equations.readout, sol.equations.layers(sol.state)[-1]
    n, pixels = sol.problem.samples, readout.receptive.pixels_in
    s = np.sqrt(np.diagonal(kernel.covariance))
    c = hermite.coefficients(readout.activation.dphi, np.zeros_like(s), s, terms=1)[:, 0]
    first = (kernel.covariance * np.multiply.outer(c, c)).reshape(pixels, n, pixels, n)
    means = readout.receptive.means(pixels)
    weights = readout.variance / readout.receptive.fan_in * (means.T @ means)
    J = np.einsum("pq,pmqn->mn", weights, first)
    Q = mirrored(readout.value(kernel.kernel)) - readout.bias_variance
    return Q - J, J


@dataclass(frozen=True)
class _Equation:
    """In units of the noise; S is the noise with the output's bias."""

    S: Array
    R: Array
    J: Array
    y: Array

    def solve(self, fan_in: Array) -> Array:
        """Logarithms of p_1, p_2, q_1, q_2: damped steps, then Powell's hybrid method."""
        x = np.zeros(4)
        for _ in range(STEPS):
            x = x + DAMPING * (self.there(x, fan_in) - x)
        found = root(lambda x: self.there(x, fan_in) - x, x, tol=SOLVED / 100)
        if not np.abs(self.there(found.x, fan_in) - found.x).max() <= SOLVED:
            raise ArithmeticError("no p and q of the hidden layers were found; try a wider network")
        return np.asarray(found.x, np.float64)

    def there(self, x: Array, fan_in: Array) -> Array:
        """The right-hand sides at logarithms x, as logarithms."""
        p_1, p_2, q_1, q_2 = np.exp(x)
        eps = cho_solve(cho_factor(self.S + p_2 * (self.R + p_1 * self.J), lower=True), self.y)
        factor = cho_factor(self.S + q_2 * (self.R + q_1 * self.J), lower=True)
        H = cho_solve(factor, np.eye(len(self.y)))
        r, j = float(np.sum(self.R * H)), float(np.sum(self.J * H))
        e_r, e_j = float(eps @ self.R @ eps), float(eps @ self.J @ eps)
        below, last = fan_in
        log_p_2 = -math.log1p((r + q_1 * j) / last)
        log_p_1 = -math.log1p(q_2 * j / below)
        return np.array(
            [
                log_p_1,
                log_p_2,
                log_p_1 + math.log1p(math.exp(log_p_1) * p_2 * e_j / below),
                log_p_2 + math.log1p(math.exp(log_p_2) * (e_r + p_1 * e_j) / last),
            ]
        )
