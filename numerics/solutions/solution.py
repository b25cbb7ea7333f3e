"""What a solve gives: the state of the network at its widths, and its predictions."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from numerics import checks
from numerics.free_energy.chain import Blocks
from numerics.free_energy.hessian import Hessian
from numerics.free_energy.perturbation import FirstOrder, first_order
from numerics.free_energy.problem import Problem
from numerics.machine.dense import mirrored
from numerics.network import Widths
from numerics.solutions import archive, summary
from numerics.solutions.feature_load import FeatureLoad
from numerics.solutions.prediction import Predictor, TestKernels
from numerics.solutions.stability import smallest_eigenvalue
from numerics.solving.outcome import Outcome, Status

if TYPE_CHECKING:
    from numerics.solutions.branches import Branches

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


@dataclass(frozen=True)
class Solution:
    """A solution of the equations of state, Eq. (5), (7), (8) and (13).

    Keeps the input covariance, the hidden states theta_l and n-vectors; n x n kernels are made again on
    access.

    Attributes
    ----------
    problem : Problem
        Network, data and noise.
    theta : tuple of arrays
        log of every covariance against its prior, K_l = L_l e^{theta_l} L_l^T; then, where the activation
        is not odd, the means in units of the prior, m_l = L_l mu_l. Zero is the Gaussian process.
    seen_covariance : (r, r) array
        Posterior covariance of the input weights of one unit, units of weight^2, in the coordinates that the
        data see (`problem.field.space`).
    scaled_discrepancy : (n, D) array
        K_f^{-1} y per output.
    free_energy_terms : dict
        `"KL"` = sum_l N_l KL_l, `"fit"` = 1/2 sum y^T K_f^{-1} y, `"complexity"` = (D/2) log det K_f.
    response, fluctuation : float
        p and q of a readout of finite fan-in; 1 in mean field.
    degrees_of_freedom : float
        tr[Q_f K_f^{-1}].
    residual : float
        The largest of max |Sigma (P^{-1} - T/N_1) - I|, P the prior, and, per hidden layer,
        max |K - Q - Q g K| / max |Q| and max |m - Q v| / max(|m|, sqrt(max diag Q)), recomputed at the
        returned state.
    status : Status
        How the solve ended; `status.value` is advice.
    gradients : int
        Gradients of F that it took; a Hessian product counts for two.
    method : str
        What found the state: "anderson", "newton", or "direct" where nothing was iterated.
    chi_width : float
        The width that chi is quoted for: the network's own last one, and for `sol.gp` that of `sol`.
    branches : Branches or None
        All that `solve(..., starts=...)` found; not saved.
    """

    problem: Problem
    theta: Blocks
    seen_covariance: Array
    scaled_discrepancy: Array
    free_energy_terms: dict[str, float]
    response: float
    fluctuation: float
    degrees_of_freedom: float
    residual: float
    status: Status
    gradients: int
    method: str
    chi_width: float
    branches: Branches | None = None

    @classmethod
    def of(cls, problem: Problem, outcome: Outcome, chi_width: float | None = None) -> Solution:
        state = outcome.state
        return cls(
            problem=problem,
            theta=state.theta,
            seen_covariance=state.covariances[0],
            scaled_discrepancy=state.data.eps,
            free_energy_terms={
                "KL": float(sum(state.KL_terms)),
                "fit": state.data.fit,
                "complexity": state.data.complexity,
            }
            | ({"fan_in": state.data.fan_in} if state.data.fan_in else {}),
            response=state.data.response,
            fluctuation=state.data.fluctuation,
            degrees_of_freedom=state.data.degrees_of_freedom,
            residual=state.residual,
            status=outcome.status,
            gradients=outcome.gradients,
            method=outcome.method,
            chi_width=problem.net.width if chi_width is None else chi_width,
        )

    @property
    def converged(self) -> bool:
        return self.status is Status.CONVERGED

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
        return self.problem.field.space.covariance(self.seen_covariance)

    @property
    def Sigma(self) -> Array:
        """Covariance of the input weights, (S, S), biases left out; the prior's is (sigma_w^2/S) I."""
        size = self.problem.field.shape[1]
        return self.input_covariance[:size, :size]

    @property
    def weight_mean(self) -> Array:
        """Mean of the input weights of a unit, (S,), biases left out; zero where the activation is odd."""
        return self._input_mean[: self.problem.field.shape[1]]

    @property
    def _input_mean(self) -> Array:
        chain, space = self.problem.field.chain, self.problem.field.space
        if chain.odd:
            return np.zeros(len(space.prior_variance))
        return space.mean(np.sqrt(chain.prior_variance) * self.theta[len(chain.maps)])

    @property
    def overlap_ratio(self) -> Array:
        """Sigma in units of its prior variance, (S, S): w.overlap_ratio.w is l_*/l_GP along a unit w."""
        return self.Sigma / self.problem.field.space.prior_variance[0]

    @cached_property
    def overlap_eigenvalues(self) -> Array:
        """Eigenvalues of `overlap_ratio`, (S,), largest first: 1 along every weight that has its prior."""
        space, size = self.problem.field.space, self.problem.field.shape[1]
        seen = len(self.seen_covariance) - (len(space.prior_variance) - size)  # without the bias
        ratios = self.seen_covariance[:seen, :seen] / space.prior_variance[0]
        return np.sort(np.concatenate([np.linalg.eigvalsh(ratios), np.ones(size - seen)]))[::-1]

    @property
    def eps(self) -> Array:
        """Scaled discrepancy (y - f_bar)/sigma^2 = K_f^{-1} y, in the shape of y."""
        return self._like_y(self.scaled_discrepancy)

    @property
    def alpha(self) -> float:
        """Overlap of discrepancy and target, tr(eps^T y)/tr(y^T y).

        sigma^2 alpha is the relative train discrepancy.
        """
        field = self.problem.field
        return float(np.sum(self.scaled_discrepancy * field.y)) / field.target_norm2

    @property
    def f_bar(self) -> Array:
        """Mean network output on the training inputs, p Q_f eps = y - sigma^2 eps, in the shape of y."""
        return self._like_y(self._mean_output)

    @cached_property
    def _mean_output(self) -> Array:
        field = self.problem.field
        if np.isfinite(field.noise_variance).all():
            return field.y - field.noise_variance[:, None] * self.scaled_discrepancy
        return self.response * self.Q_f @ self.scaled_discrepancy

    @property
    def Q_f(self) -> Array:
        """Readout kernel on the training inputs, Eq. (7), shape (n, n); made again on each access."""
        chain = self.problem.field.chain
        return mirrored(chain.maps[-1].value(chain.layers(self.theta)[-1].kernel))

    @property
    def kernels(self) -> tuple[LayerKernels, ...]:
        """K, Q and mean of every hidden layer above the first; made again on each access."""
        layers = self.problem.field.chain.layers(self.theta)[1:]
        return tuple(
            LayerKernels(
                layer.covariance,
                layer.factor.square,
                np.zeros(len(layer.covariance)) if layer.mean is None else layer.mean.m,
            )
            for layer in layers
            if layer.factor is not None
        )

    @property
    def free_energy(self) -> float:
        """F = sum_l N_l KL_l + data term, without (n D/2) log 2 pi (derived)."""
        return sum(self.free_energy_terms.values())

    @property
    def log_evidence(self) -> float:
        """-F - (n D/2) log 2 pi over the data of finite noise."""
        heard = int(np.isfinite(self.problem.field.noise_variance).sum())
        return -self.free_energy - 0.5 * heard * self.problem.field.y.shape[1] * math.log(2 * math.pi)

    @property
    def chi_paper(self) -> float:
        """chi as in the text after Eq. (6): (1/N_{L-1}) sum eps^T Q^(L-1) eps, averaged over pixels.

        For the two-layer CNN (1/(C N)) sum_i eps^T (sigma_w^2/S) X_i X_i^T eps.
        """
        chain, eps = self.problem.field.chain, self.scaled_discrepancy
        pixels = chain.maps[-1].receptive.pixels_in
        if len(chain.maps) == 1:
            overlaps = np.einsum("pns,nd->psd", chain.X, eps)
            total = float(np.sum(chain.prior_variance[:, None] * overlaps**2))
        else:
            factor = chain.layers(self.theta)[-1].factor
            assert factor is not None
            rows = factor.dense.reshape(pixels, len(eps), -1)
            total = float(np.sum(np.einsum("pnk,nd->pkd", rows, eps) ** 2))
        return total / (self.chi_width * pixels)

    @property
    def chi_response(self) -> float:
        """(1/N_{L-1}) sum eps^T Q_f eps: the first-order response of the readout kernel (derived)."""
        return float(np.sum(self.scaled_discrepancy * self._mean_output)) / self.chi_width

    @property
    def readout_load(self) -> float:
        """tr[Q_f K_f^{-1}] / P: effective degrees of freedom per readout weight, P the fan-in (derived).

        Mean field treats the readout kernel as sharp; it is low by about half the load in alpha and in
        l_* - 1. Above .1 that is a visible error.
        """
        return self.degrees_of_freedom / self.problem.readout_fan_in

    @cached_property
    def stability(self) -> float:
        """Smallest eigenvalue of F's second derivative in the Fisher metric (derived).

        Above 0 the solution is a minimum of F; 1 is the Gaussian process; near 0 a fold or another branch
        is near. Costs some tens of Hessian products.
        """
        field, x = self.problem.field, self.problem.inverse_widths
        least = smallest_eigenvalue(Hessian.at(field.chain, self.theta, x))
        return least if field.space.basis is None else min(least, 1.0)  # across the data it is the prior's

    @cached_property
    def gp(self) -> Solution:
        """The same fields at infinite width (chi: the Gaussian process's eps at this network's width)."""
        outcome = Outcome(self.problem.field.gp, Status.CONVERGED, 1)
        return Solution.of(self.problem.at_widths(math.inf), outcome, chi_width=self.chi_width)

    @cached_property
    def first_order(self) -> FirstOrder:
        """First order in 1/width about the Gaussian process, at this network's ratio of widths (derived)."""
        widths = self.widths
        ratios = [1.0 if w == widths[-1] else widths[-1] / w for w in widths]
        return first_order(self.problem.field, ratios)

    def predict(
        self,
        X_test: ArrayLike,
        return_std: bool = False,
        return_cov: bool = False,
        include_noise: bool = False,
    ) -> Any:
        """Mean and uncertainty of the network's output at test inputs (derived).

        f_bar_* = Q_*t eps and Cov f_* = Q_** - Q_*t K_f^{-1} Q_t*, with the solution's kernels in every Q.

        Parameters
        ----------
        X_test : (m, P, S) array, or (m, d) for a fully connected network
        return_std, return_cov : bool
            Also return the standard deviation, in the shape of the mean, or the covariance (m, m) of the
            latent output, the same for every output.
        include_noise : bool
            Add sigma^2 to the variances: the law of a new observation instead of the latent output.

        Returns
        -------
        mean : (m,) or (m, D) array, alone or in a pair with the standard deviation or the covariance
        """
        if return_std and return_cov:
            raise ValueError("return_std and return_cov exclude each other; the covariance has both")
        X = self._test_inputs(X_test)
        noise = self._observation_noise() if include_noise else 0.0
        predictor = self._predictor()
        if return_cov:
            law = predictor.law(X)
            return self._like_y(law.mean), law.covariance + noise * np.eye(len(law.mean))
        if not return_std:
            return self._like_y(predictor.mean(X))
        mean, variance = predictor.mean_and_variance(X)
        std = np.repeat(np.sqrt(variance + noise)[:, None], mean.shape[1], axis=1)
        return self._like_y(mean), self._like_y(std)

    def alpha_test(self, X_test: ArrayLike, y_test: ArrayLike) -> float:
        """alpha on new inputs: sum (y_* - f_bar_*) y_* / (sigma^2 sum y_*^2), y_* noiseless (derived).

        Parameters
        ----------
        X_test : (m, P, S) array, or (m, d) for a fully connected network
        y_test : (m,) or (m, D) array
            Like the training targets.
        """
        noise = self._observation_noise()
        mean = self.predict(X_test).reshape(-1, self.problem.field.y.shape[1])
        y = checks.targets(y_test, samples=len(mean), name="y_test")
        if y.shape != mean.shape:
            raise ValueError(f"y_test has {y.shape[1]} outputs, the training targets {mean.shape[1]}")
        return float(np.sum((y - mean) * y) / (noise * np.sum(y**2)))

    def sample_y(
        self,
        X_test: ArrayLike,
        n_samples: int = 1,
        random_state: int | np.random.Generator | None = 0,
        include_noise: bool = False,
    ) -> Array:
        """Draws of the network's output at test inputs, jointly over the inputs.

        Given the kernels the outputs are independent Gaussians with the law of `predict`.

        Parameters
        ----------
        n_samples : int
        random_state : int, Generator or None
            Seed of the draws, or where they come from; None draws anew each time.
        X_test, include_noise
            As in `predict`.

        Returns
        -------
        (m, n_samples) or (m, D, n_samples) array
            As in scikit-learn.
        """
        count = checks.count(n_samples, "n_samples")
        rng = checks.generator(random_state, "random_state")
        law = self._predictor().law(self._test_inputs(X_test))
        noise = self._observation_noise() if include_noise else 0.0
        return self._like_y(law.sample(count, noise, rng))

    def kernels_at(self, X_test: ArrayLike) -> tuple[TestKernels, ...]:
        """K and Q of every hidden layer above the first at m test inputs, (P m, P n) and (P m, P m).

        At the training inputs they are those of `kernels`.

        Parameters
        ----------
        X_test : (m, P, S) array, or (m, d) for a fully connected network
        """
        return tuple(self._predictor().hidden(self._test_inputs(X_test)))

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
            prior = self.problem.field.space.prior_variance[: self.problem.field.shape[1]]
            return FeatureLoad.of(self.Sigma, np.diag(prior))
        kernels = self.kernels[position - 1]
        return FeatureLoad.of(kernels.K, kernels.Q)

    def save(self, path: str | Path) -> None:
        """Write to an .npz, data included; `numerics.load` reads it."""
        archive.write(self.problem, vars(self), path)

    def _predictor(self) -> Predictor:
        return Predictor(self.problem.field, self.problem.inverse_widths, self.theta)

    def _test_inputs(self, X_test: ArrayLike) -> Array:
        field = self.problem.field
        return field.pixel_major(checks.inputs_like(X_test, field.shape, self.problem.net.flat))

    def _observation_noise(self) -> float:
        noise = self.problem.field.noise_variance
        if noise.min() != noise.max():
            raise ValueError(
                "the noise differs from datum to datum, so that of a new one is unknown; work with the "
                "latent mean and std and add the noise yourself"
            )
        return float(noise[0])

    def _like_y(self, values: Array) -> Array:
        return values[:, 0] if self.problem.field.one_output else values

    def __repr__(self) -> str:
        widths = ", ".join(f"{width:g}" for width in self.widths)
        return (
            f"Solution(widths=({widths}), alpha={self.alpha:.6g}, alpha_gp={self.gp.alpha:.6g}, "
            f"free_energy={self.free_energy:.6g}, readout_load={self.readout_load:.3g}, "
            f"residual={self.residual:.1e}, {self.status.name.lower()})"
        )

    def __str__(self) -> str:
        return summary.text(self)

    def _repr_html_(self) -> str:
        return summary.html(self)
