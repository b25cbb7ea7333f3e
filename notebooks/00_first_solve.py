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
# # A first solve
#
# You have inputs `X`, targets `y` and a network in mind. This page finds what a network of that width
# learns from them: its predictions with a band, and which direction of the inputs its weights have found.

# %%
import numpy as np

import feature_eos as eos

# %% [markdown]
# ## Data
# Put your own arrays here: `X` of shape (n, d), `y` of shape (n,). In this example the target depends on one
# direction out of ten, and is observed with noise.

# %%
rng = np.random.default_rng(0)
direction = rng.standard_normal(10)
direction /= np.linalg.norm(direction)
X = rng.standard_normal((400, 10))
y = np.tanh(X @ direction) + np.sqrt(0.05) * rng.standard_normal(400)

# %% [markdown]
# ## Network and solution
# One hidden layer of 200 erf units. A readout variance of order one over the width is the mean-field
# scaling, in which a network learns features; `noise_variance` is the variance of the noise in `y`.

# %%
net = eos.fcn(200, weight_variance=2.0, readout_variance=4 / 200, activation="erf")
sol = eos.solve(net, X, y, noise_variance=0.05)
print(sol)

# %% [markdown]
# Read it from below. The *residual* is that of the equations, recomputed at what is returned. The
# *readout load* says how far the theory itself can be trusted: it is off by about half of that in what is
# learned, so .09 is a small error ([how to choose](../docs/how-to-choose.md)). *Alpha* is the part of the
# target that the network misses, over the noise variance: here three quarters of what the Gaussian process
# misses.
#
# ## What was learned
# Before training every direction of the input weights has the same variance. Afterwards one has twice as
# much, and it is the target's.

# %%
print("variances over the prior's:", np.round(sol.overlap_eigenvalues[:4], 3), "...")
load = sol.feature_load(0)
found = load.vectors[:, 0]
print(f"largest change: {load.relative[0]:+.2f} of the prior variance")
print(f"overlap of its direction with the target's: {abs(found @ direction):.3f}")

# %% [markdown]
# ## Predictions
# At new inputs, with the standard deviation of the network's output (`include_noise=True` would add the
# noise). The same network at infinite width, a Gaussian process that learns no features, is `sol.gp`.

# %%
X_test = rng.standard_normal((1000, 10))
y_test = np.tanh(X_test @ direction)
mean, std = sol.predict(X_test, return_std=True)
gp_mean, gp_std = sol.gp.predict(X_test, return_std=True)
error, gp_error = np.mean((mean - y_test) ** 2), np.mean((gp_mean - y_test) ** 2)
print(f"mean square error {error:.4f}, of the Gaussian process {gp_error:.4f}")
misses = [
    np.sqrt(np.mean(((m - y_test) / s) ** 2))
    for m, s in ((mean, std), (gp_mean, gp_std))
]
print(
    f"in standard deviations {misses[0]:.1f}, of the Gaussian process {misses[1]:.1f}"
)

# %% [markdown]
# Half of the error is gone, and the band has become more honest, though it is still too narrow: a readout
# variance of 4/200 believes in small outputs. A larger one widens the band and raises the readout load.

# %% tags=["hide-input"]
line = np.linspace(-2.5, 2.5, 101)
across = X_test[0] - (X_test[0] @ direction) * direction
along = across + np.outer(line, direction)
figure = eos.plots.new((10, 4))
axes, spectrum = figure.subplots(1, 2, width_ratios=(2, 1))
for one, colour, name in (
    (sol.gp, "#777777", "infinite width"),
    (sol, "#1b4f9c", "200 units"),
):
    mean_along, std_along = one.predict(along, return_std=True)
    axes.plot(line, mean_along, color=colour, label=name)
    low, high = mean_along - 2 * std_along, mean_along + 2 * std_along
    axes.fill_between(line, low, high, color=colour, alpha=0.2, lw=0)
axes.plot(line, np.tanh(line), "k--", lw=1, label="target")
axes.plot(X @ direction, y, ".", color="#bbbbbb", ms=3, zorder=0, label="data")
axes.set(xlabel="input along the target's direction", ylabel="output", ylim=(-2, 2))
axes.set_title("Prediction, with two standard deviations")
axes.legend(frameon=False, loc="upper left")
rank = np.arange(1, 11)
spectrum.plot(rank, sol.overlap_eigenvalues, "o", color="#1b4f9c", ms=4)
spectrum.axhline(1, color="#777777", lw=0.8)
spectrum.text(10, 1.05, "infinite width", color="#777777", ha="right")
spectrum.set(xlabel="rank", ylim=(0, None), xticks=range(1, 11), yticks=(0, 1, 2))
spectrum.set_title("Variances of the weights\nover the prior's")
for panel in (axes, spectrum):
    panel.spines[["top", "right"]].set_visible(False)
figure

# %% [markdown]
# ## Where to go on
# `eos.solve_path` follows a solution over many widths, `sol.save` keeps it, `eos.cnn` makes convolutional
# networks ([networks](../docs/networks.md)); [what a solution holds](../docs/solutions.md) lists the rest.
#
# ## What this notebook claims

# %%
assert sol.converged
assert sol.residual < 1e-8
assert abs(sol.readout_load - 0.090) < 5e-4
assert abs(sol.overlap_eigenvalues[0] - 2.062) < 1e-3
assert abs(sol.overlap_eigenvalues[1:] - 1).max() < 0.16
assert abs(found @ direction) > 0.98
assert error < 0.6 * gp_error
assert misses[0] < 0.8 * misses[1]
assert abs(sol.alpha / sol.gp.alpha - 0.762) < 1e-3
