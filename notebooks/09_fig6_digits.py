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
# # Fig. 6 on digits: are the pre-activations of a deep ReLU network Gaussian?
#
# One claim: training widens the pre-activations of every hidden layer 1.5- to 4-fold, and leaves them
# nearer to Gaussians than the untrained network's own, whose 20 channels are few; but between channels
# correlations are of a per cent to a tenth, not of $10^{-3}$.
#
# The paper looks at a Myrtle-5 network on 2,048 images of CIFAR-10. This is a small one that is sampled
# exactly: four $3\times3$ convolutions with padding, two $2\times2$ average poolings between them and one
# over all pixels behind, ReLU, on scikit-learn's $8\times8$ digits, odd against even. Before training
# its weights are draws of the prior, after it of the posterior. The draws are in
# `data/sampled_digits.npz`, made by `data/make_sampled_digits.py`.

# %%
import json
import textwrap

import numpy as np
from scipy.stats import norm

import feature_eos as eos

with np.load("data/sampled_digits.npz") as file:
    sampled = {name: file[name] for name in file.files}
provenance = json.loads(str(sampled.pop("provenance")))
for name in ("made_by", "data", "network", "date", "versions"):
    print(textwrap.fill(f"{name}: {provenance[name]}", 88))

# %% [markdown]
# ## What was sampled

# %%
print(
    f"alpha {sampled['after_alpha'][0]:.4f} +- {sampled['after_alpha_error'][0]:.4f} "
    f"(R-hat {sampled['after_alpha_rhat'][0]:.3f}), "
    f"{sampled['after_readout_load'][0]:.2g} data per readout weight"
)
print(
    f"right on {100 * sampled['after_test_accuracy'][0]:.1f} % of 300 unseen digits; "
    f"{sampled['after_worker_seconds'][0] / 60:.0f} minutes of one core"
)

# %% [markdown]
# ## Along the kernel's eigenvectors
# Pre-activations of every channel and draw, along the 1st and the 10th eigenvector of the layer's kernel
# after training, its data being 40 images at all pixels.

# %%
print(
    f"{'layer':>5} {'mode':>4} {'variance':>16} {'excess kurtosis':>18} {'before':>16}"
)
for k, (layer, mode) in enumerate(zip(sampled["layer"], sampled["mode"], strict=True)):
    grown = sampled["after_variance"][k] / sampled["before_variance"][k]
    tails = "".join(
        f"{sampled[f'{when}_excess_kurtosis'][k]:9.2f}"
        f" +- {sampled[f'{when}_excess_kurtosis_error'][k]:.2f} "
        for when in ("after", "before")
    )
    print(f"{layer:5} {mode:4} {grown:8.2f} x before {tails}")

# %% tags=["hide-input"]
figure = eos.plots.new((10, 5.4))
layers = sorted(set(sampled["layer"].tolist()))
panels = figure.subplots(2, len(layers), sharex=True, sharey=True)
for k, (layer, mode) in enumerate(zip(sampled["layer"], sampled["mode"], strict=True)):
    axes = panels[0 if mode == 1 else 1, layers.index(layer)]
    edges, scale = sampled["bins"][k], sampled["scale"][k]
    middle = (edges[1:] + edges[:-1]) / 2
    for name, colour in (("before", "#888888"), ("after", "#1b4f9c")):
        mean, std = (sampled[f"{name}_{what}"][k] / scale for what in ("mean", "std"))
        axes.plot(
            middle,
            sampled[f"{name}_histogram"][k],
            ".",
            ms=3,
            color=colour,
            label=f"{name} training",
        )
        axes.plot(middle, norm.pdf(middle, mean, std), "--", lw=1, color=colour)
    axes.set(title=f"layer {layer}, eigenvector {mode}", yscale="log", ylim=(1e-4, 2))
    axes.spines[["top", "right"]].set_visible(False)
for axes in panels[1]:
    axes.set(xlabel="in standard deviations before training")
panels[0, 0].legend(frameon=False, fontsize=7, loc="lower center")
figure

# %% [markdown]
# Dots are networks, dashed lines Gaussians of their mean and variance.

# %% [markdown]
# ## Correlations
# Along the top direction of every layer: of two channels (the mean product over the variance), of their
# squares, and of the squares of two layers' channels; zero for channels that are independent. The paper
# has some $10^{-3}$ at 256 channels; here are 20, and what one channel does the others need not do.

# %%
names = [
    name
    for name in sampled
    if f"{name}_error" in sampled and not name.startswith(("before", "after"))
]
for name in names:
    value, error = sampled[name][0], sampled[f"{name}_error"][0]
    print(f"{name.replace('_', ' '):44} {value:+.1e} +- {error:.0e}")

# %% [markdown]
# ## Beside the paper
# | the paper, 256 channels, CIFAR-10 | here, 20 channels, digits |
# |---|---|
# | variances and means change in training | variances grow 1.5 to 3.9-fold, layer 3's mean moves |
# | the first eigenvector of layer 2 is least Gaussian | layer 2 is the most Gaussian: excess .0, .1 |
# | more Gaussian with depth | no: before training depth makes tails (excess up to 1), after it .2 to .4 |
# | correlations of the order of $10^{-3}$ | .02 to .13 between channels, up to .06 between layers |

# %% [markdown]
# ## What this notebook claims

# %%
assert sampled["after_alpha_rhat"][0] < 1.01
grown = sampled["after_variance"] / sampled["before_variance"]
assert np.all((grown > 1.3) & (grown < 4.2))
after, before = sampled["after_excess_kurtosis"], sampled["before_excess_kurtosis"]
assert np.all(np.abs(after) < 0.5)
assert np.all(before[sampled["layer"] > 2] > after[sampled["layer"] > 2])
shift = np.abs(sampled["after_mean"] - sampled["before_mean"]) / sampled["scale"]
assert (
    shift[list(zip(sampled["layer"], sampled["mode"], strict=True)).index((3, 1))] > 0.4
)
assert 0.05 < max(sampled[f"layer_{layer}"][0] for layer in range(4)) < 0.2
assert sampled["after_test_accuracy"][0] > 0.9
