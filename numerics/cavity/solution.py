"""What the cavity equations give: fields on the data, the law of one unit, predictions, and their errors."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from numerics import checks
from numerics.cavity import archive, summary
from numerics.cavity.attempts import Found
from numerics.cavity.numbers import NAMES, Numbers, spread
from numerics.cavity.prediction import Predictor
from numerics.cavity.session import Session
from numerics.cavity.unit_law import UnitLaw
from numerics.gaussian.theory import Theory
from numerics.network import Widths
from numerics.problem import Problem
from numerics.series.perturbation import FirstOrder
from numerics.solutions import tables
from numerics.solutions.feature_load import FeatureLoad
from numerics.solutions.predictive import JointLaw, Predictive
from numerics.solutions.solution import Solution
from numerics.solving.outcome import Outcome, Status

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class CavitySolution(Predictive):
    """A solution of the cavity equations (derived): networks with one hidden layer, at any readout load.

    Attributes
    ----------
    problem : Problem
        Network, data and noise.
    equations : Theory
        Of the Gaussian theory of the same problem: its coordinates and its Gaussian process.
    found : Found
        Draws, fields and weights.
    """

    problem: Problem
    equations: Theory
    found: Found

    @classmethod
    def of(cls, session: Session, width: float) -> CavitySolution:
        scaled = session.scaled
        return cls(scaled.problem.with_widths(width), scaled.theory, session.at(width).kept())

    def save(self, path: str | Path) -> None:
        """Write to an .npz, data and draws included; `numerics.load` reads it."""
        archive.write(path, self.problem, self.equations, self.found)

    def to_xarray(self) -> Any:
        """A Dataset of what the solution holds, with the data and Monte Carlo errors (`alpha_error`); needs
        the extra `xarray`. Every variable has `long_name`, `units` and `definition`."""
        return tables.dataset(self)

    @property
    def theory(self) -> str:
        return "cavity"

    @property
    def status(self) -> Status:
        """How the descent ended; `status.value` is advice."""
        return self.found.descent.status

    @property
    def converged(self) -> bool:
        return self.status.solved

    @property
    def residual(self) -> float:
        """As in `numerics.cavity.functional.Sweep`, recomputed at the returned state, at its own draws."""
        return self.found.at.residual

    @property
    def gradients(self) -> int:
        """Sweeps over the draws of the last descent."""
        return self.found.descent.sweeps

    @property
    def method(self) -> str:
        """Where the draws come from: "gaussian", or "moved" by Hamiltonian Monte Carlo to the unit's law."""
        return "moved" if self.found.population.covariance is None else "gaussian"

    @property
    def width(self) -> float:
        return self.problem.net.width

    @property
    def widths(self) -> Widths:
        return self.problem.net.widths

    @property
    def draws(self) -> int:
        """M."""
        return len(self.found.population)

    @property
    def effective_sample(self) -> float:
        """Draws of equal weight that the averages are worth, out of `draws`."""
        return self.found.share * self.draws

    @cached_property
    def gp(self) -> Solution:
        """The Gaussian process: the same fields at infinite width."""
        outcome = Outcome(self.equations.gp, Status.CONVERGED, 1)
        problem = self.problem.with_widths(math.inf)
        return Solution.of(problem, self.equations, outcome, self.problem.net.width)

    @property
    def first_order(self) -> FirstOrder:
        """First order in 1/width of mean field (derived), not of this theory."""
        return self.gp.first_order

    @property
    def eps(self) -> Array:
        """(y - f_bar) / sigma^2, (n,) or (n, D); zero where the datum is taken out."""
        return self._numbers.eps

    @property
    def f_bar(self) -> Array:
        """Mean output at the training inputs, (n,) or (n, D)."""
        mean = self._output_mean(self.problem.inputs)
        return self._like_y(mean)

    @property
    def alpha(self) -> float:
        """eps.y / y.y over the data of finite noise."""
        return self._numbers.alpha

    @property
    def train_error(self) -> float:
        """Mean square of y - f_bar over that of y, on the data of finite noise."""
        return self._numbers.train_error

    @property
    def free_energy(self) -> float:
        """F, with log det K_f in the units of y and without (n D/2) log 2 pi."""
        return self._numbers.free_energy

    @property
    def log_evidence(self) -> float:
        """-F - (n D/2) log 2 pi over the data of finite noise."""
        return self._numbers.log_evidence

    @property
    def degrees_of_freedom(self) -> float:
        """tr[Q_q H] per output."""
        return self._numbers.degrees_of_freedom

    @property
    def readout_load(self) -> float:
        """tr[Q_q H] / P: effective degrees of freedom per readout weight, P the fan-in."""
        return self._numbers.readout_load

    @property
    def Sigma(self) -> Array:
        """Second moment of the input weights, (S, S), biases left out; the prior's is (sigma_w^2/S) I."""
        return self._numbers.Sigma

    @property
    def overlap_ratio(self) -> Array:
        """Sigma in units of its prior variance: w.overlap_ratio.w is l_*/l_GP along a unit w."""
        return self._numbers.overlap_ratio

    @property
    def overlap_eigenvalues(self) -> Array:
        """Eigenvalues of `overlap_ratio`, largest first."""
        return np.linalg.eigvalsh(self.overlap_ratio)[::-1].astype(np.float64)

    @property
    def weight_mean(self) -> Array:
        """Mean of the input weights of a unit, (S,); zero where the activation is odd."""
        return self._numbers.weight_mean

    @property
    def response(self) -> Array:
        """E A^{-1}, (D m, D m): what is left of the readout weights' prior freedom, over (output, slot); the
        matrix p of a readout of finite fan-in."""
        return self._numbers.response

    @property
    def fluctuation(self) -> Array:
        """E[A^{-1} + abar abar^T], (D m, D m): second moment of the readout weights over their prior's; the
        matrix q."""
        return self._numbers.fluctuation

    @property
    def heaviest_unit(self) -> float:
        """Share of the mean readouts' square, E |abar|^2, in the heaviest 1/C of the law: one unit's worth.

        Where a rare kind of unit, of which the network has less than one, carries much of the output, the
        field that a unit sees is not Gaussian, and the theory ends.
        """
        pull = self.found.at.pull
        square = np.sum(pull.gain**2, axis=(1, 2))
        order = np.argsort(-square, kind="stable")
        weights, square = pull.weights[order], square[order]
        before = np.cumsum(weights) - weights
        taken = np.clip(1.0 / self.problem.net.width - before, 0.0, weights)
        return float(taken @ square / (weights @ square))

    @cached_property
    def Q_f(self) -> Array:
        """(n, n): the mean kernel of the readout, sigma_a^2/m sum_i E phi_i phi_i^T + sigma_b^2, over the
        unit's law; without the readout's response, as in the other theories."""
        return self._predictor(self.found).kernel(self.problem.inputs)

    @cached_property
    def unit_law(self) -> UnitLaw:
        """The law of one unit's weights, and of its readout."""
        population, pull = self.found.population, self.found.at.pull
        size, width = self.problem.input_shape[1], self.problem.net.width
        W = population.Z * np.sqrt(self.equations.prior_variance)
        weights = np.maximum(self.found.at.averages.weights, 0.0)
        weights = weights / weights.sum()
        readout_std = math.sqrt(self.problem.net.readout_variance / self.problem.readout_fan_in)
        mean = readout_std * pull.gain / math.sqrt(width)
        if self.equations.odd:
            W, mean = np.concatenate([W, -W]), np.concatenate([mean, -mean])
            weights = np.concatenate([weights, weights]) / 2
        return UnitLaw(
            W[:, :size],
            W[:, size] if W.shape[1] > size else None,
            weights,
            mean,
            self.found.at.readouts.inverse,
            math.sqrt(self.equations.prior_variance[0]),
            readout_std,
            self.problem.one_output,
        )

    @cached_property
    def errors(self) -> dict[str, Any]:
        """Standard error of each number by Monte Carlo, from solutions at independent batches of the draws.

        Under the names of the attributes: floats, or arrays of their shapes; NaN where a failed solve left
        nothing to tell them from.
        """
        return {name: spread(values) for name, values in self._replicated.items()}

    @cached_property
    def biases(self) -> dict[str, Any]:
        """Bias of each number by the finite number of draws if it fell as 1/M: (mean over batches - value) /
        (batches - 1). It falls faster, since what the draws owe to themselves is taken off
        (`numerics.unit.own`), but where they move."""
        numbers = self._numbers.named()
        return {
            name: (np.mean(values, axis=0) - numbers[name]) / (len(values) - 1 or math.nan)
            for name, values in self._replicated.items()
        }

    def predict_error(self, X_test: ArrayLike) -> Array:
        """Standard error by Monte Carlo of `predict`'s mean, in its shape."""
        X = self._test_inputs(X_test)
        return self._like_y(spread([self._predictor(found).mean(X) for found in self._replicates]))

    def replicated(self, name: str) -> list[Any]:
        """A number of `errors`, by name, at each of the nearly independent solutions its error is from."""
        return self._replicated[name]

    @cached_property
    def _numbers(self) -> Numbers:
        return Numbers(self.problem, self.equations, self.found)

    @cached_property
    def _replicated(self) -> dict[str, list[Any]]:
        """Of nearly independent solutions, by name."""
        found = [Numbers(self.problem, self.equations, one).named() for one in self._replicates]
        return {name: [numbers[name] for numbers in found] for name in NAMES}

    @property
    def _replicates(self) -> tuple[Found, ...]:
        """At infinite width everything is known in closed form but the law of the weights; at a finite one a
        failed solve has none."""
        return self.found.replicates or (self.found,) * (2 if math.isinf(self.width) else 1)

    def _output_mean(self, X: Array) -> Array:
        return self._predictor(self.found).mean(X)

    def _output_law(self, X: Array) -> JointLaw:
        return self._predictor(self.found).law(X)

    def _output_variance(self, X: Array) -> tuple[Array, Array]:
        return self._predictor(self.found).mean_and_variance(X)

    def _predictor(self, found: Found) -> Predictor:
        return Predictor(self.problem, self.equations, found)

    def feature_load(self, layer: int = 0) -> FeatureLoad:
        """Eigenpairs of Sigma less its prior's, largest first; there is one hidden layer."""
        checks.position(layer, "layer", 1)
        return FeatureLoad.of(self.Sigma, np.diag(self.equations.prior_variance[: len(self.Sigma)]))

    def __str__(self) -> str:
        return summary.text(self, self.gp.alpha, float(self.overlap_eigenvalues[0]))

    def _repr_html_(self) -> str:
        return summary.html(self, self.gp.alpha, float(self.overlap_eigenvalues[0]))

    def __repr__(self) -> str:
        return (
            f"CavitySolution(width={self.width:g}, alpha={self.alpha:.6g}, "
            f"free_energy={self.free_energy:.6g}, readout_load={self.readout_load:.3g}, "
            f"residual={self.residual:.1e}, {self.status.name.lower()}, "
            f"{self.draws} draws worth {self.effective_sample:.0f})"
        )
