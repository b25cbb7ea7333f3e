# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Your own network: measured, and put into the equations
#
# One claim: networks that were trained in fifteen lines of plain NumPy obey the equation of state of
# their weights when their own measured kernel is put into it, and the same networks before training do
# not.
#
# The paper calls this reverse engineering. Nothing is solved here: `measure` averages kernels over units
# and networks, and `equations_from` evaluates each equation's right-hand side at them, as in Fig. 5.

# %% tags=["hide-input"]
import numpy as np
from scipy.special import erf

import feature_eos as eos

N, D, UNITS, NETWORKS = 40, 5, 64, 48
READOUT, NOISE = 2 / 64, 0.01

# %% [markdown]
# ## Training, without this package
# Full-batch gradient descent with weight decay and white noise, Eq. (15), of 48 networks
# $f(x)=\sum_i a_i\,\mathrm{erf}(w_i\cdot x)$ at once. Weights are kept in units of their prior's standard
# deviation, in which the decay is one.

# %%
data = eos.datasets.make_fcn_teacher(N, D, seed=3, rms=0.3)
X, y = data.X, data.y


def trained(steps, rate, seed):
    rng = np.random.default_rng(seed)
    w = rng.standard_normal((NETWORKS, UNITS, D))
    a = rng.standard_normal((NETWORKS, UNITS))
    size_w, size_a = np.sqrt(2 / D), np.sqrt(READOUT / UNITS)
    for _ in range(steps):
        h = size_w * w @ X.T
        phi = erf(h)
        gap = (size_a * np.einsum("ru,run->rn", a, phi) - y) / NOISE
        back = 2 / np.sqrt(np.pi) * np.exp(-(h**2)) * gap[:, None, :]
        grad_a = size_a * np.einsum("run,rn->ru", phi, gap)
        grad_w = size_w * size_a * a[..., None] * (back @ X)
        w = w - rate / 2 * (w + grad_w) + np.sqrt(rate) * rng.standard_normal(w.shape)
        a = a - rate / 2 * (a + grad_a) + np.sqrt(rate) * rng.standard_normal(a.shape)
    return size_w * w


before, after = trained(0, 0.0, seed=0), trained(2500, 0.008, seed=0)

# %% [markdown]
# ## Measuring
# What `measure` wants is the pre-activations at the training inputs, (units, samples), networks stacked
# in front, and the architecture with its prior variances.

# %%
net = eos.fcn(UNITS, 2.0, READOUT, activation="erf")
measured = eos.measure(net, X, [after @ X.T])
print(measured)

# %% [markdown]
# One direction stands out, by many times what noise would do: the teacher's. Its units are not quite
# Gaussian, which is what the equations assume; the excess kurtosis says how far.

# %%
load = measured.feature_load(0)
top = load.vectors[:, 0]
w_star = data.w_star / np.linalg.norm(data.w_star)
print(f"overlap of the top direction with the teacher: {abs(top @ w_star):.3f}")
print(f"variance along it over its prior's: {measured.overlap(top)}")

# %% [markdown]
# ## In the equations
# "learned" is how far a measured kernel is from where nothing is learned, "residual" how far from its
# equation's right-hand side, "noise" what the finite number of units alone makes of that.

# %%
predicted = eos.equations_from(measured, net, X, y, NOISE)
print(predicted)

# %%
untrained = eos.equations_from(eos.measure(net, X, [before @ X.T]), net, X, y, NOISE)
print(untrained)

# %%
eos.plots.equations(predicted)

# %% [markdown]
# Before training the equation asks for a direction that is not there yet. After training the weights
# obey it, while $Q_f$ is off its Gaussian map by more than noise: units whose law is not quite Gaussian.
#
# Beside it, without any measured number, the solved theories and the exact sampler:

# %%
sol = eos.solve(net, X, y, NOISE)
cavity = eos.solve(net, X, y, NOISE, theory="cavity")
rows = {
    "measured": measured.overlap(w_star).mean,
    "right-hand side at measured kernels": w_star @ predicted.Sigma @ w_star * D / 2,
    "mean field, solved": w_star @ sol.overlap_ratio @ w_star,
    "cavity, solved": w_star @ cavity.overlap_ratio @ w_star,
}
for name, value in rows.items():
    print(f"{name:38} {value:.3f}")

# %% [markdown]
# ## With PyTorch
# The ten lines are in [Your own trained network](../docs/own-network.md).

# %% [markdown]
# ## What this notebook claims

# %%
Sigma, error = predicted["Sigma"], measured.overlap(w_star).error
print(f"Sigma: residual {Sigma.residual:.3f}, noise {Sigma.noise:.3f}")
print(f"before training: residual {untrained['Sigma'].residual:.3f}")
assert Sigma.obeyed
assert untrained["Sigma"].residual > 5 * untrained["Sigma"].noise
assert untrained["Q_f"].obeyed
assert load.significant >= 1
assert abs(top @ w_star) > 0.95
assert abs(rows["measured"] - rows["cavity, solved"]) < 4 * error
