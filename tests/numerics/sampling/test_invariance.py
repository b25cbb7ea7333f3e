"""An exact test of the whole sampler: if weights and targets are drawn from their joint law, and then the
weights are moved by transitions of the posterior at these targets, the pair keeps its law (Geweke 2004)."""

import math

import numpy as np
import pytest
from mutants import breaks
from scipy.special import erf
from scipy.stats import ks_2samp

from numerics import Problem, cnn
from numerics.machine import parallel
from numerics.sampling.energies import Collapsed, Joint, Posterior
from numerics.sampling.hmc import transition

N, S, C = 2, 2, 3
NOISE, WEIGHT, READOUT = 0.1, 2.0, 2.0
REPEATS, TRANSITIONS, STEP = 1200, 6, 0.5
ENERGIES, HMC = "numerics/sampling/energies.py", "numerics/sampling/hmc.py"


def features(X, W):
    """(n, N C), with the readout's prior standard deviation; W is whitened."""
    h = math.sqrt(WEIGHT / S) * np.einsum("nis,sc->nic", X, W)
    return math.sqrt(READOUT / (N * C)) * erf(h).reshape(len(X), N * C)


def statistics(X, W, y):
    Phi = features(X, W)
    K = Phi @ Phi.T + NOISE * np.eye(len(X))
    fit = y @ np.linalg.solve(K, y)
    return fit, np.linalg.slogdet(K)[1], np.sum(W**2), np.trace(K), np.sum(W[0] ** 2)


def pairs_of_statistics(n, kind):
    """Of fresh pairs, and of pairs whose weights have been moved."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, N, S))
    fresh, moved = [], []
    for _ in range(REPEATS):
        draws = []
        for _ in range(2):
            W, a = rng.standard_normal((S, C)), rng.standard_normal(N * C)
            draws.append((W, a, features(X, W) @ a + math.sqrt(NOISE) * rng.standard_normal(n)))
        fresh.append(statistics(X, draws[0][0], draws[0][2]))
        W, a, y = draws[1]
        posterior = Posterior(Problem(cnn(C, WEIGHT, READOUT), X, y, NOISE))
        energy = Collapsed(posterior) if kind == "collapsed" else Joint(posterior)
        z = np.concatenate([W.ravel(), a[: energy.size - W.size]])
        at = energy(z)
        for _ in range(TRANSITIONS):
            path = transition(energy, z, at, STEP if kind == "collapsed" else STEP / 3, rng)
            z, at = path.z, path.at
        moved.append(statistics(X, z[: W.size].reshape(S, C), y))
    return np.array(fresh), np.array(moved)


@breaks(
    "numerics/sampling/readout.py",
    "+ 0.5 * Y.shape[1] * logdet",
    "+ 1.0 * Y.shape[1] * logdet",
    "log det K without the 1/2",
    case="5-collapsed",
)
@breaks(
    "numerics/sampling/readout.py",
    "matrix[np.diag_indices(len(matrix))] += 1.0",
    "matrix[np.diag_indices(len(matrix))] += 2.0",
    "sigma^2 doubled",
    case="5-collapsed",
)
@breaks(
    "numerics/sampling/forward.py",
    "share = self.widths[level] / phi.shape[2]",
    "share = self.widths[level] / phi.shape[2] * self.gathers[level].receptive.fan_in",
    "readout variance over channels alone",
    case="5-collapsed",
)
@breaks(
    ENERGIES,
    "value = marginal.value + 0.5 * sum(",
    "value = marginal.value + 1.0 * sum(",
    "prior counted twice",
    case="5-collapsed",
)
@breaks(
    "numerics/sampling/readout.py",
    "value = 0.5 * float(np.sum(Y * E))",
    "value = 1.0 * float(np.sum(Y * E))",
    "squared misfit without the 1/2",
    case="5-collapsed",
)
@breaks(HMC, "if threshold < acceptance:", "if True:", "Metropolis always accepting", case="5-collapsed")
@breaks(
    HMC,
    "before = at.value + 0.5 * float(p @ p)",
    "before = at.value + 1.0 * float(p @ p)",
    "kinetic energy twice before a path",
    case="5-collapsed",
)
@breaks(
    ENERGIES,
    "value = 0.5 * (loss + float(",
    "value = 0.5 * (2 * loss + float(",
    "squared misfit without the 1/2, jointly",
    case="8-joint",
)
@pytest.mark.parametrize(("n", "kind"), [(5, "collapsed"), (8, "joint")])
def test_transitions_leave_the_joint_law_of_weights_and_targets(n, kind):
    with parallel.threads(1):  # matrices are tiny
        fresh, moved = pairs_of_statistics(n, kind)
    error = np.sqrt((fresh.var(axis=0) + moved.var(axis=0)) / REPEATS)
    z = (moved.mean(axis=0) - fresh.mean(axis=0)) / error
    p = [ks_2samp(one, other).pvalue for one, other in zip(fresh.T, moved.T, strict=True)]
    assert np.max(np.abs(z)) < 3.2, f"{z}"  # of five numbers: a chance of .7 %
    assert min(p) > 0.003, f"{p}"
