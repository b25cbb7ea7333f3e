"""First order in 1/C of the network itself, about the Gaussian process, by one unit's four-point function.

With q = sum_i phi_i phi_i^T of one unit in units of the noise, Q = E q, G = (S + Q)^{-1}, eps = G y, all of
the Gaussian process, s = sum_d eps_d.q eps_d and t = tr G q over the prior of one unit,

    d(eps.y)/d(1/C) = -1/2 Cov[s, s - D t] + sum_d { E[eps_d.q G q eps_d] - eps_d.Q G Q eps_d },
    dSigma/d(1/C) = 1/2 Cov[w w^T, s - D t]

(derived). The second is mean field's own by Stein's identity; the first is not. It is the perturbation
theory in 1/width that keeps the readout's load.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from numerics import checks
from numerics.cavity.scaled import Scaled
from numerics.network import Network
from numerics.problem import Problem
from numerics.unit.population import BATCHES, Population, gaussian

Array = NDArray[np.float64]

DRAWS = 65536
NODES = 64  # of a mean slope, which need not be exact


@dataclass(frozen=True)
class ExactFirstOrder:
    """alpha = alpha_gp + alpha_slope / C + ..., and the same for the second moment of the input weights.

    Attributes
    ----------
    alpha_gp : float
    alpha_slope, alpha_error : float
        The slope in 1/C, and its standard error by Monte Carlo.
    overlap_slope, overlap_error : (S, S) arrays
        Of Sigma over its prior variance, biases left out.
    """

    alpha_gp: float
    alpha_slope: float
    alpha_error: float
    overlap_slope: Array
    overlap_error: Array

    def alpha(self, width: float) -> float:
        """To first order."""
        return self.alpha_gp + self.alpha_slope / width

    def overlap_ratio(self, width: float) -> Array:
        """(S, S), to first order."""
        return np.eye(len(self.overlap_slope)) + self.overlap_slope / width


def exact_first_order(
    net: Network | Problem,
    X: ArrayLike | None = None,
    y: ArrayLike | None = None,
    noise_variance: Any = None,
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> ExactFirstOrder:
    """First order in 1/width of a network with one hidden layer, by draws of the prior of one unit (derived).

    Parameters
    ----------
    draws, seed : int
        Weights of one unit to average over; the same seed gives the same numbers.
    net, X, y, noise_variance
        As in `numerics.solve`; the width does not matter.

    Raises
    ------
    ValueError
        For networks with several hidden layers, and bad arguments.
    """
    problem = Problem.of(net, X, y, noise_variance)
    draws = checks.count(draws, "draws", least=4 * BATCHES)
    seed = checks.count(seed, "seed", least=0)
    scaled = Scaled(problem)
    prior = np.eye(scaled.hidden.size)
    population = gaussian(scaled.hidden, draws, prior, seed)
    Q = scaled.kernel(prior)
    G: Array = np.linalg.inv(scaled.S + Q).astype(np.float64)
    eps: Array = (scaled.y @ G).astype(np.float64)
    size, norm2 = problem.input_shape[1], problem.target_norm2
    terms = _terms(population, Q, G, eps)
    alpha = (terms.alpha - _explained(terms.alpha, _controls(population, G, eps))) / norm2
    alpha += terms.known / norm2
    batches = alpha.reshape(BATCHES, -1).mean(axis=1)
    overlap = np.array(
        [_moment(population.Z[part], terms.tilt[part])[:size, :size] for part in _parts(len(alpha))]
    )
    root = math.sqrt(BATCHES)
    return ExactFirstOrder(
        float(np.sum(eps * scaled.y)) / norm2,
        float(batches.mean()),
        float(batches.std(ddof=1)) / root,
        overlap.mean(axis=0),
        overlap.std(axis=0, ddof=1) / root,
    )


@dataclass(frozen=True)
class _Terms:
    """Draw by draw: what the mean of is d(eps.y)/d(1/C) less `known`, and the tilt of the unit's law."""

    alpha: Array
    tilt: Array
    known: float


def _terms(population: Population, Q: Array, G: Array, eps: Array) -> _Terms:
    root = np.linalg.cholesky(G)
    s, t, quartic = (np.empty(len(population)) for _ in range(3))
    for span, phi in population.features():
        pulled = phi @ eps.T  # (draws, m, D)
        seen = (phi.reshape(-1, phi.shape[2]) @ root).reshape(phi.shape)
        s[span] = np.sum(pulled**2, axis=(1, 2))
        t[span] = np.sum(seen**2, axis=(1, 2))
        quartic[span] = np.sum((pulled.transpose(0, 2, 1) @ seen) ** 2, axis=(1, 2))
    Q_eps = eps @ Q
    s -= float(np.sum(Q_eps * eps))  # means that are known in closed form
    tilt = s - len(eps) * (t - float(np.sum(G * Q)))
    return _Terms(quartic - 0.5 * s * tilt, tilt, -float(np.sum((Q_eps @ G) * Q_eps)))


def _moment(Z: Array, tilt: Array) -> Array:
    """d/d(1/C) of the second moment of the whitened weights."""
    moment: Array = 0.5 * ((Z * tilt[:, None]).T @ Z / len(Z) - np.mean(tilt) * np.eye(Z.shape[1]))
    return moment


def _controls(population: Population, G: Array, eps: Array) -> Array:
    """(M, 5): polynomials of the weights, of mean zero under the prior, that resemble the terms.

    Where phi is replaced by its linear part c o h, c = E phi'(h), the square of the pull and that of what the
    data see are quadratic forms z.A z and z.B z, whose products have known means.
    """
    hidden, Z = population.hidden, population.Z
    x, weights = np.polynomial.hermite_e.hermegauss(NODES)
    std = np.sqrt(np.sum(hidden.X**2, axis=1))
    slopes = hidden.activation.dphi(np.multiply.outer(std, x)) @ (weights / weights.sum())
    linear = hidden.X * (np.tile(hidden.scale, hidden.pixels) * slopes)[:, None]
    rows = np.einsum("ip,pnr->inr", hidden.means, linear.reshape(hidden.pixels, hidden.samples, -1))
    A = _quadratic(np.einsum("dn,inr->idr", eps, rows))
    B = _quadratic(np.einsum("nk,inr->ikr", np.linalg.cholesky(G), rows))
    a, b = (np.einsum("mr,rs,ms->m", Z, form, Z, optimize=True) for form in (A, B))
    mean_a, mean_b = float(np.trace(A)), float(np.trace(B))

    def mean(one: Array, other: Array) -> float:
        return 2.0 * float(np.sum(one * other)) + float(np.trace(one) * np.trace(other))

    products = (a * a - mean(A, A), a * b - mean(A, B), b * b - mean(B, B))
    return np.stack([a - mean_a, b - mean_b, *products], axis=1)


def _quadratic(rows: Array) -> Array:
    """(r, r): the form that is the sum of squares of rows (..., r) times z."""
    flat = rows.reshape(-1, rows.shape[-1])
    form: Array = flat.T @ flat
    return form


def _explained(values: Array, controls: Array) -> Array:
    """The part of mean zero that the controls explain by least squares."""
    centred = controls / np.maximum(controls.std(axis=0), np.finfo(float).tiny)
    design = np.column_stack([np.ones(len(values)), centred])
    fitted: Array = np.linalg.lstsq(design, values, rcond=None)[0]
    return np.asarray(centred @ fitted[1:])


def _parts(count: int) -> list[slice]:
    size = count // BATCHES
    return [slice(k * size, (k + 1) * size) for k in range(BATCHES)]
