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
# # Fig. 3 with its dots: five theories and sampled networks
#
# One claim: where mean field is 30 % low in $\alpha$ and 15 % low in what is learned, networks that
# were really sampled lie on the cavity theory, within its errors and theirs.
#
# The paper's figure has lines and dots. Here both are made: two-layer CNNs with $N=4$ patches of
# $S=16$, $n=200$, sampled from their exact posterior, and
#
# - *mean field*, the equations of state (7) and (8);
# - *first order* in $1/C$, of mean field and of the network itself;
# - *finite fan-in*, with the response and the second moment of the readout's weights;
# - *cavity*, with the exact law of one unit.

# %% tags=["hide-input"]
import math

import numpy as np
from scipy.stats import norm

import feature_eos as eos

WIDTHS = [160, 80, 40]
NOISE, DRAWS = 0.1, 80
THEORIES = ("mean_field", "finite_fan_in", "cavity")
COLOURS = {
    "mean_field": "#1b4f9c",
    "finite_fan_in": "#8d5fb3",
    "cavity": "#00838f",
}

# %% [markdown]
# ## The networks
# Four chains each, half of them from the prior, the hidden weights alone: the readout is integrated
# out. `print(samples)` says whether they have converged.

# %%
data = eos.datasets.make_linear_cnn(200, 4, 16, n_test=200)
problem = eos.Problem(eos.cnn(WIDTHS[0]), data.X, data.y, NOISE)
sampled = {
    C: eos.sample(problem.with_widths(C), draws=DRAWS, seed=int(C)) for C in WIDTHS
}
print(sampled[40])

# %% [markdown]
# ## The theories

# %%
paths = {name: eos.solve_path(problem, WIDTHS, theory=name) for name in THEORIES}
gp = paths["mean_field"][0].gp
tangent, network = paths["mean_field"][0].first_order, eos.exact_first_order(problem)

# %% [markdown]
# At the narrowest width, everything beside what was sampled: alpha, errors, what is learned. "off by"
# is the theory's error, z counts errors of both.

# %%
narrow = [paths[name][-1] for name in THEORIES]
eos.compare_to_samples(narrow, sampled[40], data.w_star, data.X_test, data.y_test)

# %% [markdown]
# ## Left: over the number of channels
# Test points in the main panel, training points in the inset, over the Gaussian process's.

# %% tags=["hide-input"]
figure = eos.plots.new((11, 4.6))
left, right = figure.subplots(1, 2)
inset = left.inset_axes([0.1, 0.1, 0.42, 0.4])
test_gp = gp.alpha_test(data.X_test, data.y_test)
for name, path in paths.items():
    look = {"color": COLOURS[name], "lw": 1.8}
    test = [sol.alpha_test(data.X_test, data.y_test) / test_gp for sol in path]
    left.plot(WIDTHS, test, label=name.replace("_", " "), **look)
    inset.plot(WIDTHS, [sol.alpha / gp.alpha for sol in path], **look)
fine = np.geomspace(WIDTHS[-1], WIDTHS[0], 100)
for which, colour, label in (
    (tangent, COLOURS["mean_field"], "first order, mean field"),
    (network, COLOURS["cavity"], "first order, network"),
):
    inset.plot(fine, [which.alpha(C) / gp.alpha for C in fine], "--", color=colour)
    left.plot([], [], "--", color=colour, label=label)
for C, samples in sampled.items():
    test = samples.alpha_test(data.X_test, data.y_test)
    left.plot(C, test / test_gp, "ko", ms=5)
    inset.errorbar(
        C,
        samples.alpha.mean / gp.alpha,
        2 * samples.alpha.error / gp.alpha,
        fmt="ko",
        ms=4,
        capsize=2,
    )
left.plot([], [], "ko", ms=5, label="sampled networks")
left.set(
    xscale="log", xlabel="channels $C$", ylabel=r"$\alpha_{\rm test}/\alpha_{\rm GP}$"
)
left.set(ylim=(0.3, 1.02), title="new inputs; inset: training inputs")
inset.set(xscale="log", ylim=(0.2, 1.2))
for axes in (left, inset):
    axes.set_xticks(WIDTHS, [f"{C:g}" for C in WIDTHS])
    axes.set_xticks([], minor=True)
    axes.spines[["top", "right"]].set_visible(False)
inset.tick_params(labelsize=7)
left.legend(fontsize=8, loc="lower right", frameon=False)

# Right: the law of a unit along the teacher, C = 40
prior_std = math.sqrt(2 / 16)
edges = np.linspace(-4.5, 4.5, 61)
middle = (edges[1:] + edges[:-1]) / 2
law = sampled[40].projections(data.w_star)
density, error, _ = law.histogram(edges * prior_std)
right.fill_between(
    middle,
    (density - 2 * error) * prior_std,
    (density + 2 * error) * prior_std,
    color="black",
    alpha=0.25,
    lw=0,
    label="sampled networks, two errors",
)
unit = paths["cavity"][-1].unit_law
right.stairs(
    unit.histogram(data.w_star, edges)[0],
    edges,
    color=COLOURS["cavity"],
    label="cavity",
)
for name in ("mean_field", "finite_fan_in"):
    ratio = data.w_star @ paths[name][-1].overlap_ratio @ data.w_star
    right.plot(
        middle,
        norm.pdf(middle, scale=math.sqrt(ratio)),
        color=COLOURS[name],
        lw=1.5,
        label=name.replace("_", " "),
    )
right.plot(middle, norm.pdf(middle), ":", color="#777777", label="prior")
right.set(
    xlabel=r"$w\cdot w_*$ over its prior's standard deviation",
    title="The law of a unit at $C=40$",
)
right.spines[["top", "right"]].set_visible(False)
right.legend(fontsize=8, frameon=False)
figure

# %% [markdown]
# Units are broader than the prior along the teacher, and flatter than a Gaussian: erf saturates, so
# that a unit gains less from a large weight than a quadratic law says.

# %% [markdown]
# ## Off by, in per cent of what was sampled
# alpha, the variance learned along the teacher, and the mean predictive variance at new inputs.

# %%
rows = {}
print(f"{'C':>4} {'load':>5}" + "".join(f"{name:>26}" for name in THEORIES))
for k, C in enumerate(WIDTHS):
    truth = sampled[C]
    learned = truth.overlap(data.w_star).mean
    variance = np.mean(truth.predict(data.X_test, return_std=True)[1] ** 2)
    cells = []
    for name in THEORIES:
        sol = paths[name][k]
        std = sol.predict(data.X_test, return_std=True)[1]
        ratio = data.w_star @ sol.overlap_ratio @ data.w_star
        found = (
            sol.alpha / truth.alpha.mean,
            ratio / learned,
            np.mean(std**2) / variance,
        )
        rows[name, C] = 100 * (np.array(found) - 1)
        cells.append("  ".join(f"{off:+6.1f}" for off in rows[name, C]))
    load = paths["mean_field"][k].readout_load
    print(f"{C:>4} {load:>5.2f}" + "".join(f"{cell:>26}" for cell in cells))

# %% [markdown]
# What mean field says of itself, before anything is sampled:

# %%
print(paths["mean_field"][-1].validity)

# %% [markdown]
# ## At the paper's size
# $N=20$ patches of $S=64$. Sampling and theories took hours; `data/sampled_cnn2.npz` has what came out,
# made by `data/make_sampled_cnn2.py`. In per cent off the sampled networks, whose errors stand beside:
# alpha, and the variance learned along the teacher.

# %%
with np.load("data/sampled_cnn2.npz") as file:
    stored = {name: file[name] for name in file.files if name != "provenance"}
STORED = {
    "gp": "GP",
    "mean_field": "mean field",
    "scalar_fan_in": "scalar fan-in",
    "cavity": "cavity",
}
order = np.lexsort((-stored["C"], stored["n"]))
off = {}
print(
    f"{'n':>4} {'C':>4} {'alpha':>14} {'l*':>14}"
    + "".join(f"{name:>14}" for name in STORED.values())
)
for k in order:
    n, C = int(stored["n"][k]), int(stored["C"][k])
    cells = []
    for name in STORED:
        alpha = stored[f"{name}_alpha"][k] / stored["alpha"][k]
        overlap = stored[f"{name}_overlap"][k] / stored["overlap"][k]
        off[name, n, C] = 100 * (np.array([alpha, overlap]) - 1)
        cells.append("".join(f"{x:+6.1f}" for x in off[name, n, C]))
    print(
        f"{n:4} {C:4} {stored['alpha'][k]:.4f}+-{stored['alpha_error'][k]:.4f}"
        f" {stored['overlap'][k]:.4f}+-{stored['overlap_error'][k]:.4f}"
        + "".join(f"{cell:>14}" for cell in cells)
    )

# %% tags=["hide-input"]
figure = eos.plots.new((11, 4.4))
left, right = figure.subplots(1, 2)
looks = {
    "mean_field": COLOURS["mean_field"],
    "scalar_fan_in": COLOURS["finite_fan_in"],
    "cavity": COLOURS["cavity"],
}
markers = {800: "o", 1600: "s"}
for n, marker in markers.items():
    of_size = [k for k in order if stored["n"][k] == n]
    C, gp_alpha = stored["C"][of_size], stored["gp_alpha"][of_size]
    for name, colour in looks.items():
        ratio = stored[f"{name}_alpha"][of_size] / gp_alpha
        label = STORED[name] if n == 800 else None
        left.plot(C, ratio, marker="_", ms=12, mew=2, lw=1, color=colour, label=label)
    left.errorbar(
        C,
        stored["alpha"][of_size] / gp_alpha,
        2 * stored["alpha_error"][of_size] / gp_alpha,
        fmt=f"k{marker}",
        ms=5,
        label=f"sampled, $n={n}$",
    )
left.set_xscale("log", base=2)
widths = sorted({int(C) for C in stored["C"]})
left.set_xticks(widths, [str(C) for C in widths])
left.set(xlabel="$C$", ylabel=r"$\alpha/\alpha_{\rm GP}$")
left.set(title="$N=20$, $S=64$: training inputs")
left.legend(fontsize=8, frameon=False)
k = int(np.flatnonzero((stored["n"] == 1600) & (stored["C"] == 640))[0])
paper_std = math.sqrt(2 / 64)
bins = stored["bins"][k] / paper_std
middle = (bins[1:] + bins[:-1]) / 2
density, error = (
    stored[name][k] * paper_std for name in ("histogram", "histogram_error")
)
right.fill_between(
    middle,
    density - 2 * error,
    density + 2 * error,
    color="black",
    alpha=0.25,
    lw=0,
    label="along the teacher, sampled",
)
right.stairs(
    stored["cavity_histogram"][k] * paper_std,
    bins,
    color=COLOURS["cavity"],
    label="cavity",
)
ratio = stored["mean_field_overlap"][k]
right.plot(
    middle,
    norm.pdf(middle, scale=math.sqrt(ratio)),
    color=COLOURS["mean_field"],
    label="mean field",
)
right.plot(
    middle,
    stored["random_histogram"][k] * paper_std,
    ".",
    ms=3,
    color="#3b8f5a",
    label="along a random direction, sampled",
)
right.plot(middle, norm.pdf(middle), ":", color="#777777", label="prior")
right.set(
    xlabel=r"$w\cdot u$ over its prior's standard deviation",
    title="The law of a unit at $n=1600$, $C=640$",
)
right.set(xlim=(-4.5, 4.5), ylim=(0, 0.56))
right.legend(fontsize=8, frameon=False)
for axes in (left, right):
    axes.spines[["top", "right"]].set_visible(False)
figure

# %% [markdown]
# ## What this notebook claims

# %%
kurtosis = law.excess_kurtosis
predicted = unit.excess_kurtosis(data.w_star)
print(f"excess kurtosis: sampled {kurtosis}, cavity {predicted:.2f}, a Gaussian 0")
print(
    f"first order of the network: {network.alpha_slope:.2f} +- {network.alpha_error:.2f}"
)
for C in WIDTHS:
    # errors of some .3 % each, of both
    assert np.all(np.abs(rows["cavity", C]) < (2.0, 2.0, 3.0))
assert rows["mean_field", 40][0] < -25
assert rows["mean_field", 40][1] < -12
assert rows["mean_field", 40][2] > 40
assert 5 < rows["finite_fan_in", 40][0] < 15
assert abs(kurtosis.mean - predicted) < 0.1
assert network.alpha_slope > tangent.alpha_slope + 5
# the paper's size
assert np.all(stored["alpha_rhat"] < 1.025)
for k in order:
    n, C = int(stored["n"][k]), int(stored["C"][k])
    # at n = 1600, C = 80 its draws move, and have a bias
    allowed = (0.5, 1.6) if (n, C) == (1600, 80) else (0.5, 0.5)
    assert np.all(np.abs(off["cavity", n, C]) < allowed)
    assert np.all(off["mean_field", n, C] < (-2, -0.5))
for n, low, high in ((800, -12, 12), (1600, -17, 25)):
    assert np.all(off["mean_field", n, 80] < low)
    assert off["scalar_fan_in", n, 80][0] > high
