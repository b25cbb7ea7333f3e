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
# # Fig. 3 (left): alpha of the two-layer CNN, five theories
#
# One claim: the scalar equation with the effective ridge follows the matrix equations of state within
# a few per cent in $\alpha/\alpha_{\rm GP}$ down to $C=80$, while the equivalent kernel (Eq. (9) with
# $q_{\rm train}=1$) is off by more than ten per cent for all $C\le2560$.
#
# The lines are theory only; $\alpha=\epsilon\cdot y/y\cdot y$ on the training inputs, $\alpha_{\rm test}$
# the same on new ones, each over the value of its own Gaussian process, as in the paper's figure:
#
# - *matrix*: the equations of state (7) and (8) for the data themselves;
# - *hybrid*: $\Sigma$ of the scalar theory put into the Gaussian process of the data (Fig. 3, dashed);
# - *ridge*, *one_over_n*, *equivalent_kernel*: the scalar equation with its three closures.

# %% tags=["hide-input"]
import json
import math
import platform
import textwrap
import warnings
from pathlib import Path

import numpy as np

import feature_eos as eos

# True: n = 800 and 1600, three draws each, written to data/fig3.json (some 5 minutes).
PAPER_SIZE = False

STORED = Path("data/fig3.json")
WIDTHS = [math.inf, 2560, 1280, 640, 320, 160, 80]
CLOSURES = ("ridge", "one_over_n", "equivalent_kernel")
NOISE = 0.1
samples, seeds = ((800, 1600), (0, 1, 2)) if PAPER_SIZE else ((400,), (0,))

# %% [markdown]
# ## Matrix theory and hybrid, for given data
# Small sizes are solved here, n = 400. The figure's, three draws each of n = 800 and 1600, are in
# `data/fig3.json`; `PAPER_SIZE = True` makes that file again.


# %%
def theories(n, seed):
    """alpha and alpha_test over WIDTHS, of the matrix theory and of the hybrid."""
    data = eos.datasets.make_linear_cnn(
        n, n_patches=20, patch_size=64, seed=seed, n_test=2000
    )
    net = eos.cnn(math.inf, weight_variance=2.0, readout_variance=2.0)
    path = eos.solve_path(net, data.X, data.y, noise_variance=NOISE, widths=WIDTHS)
    found = {"matrix": path, "hybrid": []}
    for C in WIDTHS:
        Sigma = eos.reduced.solve(n, C, noise_variance=NOISE).Sigma(data.w_star)
        found["hybrid"].append(
            eos.from_sigma(
                net.with_widths(C), data.X, data.y, Sigma, noise_variance=NOISE
            )
        )
    return {
        "n": n,
        "seed": seed,
        "largest_residual": max(sol.residual for sol in path),
        "readout_load": [sol.readout_load for sol in path],
        **{
            f"{name}_alpha": [sol.alpha for sol in sols] for name, sols in found.items()
        },
        **{
            f"{name}_alpha_test": [
                sol.alpha_test(data.X_test, data.y_test) for sol in sols
            ]
            for name, sols in found.items()
        },
    }


draws = [theories(n, seed) for n in samples for seed in seeds]

# %% tags=["hide-input"]
if PAPER_SIZE:
    libraries = {"python": platform.python_version(), "numpy": np.__version__}
    made = {
        "how": "notebooks/02_two_layer_cnn.py with PAPER_SIZE = True: "
        "make_linear_cnn(n, 20, 64, seed, n_test=2000), both variances 2, "
        "noise_variance 0.1, tolerance 1e-8",
        "versions": libraries | {"feature-eos": eos.__version__},
        "C": [str(C) for C in WIDTHS],
        "draws": draws,
    }
    STORED.write_text(json.dumps(made, indent=1) + "\n")

stored = json.loads(STORED.read_text())
print(textwrap.fill(stored["how"], 88), stored["versions"], sep="\n")

# %% [markdown]
# ## The table
# Ratios $\alpha/\alpha_{\rm GP}$ on the training inputs, each with its own $\alpha_{\rm GP}$, and
# $\alpha$ in brackets. Matrix and hybrid are means over the draws; the scalar theory knows no draw.

# %%


def lines(n, quantity):
    """{theory: array over WIDTHS}; one_over_n is NaN where it has no physical root.

    At n = 800 it warns that its correction is not small: the table shows by how much it is off.
    """
    warnings.simplefilter("ignore", eos.reduced.NotSmall)
    of_n = [draw for draw in stored["draws"] if draw["n"] == n]
    found = {
        name: np.mean([draw[f"{name}_{quantity}"] for draw in of_n], axis=0)
        for name in ("matrix", "hybrid")
    }
    for closure in CLOSURES:
        found[closure] = getattr(
            eos.reduced.solve(n, WIDTHS, noise_variance=NOISE, closure=closure),
            quantity,
        )
    return found


ratios = {}
for n in (800, 1600):
    alpha = lines(n, "alpha")
    ratios[n] = {name: values / values[0] for name, values in alpha.items()}
    print(f"n = {n:<6}" + "".join(f"{name.split('_k')[0]:>15}" for name in alpha))
    for i, C in enumerate(WIDTHS):
        cells = (f"{ratios[n][name][i]:.3f} ({alpha[name][i]:.4f})" for name in alpha)
        print(f"C = {C:<6g}" + "".join(f"{cell:>15}" for cell in cells))
    gaussian = [draw["matrix_alpha"][0] for draw in stored["draws"] if draw["n"] == n]
    spread = np.std(gaussian, ddof=1)
    print(f"standard deviation of alpha_GP over the draws: {spread:.4f}\n")

# %% [markdown]
# ## The figure
# In colour what the paper draws, and the closure that follows it; in grey the two closures that do not.

# %% tags=["hide-input"]
LOOKS = {
    "matrix": ("matrix", {"color": "#1b4f9c", "lw": 2.2, "marker": "o", "ms": 4}),
    "hybrid": ("hybrid", {"color": "#d1495b", "lw": 1.6, "ls": "--"}),
    "ridge": ("ridge", {"color": "#e09f3e", "lw": 1.6}),
    "one_over_n": ("one over n", {"color": "#999999", "lw": 1.2}),
    "equivalent_kernel": (
        "equiv. kernel",
        {"color": "#999999", "lw": 1.2, "ls": "--"},
    ),
}
APART = 0.07  # labels
finite = slice(1, None)
figure = eos.plots.new((10.5, 7.5))
panels = figure.subplots(2, 2, sharex=True, sharey=True)
titles = {
    "alpha_test": "new inputs (Fig. 3, left)",
    "alpha": "training inputs (its inset)",
}
for row, n in zip(panels, (800, 1600), strict=True):
    for axis, (quantity, title) in zip(row, titles.items(), strict=True):
        ends = []
        for name, values in lines(n, quantity).items():
            label, look = LOOKS[name]
            curve = (values / values[0])[finite]
            axis.plot(WIDTHS[finite], curve, **look)
            ends.append((curve[np.isfinite(curve)][-1], label, look["color"]))
        height = math.inf
        for end, label, colour in sorted(ends, reverse=True):
            height = min(end, height - APART)
            axis.text(72, height, label, color=colour, ha="right", va="center")
        axis.set(
            xscale="log", xlim=(22, 3000), ylim=(0, 1.02), title=f"$n={n}$, {title}"
        )
        axis.set_xticks(WIDTHS[finite], [f"{C:g}" for C in WIDTHS[finite]])
        axis.set_xticks([], minor=True)
        axis.spines[["top", "right"]].set_visible(False)
for axis in panels[1]:
    axis.set(xlabel="channels $C$")
for axis in panels[:, 0]:
    axis.set(ylabel=r"$\alpha/\alpha_{\rm GP}$")
figure

# %% [markdown]
# ## What this notebook claims

# %%
for n in (800, 1600):
    off = {
        name: abs(values / ratios[n]["matrix"] - 1)[finite]
        for name, values in ratios[n].items()
    }
    for name, values in off.items():
        print(
            f"n = {n}, {name:>17} off by per cent:",
            *(f"{100 * value:6.1f}" for value in values),
        )
    assert max(off["ridge"][:-1]) < 0.05  # C >= 160
    assert off["ridge"][-1] < 0.07  # C = 80
    assert max(off["hybrid"][:-1]) < 0.05
    assert min(off["equivalent_kernel"]) > 0.10

# the stored run: recipe of docs/derivations.md at n = 1600, and the paper's measured
# alpha_GP of 0.558
(reference,) = (
    draw for draw in stored["draws"] if (draw["n"], draw["seed"]) == (1600, 0)
)
assert np.isclose(reference["matrix_alpha"][0], 0.553963342, rtol=0, atol=1e-9)
digits = np.array(reference["matrix_alpha"])[2:6] / reference["matrix_alpha"][0]
assert np.allclose(digits, [0.7966, 0.6891, 0.5693, 0.4533], rtol=0, atol=6e-5)
gaussian = [draw["matrix_alpha"][0] for draw in stored["draws"] if draw["n"] == 1600]
assert abs(np.mean(gaussian) - 0.558) < 2 * np.std(gaussian, ddof=1)
assert all(draw["largest_residual"] <= 1e-8 for draw in stored["draws"])

# this run at its small size: the same recipe at n = 400
if not PAPER_SIZE:
    expected = [
        0.760191070856,
        0.7544853857,
        0.7488411615,
        0.7377423552,
        0.7163338228,
        0.6768142310,
        0.6106718375,
    ]
    assert np.allclose(draws[0]["matrix_alpha"], expected, rtol=1e-7)
    assert np.all(np.diff(draws[0]["hybrid_alpha"]) < 0)
