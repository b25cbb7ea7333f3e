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

# %%
import json
import math
import platform
import warnings
from importlib.metadata import version
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import display
from tqdm.auto import tqdm

from numerics import cnn, datasets, from_sigma, reduced, solve_path

# True: n = 800 and 1600, three draws each, written to data/fig3.json (some 5 minutes).
PAPER_SIZE = False

STORED = Path("data/fig3.json")
WIDTHS = [math.inf, 2560, 1280, 640, 320, 160, 80]
CLOSURES = ("ridge", "one_over_n", "equivalent_kernel")
NOISE = 0.1
samples, seeds = ((800, 1600), (0, 1, 2)) if PAPER_SIZE else ((400,), (0,))

# %% [markdown]
# ## Matrix theory and hybrid, for given data


# %%
def theories(n, seed):
    """alpha and alpha_test over WIDTHS, of the matrix theory and of the hybrid."""
    data = datasets.make_linear_cnn(n, n_patches=20, patch_size=64, seed=seed, n_test=2000)
    net = cnn(math.inf, weight_variance=2.0, readout_variance=2.0)
    path = solve_path(net, data.X, data.y, noise_variance=NOISE, widths=WIDTHS)
    found = {"matrix": path, "hybrid": []}
    for C in WIDTHS:
        Sigma = reduced.solve(n, C, noise_variance=NOISE).Sigma(data.w_star)
        found["hybrid"].append(from_sigma(net.with_widths(C), data.X, data.y, Sigma, noise_variance=NOISE))
    return {
        "n": n,
        "seed": seed,
        "largest_residual": max(sol.residual for sol in path),
        "readout_load": [sol.readout_load for sol in path],
        **{f"{name}_alpha": [sol.alpha for sol in sols] for name, sols in found.items()},
        **{
            f"{name}_alpha_test": [sol.alpha_test(data.X_test, data.y_test) for sol in sols]
            for name, sols in found.items()
        },
    }


draws = [theories(n, seed) for n in samples for seed in tqdm(seeds, desc=f"n = {n}")]

# %%
if PAPER_SIZE:
    libraries = {"python": platform.python_version(), "numpy": np.__version__}
    made = {
        "how": "notebooks/02_two_layer_cnn.py with PAPER_SIZE = True: make_linear_cnn(n, 20, 64, seed, "
        "n_test=2000), both variances 2, noise_variance 0.1, tolerance 1e-8",
        "versions": libraries | {"feature-eos": version("feature-eos")},
        "C": [str(C) for C in WIDTHS],
        "draws": draws,
    }
    STORED.write_text(json.dumps(made, indent=1) + "\n")

stored = json.loads(STORED.read_text())
print(stored["how"], stored["versions"], sep="\n")

# %% [markdown]
# ## The table
# Ratios $\alpha/\alpha_{\rm GP}$ on the training inputs, each with its own $\alpha_{\rm GP}$, and the
# absolute values beside them. Matrix and hybrid are means over the draws; the scalar theory knows no draw.

# %%
inverse = np.array([0.0 if math.isinf(C) else 1 / C for C in WIDTHS])


def lines(n, quantity):
    """{theory: array over WIDTHS}; one_over_n is NaN where it has no physical root.

    At n = 800 it warns that its correction is not small: the table shows by how much it is off.
    """
    warnings.simplefilter("ignore", reduced.NotSmall)
    of_n = [draw for draw in stored["draws"] if draw["n"] == n]
    found = {
        name: np.mean([draw[f"{name}_{quantity}"] for draw in of_n], axis=0) for name in ("matrix", "hybrid")
    }
    for closure in CLOSURES:
        found[closure] = getattr(reduced.solve(n, WIDTHS, noise_variance=NOISE, closure=closure), quantity)
    return found


ratios = {}
for n in (800, 1600):
    alpha = lines(n, "alpha")
    print(f"n = {n}" + "".join(f"{name:>26}" for name in alpha))
    for i, C in enumerate(WIDTHS):
        cells = (f"{values[i] / values[0]:16.4f} ({values[i]:.4f})" for values in alpha.values())
        print(f"C = {C:<7g}" + "".join(f"{cell:>26}" for cell in cells))
    ratios[n] = {name: values / values[0] for name, values in alpha.items()}
    spread = np.std([draw["matrix_alpha"][0] for draw in stored["draws"] if draw["n"] == n], ddof=1)
    print(f"draws: alpha_GP of the matrix theory varies by {spread:.4f} (standard deviation)\n")

# %% [markdown]
# ## The figure

# %%
STYLES = {
    "matrix": "-",
    "hybrid": "--",
    "ridge": ":",
    "one_over_n": (0, (6, 1, 1, 1, 1, 1)),
    "equivalent_kernel": "-.",
}
COLOURS = {800: "#1b4f9c", 1600: "#d1495b"}
finite = slice(1, None)
figure, panels = plt.subplots(1, 2, figsize=(11, 4.6), layout="constrained", sharey=True)
for axis, quantity in zip(panels, ("alpha_test", "alpha"), strict=True):
    for n, colour in COLOURS.items():
        for name, values in lines(n, quantity).items():
            axis.plot(WIDTHS[finite], (values / values[0])[finite], ls=STYLES[name], color=colour, lw=1.8)
    axis.set(xscale="log", ylim=(0, 1), xlabel="channels $C$")
    axis.set_xticks(WIDTHS[finite], [f"{C:g}" for C in WIDTHS[finite]])
    axis.minorticks_off()
for name, style in STYLES.items():
    panels[1].plot([], [], ls=style, color="k", label=name)
for n, colour in COLOURS.items():
    panels[1].plot([], [], color=colour, lw=4, label=f"$n={n}$")
panels[0].set(ylabel=r"$\alpha/\alpha_{\rm GP}$", title="new inputs (Fig. 3, left)")
panels[1].set(title="training inputs (its inset)")
panels[1].legend(loc="lower right", ncols=2)
plt.close(figure)
display(figure)

# %% [markdown]
# ## What this notebook claims

# %%
for n in (800, 1600):
    off = {name: abs(values / ratios[n]["matrix"] - 1)[finite] for name, values in ratios[n].items()}
    for name, values in off.items():
        print(f"n = {n}, {name:>17} off by per cent:", *(f"{100 * value:6.1f}" for value in values))
    assert max(off["ridge"][:-1]) < 0.05  # C >= 160
    assert off["ridge"][-1] < 0.07  # C = 80
    assert max(off["hybrid"][:-1]) < 0.05
    assert min(off["equivalent_kernel"]) > 0.10

# the stored run: recipe of docs/derivations.md at n = 1600, and the paper's measured alpha_GP of 0.558
(reference,) = (draw for draw in stored["draws"] if (draw["n"], draw["seed"]) == (1600, 0))
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
