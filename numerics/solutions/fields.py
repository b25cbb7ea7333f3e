"""What a solution holds as variables of a table: dimensions, units, definition, and where it stands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

NUMBER, NATS = "1", "nat"
Y, PER_Y, PER_Y2 = "[y]", "[y]^-1", "[y]^-2"
PER_X, PER_X2 = "[X]^-1", "[X]^-2"

SCALAR: tuple[str, ...] = ()
DATA = ("datum", "output")
FEATURE = ("feature",)
FEATURES = ("feature", "feature_")
WEIGHTS = ("weight", "weight_")  # of a channel's readout, over (pixel or pooled pixel, output)


@dataclass(frozen=True)
class Variable:
    """Attributes
    ----------
    dims : tuple of str
    units : str
        [X] and [y] are the units of the inputs and of the targets.
    long_name, definition : str
    of : callable, optional
        Its value at a solution; by default the attribute of its name.
    """

    dims: tuple[str, ...]
    units: str
    long_name: str
    definition: str
    of: Callable[[Any], Any] | None = None

    @property
    def attributes(self) -> dict[str, str]:
        return {"long_name": self.long_name, "units": self.units, "definition": self.definition}

    @property
    def error(self) -> Variable:
        """Its standard error, by Monte Carlo."""
        return replace(
            self,
            long_name=f"error of {self.long_name}",
            definition=f"standard error, from batches of the draws, of: {self.definition}",
        )


def _term(name: str) -> Callable[[Any], float]:
    return lambda sol: sol.free_energy_terms.get(name, 0.0)


SHARED = {
    "alpha": Variable(SCALAR, PER_Y2, "alpha", "tr(eps^T y)/tr(y^T y) over the data of finite noise"),
    "alpha_gp": Variable(
        SCALAR, PER_Y2, "alpha of the Gaussian process", "alpha at infinite width", lambda sol: sol.gp.alpha
    ),
    "free_energy": Variable(SCALAR, NATS, "free energy", "F, without (n D/2) log 2 pi"),
    "log_evidence": Variable(SCALAR, NATS, "log evidence", "-F - (n D/2) log 2 pi"),
    "train_error": Variable(SCALAR, NUMBER, "train error", "mean square of y - f_bar over that of y"),
    "degrees_of_freedom": Variable(SCALAR, NUMBER, "degrees of freedom", "tr[Q_f K_f^{-1}]"),
    "readout_load": Variable(
        SCALAR, NUMBER, "readout load", "effective degrees of freedom per readout weight"
    ),
    "residual": Variable(SCALAR, NUMBER, "residual", "what the equations leave at the state found"),
    "gradients": Variable(SCALAR, NUMBER, "gradients", "gradients of the free energy that were taken"),
    "converged": Variable(SCALAR, NUMBER, "converged", "whether the state is a solution"),
    "status": Variable(SCALAR, NUMBER, "status", "how the solve ended", lambda sol: sol.status.name),
    "method": Variable(SCALAR, NUMBER, "method", "what found the state, or where draws come from"),
    "eps": Variable(DATA, PER_Y, "discrepancy", "(y - f_bar)/sigma^2, zero where the datum is taken out"),
    "f_bar": Variable(DATA, Y, "mean output", "mean output of the network at the training inputs"),
    "Sigma": Variable(
        FEATURES,
        PER_X2,
        "Sigma",
        "covariance (cavity: second moment) of one unit's input weights, without bias",
    ),
    "overlap_ratio": Variable(FEATURES, NUMBER, "learned over prior variance", "Sigma S/sigma_1^2"),
    "weight_mean": Variable(FEATURE, PER_X, "mean weights", "mean of one unit's input weights, without bias"),
    "response": Variable(WEIGHTS, NUMBER, "response", "p of the readout's weights; 1 in mean field"),
    "fluctuation": Variable(
        WEIGHTS, NUMBER, "fluctuation", "q, second moment of the readout's weights over their prior's"
    ),
}

GAUSSIAN = {
    "KL": Variable(SCALAR, NATS, "distance from the prior", "sum_l N_l KL_l", _term("KL")),
    "fit": Variable(SCALAR, NATS, "fit", "1/2 sum y^T eps", _term("fit")),
    "complexity": Variable(SCALAR, NATS, "complexity", "(D/2) log det K_f", _term("complexity")),
    "fan_in": Variable(SCALAR, NATS, "fan-in term", "what finite fan-in adds to F", _term("fan_in")),
    "rounding": Variable(SCALAR, NUMBER, "rounding", "estimated relative error of alpha by rounding"),
    "chi_paper": Variable(
        SCALAR, NUMBER, "chi of the paper", "(1/N) sum eps^T Q eps of the last layer, a mean over pixels"
    ),
    "chi_response": Variable(SCALAR, NUMBER, "chi of the response", "(1/N) sum eps^T Q_f eps"),
}

# what only the law of one unit has
CAVITY = {
    "effective_sample": Variable(
        SCALAR, NUMBER, "effective draws", "draws of equal weight that the averages are worth"
    ),
    "heaviest_unit": Variable(
        SCALAR, NUMBER, "heaviest unit", "share of the mean readouts' square in one unit's worth of the law"
    ),
}

PROBLEM = {
    "y": Variable(DATA, Y, "targets", "training targets", lambda problem: problem.y),
    "noise_variance": Variable(
        ("datum",), "[y]^2", "noise variance", "sigma^2; infinite where the datum is taken out"
    ),
    "widths": Variable(("layer",), NUMBER, "widths", "units of every hidden layer"),
    "weight_variances": Variable(
        ("layer",),
        NUMBER,
        "weight variances",
        "sigma_l^2, prior variance of the weights into a hidden layer times their fan-in",
        lambda problem: problem.net.weight_variances,
    ),
}

TANGENT = Variable(
    SCALAR,
    PER_Y2,
    "alpha to first order",
    "tangent in 1/width at infinite width (of mean field, for the cavity)",
)
