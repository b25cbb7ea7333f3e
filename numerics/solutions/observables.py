"""What a stationary point of the Gaussian theory says of the network: overlaps, kernels, free energy,
loads."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from numerics import checks
from numerics.gaussian.hessian import Hessian
from numerics.gaussian.point import Point
from numerics.gaussian.root import Triangular
from numerics.gaussian.state import State
from numerics.gaussian.theory import Theory
from numerics.machine.dense import mirrored
from numerics.network import Widths
from numerics.problem import Problem
from numerics.series.perturbation import FirstOrder, first_order
from numerics.solutions.evidence import EvidenceGradient, evidence_gradient
from numerics.solutions.feature_load import FeatureLoad
from numerics.solutions.hidden_fan_in import HiddenFanIn, hidden_fan_in
from numerics.solutions.stability import smallest_eigenvalue
from numerics.solutions.validity import Validity, validity
from numerics.solving.outcome import Status

Array = NDArray[np.float64]


@dataclass(frozen=True)
class LayerKernels:
    """A hidden layer at the solution: K of its pre-activations, Q of its prior, (P n, P n) each.

    Rows and columns run over (pixel, sample), the sample fastest; `mean` (P n,) is that of the
    pre-activations, zero where the activation is odd.
    """

    K: Array
    Q: Array
    mean: Array


class Observables(ABC):
    """Functions of a problem, its equations and a point of their free energy."""

    problem: Problem
    equations: Theory
    point: Point
    status: Status
    gradients: int
    method: str
    chi_width: float

    @property
    @abstractmethod
    def gp(self) -> Observables:
        """The same fields at infinite width."""

    @property
    def converged(self) -> bool:
        """Whether the state is a solution, as far as float64 tells."""
        return self.status.solved

    @property
    def theory(self) -> str:
        """The law of the readout, one of `numerics.THEORIES`."""
        return self.equations.law.name

    @property
    def state(self) -> State:
        """(theta, mu) of every hidden layer: log of the covariance against its prior, K = L e^theta L^T with
        Q = L L^T, and the mean in the same units, m = L mu, or None where the activation is odd. Zero is the
        Gaussian process."""
        return self.point.state

    @property
    def residual(self) -> float:
        """The largest of max |Sigma (P^{-1} - T/N_1) - I|, P the prior, and, per hidden layer,
        max |K^{-1/2} (K - Q - Q g K) Q^{-1} K^{1/2}|, the equation in units of K itself, and
        max |m - Q v| / max(|m|, sqrt(max diag Q)), recomputed at the returned state."""
        return self.point.residual

    @property
    def width(self) -> float:
        """Units of the last hidden layer (channels C of a two-layer CNN)."""
        return self.problem.net.width

    @property
    def widths(self) -> Widths:
        """Units of every hidden layer."""
        return self.problem.net.widths

    @property
    def input_covariance(self) -> Array:
        """Posterior covariance of all input weights of one unit; with biases theirs is the last row."""
        return self.equations.space.covariance(self.point.Sigma)

    @property
    def Sigma(self) -> Array:
        """Covariance of the input weights, (S, S), biases left out; the prior's is (sigma_w^2/S) I."""
        size = self.problem.input_shape[1]
        return self.input_covariance[:size, :size]

    @property
    def weight_mean(self) -> Array:
        """Mean of the input weights of a unit, (S,), biases left out; zero where the activation is odd."""
        return self.input_mean[: self.problem.input_shape[1]]

    @property
    def input_mean(self) -> Array:
        """Mean of all input weights of one unit; with biases theirs is the last entry."""
        mu, space = self.state[0].mu, self.equations.space
        if mu is None:
            return np.zeros(len(space.prior_variance))
        return space.mean(np.sqrt(self.equations.prior_variance) * mu)

    @property
    def overlap_ratio(self) -> Array:
        """Sigma in units of its prior variance, (S, S): w.overlap_ratio.w is l_*/l_GP along a unit w."""
        return self.Sigma / self.equations.space.prior_variance[0]

    @cached_property
    def overlap_eigenvalues(self) -> Array:
        """Eigenvalues of `overlap_ratio`, (S,), largest first: 1 along every weight that has its prior."""
        space, size = self.equations.space, self.problem.input_shape[1]
        covariance = self.point.Sigma
        features = len(covariance) - (len(space.prior_variance) - size)  # without the bias
        ratios = covariance[:features, :features] / space.prior_variance[0]
        return np.sort(np.concatenate([np.linalg.eigvalsh(ratios), np.ones(size - features)]))[::-1]

    @property
    def eps(self) -> Array:
        """Scaled discrepancy (y - f_bar)/sigma^2 = K_f^{-1} y, in the shape of y."""
        return self._like_targets(self.point.data.eps)

    @property
    def alpha(self) -> float:
        """Overlap of discrepancy and target, tr(eps^T y)/tr(y^T y) over the data of finite noise.

        sigma^2 alpha is the relative train discrepancy.
        """
        return float(np.sum(self.point.data.eps * self.problem.targets)) / self.problem.target_norm2

    @property
    def train_error(self) -> float:
        """Mean square of y - f_bar over that of y, on the data of finite noise."""
        problem, observed = self.problem, self.problem.observed
        gap = problem.noise_variance[observed, None] * self.point.data.eps[observed]
        return float(np.sum(gap**2) / problem.target_norm2)

    @property
    def rounding(self) -> float:
        """Estimated relative error of alpha by rounding alone: near-equal inputs and little noise lose
        digits, whatever the residual is."""
        return self.point.data.rounding

    @property
    def f_bar(self) -> Array:
        """Mean network output on the training inputs, p Q_f eps = y - sigma^2 eps, in the shape of y."""
        return self._like_targets(self._mean_output)

    @cached_property
    def _mean_output(self) -> Array:
        problem, eps = self.problem, self.point.data.eps
        if problem.observed.all():
            return problem.targets - problem.noise_variance[:, None] * eps
        layers = self.equations.layers(self.state)
        data = self.equations.data_term(layers, problem.inverse_widths)
        readout, kernel = self.equations.readout, layers[-1].kernel
        return data.output_law(readout, kernel, problem).mean(readout, kernel)

    @property
    def Q_f(self) -> Array:
        """Readout kernel on the training inputs, Eq. (7), shape (n, n); made again on each access."""
        kernel = self.equations.layers(self.state)[-1].kernel
        return mirrored(self.equations.readout.value(kernel))

    @property
    def kernels(self) -> tuple[LayerKernels, ...]:
        """K, Q and mean of every hidden layer above the first; made again on each access."""
        return tuple(
            LayerKernels(
                layer.covariance,
                layer.root.square,
                np.zeros(len(layer.covariance)) if layer.mean is None else layer.mean,
            )
            for layer in self.equations.layers(self.state)[1:]
        )

    @property
    def free_energy_terms(self) -> dict[str, float]:
        """`"KL"` = sum_l N_l KL_l, `"fit"` = 1/2 sum y^T K_f^{-1} y, `"complexity"` = (D/2) log det K_f, and
        what the theory of the readout adds."""
        return {"KL": float(sum(self.point.KL_terms))} | self.point.data.parts

    @property
    def free_energy(self) -> float:
        """F = sum_l N_l KL_l + data term, without (n D/2) log 2 pi (derived)."""
        return sum(self.free_energy_terms.values())

    @property
    def log_evidence(self) -> float:
        """-F - (n D/2) log 2 pi over the data of finite noise."""
        numbers = int(np.count_nonzero(self.problem.observed)) * self.problem.outputs
        return -self.free_energy - 0.5 * numbers * math.log(2 * math.pi)

    def evidence_gradient(self) -> EvidenceGradient:
        """Slopes of `log_evidence` in the logs of the prior variances and of the noise variance (derived):
        one gradient of F, as the state answers to second order only."""
        return evidence_gradient(self.equations, self.problem, self.state)

    @property
    def chi_paper(self) -> float:
        """chi as in the text after Eq. (6): (1/N_{L-1}) sum eps^T Q^(L-1) eps, averaged over pixels.

        For the two-layer CNN (1/(C N)) sum_i eps^T (sigma_w^2/S) X_i X_i^T eps.
        """
        theory, eps = self.equations, self.point.data.eps
        pixels = theory.readout.receptive.pixels_in
        if len(theory.maps) == 1:
            overlaps = np.einsum("pns,nd->psd", theory.X, eps)
            total = float(np.sum(theory.prior_variance[:, None] * overlaps**2))
        else:
            root = theory.layers(self.state)[-1].root
            assert isinstance(root, Triangular)
            rows = root.dense.reshape(pixels, len(eps), -1)
            total = float(np.sum(np.einsum("pnk,nd->pkd", rows, eps) ** 2))
        return total / (self.chi_width * pixels)

    @property
    def chi_response(self) -> float:
        """(1/N_{L-1}) sum eps^T Q_f eps: the first-order response of the readout kernel (derived)."""
        return float(np.sum(self.point.data.eps * self._mean_output)) / self.chi_width

    @property
    def degrees_of_freedom(self) -> float:
        """tr[Q_f K_f^{-1}]."""
        return self.point.data.degrees_of_freedom

    @property
    def readout_load(self) -> float:
        """tr[Q_f K_f^{-1}] / P: effective degrees of freedom per readout weight, P the fan-in (derived).

        Mean field treats the readout kernel as sharp; it is low by about half the load in alpha and in
        l_* - 1. Above .1 that is a visible error.
        """
        return self.degrees_of_freedom / self.problem.readout_fan_in

    @property
    def response(self) -> float | Array:
        """p of a readout of finite fan-in, (N D, N D) over (pixel or pooled pixel, output), the output
        fastest, or a number where that is one by one; 1 in mean field."""
        return self.point.data.coefficients.get("response", 1.0)

    @property
    def fluctuation(self) -> float | Array:
        """q of a readout of finite fan-in, second moments of a channel's weights over their prior's, as
        `response`; 1 in mean field."""
        return self.point.data.coefficients.get("fluctuation", 1.0)

    @cached_property
    def validity(self) -> Validity:
        """What this theory leaves out at the solution, and what that would change: `print(sol.validity)`.

        Costs some gradients, and of one hidden layer a few thousand draws of a unit.
        """
        if math.isinf(self.width):
            raise ValueError("at infinite width nothing is left out; give a solution at finite width")
        return validity(self)

    @cached_property
    def hidden_fan_in(self) -> HiddenFanIn:
        """p and q of the readout and of the hidden layer below it, of networks of two hidden layers: how far
        their weights are from the sharp ones that mean field assumes (derived; a diagnostic)."""
        return hidden_fan_in(self)

    @cached_property
    def stability(self) -> float:
        """Smallest eigenvalue of F's second derivative in the Fisher metric (derived).

        Above 0 the solution is a minimum of F; 1 is the Gaussian process; near 0 a fold or another branch
        is near. Costs some tens of Hessian products.
        """
        least = smallest_eigenvalue(Hessian.at(self.equations, self.state, self.problem.inverse_widths))
        # across the data it is the prior's
        return least if self.equations.space.basis is None else min(least, 1.0)

    @cached_property
    def first_order(self) -> FirstOrder:
        """First order in 1/width about the Gaussian process, at this network's ratio of widths (derived)."""
        return first_order(self.equations, self.widths)

    def feature_load(self, layer: int) -> FeatureLoad:
        """Where a layer has learned: eigenpairs of K - Q, or of Sigma less its prior's, largest first.

        Parameters
        ----------
        layer : int
            Position in `widths`: 0 is the input layer (`Sigma`, biases left out), l the hidden layer of
            `kernels[l - 1]`; negative numbers count from the last.
        """
        position = checks.position(layer, "layer", len(self.widths))
        if position == 0:
            prior = self.equations.space.prior_variance[: self.problem.input_shape[1]]
            return FeatureLoad.of(self.Sigma, np.diag(prior))
        kernels = self.kernels[position - 1]
        return FeatureLoad.of(kernels.K, kernels.Q)

    def _like_targets(self, values: Array) -> Array:
        return values[:, 0] if self.problem.one_output else values
