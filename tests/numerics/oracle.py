"""The equations of state of the two-layer CNN once more: dense NumPy typed from the paper, nothing shared.

Nothing here is taken from `numerics` or `analytic`; no tiles, no triangles, no generated kernel. Every
function is complex analytic in Sigma and in C (no conjugate, no absolute value), so derivatives by complex
step are exact to rounding, and a complex width gives Taylor coefficients in 1/C by Cauchy's formula.
Numbers refer to Seroussi, Naveh & Ringel, Nat. Commun. 14:908 (2023). For small n and patch size only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np


def log_det(M):
    """Log determinant, analytic near the positive definite matrices (principal branch of the phase)."""
    sign, log_abs = np.linalg.slogdet(M)
    return log_abs + np.log(sign) if np.iscomplexobj(M) else log_abs


def erf_G(K12, K11, K22):
    """E[erf(h1) erf(h2)], h ~ N(0, K): the arcsine kernel (Williams 1997)."""
    return (2 / np.pi) * np.arcsin(2 * K12 / np.sqrt((1 + 2 * K11) * (1 + 2 * K22)))


def linear_G(K12, K11, K22):
    return K12 + 0 * K11 + 0 * K22


def erf_slopes(K12, K11, K22):
    """dG/dK12 and dG/dK11 of two different units, and d E[erf(h1)^2]/dK11 of one unit with itself."""
    D1, D2 = 1 + 2 * K11, 1 + 2 * K22
    u = 2 * K12 / np.sqrt(D1 * D2)
    dG_du = (2 / np.pi) / np.sqrt(1 - u * u)
    return dG_du * 2 / np.sqrt(D1 * D2), -dG_du * u / D1, (4 / np.pi) / (D1 * np.sqrt(1 + 4 * K11))


def linear_slopes(K12, K11, K22):
    zero = 0 * (K12 + K11 + K22)
    return 1 + zero, zero, 1 + 0 * K11


def sin_G(K12, K11, K22):
    """E[sin(h1) sin(h2)] = (E[cos(h1 - h2)] - E[cos(h1 + h2)])/2."""
    return (np.exp(-(K11 + K22 - 2 * K12) / 2) - np.exp(-(K11 + K22 + 2 * K12) / 2)) / 2


def sin_slopes(K12, K11, K22):
    even = (np.exp(-(K11 + K22 - 2 * K12) / 2) + np.exp(-(K11 + K22 + 2 * K12) / 2)) / 2
    return even, -sin_G(K12, K11, K22) / 2, np.exp(-2 * K11)


KERNELS = {
    "erf": (erf_G, erf_slopes),
    "linear": (linear_G, linear_slopes),
    "sin": (sin_G, sin_slopes),
}


@dataclass(frozen=True)
class Oracle:
    """One regression problem; X (n, N, S), y (n,)."""

    X: np.ndarray
    y: np.ndarray
    noise_variance: float
    weight_variance: float = 2.0
    readout_variance: float = 2.0
    activation: str = "erf"

    @property
    def S(self):
        return self.X.shape[2]

    @property
    def prior_precision(self):
        return self.S / self.weight_variance

    @property
    def Sigma_0(self):
        return np.eye(self.S) / self.prior_precision

    # -- Eq. (7) and its derivative ---------------------------------------------------------------------

    def Q(self, Sigma, Xa=None, Xb=None):
        """Readout kernel between two sets of inputs, Eq. (7)."""
        Xa, Xb = (self.X if Z is None else Z for Z in (Xa, Xb))
        G, _ = KERNELS[self.activation]
        total = 0
        for i in range(self.X.shape[1]):
            A, B = Xa[:, i], Xb[:, i]
            k_a, k_b = (np.diag(Z @ Sigma @ Z.T)[:, None] for Z in (A, B))
            total = total + G(A @ Sigma @ B.T, k_a, k_b.T)
        return self.readout_variance / self.X.shape[1] * total

    def adjoint(self, Sigma, B):
        """sum_mn B_mn dQ_mn/dSigma for symmetric B, each patch's chain rule written out."""
        _, slopes = KERNELS[self.activation]
        total = 0
        for i in range(self.X.shape[1]):
            A = self.X[:, i]
            K = A @ Sigma @ A.T
            d12, d11, d_self = slopes(K, np.diag(K)[:, None], np.diag(K)[None, :])
            off = B * (1 - np.eye(len(B)))
            V = off * d12
            on = np.diag(B) * d_self[:, 0] + 2 * np.sum(off * d11, axis=1)
            total = total + A.T @ (V + np.diag(on)) @ A
        return self.readout_variance / self.X.shape[1] * total

    def tangent(self, Sigma, dSigma, h=1e-20):
        """dQ along dSigma, by complex step (exact to rounding, Sigma real)."""
        return self.Q(Sigma + 1j * h * dSigma).imag / h

    # -- free energy and its stationarity ---------------------------------------------------------------

    def K_f(self, Sigma):
        return self.Q(Sigma) + self.noise_variance * np.eye(len(self.y))

    def eps(self, Sigma):
        return np.linalg.solve(self.K_f(Sigma), self.y)

    def alpha(self, Sigma):
        return self.eps(Sigma) @ self.y / (self.y @ self.y)

    def A(self, Sigma):
        eps = self.eps(Sigma)
        return np.outer(eps, eps) - np.linalg.inv(self.K_f(Sigma))

    def T(self, Sigma):
        return self.adjoint(Sigma, self.A(Sigma))

    def kl(self, Sigma):
        """KL( N(0, Sigma) || N(0, sigma_w^2/S I) )."""
        p = self.prior_precision
        return 0.5 * (p * np.trace(Sigma) - self.S - log_det(Sigma) - self.S * math.log(p))

    def data_term(self, Sigma):
        K_f = self.K_f(Sigma)
        return 0.5 * self.y @ np.linalg.solve(K_f, self.y) + 0.5 * log_det(K_f)

    def free_energy(self, Sigma, C):
        return C * self.kl(Sigma) + self.data_term(Sigma)

    def gradient(self, Sigma, C):
        """dF/dSigma (C/2 times the mismatch of Eq. (8))."""
        return 0.5 * C * (self.prior_precision * np.eye(self.S) - np.linalg.inv(Sigma)) - 0.5 * self.T(Sigma)

    def mismatch(self, Sigma, C):
        """Eq. (8) multiplied by Sigma; zero at a solution."""
        return Sigma @ (self.prior_precision * np.eye(self.S) - self.T(Sigma) / C) - np.eye(self.S)

    def residual(self, Sigma, C):
        return np.max(np.abs(self.mismatch(Sigma, C)))

    # -- solving: dense Newton on Eq. (8), the Jacobian by differences ----------------------------------

    def solve(self, C, start=None):
        """Sigma at width C, by Newton's method; continued from infinite width unless a start is given."""
        if start is not None:
            return self._newton(start, C)
        Sigma = self.Sigma_0
        for fraction in (1 / 16, 1 / 4, 1 / 2, 1):
            Sigma = self._newton(Sigma, C / fraction)
        return Sigma

    def _newton(self, Sigma, C):
        # unknowns: the entries on and above the diagonal; equation: Sigma - (S/sigma_w^2 - T/C)^{-1} = 0
        rows, cols = np.triu_indices(self.S)

        def unpack(v):
            M = np.zeros((self.S, self.S))
            M[rows, cols] = M[cols, rows] = v
            return M

        def f(v):
            return (unpack(v) - self._image(unpack(v), C))[rows, cols]

        v = Sigma[rows, cols]
        h = 1e-5 / self.prior_precision  # error of the Jacobian about 1e-9: converges by 1e-9 a step
        last = np.inf
        for _ in range(30):
            value = f(v)
            size = np.max(np.abs(value)) * self.prior_precision
            if size < 1e-10 and size >= last / 10:  # rounding reached
                return unpack(v)
            last = size
            J = np.stack([(f(v + h * e) - f(v - h * e)) / (2 * h) for e in np.eye(len(v))], axis=1)
            v = v - np.linalg.solve(J, value)
        raise RuntimeError(f"the oracle's Newton iteration did not settle at C = {C}")

    def _image(self, Sigma, C):
        return np.linalg.inv(self.prior_precision * np.eye(self.S) - self.T(Sigma) / C)

    def series(self, order, radius, points=16):
        """Coefficients of alpha in powers of 1/C up to `order`, by Cauchy's formula on |1/C| = radius.

        The radius must be small enough for the plain fixed point to contract.
        """
        phases = np.exp(2j * np.pi * np.arange(points // 2 + 1) / points)  # the rest are conjugates
        values = []
        for phase in phases:
            Sigma = self.Sigma_0.astype(complex)
            for _ in range(200):
                previous, Sigma = Sigma, self._image(Sigma, 1 / (radius * phase))
                if np.max(np.abs(Sigma - previous)) * self.prior_precision < 1e-14:
                    break
            else:
                raise RuntimeError("the fixed point does not contract: take a smaller radius")
            values.append(self.alpha(Sigma))
        coefficients = np.fft.irfft(np.conj(values), points)
        return coefficients[: order + 1] / radius ** np.arange(order + 1)

    # -- what is read off a state -----------------------------------------------------------------------

    def chi_paper(self, Sigma, C):
        """(1/C) eps^T Q^(1) eps, the post-kernel averaged over patches (text after Eq. (6))."""
        eps = self.eps(Sigma)
        N = self.X.shape[1]
        return sum(np.sum((eps @ self.X[:, i]) ** 2) for i in range(N)) / (self.prior_precision * N * C)

    def chi_response(self, Sigma, C):
        eps = self.eps(Sigma)
        return eps @ self.Q(Sigma) @ eps / C

    def readout_load(self, Sigma, C):
        """tr[Q_f K_f^{-1}] over the fan-in of the readout (derived)."""
        return np.trace(np.linalg.solve(self.K_f(Sigma), self.Q(Sigma))) / (self.X.shape[1] * C)

    def first_order(self):
        """d Sigma / d(1/C) and d alpha / d(1/C) at infinite width, Eq. (8) differentiated."""
        Sigma_1 = self.Sigma_0 @ self.T(self.Sigma_0) @ self.Sigma_0
        eps = self.eps(self.Sigma_0)
        return Sigma_1, -eps @ self.tangent(self.Sigma_0, Sigma_1) @ eps / (self.y @ self.y)

    def predict(self, Sigma, X_test):
        """Mean and latent covariance at test points: Gaussian process regression with kernel Q_f(Sigma)."""
        K_inv = np.linalg.inv(self.K_f(Sigma))
        cross = self.Q(Sigma, X_test, self.X)
        return cross @ K_inv @ self.y, self.Q(Sigma, X_test, X_test) - cross @ K_inv @ cross.T
