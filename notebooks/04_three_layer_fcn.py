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
# # Three-layer fully connected network
#
# One claim: in mean-field scaling the equations of state of a three-layer network leave the Gaussian
# process at widths in the thousands (Fig. 2b). The train loss and $\alpha$ fall, the top eigenvalue of
# $\Sigma$ rises to two to three times its prior's, along the teacher's direction, and all others stay.
#
# The scaling is the readout variance. $\sigma_a^2=2/N$ follows the width, as in the paper's training
# runs; $\sigma_a^2=2/256$ held fixed while the width varies is what the paper takes for the emergent scale.
# Small sizes are solved here. The paper's ($n=1024$, $d=128$) are in `data/`, made by
# `data/make_fcn3.py`; `PAPER_SIZE = True` solves them here too, in about a quarter of an hour.

# %%
import json
import textwrap

import numpy as np

import feature_eos as eos

PAPER_SIZE = False
NOISE_VARIANCE = 0.001

# %% [markdown]
# ## Fixed readout variance, against reference values
# $n=128$, $d=16$, teacher $y\propto\mathrm{erf}(\mathrm{erf}(w_*\cdot x))$ of rms 0.3. Columns: $\alpha$, the
# learned variance along $w_*$ over its prior's, and the mean variance of the hidden pre-activations. The
# figure is `eos.plots.path`, first order and readout load included.

# %%
data = eos.datasets.make_fcn_teacher(n=128, d=16, seed=3, rms=0.3)
widths = (10000, 2000, 500, 200, 100)
net = eos.fcn((1, 1), weight_variance=2.0, readout_variance=2 / 256)
path = eos.solve_path(net, data.X, data.y, NOISE_VARIANCE, widths=widths, tol=1e-9)
table = np.array(
    [
        (
            sol.alpha,
            data.w_star @ sol.overlap_ratio @ data.w_star,
            np.trace(sol.kernels[0].K) / len(data.y),
        )
        for sol in path
    ]
)
print(f"Gaussian process: alpha {path[0].gp.alpha:.7f}")
print("       N        alpha    along w*    pre-acts.   gradients  residual")
for sol, row in zip(path, table, strict=True):
    numbers = "".join(f"{value:13.7f}" for value in row)
    print(f"{sol.width:8g}{numbers}{sol.gradients:10d}{sol.residual:10.0e}")

# %%
eos.plots.path(path)

# %% [markdown]
# From $N=1000$ to 500 in one call, from the solution at 1000 and from nothing: the same solution.

# %%
thousand = eos.solve(net.with_widths(1000), data.X, data.y, NOISE_VARIANCE)
halved = eos.solve(net.with_widths(500), data.X, data.y, NOISE_VARIANCE, start=thousand)
direct = eos.solve(net.with_widths(500), data.X, data.y, NOISE_VARIANCE)
for sol in (thousand, halved, direct):
    print(f"N = {sol.width:g}: alpha {sol.alpha:.7f}, {sol.gradients} gradients")

# %% [markdown]
# ## Mean-field scaling
# Every width is a network of its own, $\sigma_a^2=2/N$; each solve starts from the one before. The train loss
# is the mean predictor's, $|y-\bar f|^2/(\sigma^2|y|^2)$.

# %%
size = {"n": 1024, "d": 128} if PAPER_SIZE else {"n": 128, "d": 16}
data = eos.datasets.make_fcn_teacher(**size, seed=3, rms=0.3)
scaling_widths = (8192, 4096, 2048, 1024, 512, 256, 128, 64)
solutions = []
for N in scaling_widths:
    net = eos.fcn((N, N), weight_variance=2.0, readout_variance=2 / N)
    start = solutions[-1] if solutions else None
    solutions.append(eos.solve(net, data.X, data.y, NOISE_VARIANCE, start=start))
here = {
    "train loss": [np.sum(sol.eps**2) / np.sum(sol.gp.eps**2) for sol in solutions],
    "top eigenvalue": [sol.overlap_eigenvalues[0] for sol in solutions],
    "second eigenvalue": [sol.overlap_eigenvalues[1] for sol in solutions],
    "alpha": [sol.alpha / sol.gp.alpha for sol in solutions],
}

# %%
with np.load("data/fcn3_scaling.npz") as file:
    paper = {name: file[name] for name in file.files}
provenance = json.loads(str(paper.pop("provenance")))
for name in ("made_by", "data", "network", "date", "versions"):
    print(textwrap.fill(f"{name}: {provenance[name]}", 88))
stored = {
    "train loss": paper["loss"] / paper["gp_loss"],
    "top eigenvalue": paper["top_eigenvalue"] / paper["prior_variance"],
    "second eigenvalue": paper["second_eigenvalue"] / paper["prior_variance"],
    "alpha": paper["alpha"] / paper["gp_alpha"],
}
print("     N   loss/GP    top/GP second/GP  alpha/GP  readout load")
for k, N in enumerate(paper["width"]):
    ratios = "".join(f"{curve[k]:10.4f}" for curve in stored.values())
    print(f"{N:6g}{ratios}{paper['readout_load'][k]:14.3f}")

# %% [markdown]
# The paper reports a top eigenvalue "2-3 times larger" and the rest at their limit: so it is here down
# to $N=1024$. At $N=512$ the top eigenvalue is at 5.3, with a readout load of .75. The rise is steep, but
# no jump between branches was met: solved from the Gaussian process ($N=512$) and back from $N=512$ (at
# 1024) the free energies are the same to eight digits.

# %% tags=["hide-input"]
LOOKS = {
    "top eigenvalue": (
        r"top eigenvalue of $\Sigma$",
        {"color": "#d1495b", "marker": "o"},
    ),
    "second eigenvalue": ("second eigenvalue", {"color": "#e09f3e", "marker": "s"}),
    "alpha": (
        r"$\alpha$",
        {"color": "#777777", "marker": "^", "ls": "--", "mfc": "white"},
    ),
    "train loss": ("train loss", {"color": "#1b4f9c", "marker": "v"}),
}
figure = eos.plots.new((10, 4))
axes = figure.subplots(1, 2, sharey=True)
panels = (
    (axes[0], paper["width"], stored, "from file: $n=1024$, $d=128$"),
    (axes[1], scaling_widths, here, f"solved here: $n={size['n']}$, $d={size['d']}$"),
)
for axis, N, curves, title in panels:
    for name, (label, look) in LOOKS.items():
        axis.plot(N, curves[name], label=label, ms=5, **look)
    axis.axhline(1, color="grey", lw=0.8)
    axis.set(xscale="log", yscale="log", xlabel="width $N_1=N_2=N$", title=title)
    axis.set_xticks(N, [f"{one:g}" for one in N])
    axis.set_xticks([], minor=True)
    axis.set_yticks((0.2, 0.5, 1, 2, 5), ("0.2", "0.5", "1", "2", "5"))
    axis.set_yticks([], minor=True)
    axis.spines[["top", "right"]].set_visible(False)
axes[0].set_ylabel("value over its Gaussian-process value")
axes[1].legend(frameon=False)
figure

# %% [markdown]
# ## A path without a schedule
# $n=512$, $d=32$, fixed readout variance: 49 widths from 30000 to 90 in one `solve_path`.

# %%
with np.load("data/fcn3_path.npz") as file:
    long = {name: file[name] for name in file.files if name != "provenance"}
print(f"{len(long['width'])} widths, {long['gradients'].sum()} gradients, ", end="")
print(f"at most {long['gradients'].max()} for one width")
print(f"largest residual {long['residual'].max():.1e}")
low, high = long["condition_of_Q"].min(), long["condition_of_Q"].max()
print(f"condition number of Q: {low:.0f} to {high:.0f}")

# %% tags=["hide-input"]
figure = eos.plots.new((10, 4))
axes = figure.subplots(1, 2)
axes[0].plot(long["width"], long["alpha"], ".-", color="#1b4f9c")
axes[0].axhline(long["gp_alpha"][0], color="grey", lw=0.8)
axes[0].text(100, long["gp_alpha"][0], "Gaussian process", color="grey", va="bottom")
axes[0].set(ylim=(0, 1.12 * long["gp_alpha"][0]), ylabel=r"$\alpha$ (1 / target$^2$)")
for name, label, colour in (
    ("top_eigenvalue", "top", "#d1495b"),
    ("second_eigenvalue", "second", "#e09f3e"),
):
    curve = long[name] / long["prior_variance"]
    axes[1].plot(long["width"], curve, ".-", color=colour, label=label)
axes[1].set(ylabel=r"eigenvalue of $\Sigma$ over its prior's", ylim=(0, None))
axes[1].legend(frameon=False)
for axis in axes:
    axis.set(xscale="log", xlabel="width $N$")
    axis.set_xticks((100, 1000, 10000), ("100", "1000", "10000"))
    axis.spines[["top", "right"]].set_visible(False)
figure

# %% [markdown]
# ## What this notebook claims

# %%
reference = {  # two independent solvers; docs/conventions.md for the definitions
    10000: (91.9446216, 1.052269, 1.150077),
    2000: (75.7444843, 1.229661, 1.152719),
    500: (48.2744037, 1.727719, 1.170295),
    200: (28.7086441, 2.386539, 1.221489),
    100: (18.1580770, 2.974092, 1.297620),
}
for row, printed in zip(table, reference.values(), strict=True):
    assert np.abs(row - printed).max() < 1e-6
assert abs(path[0].gp.alpha - 97.8656426) < 1e-7

assert abs(halved.alpha / direct.alpha - 1) < 1e-6  # both at residual 1e-8
assert abs(halved.alpha - 48.2744037) < 1e-4

residuals = np.concatenate(
    [paper["residual"], long["residual"], [sol.residual for sol in solutions]]
)
assert residuals.max() <= 1e-8
down_to_1024 = paper["width"] >= 1024
assert down_to_1024.sum() == 4
top, second = (
    stored["top eigenvalue"][down_to_1024],
    stored["second eigenvalue"][down_to_1024],
)
np.testing.assert_allclose(top, [2.4453, 2.6825, 2.9033, 3.2175], atol=5e-5)
assert np.abs(second - 1).max() < 0.17
np.testing.assert_allclose(
    stored["alpha"], [0.4254, 0.3598, 0.3371, 0.3149, 0.1943], atol=5e-5
)
np.testing.assert_allclose(
    stored["train loss"], [0.3150, 0.3572, 0.4241, 0.3977, 0.1777], atol=5e-5
)
if PAPER_SIZE:
    same = np.isin(scaling_widths, paper["width"])
    np.testing.assert_allclose(
        np.array(here["alpha"])[same], stored["alpha"], rtol=1e-4
    )

assert len(long["width"]) == 49
assert (np.diff(long["alpha"]) < 0).all()
assert long["condition_of_Q"].max() < 1.3e3
assert abs(long["alpha"][-1] - 5.54781) < 1e-5
