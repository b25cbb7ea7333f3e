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
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cholesky

from numerics.unit.population import Population

Array = NDArray[np.float64]
Floats = NDArray[np.floating[Any]]

BLOCKS = 8  # of columns of a triangle: a sixteenth of the product is in vain


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
        root = cholesky(H[0, :, 0], lower=True).astype(population.kind) if outputs == 1 else None
        fields = H.astype(population.kind, copy=False)

        def work(span: slice, phi: Floats) -> None:
            A = (
                precision(phi, seen_through(phi, fields), width)
                if root is None
                else _square(phi, root, width)
            )
            inverse[span], logdet[span] = inverted(A)

        population.each(work)
        return cls(inverse, logdet)


def _square(phi: Floats, root: Floats, width: float) -> Array:
    """A of one output, from the Cholesky factor of H: half the work."""
    rows = phi.reshape(-1, phi.shape[2])
    product, n = np.empty_like(rows), len(root)
    for low in range(0, n, -(-n // BLOCKS)):
        high = min(low - (-n // BLOCKS), n)
        np.matmul(rows[:, low:], root[low:, low:high], out=product[:, low:high])
    half = product.reshape(phi.shape)
    return precision(half, half[None, None], width)


def seen_through(phi: Floats, H: Floats) -> Floats:
    """(D, D, draws, m, n): phi H_de."""
    outputs, n = len(H), phi.shape[2]
    rows = phi.reshape(-1, n)
    return np.array(
        [[(rows @ H[d, :, e]).reshape(phi.shape) for e in range(outputs)] for d in range(outputs)]
    )


def precision(phi: Floats, through: Floats, width: float) -> Array:
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
        seen = eps.T.astype(population.kind, copy=False)

        def work(span: slice, phi: Floats) -> None:
            b = (phi @ seen).astype(np.float64, copy=False).transpose(0, 2, 1).reshape(len(phi), -1)
            a = np.einsum("bij,bj->bi", readouts.inverse[span], b)
            tilt = 0.5 * (np.einsum("bi,bi->b", a, b) / width - readouts.logdet[span])
            log_weights[span] = population.log_ratio[span] + tilt
            gain[span] = a.reshape(len(phi), outputs, slots)

        population.each(work)
        top = float(log_weights.max())
        part = np.exp(log_weights - top)
        total = float(part.sum())

        def output(span: slice, phi: Floats) -> Floats:
            weighted = (gain[span] * (part[span, None, None] / total)).transpose(1, 0, 2)
            rows = weighted.reshape(outputs, -1).astype(phi.dtype, copy=False)
            product: Floats = rows @ phi.reshape(-1, phi.shape[2])
            return product

        return cls(top + float(np.log(total / M)), log_weights, gain, population.total(output))


def second_moment(population: Population, readouts: Readouts, pull: Pull, width: float) -> Array:
    """Q_q (D n, D n)."""
    return _weighted(population, readouts, pull, width)


def response(population: Population, readouts: Readouts, pull: Pull) -> Array:
    """Q_p (D n, D n)."""
    return _weighted(population, readouts, pull, np.inf)


def _weighted(population: Population, readouts: Readouts, pull: Pull, width: float) -> Array:
    """E phi (A^{-1} + gain gain^T / C) phi^T."""
    n, (_, outputs, slots) = population.hidden.samples, pull.gain.shape
    means = np.sqrt(pull.weights / width)[:, None, None] * pull.gain
    kind = population.kind

    def work(span: slice, phi: Floats) -> Floats:
        weights, covariance = pull.weights[span, None, None], readouts.inverse[span]
        share = np.sqrt(weights)  # of a factor: a weight may be zero, and a matrix times it has none
        if outputs == 1:
            # the factor's transpose, and the mean as one more row
            rows = (_roots(covariance) * share).transpose(0, 2, 1)
            rows = np.concatenate([rows, means[span]], axis=1) if width < np.inf else rows
            return _gram(_times(rows.astype(kind, copy=False), phi).reshape(-1, n))
        Q = np.zeros((outputs, n, outputs, n), kind)
        blocks = covariance.reshape(-1, outputs, slots, outputs, slots)
        flat = phi.reshape(-1, n)
        for d in range(outputs):
            root = (_roots(blocks[:, d, :, d]) * share).transpose(0, 2, 1).astype(kind, copy=False)
            Q[d, :, d] = _gram(_times(root, phi).reshape(-1, n))
            for e in range(d):
                P = (blocks[:, d, :, e] * weights).astype(kind, copy=False)
                Q[d, :, e] = flat.T @ _times(P, phi).reshape(-1, n)
                Q[e, :, d] = Q[d, :, e].T
        whole = Q.reshape(outputs * n, -1)
        if width < np.inf:
            u = (means[span].astype(kind, copy=False) @ phi).reshape(-1, outputs * n)
            whole += _gram(u)
        return whole

    total = population.total(work)
    return (total + total.T) / 2


def _gram(rows: Floats) -> Floats:
    """rows^T rows, which NumPy sees to be symmetric; its products leave the interpreter to other threads, as
    SciPy's do not."""
    product: Floats = rows.T @ rows
    return product


def _times(rows: Floats, phi: Floats) -> Floats:
    """Of each draw; what is a number is multiplied as one."""
    product: Floats = rows * phi if rows.shape[1:] == (1, 1) else rows @ phi
    return product


def _roots(P: Array) -> Array:
    """Lower Cholesky factors of many."""
    return np.sqrt(P) if P.shape[1] == 1 else np.linalg.cholesky(P).astype(np.float64)
