"""The data term of a readout of finite fan-in: where weights see one kernel, and where they see pixels.

-2 dPsi/dG_ij = p_ij eps eps^T - q_ij H (derived: docs/derivations-fan-in.md).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cholesky

from numerics.kernels.kernel_maps import KernelMap
from numerics.kernels.preactivations import Kernel
from numerics.machine.dense import eigh, gram, mirrored
from numerics.problem import Problem
from numerics.readout_laws.blocks import Blocks, Grid, Pairs
from numerics.readout_laws.coupled import Change, Coupled
from numerics.readout_laws.fan_in_output import OneKernelOutput, PixelOutput
from numerics.readout_laws.law import DataSummary, DataTerm, OutputLaw
from numerics.readout_laws.linear_layers import LinearLayers
from numerics.readout_laws.mean_field import rounding
from numerics.readout_laws.noise_root import NoiseRoot
from numerics.readout_laws.outputs import OutputChange, Outputs
from numerics.readout_laws.pixels import PixelChange, Pixels, resolvent

Array = NDArray[np.float64]


@dataclass(frozen=True)
class FanInTerm(DataTerm):
    """Attributes
    ----------
    noise : NoiseRoot
    coupled : Coupled
    p, q : arrays
    """

    summary: DataSummary
    noise: NoiseRoot
    coupled: Coupled
    p: Array
    q: Array

    @property
    @abstractmethod
    def H(self) -> Array:
        """(D, k, D, k): the resolvent over the data that are observed."""

    def noise_slope(self, problem: Problem) -> float:
        diagonal = np.einsum("dkdk->k", self.H)
        noise, eps = problem.noise_variance[problem.observed], self.summary.eps[problem.observed]
        return 0.5 * float(noise @ (diagonal - np.sum(eps**2, axis=1)))

    def bias_slope(self, problem: Problem) -> float:
        total = float(np.einsum("dkdl->", self.H))
        pull = float(np.sum(np.sum(self.summary.eps, axis=0) ** 2))
        return 0.5 * problem.net.bias_variance * (total - pull)

    def _tangent(self, change: Change) -> tuple[Array, Array]:
        return self.coupled.tangent(self.p, self.coupled.response(self.p)[0], change)


@dataclass(frozen=True)
class OneKernelTerm(FanInTerm):
    """Attributes
    ----------
    vectors : (k, k) array
        Eigenvectors of Q in units of the noise.
    bias : float
        Part of the readout's kernel that is not the weights'.
    """

    coupled: Outputs
    vectors: Array
    bias: float

    @property
    def H(self) -> Array:
        each, V = np.linalg.eigh(self.q)
        U, h = self.vectors, 1.0 / (1.0 + np.multiply.outer(self.coupled.values, each))
        blocks = np.array([self.noise.back_both(gram(U * np.sqrt(h[:, a]))) for a in range(len(each))])
        return np.einsum("da,ea,amn->dmen", V, V, blocks)

    @property
    def A(self) -> Array:
        """-2 dPsi/dQ = sum_dd' (p_dd' eps_d eps_d'^T - q_dd' H_dd')."""
        U, at = self.vectors, self.coupled
        each = np.linalg.eigvalsh(self.q)
        weights = np.sum(each / (1.0 + np.multiply.outer(at.values, each)), axis=1)
        eps = U @ at.eps(self.p)
        return self.noise.outward(eps @ self.p @ eps.T - gram(U * np.sqrt(weights)))

    def tangent(self, dQ: Array) -> tuple[Array, Array]:
        """(deps, dA) when Q moves along the symmetric dQ, whose lower triangle is read."""
        U, at = self.vectors, self.coupled
        inner = U.T @ self.noise.inward(mirrored(dQ)) @ U
        eps = at.eps(self.p)
        change = OutputChange(at, self.p, self.q, eps, inner)
        dp, dq = self._tangent(change)
        deps = change.deps(dp, True)
        across = deps @ self.p @ eps.T
        moved = across + across.T + eps @ dp @ eps.T
        each, V = np.linalg.eigh(self.q)
        h = 1.0 / (1.0 + np.multiply.outer(at.values, each))
        turned = np.diagonal(V.T @ dq @ V)  # q and H are functions of q, of which the trace is taken
        moved += inner * ((h * each) @ (h * each).T)
        moved[np.diag_indices(len(h))] -= np.sum(turned * h * (1.0 - at.values[:, None] * each * h), axis=1)
        return self.noise.up(U @ deps), self.noise.outward(U @ moved @ U.T)

    def slopes(self, readout: KernelMap, kernel: Kernel) -> tuple[Array, Array]:
        return readout.adjoints(kernel, self.A)

    def slope_tangents(self, readout: KernelMap, kernel: Kernel, moving: Kernel) -> tuple[Array, Array]:
        dA = self.tangent(readout.tangent(kernel, moving))[1]
        return readout.adjoint_tangents(kernel, moving, self.A, dA)

    def output_law(self, readout: KernelMap, kernel: Kernel, problem: Problem) -> OutputLaw:
        return OneKernelOutput.of(readout.value(kernel), self.noise, self.summary.eps, self.p, self.q)


@dataclass(frozen=True)
class PixelTerm(FanInTerm):
    """Attributes
    ----------
    white_H : (D k, D k) array
    white_eps : (D k,) array
        In units of the noise.
    """

    coupled: Pixels
    white_H: Array
    white_eps: Array

    @property
    def H(self) -> Array:
        D, k = self.blocks.outputs, self.blocks.samples
        each = self.white_H.reshape(D, k, D, k)
        back = [[self.noise.back_both(each[d, :, e]) for e in range(D)] for d in range(D)]
        return np.array(back).transpose(0, 2, 1, 3)

    @property
    def blocks(self) -> Blocks:
        return self.coupled.blocks

    def slopes(self, readout: KernelMap, kernel: Kernel) -> tuple[Array, Array]:
        pulls = ((self.p, np.multiply.outer(self.white_eps, self.white_eps)), (self.q, -self.white_H))
        if self.blocks.outputs > 1:
            return readout.apart.adjoints(kernel, _sum([self._apart(w, Z) for w, Z in pulls]))
        return _added(*(self._weighted(readout, w).adjoints(kernel, self.noise.outward(Z)) for w, Z in pulls))

    def slope_tangents(self, readout: KernelMap, kernel: Kernel, moving: Kernel) -> tuple[Array, Array]:
        change = self._change(readout, kernel, moving)
        dp, dq = self._tangent(change)
        across = np.multiply.outer(change.deps(dp, True), self.white_eps)
        pulls = (
            (self.p, dp, np.multiply.outer(self.white_eps, self.white_eps), across + across.T),
            (self.q, dq, -self.white_H, -change.dH(dq, True)),
        )
        if self.blocks.outputs > 1:
            A = _sum([self._apart(w, Z) for w, _, Z, _ in pulls])
            dA = _sum([self._apart(dw, Z) + self._apart(w, dZ) for w, dw, Z, dZ in pulls])
            return readout.apart.adjoint_tangents(kernel, moving, A, dA)
        parts = []
        for w, dw, Z, dZ in pulls:
            out, d_out = self.noise.outward(Z), self.noise.outward(dZ)
            parts.append(self._weighted(readout, w).adjoint_tangents(kernel, moving, out, d_out))
            parts.append(self._weighted(readout, dw).adjoints(kernel, out))
        return _added(*parts)

    def output_law(self, readout: KernelMap, kernel: Kernel, problem: Problem) -> OutputLaw:
        outputs, k = self.blocks.outputs, self.blocks.samples
        K = self.blocks.combined(self.q)
        K[np.diag_indices(outputs * k)] += 1.0
        root = np.kron(
            np.eye(outputs), cholesky(self.noise.covariance, lower=True)
        )  # units of the noise, back
        factor = root @ cholesky(K, lower=True, check_finite=False)
        return PixelOutput(self.noise, self.summary.eps, self.p, self.q, factor)

    def _change(self, readout: KernelMap, kernel: Kernel, moving: Kernel) -> PixelChange:
        outputs = self.blocks.outputs
        if outputs == 1:
            there: Blocks = Pairs.moving(readout, kernel, moving, self.noise)
        else:
            there = Grid.moving(readout, kernel, moving, self.noise, outputs)
        return PixelChange(self.blocks, there, self.p, self.q, self.white_H, self.white_eps)

    def _weighted(self, readout: KernelMap, w: Array) -> KernelMap:
        return readout.weighted(w * (readout.variance / readout.receptive.fan_in))

    def _apart(self, w: Array, Z: Array) -> Array:
        """sum_dd' w_(id)(jd') Z_dd' as an array over (pixel, sample)."""
        N, D, k = self.blocks.pixels, self.blocks.outputs, self.blocks.samples
        n = len(self.noise.noise_variance)
        each = np.empty((D * D, n * n))
        Z = Z.reshape(D, k, D, k)
        for row, (d, e) in enumerate(np.ndindex(D, D)):
            each[row] = self.noise.outward(Z[d, :, e]).ravel()
        weights = w.reshape(N, D, N, D).transpose(0, 2, 1, 3).reshape(N * N, D * D)
        return np.ascontiguousarray(
            (weights @ each).reshape(N, N, n, n).transpose(0, 2, 1, 3).reshape(N * n, N * n)
        )


def _added(*parts: tuple[Array, Array]) -> tuple[Array, Array]:
    first, second = zip(*parts, strict=True)
    return _sum(first), _sum(second)


def _sum(arrays: Sequence[Array]) -> Array:
    return sum(arrays[1:], start=arrays[0])


def one_kernel(
    Q: Array,
    y: Array,
    noise: NoiseRoot,
    channels: float,
    bias: float = 0.0,
    layers: Array | None = None,
) -> OneKernelTerm:
    """Psi where every weight of a channel sees the same kernel Q = Q_f (n, n), of which `bias` is not theirs;
    the lower triangle is read. Costs an eigendecomposition.

    Parameters
    ----------
    y : (n, D) array
    channels : float
        Weights per output that p stands for; infinite for mean field.
    layers : (L,) array, optional
        Fan-ins of the layers of a linear network.
    """
    whole = mirrored(Q)
    whole -= bias
    values, U = eigh(noise.inward(whole))
    values = np.maximum(values, 0.0)
    inside = U.T @ noise.down(y)
    coupled = (
        Outputs(values, inside, channels)
        if layers is None
        else LinearLayers(values, inside, channels, layers)
    )
    p, q = _solved(coupled, channels < len(values))
    eps = noise.up(U @ coupled.eps(p))
    freedom = float(np.sum(values / (1.0 + values)))
    diagonal = float(np.max(np.diagonal(p))) * np.diagonal(Q)
    summary = _summary(coupled, p, q, eps, noise, freedom, diagonal)
    return OneKernelTerm(summary, noise, coupled, p, q, vectors=U, bias=bias)


def pixels(blocks: Blocks, y: Array, noise: NoiseRoot, channels: float) -> PixelTerm:
    """Psi where the weights of a channel see pixels of their own.

    Parameters
    ----------
    y : (n, D) array
    channels : float
        C; infinite for mean field.

    Raises
    ------
    NotPositiveDefinite
        When rounding makes 1 + Q indefinite, or q does not settle.
    """
    coupled = Pixels(blocks, np.ascontiguousarray(noise.down(y).T).ravel(), channels)
    p, q = _solved(coupled, channels * blocks.pixels < blocks.samples)
    whole = coupled.eps(p)
    H = resolvent(blocks.combined(q))[0]
    prior = blocks.combined(np.eye(coupled.size))[: blocks.samples, : blocks.samples]
    diagonal = np.zeros(len(y))
    diagonal[noise.observed] = np.diagonal(prior) * noise.noise_variance[noise.observed]
    freedom = blocks.samples - float(np.trace(resolvent(prior)[0]))
    eps = noise.up(np.ascontiguousarray(whole.reshape(blocks.outputs, -1).T))
    summary = _summary(coupled, p, q, eps, noise, freedom, diagonal)
    return PixelTerm(summary, noise, coupled, p, q, white_H=H, white_eps=whole)


def _solved(coupled: Coupled, several: bool) -> tuple[Array, Array]:
    """p and q; of infinite width both are I."""
    if isinstance(coupled, LinearLayers) or np.isfinite(coupled.channels):
        return coupled.solve(several)
    return np.eye(coupled.size), np.eye(coupled.size)


def _summary(
    coupled: Coupled, p: Array, q: Array, eps: Array, noise: NoiseRoot, freedom: float, diagonal: Array
) -> DataSummary:
    wide = np.isinf(coupled.channels) and not isinstance(coupled, LinearLayers)
    fit, complexity, fan_in = (np.nan,) * 3 if wide else coupled.psi(p, q)
    observed = noise.observed
    lost = rounding(diagonal[observed] + noise.noise_variance[observed], eps[observed], fit)
    return DataSummary(
        eps=eps,
        parts={"fit": fit, "complexity": complexity + eps.shape[1] * noise.log_det, "fan_in": fan_in},
        degrees_of_freedom=freedom,
        rounding=lost,
        coefficients=_coefficients(coupled, p, q),
    )


def _coefficients(coupled: Coupled, p: Array, q: Array) -> dict[str, float | Array]:
    """Of the readout; of a linear network also of every hidden layer below the last."""
    if not isinstance(coupled, LinearLayers):
        return {"response": _plain(p), "fluctuation": _plain(q)}
    p_l, q_l = coupled.each(coupled.a(q[0, 0]), coupled.b(p[0, 0]))
    found: dict[str, float | Array] = {"response": float(p_l[-1]), "fluctuation": float(q_l[-1])}
    for layer, (response, fluctuation) in enumerate(zip(p_l[:-1], q_l[:-1], strict=True)):
        found |= {f"response_{layer}": float(response), f"fluctuation_{layer}": float(fluctuation)}
    return found


def _plain(w: Array) -> float | Array:
    """A number where there is one weight."""
    return float(w[0, 0]) if w.size == 1 else w
