"""The Gaussian theory of a problem: the free energy F of its chain of layers, with the exact gradient.

Each hidden layer is a Gaussian measured against its prior (`numerics.gaussian.layer`), whose coordinates are
theta_l and, where the activation is not odd, mu_l: K_l = L_l e^{theta_l} L_l^T with L_l L_l^T = Q_l(K_{l-1})
(Cholesky), and Sigma = P^{1/2} e^{theta_1} P^{1/2} with the prior covariance P of the input weights. In these
coordinates

    F(theta, mu) = sum_l N_l/2 [tr e^{theta_l} - dim - tr theta_l + |mu_l|^2] + Psi(Q_f),

every KL term is a function of its own layer alone, and theta = 0, mu = 0 is the Gaussian process. One sweep
up the layers gives the kernels and Psi, one sweep down the gradient.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from numerics import checks
from numerics.gaussian.input_space import InputSpace, prior_variances
from numerics.gaussian.layer import Layer
from numerics.gaussian.point import Point
from numerics.gaussian.root import range_basis
from numerics.gaussian.state import LayerState, State, at_prior, finite
from numerics.kernels.kernel_maps import KernelMap
from numerics.kernels.preactivations import HiddenKernel, InputKernel, Kernel
from numerics.machine import parallel
from numerics.machine.dense import mirrored
from numerics.problem import Problem
from numerics.readout_laws import LAWS, NAMES
from numerics.readout_laws.law import DataTerm, NotPositiveDefinite

Array = NDArray[np.float64]
Basis = Array | Literal["span"] | None


@dataclass(frozen=True)
class Gradient:
    """The slope of F at one state.

    Attributes
    ----------
    data : DataTerm
    layers : tuple of Layer
    T : State
        T_l = -2 d(rest of F)/d(Sigma or K_l), symmetric, and t_l = -d(rest of F)/dm_l.
    E : State
        The natural gradient, E_l and e_l; zero at a solution.
    adjoints : tuple of arrays
        -2 dF/dQ of each hidden layer's prior, from the second layer up; lower triangles valid.
    residuals : tuple of float
        Of each layer's equations (`numerics.gaussian.layer.Backward`).
    """

    data: DataTerm
    layers: tuple[Layer, ...]
    T: State
    E: State
    adjoints: tuple[Array, ...]
    residuals: tuple[float, ...]


class Theory:
    """The equations of state of one network on its data, at any widths.

    Parameters
    ----------
    problem : Problem
        Its widths do not matter: they are arguments of what depends on them.
    law : str
        Of the readout, one of `numerics.THEORIES`, as `theory=` of `numerics.solve`.
    basis : "span", None or (S, r) array
        Orthonormal coordinates of the input weights, in which the state is kept: of the span of X, where that
        is smaller; None for the weights themselves; or those of an earlier state.

    Raises
    ------
    ValueError
        Where the law does not describe the network or the data, with the remedy.
    """

    def __init__(self, problem: Problem, law: str = "mean_field", basis: Basis = "span"):
        self.law = LAWS[checks.choice(law, NAMES, "theory")]
        if problem.samples == 0:
            raise ValueError(
                f"X has shape {problem.X.shape}: no axis may be empty; without data there is the prior, "
                "which numerics.sample draws"
            )
        self.law.refuse(problem)
        self.problem = problem.with_widths(np.inf)
        self._basis = basis

    def __getstate__(self) -> dict[str, Any]:
        """Problem, law and coordinates; the rest is made again."""
        return {"problem": self.problem, "law": self.law, "_basis": self.space.basis}

    @cached_property
    def space(self) -> InputSpace:
        """The input weights that the data see."""
        prior = prior_variances(self.problem.net, self.problem.input_shape[1])
        if isinstance(self._basis, str):
            return InputSpace.spanned(self.problem.inputs.transpose(1, 0, 2), prior)
        return InputSpace(prior, self._basis)

    @cached_property
    def X(self) -> Array:
        """(P, n, r): the inputs in the coordinates of `space`, pixel by pixel."""
        return self.space.coordinates(self.pixel_major(self.problem.inputs))

    def pixel_major(self, X: Array) -> Array:
        """(n, P, S) -> (P, n, S), with the constant 1 that carries the first layer's biases."""
        if self.problem.net.bias_variance > 0:
            X = np.concatenate([X, np.ones((*X.shape[:2], 1))], axis=2)
        return np.ascontiguousarray(X.transpose(1, 0, 2))

    @cached_property
    def maps(self) -> tuple[KernelMap, ...]:
        """One per hidden layer: to the next layer's prior kernel, the last one to Q_f."""
        net = self.problem.net
        windows = net.receptive_windows(self.problem.input_shape[0])
        variances = (*net.weight_variances[1:], net.readout_variance)
        return tuple(
            KernelMap(window, variance, net.activation, net.bias_variance)
            for window, variance in zip(windows, variances, strict=True)
        )

    @property
    def readout(self) -> KernelMap:
        return self.maps[-1]

    @property
    def odd(self) -> bool:
        """Whether the activation is: then every mean is zero, and none is tracked."""
        return self.maps[0].activation.odd

    @property
    def prior_variance(self) -> Array:
        """(r,): of the input weights, in the coordinates of `space`."""
        return self.space.span_variance

    def prior_kernels(self, samples: NDArray[np.intp] | slice = slice(None)) -> Iterator[Kernel]:
        """The pre-activations of every layer at the Gaussian process, on some of the data."""
        kernel: Kernel = InputKernel.at(self.X[:, samples], np.diag(self.prior_variance))
        yield kernel
        for below in self.maps[:-1]:
            kernel = HiddenKernel.at(mirrored(below.value(kernel)), below.receptive.pixels_out)
            yield kernel

    @cached_property
    def bases(self) -> tuple[Array | None, ...]:
        """Of each hidden layer above the first: a basis of the range of Q_l where that is singular.

        The range is the Gaussian process's: it does not move with the state.
        """
        found: list[Array | None] = []
        if len(self.maps) == 1:
            return ()
        for kernel in list(self.prior_kernels())[1:]:
            assert isinstance(kernel, HiddenKernel)
            if not np.isfinite(kernel.K).all():
                raise NotPositiveDefinite
            found.append(range_basis(kernel.K))
        return tuple(found)

    @cached_property
    def readout_basis(self) -> Array | None:
        """A basis of the range of Q_f in units of the noise, for linear units, where the range is the same at
        every state; None where Q_f is regular or a datum is left out."""
        if self.maps[0].activation.name != "linear" or not self.problem.observed.all():
            return None
        *_, kernel = self.prior_kernels()
        Q = self.readout.value(kernel)
        std = np.sqrt(self.problem.noise_variance)
        return range_basis(Q / np.multiply.outer(std, std)) if np.isfinite(np.tril(Q)).all() else None

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """Dimension of each theta_l: input weights, then the ranks of the hidden kernels."""
        samples = self.X.shape[1]
        ranks = (
            below.receptive.pixels_out * samples if basis is None else basis.shape[1]
            for below, basis in zip(self.maps, self.bases, strict=False)
        )
        return (self.X.shape[2], *ranks)

    @property
    def prior(self) -> State:
        """The state of the Gaussian process."""
        return at_prior(self.sizes, self.odd)

    def layers(self, state: State) -> tuple[Layer, ...]:
        """Sigma, K_2, ... at a state.

        Raises
        ------
        NotPositiveDefinite
            When a hidden layer's Q has no Cholesky factor.
        """
        layers = [Layer.of_inputs(self.X, self.prior_variance, state[0])]
        for below, basis, block in zip(self.maps, self.bases, state[1:], strict=False):
            Q = below.value(layers[-1].kernel)
            layers.append(Layer.hidden(Q, basis, below.receptive.pixels_out, block))
        return tuple(layers)

    def data_term(self, layers: Sequence[Layer], inverse_widths: Sequence[float] = (0.0,)) -> DataTerm:
        """Psi at a state."""
        return self.data_term_of(layers[-1].kernel, inverse_widths)

    def data_term_of(self, kernel: Kernel, inverse_widths: Sequence[float]) -> DataTerm:
        """Psi where the last hidden layer has this kernel."""
        return self.law.at(self.readout, kernel, self.problem, inverse_widths, self.readout_basis)

    def gradient(self, state: State, inverse_widths: Sequence[float]) -> Gradient:
        """F's data term and natural gradient: one gradient's worth of work."""
        with self.blas():
            return self._gradient(state, inverse_widths)

    def _gradient(self, state: State, inverse_widths: Sequence[float]) -> Gradient:
        layers = self.layers(state)
        data = self.data_term(layers, inverse_widths)
        T: list[LayerState] = []
        E: list[LayerState] = []
        adjoints: list[Array] = []
        residuals: list[float] = []
        slopes = data.slopes(self.readout, layers[-1].kernel)
        for level in reversed(range(len(layers))):
            if level < len(layers) - 1:
                slopes = self.maps[level].adjoints(layers[level].kernel, adjoints[0])
            down = layers[level].backward(slopes[0], slopes[1] / 2, inverse_widths[level])
            T.insert(0, LayerState(slopes[0], None if self.odd else slopes[1] / 2))
            E.insert(0, down.gradient)
            residuals.insert(0, down.residual)
            if level > 0:
                adjoints.insert(0, down.adjoint)
        return Gradient(data, layers, tuple(T), tuple(E), tuple(adjoints), tuple(residuals))

    def blas(self) -> AbstractContextManager[Any]:
        """The threads of BLAS during a gradient, and a product of its Hessian."""
        samples, weights = self.X.shape[1:]
        # measured: fewer weights are less work than one thread's panels
        shallow = len(self.maps) == 1 and 4 * weights < 3 * samples
        return (parallel.for_one_factorisation if shallow else parallel.for_factorisation)(samples)

    def at(self, state: State, inverse_widths: Sequence[float]) -> Point:
        """F and its natural gradient at a state, without the n x n arrays.

        Raises
        ------
        NotPositiveDefinite
            From a kernel's factorisation.
        """
        return point_of(self.gradient(state, inverse_widths), state, inverse_widths)

    @property
    def gp(self) -> Point:
        """The Gaussian-process limit.

        Raises
        ------
        ValueError
            When rounding loses the noise, or the inputs overflow.
        """
        return self._gp[0]

    @property
    def gp_slopes(self) -> State:
        """T_l and t_l there."""
        return self._gp[1]

    @cached_property
    def _gp(self) -> tuple[Point, State]:
        too_large = ValueError(
            "X, y, a prior variance or 1 / noise_variance is so large that float64 overflows; "
            "rescale X and y to entries of order one"
        )
        infinite = (0.0,) * len(self.maps)
        try:
            with np.errstate(over="ignore", invalid="ignore"):
                gradient = self.gradient(self.prior, infinite)
        except NotPositiveDefinite:
            if not np.isfinite(np.linalg.norm(self.X)):
                raise too_large from None
            raise ValueError(
                f"noise_variance={self.problem.noise_variance.min():g} is lost in rounding: a kernel is not "
                "positive definite in float64; raise noise_variance, or rescale X to entries of order one"
            ) from None
        if not finite(gradient.T):
            raise too_large
        return point_of(gradient, self.prior, infinite), gradient.T

    def refuse(self, width: float) -> None:
        """Raise a ValueError, with the remedy, where the law does not hold for these data at this width."""
        samples = self.problem.samples
        count = self.law.samples_looked_at(samples, self.readout.receptive.fan_in)
        if count == 0 or np.isinf(width):
            return
        picked = np.linspace(0, samples - 1, count).round().astype(int)
        *_, kernel = self.prior_kernels(picked)
        self.law.refuse_kernel(self.readout, kernel, self.problem, width, count / samples)


def point_of(gradient: Gradient, state: State, inverse_widths: Sequence[float]) -> Point:
    """What stays of a gradient once its n x n arrays are gone."""
    return Point(
        state=state,
        Sigma=gradient.layers[0].covariance,
        residual=max(gradient.residuals),
        KL_terms=tuple(
            layer.KL / x if x > 0 else 0.0 for layer, x in zip(gradient.layers, inverse_widths, strict=True)
        ),
        data=gradient.data.summary,
        E=gradient.E,
    )
