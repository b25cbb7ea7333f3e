"""A regressor of scikit-learn around `numerics.solve`."""

from __future__ import annotations

import warnings
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from numerics import checks
from numerics.cavity.door import THEORY as CAVITY
from numerics.continuation import MAX_ITER
from numerics.network import Network, fcn
from numerics.sklearn.hyper_parameters import HyperParameters
from numerics.sklearn.search import largest_evidence
from numerics.solver import THEORIES, solve

Array = NDArray[np.float64]

WIDTH = 100  # of the network that is taken where none is given
EVIDENCE = "evidence"
CHOSEN = ("weight_variance", "readout_variance", "bias_variance", "noise_variance")


class FeatureLearningRegressor(RegressorMixin, BaseEstimator):
    """Regression by the mean network of the equations of state, with its uncertainty.

    At `widths=math.inf` it is a Gaussian process with the network's kernel.

    Parameters
    ----------
    network : Network, optional
        From `cnn(...)` or `fcn(...)`; by default `fcn(100)`. What follows replaces parts of it.
    widths : float or sequence of float, optional
        Of the hidden layers, `math.inf` allowed; without a `network` a sequence makes a deeper one.
    weight_variance : float or sequence of float, optional
    readout_variance, bias_variance : float, optional
    activation : str or Activation, optional
    noise_variance : float
        sigma^2 of the targets, as they are after `normalize_y`.
    theory : str
        One of `numerics.THEORIES`.
    pixels : int, optional
        Of a convolutional network: the columns of X are so many pixels, all features of the first one
        before the second.
    normalize_y : bool
        Solve for targets of mean 0 and variance 1 each, which a prior of order one expects, and predict in
        their own units.
    optimizer : "evidence" or None
        Choose variances and noise where the log evidence of the theory is largest; those given are the start.
        For all theories but the cavity.
    n_restarts_optimizer : int
        Further starts, log-uniform within the bounds.
    weight_variance_bounds, readout_variance_bounds, bias_variance_bounds, noise_variance_bounds
        (least, largest), or "fixed"; of weights also one pair per hidden layer. Biases of variance 0 stay
        away.
    tol, max_iter
        As in `numerics.solve`.
    random_state : int, RandomState or None
        Of the further starts.

    Attributes
    ----------
    solution_ : Solution or CavitySolution
        Everything the theory says, for the targets after `normalize_y`.
    network_, noise_variance_
        With the variances that evidence chose.
    log_marginal_likelihood_value_ : float
        `solution_.log_evidence`.
    n_iter_ : int
        Gradients of the free energy that the solution took.
    n_features_in_, feature_names_in_
        As in scikit-learn.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from numerics.sklearn import FeatureLearningRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> net = FeatureLearningRegressor(widths=50, noise_variance=0.5)
    >>> model = make_pipeline(StandardScaler(), net).fit(X, y)
    >>> mean, std = model.predict(X[:3], return_std=True)
    """

    def __init__(
        self,
        network=None,
        *,
        widths=None,
        weight_variance=None,
        readout_variance=None,
        bias_variance=None,
        activation=None,
        noise_variance=0.1,
        theory="mean_field",
        pixels=None,
        normalize_y=True,
        optimizer=None,
        n_restarts_optimizer=0,
        weight_variance_bounds=(1e-3, 1e3),
        readout_variance_bounds=(1e-3, 1e3),
        bias_variance_bounds=(1e-3, 1e3),
        noise_variance_bounds=(1e-5, 1e2),
        tol="auto",
        max_iter=MAX_ITER,
        random_state=None,
    ):
        self.network = network
        self.widths = widths
        self.weight_variance = weight_variance
        self.readout_variance = readout_variance
        self.bias_variance = bias_variance
        self.activation = activation
        self.noise_variance = noise_variance
        self.theory = theory
        self.pixels = pixels
        self.normalize_y = normalize_y
        self.optimizer = optimizer
        self.n_restarts_optimizer = n_restarts_optimizer
        self.weight_variance_bounds = weight_variance_bounds
        self.readout_variance_bounds = readout_variance_bounds
        self.bias_variance_bounds = bias_variance_bounds
        self.noise_variance_bounds = noise_variance_bounds
        self.tol = tol
        self.max_iter = max_iter
        self.random_state = random_state

    def fit(self, X, y):
        """Solve the equations of state of the data.

        Parameters
        ----------
        X : (n, features) array or table
        y : (n,) or (n, D) array or table

        Returns
        -------
        self

        Raises
        ------
        ValueError
            Naming the argument and the remedy.
        ConvergenceError
            Where the theory cannot be solved, with advice.
        """
        least = 2 if self.normalize_y else 1
        X, y = validate_data(
            self, X, y, multi_output=True, y_numeric=True, dtype=np.float64, ensure_min_samples=least
        )
        net, noise = self._network(), checks.positive(self.noise_variance, "noise_variance")
        self._y_mean, self._y_scale = self._scales(y)
        inputs, targets = self._inputs(X, net), (y - self._y_mean) / self._y_scale
        solved = partial(self._solve, inputs, targets)
        bounds = {name: getattr(self, f"{name}_bounds") for name in CHOSEN}
        at = HyperParameters.of(net, noise, bounds)
        if self._by_evidence() and at.free.any():
            at = self._chosen(solved, at)
        self.solution_ = solved(at)
        self.network_, self.noise_variance_ = at.net, at.noise_variance
        self.log_marginal_likelihood_value_ = self.solution_.log_evidence
        self.n_iter_ = self.solution_.gradients
        return self

    def predict(self, X, return_std=False, return_cov=False, include_noise=False):
        """Mean output, and its uncertainty.

        Parameters
        ----------
        X : (m, features) array or table
        return_std, return_cov : bool
            Also return the standard deviation of the network's output, in the shape of the mean, or its
            covariance: (m, m), or (m, m, D) for several outputs.
        include_noise : bool
            Add the noise of an observation to the variances.

        Returns
        -------
        mean : (m,) or (m, D) array, alone or in a pair with the other
        """
        X = self._checked(X)
        found = self.solution_.predict(X, return_std, return_cov, include_noise)
        if return_std:
            mean, std = found
            return self._back(mean), std * self._y_scale
        if return_cov:
            mean, cov = found
            return self._back(mean), self._covariance(cov)
        return self._back(found)

    def sample_y(self, X, n_samples=1, random_state=0):
        """Draws of the network's output, jointly over the inputs.

        Returns
        -------
        (m, n_samples) or (m, D, n_samples) array
        """
        X, rng = self._checked(X), random_state
        if not isinstance(rng, np.random.Generator):
            rng = np.random.default_rng(check_random_state(rng).randint(np.iinfo(np.int32).max))
        draws = self.solution_.sample_y(X, n_samples, rng)
        return draws * self._y_scale[..., None] + self._y_mean[..., None]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def _network(self) -> Network:
        net = fcn(WIDTH if self.widths is None else self.widths) if self.network is None else self.network
        if not isinstance(net, Network):
            raise ValueError(
                f"network is a {type(net).__name__}; make one with cnn(...) or fcn(...), or leave it out"
            )
        if self.widths is not None:
            net = net.with_widths(self.widths)
        if self.activation is not None:
            net = net.with_activation(self.activation)
        return net.with_variances(self.weight_variance, self.readout_variance, self.bias_variance)

    def _inputs(self, X: Array, net: Network) -> Array:
        """(n, P, S) where the network is convolutional."""
        if net.flat:
            if self.pixels is not None:
                raise ValueError("pixels= is for convolutional networks, cnn(...); leave it out")
            return X
        if self.pixels is None:
            raise ValueError(
                "network is convolutional, but X has plain columns: give pixels=, how many pixels they are"
            )
        count = checks.count(self.pixels, "pixels")
        if X.shape[1] % count:
            raise ValueError(f"pixels={count} does not divide the {X.shape[1]} columns of X")
        return X.reshape(len(X), count, -1)

    def _scales(self, y: Array) -> tuple[Array, Array]:
        """What is taken off the targets, and what they are divided by: numbers, or (D,)."""
        if not self.normalize_y:
            return np.zeros(y.shape[1:]), np.ones(y.shape[1:])
        mean, scale = np.asarray(y.mean(axis=0)), np.asarray(y.std(axis=0))
        constant = scale <= np.finfo(float).eps * np.abs(mean)
        if constant.all():
            raise ValueError("y is constant, so that normalize_y leaves nothing; give targets that vary")
        return mean, np.where(constant, 1.0, scale)

    def _by_evidence(self) -> bool:
        if self.optimizer is None:
            return False
        checks.choice(self.optimizer, (EVIDENCE,), "optimizer")
        if self.theory == CAVITY:
            raise ValueError(
                "theory='cavity' gives no slope of its evidence: choose the hyper-parameters with "
                "theory='finite_fan_in' and optimizer='evidence', or with optimizer=None by cross-validation"
            )
        return True

    def _solve(self, X: Array, y: Array, at: HyperParameters) -> Any:
        theory = checks.choice(self.theory, THEORIES, "theory")
        return solve(at.net, X, y, at.noise_variance, theory=theory, tol=self.tol, max_iter=self.max_iter)

    def _chosen(self, solved: Any, start: HyperParameters) -> HyperParameters:
        restarts = checks.count(self.n_restarts_optimizer, "n_restarts_optimizer", least=0)
        found = largest_evidence(solved, start, restarts, check_random_state(self.random_state))
        if not found.settled:
            warnings.warn(
                f"the search for the largest evidence has not ended at a maximum ({found.message}); raise "
                "n_restarts_optimizer, or narrow the bounds",
                ConvergenceWarning,
                stacklevel=3,
            )
        for sentence in found.at.at_a_bound():
            warnings.warn(sentence, ConvergenceWarning, stacklevel=3)
        return found.at

    def _checked(self, X: Any) -> Array:
        check_is_fitted(self)
        return self._inputs(validate_data(self, X, reset=False, dtype=np.float64), self.network_)

    def _back(self, mean: Array) -> Array:
        return mean * self._y_scale + self._y_mean

    def _covariance(self, cov: Array) -> Array:
        outputs = self._y_scale.size
        each = np.moveaxis(np.broadcast_to(cov, (outputs, *cov.shape[-2:])), 0, -1) * self._y_scale**2
        return each[..., 0] if outputs == 1 else each
