"""What a field (eps, H) on the data does to one unit, and what the units make of it: z, Q_p and Q_q.

Everything is in units of the noise: features phi (m, n) of a unit, targets and fields divided by it. Outputs
are rows: eps (D, n), H (D, n, D, n). With a readout of width C,

    b_(d i) = phi_i . eps_d / sqrt C,    A_(d i)(e j) = delta + phi_i . H_de phi_j / C,    abar = A^{-1} b,
    tilt = -1/2 log det A + 1/2 b . abar,    z = E_{N_0} exp(tilt),
    Q_p = E phi A^{-1} phi^T,    Q_q = E phi (A^{-1} + abar abar^T) phi^T

(derived), E the average over the tilted law N_0 exp(tilt) / z. The readout of a unit given its weights is
Gaussian, N(abar, A^{-1}) in units of its prior.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cholesky
from scipy.linalg.blas import dtrmm

from numerics.machine.dense import gram
from numerics.unit.population import Population

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Readouts:
    """Covariances A^{-1} of the readouts of one unit, draw by draw, in a field H.

    Attributes
    ----------
    inverse : (M, D m, D m) array
    logdet : (M,) array
        log det A.
    """

    inverse: Array
    logdet: Array

    @classmethod
    def of(cls, population: Population, H: Array, width: float) -> Readouts:
        outputs, slots = len(H), population.hidden.slots
        size = outputs * slots
        inverse, logdet = np.empty((len(population), size, size)), np.empty(len(population))
        root = cholesky(H[0, :, 0], lower=True) if outputs == 1 else None
        for span, phi in population.features():
            A = _square(phi, root, width) if root is not None else precision(phi, seen_through(phi, H), width)
            inverse[span], logdet[span] = inverted(A)
        return cls(inverse, logdet)


def _square(phi: Array, root: Array, width: float) -> Array:
    """A of one output, from the Cholesky factor of H: half the work."""
    half = dtrmm(1.0, root, phi.reshape(-1, phi.shape[2]).T, lower=1, trans_a=1).T.reshape(phi.shape)
    return precision(half, half[None, None], width)


def seen_through(phi: Array, H: Array) -> Array:
    """(D, D, draws, m, n): phi H_de."""
    outputs, n = len(H), phi.shape[2]
    rows = phi.reshape(-1, n)
    return np.array(
        [[(rows @ H[d, :, e]).reshape(phi.shape) for e in range(outputs)] for d in range(outputs)]
    )


def precision(phi: Array, through: Array, width: float) -> Array:
    """A (draws, D m, D m)."""
    outputs, (draws, slots, _) = len(through), phi.shape
    A = np.empty((draws, outputs, slots, outputs, slots))
    for d in range(outputs):
        for e in range(outputs):
            if slots == 1:
                A[:, d, 0, e, 0] = np.einsum("bin,bin->b", through[d, e], phi)
            else:
                A[:, d, :, e, :] = through[d, e] @ phi.transpose(0, 2, 1)
    whole: Array = A.reshape(draws, outputs * slots, -1)
    whole /= width
    diagonal = np.arange(whole.shape[1])
    whole[:, diagonal, diagonal] += 1.0
    return whole


def inverted(A: Array) -> tuple[Array, Array]:
    """A^{-1} and log det A of many."""
    if A.shape[1] == 1:
        return 1.0 / A, np.log(A[:, 0, 0])
    inverse = np.linalg.inv(A)
    return (inverse + inverse.transpose(0, 2, 1)) / 2, np.linalg.slogdet(A)[1]


@dataclass(frozen=True)
class Pull:
    """The tilted law in a field eps.

    Attributes
    ----------
    log_z : float
    log_weights : (M,) array
        Of the draws: log of N_0 exp(tilt) over the reference, not normalised.
    gain : (M, D, m) array
        A^{-1} phi^T eps = sqrt C abar.
    mean_output : (D, n) array
        Q_p eps = E phi gain.
    """

    log_z: float
    log_weights: Array
    gain: Array
    mean_output: Array

    @cached_property
    def weights(self) -> Array:
        """(M,), of sum 1."""
        weights = np.exp(self.log_weights - self.log_weights.max())
        return weights / weights.sum()

    @property
    def effective_share(self) -> float:
        """Effective sample over the number of draws."""
        return float(1.0 / (len(self.weights) * np.sum(self.weights**2)))

    @classmethod
    def of(cls, population: Population, readouts: Readouts, eps: Array, width: float) -> Pull:
        M, slots, outputs = len(population), population.hidden.slots, len(eps)
        log_weights, gain = np.empty(M), np.empty((M, outputs, slots))
        top, total, output = -np.inf, 0.0, np.zeros_like(eps)
        for span, phi in population.features():
            b = (phi @ eps.T).transpose(0, 2, 1).reshape(len(phi), -1)
            a = np.einsum("bij,bj->bi", readouts.inverse[span], b)
            tilt = 0.5 * (np.einsum("bi,bi->b", a, b) / width - readouts.logdet[span])
            log_weights[span] = population.log_ratio[span] + tilt
            gain[span] = a.reshape(len(phi), outputs, slots)
            # weights against the largest so far
            higher = max(top, float(log_weights[span].max()))
            shrink = np.exp(top - higher)
            part = np.exp(log_weights[span] - higher)
            weighted = (gain[span] * part[:, None, None]).transpose(1, 0, 2).reshape(outputs, -1)
            output = output * shrink + weighted @ phi.reshape(-1, phi.shape[2])
            total, top = total * shrink + float(part.sum()), higher
        log_z = top + float(np.log(total / M))
        return cls(log_z, log_weights, gain, output / total)


def second_moment(population: Population, readouts: Readouts, pull: Pull, width: float) -> Array:
    """Q_q (D n, D n)."""
    return response(population, readouts, pull) + _of_the_means(population, pull) / width


def response(population: Population, readouts: Readouts, pull: Pull) -> Array:
    """Q_p (D n, D n)."""
    n, (_, outputs, slots) = population.hidden.samples, pull.gain.shape
    Q = np.zeros((outputs, n, outputs, n))
    for span, phi in population.features():
        rows = phi.reshape(-1, n)
        covariance = readouts.inverse[span].reshape(-1, outputs, slots, outputs, slots)
        for d in range(outputs):
            root = _roots(covariance[:, d, :, d, :]) * np.sqrt(pull.weights[span])[:, None, None]
            half = (root * phi) if slots == 1 else root.transpose(0, 2, 1) @ phi
            Q[d, :, d] += gram(half.reshape(-1, n).T)
            for e in range(d):
                P = covariance[:, d, :, e, :] * pull.weights[span, None, None]
                Q[d, :, e] += rows.T @ ((P * phi) if slots == 1 else (P @ phi)).reshape(-1, n)
    for d in range(outputs):
        for e in range(d):
            Q[e, :, d] = Q[d, :, e].T
    whole = Q.reshape(outputs * n, outputs * n)
    return (whole + whole.T) / 2


def _roots(P: Array) -> Array:
    """Lower Cholesky factors of many."""
    return np.sqrt(P) if P.shape[1] == 1 else np.linalg.cholesky(P).astype(np.float64)


def _of_the_means(population: Population, pull: Pull) -> Array:
    """(D n, D n): E u u^T of u = phi gain."""
    size = pull.gain.shape[1] * population.hidden.samples
    total = np.zeros((size, size))
    for span, phi in population.features():
        u = (pull.gain[span] @ phi).reshape(-1, size)
        u *= np.sqrt(pull.weights[span])[:, None]
        total += gram(u.T)
    return total
