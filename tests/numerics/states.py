"""States far from any solution, moved along geodesics: for differences of F and its gradient."""

import numpy as np
from small_problems import symmetric

from numerics import Problem
from numerics.gaussian.state import LayerState
from numerics.gaussian.theory import Theory


def theory_of(net, X, y, noise_variance, law="mean_field", basis="span"):
    """The equations and the inverse widths of a problem."""
    problem = Problem(net, X, y, noise_variance)
    return Theory(problem, law, basis), problem.inverse_widths


def matrix_function(f, M):
    values, U = np.linalg.eigh(M)
    return (U * f(values)) @ U.T


def direction(theory, seed, size=1.0):
    """A random change of every layer."""
    rng = np.random.default_rng(seed)
    thetas = [size * symmetric(rng, rank) / np.sqrt(rank) for rank in theory.sizes]
    means = [
        None if theory.odd else size * rng.standard_normal(rank) / np.sqrt(rank) for rank in theory.sizes
    ]
    return tuple(LayerState(theta, mu) for theta, mu in zip(thetas, means, strict=True))


def off_the_solution(theory):
    return direction(theory, 0, 0.3)


def moved(state, change, t=1.0):
    """log of M^{1/2} e^{tH} M^{1/2} of every layer; means move straight."""
    return tuple(
        LayerState(_moved(layer.theta, step.theta, t), None if layer.mu is None else layer.mu + t * step.mu)
        for layer, step in zip(state, change, strict=True)
    )


def _moved(theta, H, t):
    root = matrix_function(np.exp, theta / 2)
    return matrix_function(np.log, root @ matrix_function(np.exp, t * H) @ root)


def inner(x, one, other):
    """The Fisher metric of two changes of a state: sum_l N_l/2 tr(H H') + N_l w.w'."""
    total = 0.0
    for inverse_width, a, b in zip(x, one, other, strict=True):
        total += np.sum(a.theta * b.theta) / (2 * inverse_width)
        if a.mu is not None:
            total += a.mu @ b.mu / inverse_width
    return total


def arrays(state):
    """All matrices and vectors of a state."""
    return [array for layer in state for array in layer.arrays]
