"""The matrix equations of state at complex width: Taylor coefficients of alpha in 1/C by Cauchy's formula.

Plain dense NumPy on the generated kernels' complex form, for the two-layer CNN of Eq. (7) and (8) at n up to
some 2000. Every step is holomorphic in Sigma and 1/C (transposes, no conjugates), so the solution continues
from the Gaussian process at 1/C = 0 into the complex plane, and alpha on a circle around it gives the whole
series at once. On the real axis it is a second implementation of `numerics.solve`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from numerics import checks
from numerics._generated import HOLOMORPHIC, load_numpy
from numerics.gaussian.input_space import InputSpace
from numerics.network import Network
from numerics.problem import Problem

Complex = NDArray[np.complex128]

MEMORY = 8  # secant pairs of the Anderson iteration
MAX_ITERATIONS = 200
CIRCLE = 0.1  # over the fastest relative growth of Sigma with 1/C; the scalar theory ends at .3 to .6
DECAY = 1e-3  # the last Fourier modes must be this small against the first: else the circle is too large


@dataclass(frozen=True)
class AlphaSeries:
    """alpha = sum_k coefficients[k] / C^k of the matrix theory.

    Attributes
    ----------
    coefficients : (order + 1,) array
    errors : (order + 1,) array
        Estimated absolute errors: the last Fourier modes on the circle, and the solves' tolerance.
    circle : float
        |1/C| of the points.
    points : int
    """

    coefficients: NDArray[np.float64]
    errors: NDArray[np.float64]
    circle: float
    points: int

    def alpha(self, width: float) -> float:
        """The truncated series at a width."""
        return float(np.polynomial.polynomial.polyval(1 / width, self.coefficients))


class ComplexWidth:
    """Eq. (7) and (8) of one problem at any complex 1/C."""

    def __init__(self, problem: Problem):
        net = problem.net
        plain = len(net.widths) == 1 and net.readout == "per_pixel" and net.bias_variance == 0
        if net.activation not in HOLOMORPHIC:
            raise ValueError(
                f"complex widths are for {HOLOMORPHIC}, not {str(net.activation)!r}; use sol.first_order"
            )
        if not plain or problem.outputs != 1 or not problem.observed.all() or problem.common_noise is None:
            raise ValueError(
                "complex widths are for two layers, a weight per pixel, no biases, one output and one "
                "noise variance; use sol.first_order for other networks"
            )
        size = problem.input_shape[1]
        X = np.ascontiguousarray(problem.inputs.transpose(1, 0, 2))
        space = InputSpace.spanned(X, np.full(size, net.weight_variances[0] / size))
        self.X = space.coordinates(X)
        self.y, self.noise = problem.targets[:, 0], problem.common_noise
        self.kernels = load_numpy(net.activation)
        self.prior = float(space.span_variance[0])
        self.scale = net.readout_variance / len(self.X)

    def state(self, R: Complex) -> tuple[complex, Complex]:
        """alpha and (sigma_w^2/S) Tr{A dQ_f/dSigma} at Sigma = (sigma_w^2/S) R."""
        K_f = self.noise * np.eye(len(self.y), dtype=R.dtype)
        patches = []
        for X in self.X:
            K = self.prior * (X @ R @ X.T)
            D = np.broadcast_to(self.kernels.statistic(np.diagonal(K)), len(K))  # a number for linear
            patches.append((K, D))
            K_f += self.scale * self.kernels.value(K, D[:, None], D[None, :])
        inverse = np.linalg.inv(K_f)
        eps = inverse @ self.y
        A = self.scale * (np.multiply.outer(eps, eps) - inverse)
        T = np.zeros_like(R)
        for X, (K, D) in zip(self.X, patches, strict=True):
            _, d12, d11, _ = self.kernels.first(K, D[:, None], D[None, :])
            V = A * d12
            V[np.diag_indices(len(V))] += 2 * np.sum(A * d11, axis=1)
            T = T + X.T @ V @ X
        return complex(eps @ self.y / (self.y @ self.y)), self.prior * T

    def solve(self, inverse_width: complex, start: Complex | None = None, tol: float = 1e-12) -> Any:
        """(alpha, R) with R (I - T/C) = I, by Anderson-accelerated iteration of R = (I - T/C)^{-1}.

        Raises
        ------
        ArithmeticError
            When it does not converge: the point lies near or beyond the radius of convergence.
        """
        identity = np.eye(self.X.shape[2], dtype=complex)
        R = identity if start is None else start
        steps: list[Complex] = []
        points: list[Complex] = []
        for _ in range(MAX_ITERATIONS):
            alpha, T = self.state(R)
            gap = identity - inverse_width * T
            if np.abs(R @ gap - identity).max() <= tol:
                return alpha, R
            points.append(R.ravel())
            steps.append((np.linalg.inv(gap) - R).ravel())
            del points[: -MEMORY - 1], steps[: -MEMORY - 1]
            R = _mixed(points, steps).reshape(R.shape)
            R = (R + R.T) / 2
        raise ArithmeticError(
            f"no solution was reached at 1/C = {inverse_width:.3g}: it may lie beyond a singularity; take a "
            "smaller circle"
        )


def alpha_series(
    net: Network | Problem,
    X: ArrayLike | None = None,
    y: ArrayLike | None = None,
    noise_variance: float | None = None,
    order: int = 4,
    *,
    circle: float | None = None,
    points: int | None = None,
    tol: float = 1e-12,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> AlphaSeries:
    """Coefficients of alpha in 1/C of the matrix equations of state (derived; Cauchy's formula).

    Parameters
    ----------
    net : Network or Problem
        Two layers, a weight per pixel, no biases; its width is not used. A Problem has its own X, y and
        noise_variance.
    X : (n, P, S) array
    y : (n,) array
    noise_variance : float
    order : int
        Highest coefficient; rounding in coefficient k grows like circle^-k.
    circle : float, optional
        |1/C| of the points, inside the radius of convergence; by default 0.1/k, where Sigma grows like
        1 + k/C along its fastest direction at the Gaussian process.
    points : int, optional
        Even; by default 4 (order + 2). A solve costs 10 to 20 dense evaluations, n^2 P kernel entries each.
    progress : callable
        Told (points done, points to do).

    Raises
    ------
    ValueError
        For other networks and bad arguments.
    ArithmeticError
        When a point of the circle cannot be solved, or the series does not converge on it.
    """
    problem = Problem.of(net, X, y, noise_variance)
    order = checks.count(order, "order")
    count = 4 * (order + 2) if points is None else checks.count(points, "points", least=order + 2)
    count += count % 2
    plane = ComplexWidth(problem)
    if circle is None:
        _, growth = plane.state(np.eye(plane.X.shape[2], dtype=complex))
        circle = CIRCLE / float(np.linalg.norm(growth, 2))
    radius = checks.positive(circle, "circle")
    half = np.empty(count // 2 + 1, dtype=complex)  # alpha at the conjugate is the conjugate
    R = None
    for k in range(len(half)):
        half[k], R = plane.solve(radius * np.exp(2j * math.pi * k / count), R, tol)
        progress(k + 1, len(half))
    modes = np.fft.irfft(half.conj(), count)
    tail = np.abs(modes[-3:]).max()
    if tail > DECAY * np.abs(modes[1:4]).max():
        raise ArithmeticError(
            f"the series does not converge on the circle |1/C| = {radius:.3g}: take a smaller circle"
        )
    scale = radius ** -np.arange(order + 1.0)
    alias = tail + tol * abs(half[0])
    return AlphaSeries(modes[: order + 1] * scale, alias * scale, radius, count)


def _mixed(points: list[Complex], steps: list[Complex]) -> Complex:
    """Anderson's type II step: the combination of the last steps that is smallest, taken in full."""
    point, step = points[-1], steps[-1]
    if len(points) == 1:
        return point + step
    moves = np.array([point - other for other in points[:-1]])
    turns = np.array([step - other for other in steps[:-1]])
    weights = np.linalg.lstsq(turns.T, step, rcond=1e-12)[0]
    return point + step - weights @ (moves + turns)
