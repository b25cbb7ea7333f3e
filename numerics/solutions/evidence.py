"""The slope of the log evidence in the prior variances and the noise, for choosing them.

F is stationary in the state, so that of a change of the problem its explicit part alone counts (the envelope
theorem). In the coordinates theta_l, mu_l of `numerics.gaussian.theory` the KL terms do not know the prior
variances: these enter through Psi(Q_f), by way of the layers' priors P = diag and Q_l = sigma_l^2 G_l +
sigma_b^2 (derived). With T, t and the adjoints -2 dF/dQ_l that a sweep down the layers leaves,

    dF/dlog sigma_1^2 = -1/2 [tr(T Sigma) + t.m_w]           over the weights; for sigma_b^2 over the bias,
    dF/dlog sigma_l^2 =  tr[dF/dQ_l (Q_l - sigma_b^2)],      l > 1,
    dF/dlog sigma_b^2 =  sigma_b^2 1.(dF/dQ_l) 1             from every layer above the first.

Of the readout Psi takes the scale of y: multiplying weights' kernel, bias and noise by c is dividing y by
sqrt(c), so that

    dPsi/dlog sigma_a^2 = 1/2 (D k - y.eps) - dPsi/dlog sigma^2 - dPsi/dlog sigma_b^2

over k data of finite noise and D outputs, in mean field and at finite fan-in alike.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from numerics.gaussian.state import State
from numerics.gaussian.theory import Gradient, Theory
from numerics.machine.dense import mirrored
from numerics.problem import Problem

Array = NDArray[np.float64]


@dataclass(frozen=True)
class EvidenceGradient:
    """d log evidence / d log of each hyper-parameter, at a solution.

    Attributes
    ----------
    weight_variances : tuple of float
        One per hidden layer.
    readout_variance, bias_variance : float
        The latter of all biases together, 0 where there are none.
    noise_variance : float
        Of all data's together.
    """

    weight_variances: tuple[float, ...]
    readout_variance: float
    bias_variance: float
    noise_variance: float


def evidence_gradient(equations: Theory, problem: Problem, state: State) -> EvidenceGradient:
    """At a stationary point of F; elsewhere it is the explicit part alone."""
    at = equations.gradient(state, problem.inverse_widths)
    first, first_bias = _of_inputs(equations, at)
    hidden = [
        _of_hidden(adjoint, layer.root.square, problem.net.bias_variance)
        for adjoint, layer in zip(at.adjoints, at.layers[1:], strict=True)
    ]
    noise, output_bias = at.data.noise_slope(problem), at.data.bias_slope(problem)
    numbers = int(np.count_nonzero(problem.observed)) * problem.outputs
    scale = 0.5 * (numbers - float(np.sum(at.data.summary.eps * problem.targets)))
    return EvidenceGradient(
        weight_variances=(-first, *(-weights for weights, _ in hidden)),
        readout_variance=-(scale - noise - output_bias),
        bias_variance=-(first_bias + sum(bias for _, bias in hidden) + output_bias),
        noise_variance=-noise,
    )


def _of_inputs(equations: Theory, at: Gradient) -> tuple[float, float]:
    """dF of the input weights' variance, and of their bias's, whose coordinate is the last."""
    layer, slopes = at.layers[0], at.T[0]
    each = np.einsum("ij,ji->i", slopes.theta, layer.covariance)
    if slopes.mu is not None and layer.mean is not None:
        each = each + slopes.mu * layer.mean
    biases = int(equations.problem.net.bias_variance > 0)
    weights = len(each) - biases
    return -0.5 * float(each[:weights].sum()), -0.5 * float(each[weights:].sum())


def _of_hidden(adjoint: Array, Q: Array, bias: float) -> tuple[float, float]:
    """dF of a hidden layer's weights' variance and of its biases', from -2 dF/dQ, lower triangle valid."""
    whole = mirrored(adjoint)
    of_bias = -0.5 * bias * float(whole.sum())
    return -0.5 * float(np.sum(whole * Q)) - of_bias, of_bias
