"""An independent sampler, numpyro's NUTS on all weights, agrees (extra `validate`, `make validate`)."""

import numpy as np
import pytest

from numerics import cnn, fcn, sample
from numerics.sampling.estimate import Estimate

pytestmark = [
    pytest.mark.validate,
    pytest.mark.filterwarnings("ignore"),
]

NOISE, WEIGHT, READOUT = 0.1, 2.0, 2.0


def cnn_problem():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((30, 2, 3))
    return cnn(5), X, X @ np.array([0.8, -0.6, 0.0]) @ np.array([1.0, -0.5]), "erf"


def relu_problem():
    rng = np.random.default_rng(1)
    X = rng.standard_normal((25, 3))
    return fcn(6, activation="relu"), X, np.maximum(X @ np.array([1.0, 0.5, 0.0]), 0.0), "relu"


@pytest.mark.parametrize("problem", [cnn_problem, relu_problem])
def test_nuts_on_all_weights_agrees(problem):
    numpyro = pytest.importorskip("numpyro")
    import jax

    jax.config.update("jax_enable_x64", True)
    import jax.numpy as jnp
    from jax.scipy.special import erf

    net, X, y, name = problem()
    patches = X.reshape(len(X), -1, X.shape[-1])
    n, pixels, size = patches.shape
    width = int(net.widths[0])
    phi = erf if name == "erf" else (lambda h: jnp.maximum(h, 0.0))

    def model():
        normal = numpyro.distributions.Normal
        w = numpyro.sample("w", normal(0, np.sqrt(WEIGHT / size)).expand([size, width]))
        a = numpyro.sample("a", normal(0, np.sqrt(READOUT / (pixels * width))).expand([pixels, width]))
        f = jnp.einsum("npc,pc->n", phi(patches @ w), a)
        numpyro.sample("y", normal(f, np.sqrt(NOISE)), obs=y)

    kernel = numpyro.infer.NUTS(model, target_accept_prob=0.9)
    nuts = numpyro.infer.MCMC(
        kernel, num_warmup=1000, num_samples=3000, num_chains=4, chain_method="sequential", progress_bar=False
    )
    nuts.run(jax.random.PRNGKey(0))
    weights = np.asarray(nuts.get_samples(group_by_chain=True)["w"])

    def given(w):
        """alpha and the learned variances, averaged over the readout by Gaussian regression."""
        h = patches @ w
        features = (np.asarray(erf(h)) if name == "erf" else np.maximum(h, 0)).reshape(n, -1)
        K = NOISE * np.eye(n) + READOUT / (pixels * width) * features @ features.T
        alpha = y @ np.linalg.solve(K, y) / (y @ y)
        return np.array([alpha, *(np.diag(w @ w.T) / width * size / WEIGHT)])

    theirs = np.array([[given(w) for w in chain] for chain in weights])
    ours = sample(net, X, y, NOISE, draws=3000, chains=4)
    mine = [ours.alpha.plain, *(ours.overlap(u).plain for u in np.eye(size))]
    for position, estimate in enumerate(mine):
        other = Estimate.of(theirs[:, :, position])
        error = np.hypot(estimate.error, other.error)
        assert error < 0.03 * abs(other.mean)  # it could tell
        assert abs(estimate.mean - other.mean) < 3 * error
