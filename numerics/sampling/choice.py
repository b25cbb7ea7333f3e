"""Which energy to sample, and in which precision: found by trying on the problem at hand."""

from __future__ import annotations

import math
import time
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from numerics.sampling.chain import COLLAPSED, JOINT, Chain, Plan, Stopped, advance
from numerics.sampling.energies import Collapsed, Posterior
from numerics.sampling.readout import NotPositiveDefinite

Array = NDArray[np.float64]

CHEAPER = 2.0  # times the seconds per angle: a draw of all weights takes a longer way
WORTH_A_TRIAL = 4.0  # times cheaper gradients; below that the smaller steps of all weights never pay
LARGE_ENOUGH = 300_000  # features, for single precision to save time
LARGEST_DIFFERENCE = 0.01  # of two energies in single precision
TRIAL_PATHS, TURNS = 20, 3  # at most, and until the step has turned round so often
REPEATS, ENOUGH = 20, 1.0  # timings of a gradient, and seconds of them


def precision_of(posterior: Posterior, states: list[Array]) -> str:
    """ "single" where it is worth it and the energy differs from that in double precision by a constant."""
    samples, features = len(posterior.Y), posterior.readout_shape[0]
    if samples * features < LARGE_ENOUGH:
        return "double"
    return "single" if agrees(posterior, states) else "double"


def agrees(posterior: Posterior, states: list[Array]) -> bool:
    """Whether energies in single precision are those in double, up to a constant, at some states."""
    double, single = (replace(posterior, single=flag) for flag in (False, True))
    differences = []
    for z in states:
        values = []
        for one in (single, double):
            energy = Collapsed(one)
            try:
                with np.errstate(over="ignore", invalid="ignore"):
                    _, marginal = energy.marginal(z[: energy.size])
            except NotPositiveDefinite:
                return False
            values.append(marginal.value)
        differences.append(values[0] - values[1])
    return bool(np.ptp(differences) <= LARGEST_DIFFERENCE)


def method_of(plan: Plan, z: Array, seed: np.random.SeedSequence) -> tuple[str, str]:
    """ "collapsed" or "joint", and the reason in words, from the seconds of a gradient and, where those leave
    it open, from the steps that a short run of each comes to."""
    hidden = plan.posterior.coordinates.size
    plans = {method: replace(plan, method=method) for method in (COLLAPSED, JOINT)}
    rng = np.random.default_rng(seed)
    starts = {COLLAPSED: z[:hidden]}
    rows, outputs = plan.posterior.readout_shape
    starts[JOINT] = np.concatenate([z[:hidden], rng.standard_normal(rows * outputs)])
    seconds = {method: _seconds(plans[method], starts[method]) for method in plans}
    ratio = seconds[COLLAPSED] / seconds[JOINT]
    if ratio < WORTH_A_TRIAL:
        return COLLAPSED, f"a gradient with the readout is {ratio:.2g} times cheaper: not enough"
    cost = {}
    for method, each in plans.items():
        try:
            step = _step(each, Chain(starts[method], np.random.default_rng(seed)))
        except Stopped:
            return COLLAPSED, "the other could not be tried"
        cost[method] = seconds[method] / step
    better = cost[COLLAPSED] / cost[JOINT]
    chosen = JOINT if better > CHEAPER else COLLAPSED
    return chosen, f"seconds per step of the readout's marginal over those of all weights: {better:.2g}"


def _step(plan: Plan, chain: Chain) -> float:
    """Where the step of a descent settles: as it turned round for the last time that is waited for."""
    direction, turns = 0, 0
    for _ in range(TRIAL_PATHS):
        before = chain.descent.step
        chain = advance(plan, chain, 1).chain
        now = int(np.sign(chain.descent.step - before))
        turns += now * direction < 0
        direction = now or direction
        if turns == TURNS:
            break
    return chain.descent.step


def _seconds(plan: Plan, z: Array) -> float:
    """Of a gradient: the best of several, as other work on the machine only adds."""
    energy = plan.energy()
    energy(z)  # compiles
    best, spent = math.inf, 0.0
    for _ in range(REPEATS):
        began = time.perf_counter()
        energy(z)
        taken = time.perf_counter() - began
        best, spent = min(best, taken), spent + taken
        if spent > ENOUGH:
            break
    return best
