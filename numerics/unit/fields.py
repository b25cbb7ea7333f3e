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
SMALLEST_SHIFT, LARGEST_SHIFT = 1e-3, 1.0  # of the mean diagonal: added to moments to make them positive


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
        weighted = (part / total)[:, None, None] * gain
        return cls(top + float(np.log(total / M)), log_weights, gain, mean_output(population, weighted))


def mean_output(population: Population, outputs: Array) -> Array:
    """(D, n): the sum over the draws of outputs (M, D, m) times phi (m, n)."""

    def work(span: slice, phi: Floats) -> Floats:
        rows = outputs[span].transpose(1, 0, 2).reshape(outputs.shape[1], -1)
        product: Floats = rows.astype(phi.dtype, copy=False) @ phi.reshape(-1, phi.shape[2])
        return product

    return population.total(work)


def weighted(population: Population, moment: Array, outputs: int, drawn: Array | None = None) -> Array:
    """(D n, D n): the sum over the draws of phi moment phi^T, moment (M, D m, D m).

    Parameters
    ----------
    drawn : (n, n) array, optional
        The average of sum_i phi_i phi_i^T over the draws as they are. With it, what is added to a moment to
        make it positive is taken off again, which halves the work.
    """
    M, n = len(population), population.hidden.samples
    slots, kind = population.hidden.slots, population.kind
    blocks = moment.reshape(M, outputs, slots, outputs, slots)
    roots = [_roots(np.ascontiguousarray(blocks[:, d, :, d]), drawn is not None) for d in range(outputs)]

    def work(span: slice, phi: Floats) -> Floats:
        Q = np.empty((outputs, n, outputs, n), kind)
        flat = phi.reshape(-1, n)
        for d in range(outputs):
            root, _ = roots[d]
            if root is None:
                Q[d, :, d] = flat.T @ _times(blocks[span, d, :, d].astype(kind), phi).reshape(-1, n)
            else:
                rows = root[span].transpose(0, 2, 1).astype(kind, copy=False)
                Q[d, :, d] = _gram(_times(rows, phi).reshape(-1, n))
            for e in range(d):
                P = blocks[span, d, :, e].astype(kind)
                Q[d, :, e] = flat.T @ _times(P, phi).reshape(-1, n)
                Q[e, :, d] = Q[d, :, e].T
        return Q.reshape(outputs * n, -1)

    total = population.total(work).reshape(outputs, n, outputs, n)
    for d, (_, shift) in enumerate(roots):
        if drawn is not None and shift:
            total[d, :, d] -= M * shift * drawn
    whole = total.reshape(outputs * n, -1)
    return (whole + whole.T) / 2


def _roots(moment: Array, may_shift: bool) -> tuple[Array | None, float]:
    """Lower Cholesky factors of many, and what has been added to all of their diagonals; None where they
    are not all positive and that may not be."""
    diagonal = np.arange(moment.shape[1])
    shift, scale = 0.0, float(np.abs(moment[:, diagonal, diagonal]).mean())
    while shift <= LARGEST_SHIFT * scale:
        try:
            return _factors(moment + shift * np.eye(len(diagonal)) if shift else moment), shift
        except np.linalg.LinAlgError:
            if not may_shift:
                break
            shift = 8.0 * shift or SMALLEST_SHIFT * scale
    return None, 0.0


def _factors(P: Array) -> Array:
    if P.shape[1] > 1:
        return np.linalg.cholesky(P).astype(np.float64)
    if P.min() < 0:
        raise np.linalg.LinAlgError
    return np.sqrt(P)


def _gram(rows: Floats) -> Floats:
    """rows^T rows, which NumPy sees to be symmetric; its products leave the interpreter to other threads, as
    SciPy's do not."""
    product: Floats = rows.T @ rows
    return product


def _times(rows: Floats, phi: Floats) -> Floats:
    """Of each draw; what is a number is multiplied as one."""
    product: Floats = rows * phi if rows.shape[1:] == (1, 1) else rows @ phi
    return product
