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
# # Figs. 4 and 5 with their dots: a three-layer CNN, and where channels specialise
#
# One claim: at a readout load of about one the theory with the readout's finite fan-in has what sampled
# networks learn in both layers; at a load of five it misses a third of the hidden layer's variance,
# because few channels carry it: the law of a channel is not Gaussian.
#
# A copy of the paper's network ($N=2$ latent pixels, $\sigma_a^2=15$, $\sigma^2=.005$) at $n=200$,
# windows of $S_1=10$ pixels of $S_0=12$ features, which equilibrates in minutes. The draws are in
# `data/sampled_cnn3.npz`, made by `data/make_sampled_cnn3.py`; the theories are solved here. At the
# paper's own size ($n=1000$, 200 readout weights) chains were not brought to equilibrium: their steps
# are some hundred times shorter than a path.

# %%
import json
import sys
import textwrap

import numpy as np
from scipy.stats import norm

import feature_eos as eos

sys.path.append("data")
from make_cnn3 import preactivations

NOISE_VARIANCE = 0.005
with np.load("data/sampled_cnn3.npz") as file:
    sampled = {name: file[name] for name in file.files}
provenance = json.loads(str(sampled.pop("provenance")))
for name in ("made_by", "data", "network", "date", "versions"):
    print(textwrap.fill(f"{name}: {provenance[name]}", 88))

# %% [markdown]
# ## What is learned
# alpha; $l_*$, the variance of the input weights along the teacher's over its prior's; and $t^2$, the
# variance of the hidden pre-activations along those of the one-channel teacher.

# %%
data = eos.datasets.make_cnn_teacher(
    n=200, n_pixels=2, window=10, patch_size=12, seed=0, teacher_seed=0
)
teacher = preactivations(data.X, data)
teacher = teacher / np.linalg.norm(teacher)
unit = data.w_star / np.linalg.norm(data.w_star)
THEORIES = ("mean_field", "finite_fan_in")


def learned(sol):
    """alpha, l_* and t^2."""
    K = sol.kernels[0].K
    return np.array([sol.alpha, unit @ sol.overlap_ratio @ unit, teacher @ K @ teacher])


solutions, off = {}, {}
print(f"{'C':>4} {'n/NC':>5} {'':14} {'alpha':>9} {'l_*':>9} {'t^2':>9}")
for k, C in enumerate(sampled["C"]):
    net = eos.cnn((C, C), weight_variance=2.0, readout_variance=15.0, windows=(10,))
    names = ("alpha", "overlap", "hidden_teacher_variance")
    truth = np.array([sampled[name][k] for name in names])
    errors = np.array([sampled[f"{name}_error"][k] for name in names])
    load = 200 / (2 * C)  # data per readout weight
    print(f"{C:4} {load:5.2f} {'sampled':14} " + " ".join(f"{x:9.4g}" for x in truth))
    print(f"{'':10} {'+-':14} " + " ".join(f"{x:9.2g}" for x in errors))
    last = None
    for theory in THEORIES:
        path = eos.solve_path(
            net, data.X, data.y, NOISE_VARIANCE, widths=(4 * C, C), theory=theory
        )
        solutions[theory, C] = path[-1]
        off[theory, C] = 100 * (learned(path[-1]) / truth - 1)
        print(
            f"{'':10} {theory:14} "
            + " ".join(f"{x:9.4g}" for x in learned(path[-1]))
            + "   off by "
            + ", ".join(f"{x:+.0f} %" for x in off[theory, C])
        )

# %% [markdown]
# ## Do channels specialise?
# The kurtosis of $t\cdot h$ over the channels of one network, and the share of its square that the top
# tenth of them carry, beside the same of Gaussian channels.

# %%
for k, C in enumerate(sampled["C"]):
    print(
        f"C = {C:3}: kurtosis {sampled['channel_kurtosis'][k]:.2f} "
        f"(Gaussian {sampled['gaussian_channel_kurtosis'][k]:.2f}), top tenth "
        f"{100 * sampled['top_tenth'][k]:.0f} % ({100 * sampled['gaussian_top_tenth'][k]:.0f} %)"
    )

# %% tags=["hide-input"]
figure = eos.plots.new((11, 6.6))
panels = figure.subplots(2, 3)
edges = sampled["bins"][0]
middle = (edges[1:] + edges[:-1]) / 2
for row, (k, C) in zip(panels, enumerate(sampled["C"]), strict=True):
    for axes, layer, title in (
        (row[0], "weights", "input weights"),
        (row[1], "hidden", "hidden pre-activations"),
    ):
        for kind, colour in (("teacher", "#1b4f9c"), ("random", "#3b8f5a")):
            std = (
                np.sqrt(sampled[f"{layer}_{kind}_variance"][k])
                / sampled[f"{layer}_{kind}_scale"][k]
            )
            axes.plot(
                middle,
                sampled[f"{layer}_{kind}_histogram"][k],
                ".",
                ms=3,
                color=colour,
                label=f"along the {kind}"
                if kind == "teacher"
                else "along a random one",
            )
            axes.plot(middle, norm.pdf(middle, scale=std), "--", lw=1, color=colour)
        axes.set(title=f"{title}, $C={C}$", yscale="log", ylim=(1e-4, 1))
        axes.set(xlabel="in standard deviations before training")
    spectrum = row[2]
    spectrum.plot(
        np.arange(1, 41), sampled["Q_eigenvalues"][k], "ko", ms=3, label="sampled"
    )
    for theory, colour in zip(THEORIES, ("#1b4f9c", "#8d5fb3"), strict=True):
        Q = solutions[theory, C].kernels[0].Q
        spectrum.plot(
            np.arange(1, 41),
            np.linalg.eigvalsh(Q)[:-41:-1],
            color=colour,
            label=theory.replace("_", " "),
        )
    Q = solutions["mean_field", C].gp.kernels[0].Q
    spectrum.plot(
        np.arange(1, 41),
        np.linalg.eigvalsh(Q)[:-41:-1],
        color="#777777",
        lw=1,
        label="Gaussian process",
    )
    spectrum.set(
        title=f"eigenvalues of $Q^{{(2)}}$, $C={C}$", xlabel="index", yscale="log"
    )
    for axes in row:
        axes.spines[["top", "right"]].set_visible(False)
panels[0, 0].legend(frameon=False, fontsize=7, loc="lower center")
panels[0, 2].legend(frameon=False, fontsize=7)
figure

# %% [markdown]
# Dots are sampled networks, dashed lines Gaussians of their variance.

# %% [markdown]
# ## The paper's numbers
# For $n=1000$, $C=100$ the paper reports .254 for the variance along $w_*$ (the prior's is .04),
# .039(4) along random directions, 64.4 for the hidden variance along the teacher and 2.3(1) along
# random ones. Here as there the random directions of the weights stay at the prior's, here .167, or
# fall below it; the teacher's rises 1.7-fold at one datum per readout weight and 6-fold at five. The
# data per readout weight of the paper's network are five too.

# %% [markdown]
# ## What this notebook claims

# %%
assert max(sampled["alpha_rhat"]) < 1.05
assert max(sampled["overlap_rhat"]) < 1.05
wide, narrow = sampled["C"]
assert (wide, narrow) == (80, 20)
# load one: finite fan-in to some per cent in both layers, mean field low by a fifth and more
assert np.all(np.abs(off["finite_fan_in", 80]) < 8)
assert np.all(off["mean_field", 80] < -15)
# load five: a third of the hidden variance is missing, and few channels carry it
assert -20 < off["finite_fan_in", 20][1] < -10
assert -45 < off["finite_fan_in", 20][2] < -25
assert off["mean_field", 20][2] < -80
kurtosis, gaussian = (
    sampled["channel_kurtosis"],
    sampled["gaussian_channel_kurtosis"],
)
assert abs(kurtosis[0] - gaussian[0]) < 0.15
assert kurtosis[1] > 5 > 3 > gaussian[1]
assert sampled["top_tenth"][1] > 0.65 > 0.5 > sampled["gaussian_top_tenth"][1]
# one eigenvalue of Q^(2) per slot of the window stands out
ratio = sampled["Q_eigenvalues"][1][:-1] / sampled["Q_eigenvalues"][1][1:]
assert np.argmax(ratio) == 9
