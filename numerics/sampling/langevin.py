"""The paper's dynamics, Eq. (15): unadjusted Langevin steps of all weights with one learning rate.

    theta <- theta - eta (gamma theta + grad L) + 2 sigma sqrt(eta) xi,      L = sum_mu (f - y)^2,

whose law for eta -> 0 is exp(-(gamma/2 |theta|^2 + L)/(2 sigma^2)): the posterior, with prior variance
v = 2 sigma^2/gamma. In weights whitened by their prior it is (derived)

    z <- z - tau dU/dz + sqrt(2 tau) xi,      tau = 2 sigma^2 eta / v,

so one eta for all layers moves weights of large fan-in faster: tau of the input weights is far below that of
the readout, which limits eta, and what is learned in them takes 10^4 to 10^6 steps. With a step per layer
every layer moves at the readout's tau. There is no Metropolis step: the law is wrong by O(eta), the loss
first (`numerics.sampling.step_bias`). A bias moves at the tau of its layer's weights. It is here to be the
paper's dynamics, not to be fast.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from numerics import checks
from numerics.sampling.energies import Joint, JointEvaluation

Array = NDArray[np.float64]

WARM_EPOCHS, WARM_FACTOR = 100, 0.1
FIRST_CHECK, CHECK_EVERY, LOOK_BACK = 5_000, 1_000, 500
SPIKE, REDUCED = 5.0, 0.7
QUIET, LAST = 50_000, 0.5
POWER_STEPS = 30


@dataclass(frozen=True)
class Langevin:
    """Settings of `sample(..., method=Langevin(...))`.

    Attributes
    ----------
    rate : float, optional
        eta of Eq. (15); of a loss that is a mean over data instead of a sum it is eta n.
    share : float
        Without a rate: of the largest stable one at the start.
    schedule : bool
        The paper's: a tenth of the rate for 100 epochs; from 5,000 on, every 1,000, times .7 if the loss of
        the last 500 had a spike beyond 5 standard deviations; after 50,000 quiet epochs halved, and draws
        begin. Without it the rate is fixed.
    burn_in : int
        Epochs before the draws, without the schedule.
    interval : int
        Epochs from draw to draw.
    per_layer : bool
        A step per layer, all whitened weights at the readout's tau.
    """

    rate: float | None = None
    share: float = 0.1
    schedule: bool = True
    burn_in: int = 10_000
    interval: int = 100
    per_layer: bool = False

    def __post_init__(self) -> None:
        share = checks.positive(self.share, "share")
        if share >= 1.0:
            raise ValueError(f"share={self.share!r} must lie between 0 and 1, where the readout is unstable")
        object.__setattr__(self, "share", share)
        if self.rate is not None:
            object.__setattr__(self, "rate", checks.positive(self.rate, "rate"))
        for name in ("burn_in", "interval"):
            object.__setattr__(self, name, checks.count(getattr(self, name), name))
        for name in ("schedule", "per_layer"):
            object.__setattr__(self, name, bool(getattr(self, name)))

    def left(self, schedule: Schedule) -> int:
        """Epochs to the first draw, if the loss stays quiet."""
        if not self.schedule:
            return max(0, self.burn_in - schedule.epoch)
        return 0 if schedule.fixed else QUIET - schedule.quiet


@dataclass
class Schedule:
    """Where the paper's schedule is.

    Attributes
    ----------
    factor : float
        Of the rate.
    epoch, quiet : int
        So far, and since the last spike.
    fixed : bool
        The last reduction is made.
    losses : list of float
        Of the last epochs.
    """

    factor: float = 1.0
    epoch: int = 0
    quiet: int = 0
    fixed: bool = False
    losses: list[float] = field(default_factory=list)

    @property
    def now(self) -> float:
        """The factor of the next epoch."""
        return self.factor * (WARM_FACTOR if self.epoch < WARM_EPOCHS else 1.0)

    def see(self, loss: float) -> None:
        """The train loss of an epoch."""
        self.epoch += 1
        if self.fixed:
            return
        self.losses = [*self.losses[-LOOK_BACK + 1 :], loss]
        self.quiet += 1
        if self.epoch >= FIRST_CHECK and self.epoch % CHECK_EVERY == 0:
            losses = np.array(self.losses)
            if losses.max() - losses.mean() > SPIKE * losses.std():
                self.factor *= REDUCED
                self.quiet = 0
        if self.quiet >= QUIET:
            self.factor *= LAST
            self.fixed = True


def largest_rate(joint: Joint, z: Array) -> float:
    """eta at which the readout becomes unstable: tau (1 + top eigenvalue of Phi^T Phi) = 2."""
    Phi = joint.posterior.forward(joint.posterior.coordinates.weights(z)).features
    v = np.ones(Phi.shape[1]) / np.sqrt(Phi.shape[1])
    top = 0.0
    for _ in range(POWER_STEPS):
        v = Phi.T @ (Phi @ v)
        top = float(np.linalg.norm(v))
        if top == 0.0:
            break
        v = v / top
    return 2.0 / (1.0 + top) / _times(joint, False)[-1]


def _times(joint: Joint, per_layer: bool) -> tuple[float, ...]:
    """tau / eta of every hidden layer and the readout."""
    std = joint.posterior.noise_std
    noise = 2.0 * float(std.min()) ** 2 if len(std) else 2.0  # without data any rate will do
    found = [noise / scale**2 for scale in joint.posterior.forward.scales]
    return (found[-1],) * len(found) if per_layer else tuple(found)


def time_steps(joint: Joint, per_layer: bool) -> Array:
    """(size,): tau / eta of every coordinate of a state."""
    *hidden, readout = _times(joint, per_layer)
    sizes = [rows * columns for rows, columns in joint.posterior.forward.shapes]
    rows, outputs = joint.posterior.readout_shape
    return np.repeat([*hidden, readout], [*sizes, rows * outputs])


def step(
    joint: Joint, z: Array, at: JointEvaluation, tau: Array, rng: np.random.Generator
) -> tuple[Array, JointEvaluation]:
    """One epoch."""
    with np.errstate(over="ignore", invalid="ignore"):
        z = z - tau * at.gradient + np.sqrt(2.0 * tau) * rng.standard_normal(z.size)
    return z, joint(z)
