"""Gaussian units with known kernels."""

import numpy as np

from numerics import fcn, measure

SAMPLES, FEATURES = 6, 8


def covariance(size, seed):
    B = np.random.default_rng(seed).standard_normal((size, size)) / 3
    return B @ B.T + 0.1 * np.eye(size)


X = np.random.default_rng(0).standard_normal((SAMPLES, FEATURES))
SIGMA, K2 = covariance(FEATURES, 1), covariance(SAMPLES, 2)


def planted(units, seed, networks=None, **options):
    """Two layers of units ~ N(0, SIGMA) in weight space and N(0, K2): no network made the second."""
    rng = np.random.default_rng(seed)
    shape = (units,) if networks is None else (networks, units)
    W = rng.multivariate_normal(np.zeros(FEATURES), SIGMA, size=shape)
    h2 = rng.multivariate_normal(np.zeros(SAMPLES), K2, size=shape)
    return measure(fcn((units, units)), X, [W @ X.T, h2], W, check=False, **options)
