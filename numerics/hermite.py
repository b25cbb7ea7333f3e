"""Hermite coefficients of an activation: what Mehler's series needs of each pre-activation h ~ N(m, s^2).

    c_k = E[phi(m + s z) h_k(z)],    d_k = E[phi'(m + s z) h_k(z)],    z ~ N(0, 1), h_k = He_k / sqrt(k!),

by the trapezoidal rule, whose error for analytic phi falls exponentially with the spacing, also where
Gauss-Hermite's nodes would lie too far apart (poles of tanh come close to the line when s is large). Then

    E[phi(h1) phi(h2)] = sum_k c_k(1) c_k(2) rho^k                                            (Mehler 1866)

converges absolutely, slowest at |rho| = 1. As many terms are kept as leave 1e-13 of E[phi'^2]: for tanh about
130 (1 + s^2), for GELU 30 (1 + s^2).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Function = Callable[[Array], Array]

SPACING = 1 / 24
REACH = 12.0  # of z: h_k times the density is exp(-z^2/4) times something bounded, below 1e-15 beyond
MOST_TERMS = 2048
SEEN = MOST_TERMS * 3 // 4  # of which the rest shows the tail
TAIL = 1e-13
STRIDE = 8  # terms are counted in these
CHUNK = 64  # units at a time: their values at the nodes stay in the second cache


class TooManyTerms(ArithmeticError):
    """The series of an activation does not converge in SEEN terms."""


@cache
def nodes() -> Array:
    half = np.arange(0.0, REACH + SPACING / 2, SPACING)
    return np.concatenate([-half[:0:-1], half])


@cache
def weights() -> Array:
    """(nodes, MOST_TERMS): spacing times density times h_k."""
    z = nodes()
    table = np.empty((MOST_TERMS, z.size))
    table[0] = SPACING * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    table[1] = z * table[0]
    for k in range(1, MOST_TERMS - 1):
        table[k + 1] = (z * table[k] - np.sqrt(k) * table[k - 1]) / np.sqrt(k + 1)
    return np.ascontiguousarray(table.T)


def coefficients(f: Function, m: Array, s: Array, terms: int = MOST_TERMS) -> Array:
    """E[f(m + s z) h_k(z)] for k < terms, (units, terms) for m and s of shape (units,)."""
    return f(m[:, None] + s[:, None] * nodes()) @ weights()[:, :terms]


def terms_needed(dphi: Function, m: Array, s: Array, most: int = SEEN, tail: float = TAIL) -> int:
    """Terms that leave `tail` of E[phi'^2] for every unit; one more, for second derivatives.

    Raises
    ------
    TooManyTerms
        When `most`, SEEN or fewer, are not enough.
    """
    power = coefficients(dphi, m, s) ** 2
    tails = np.cumsum(power[:, ::-1], axis=1)[:, ::-1]  # sum over k >= K
    enough = (tails <= tail * tails[:, :1])[:, :most].all(axis=0)
    if not enough.any():
        raise TooManyTerms
    return STRIDE * (int(np.argmax(enough)) // STRIDE + 2)


def statistics(
    phi: Function,
    dphi: Function,
    odd: bool,
    moments: Array,
    most: int = SEEN,
    spare: int = 0,
    tail: float = TAIL,
) -> Array:
    """Rows 1/s (0 at s = 0), c_0 ..., d_0 ... per unit: (P, 1 + 2 terms, n) from (P, 2, n) variances, means.

    Of an odd phi at zero means what vanishes is zero exactly, by which the loops tell. At most `most` terms;
    `spare` rows at the end are the caller's to fill.

    Raises
    ------
    TooManyTerms
    """
    if moments.size == 0:  # no test inputs
        return np.empty((len(moments), 3 + spare, 0))
    variances, means = moments[:, 0], moments[:, 1]
    s = np.sqrt(np.maximum(variances, 0.0))
    extreme = np.unique([s.argmax(), means.argmax(), means.argmin()])
    terms = terms_needed(dphi, means.ravel()[extreme], s.ravel()[extreme], most, tail)
    out = np.empty((len(moments), 1 + 2 * terms + spare, s.shape[1]))
    out[:, 0] = np.divide(1.0, s, out=np.zeros_like(s), where=s > 0)
    for m_p, s_p, rows in zip(means, s, out, strict=True):
        for low in range(0, len(m_p), CHUNK):
            part = slice(low, low + CHUNK)
            rows[1 : 1 + terms, part] = coefficients(phi, m_p[part], s_p[part], terms).T
            rows[1 + terms : 1 + 2 * terms, part] = coefficients(dphi, m_p[part], s_p[part], terms).T
    if odd and not means.any():
        out[:, 1 : 1 + terms : 2] = 0.0
        out[:, 2 + terms : 1 + 2 * terms : 2] = 0.0
    return out
