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
# # Where the series in 1/C ends
#
# One claim: at $n=1600$ the widths $C=320$ and $640$ of Fig. 3 lie far inside the region where the
# expansion of $\alpha$ in $1/C$ diverges, although nothing happens to $\alpha(C)$ there. The paper
# argues so with the pole $[1-633.2/C]^{-1}$ that appears when $\alpha$ is frozen at its
# Gaussian-process value. Here the series itself is summed, its radius of convergence is found in the
# complex plane, and Padé approximants of the same coefficients are shown to work.

# %%
import numpy as np

import feature_eos as eos

CLOSURES = ("equivalent_kernel", "ridge")
found = {name: eos.breakdown(eos.reduced_equation(name), n=1600) for name in CLOSURES}

# %% [markdown]
# ## Radius and pole, like with like
# The naive pole $n^2\alpha_{\rm GP}^2\lambda$ belongs to whichever $\alpha_{\rm GP}$ one uses; 633.2 is
# that of the paper's measured $\alpha_{\rm GP}=0.5575$.
# The radius is where a branch point lies on the sheet of the physical root.

# %%
print("closure             alpha_GP   naive pole   radius    branch point")
for name, result in found.items():
    C = complex(result.branch_point.C)
    print(
        f"{name:18} {float(result.alpha_gp):9.6f} {float(result.naive_pole):11.2f} "
        f"{float(result.radius):9.2f}   {C.real:.2f} +- {abs(C.imag):.2f} i"
    )

# %% [markdown]
# ## Truncations and Padé approximants
# Relative errors in per cent: more orders make it worse, the Padé approximants of the same
# coefficients converge.

# %%
errors = {}
for name, result in found.items():
    for C in (640, 320):
        exact = eos.reduced.alpha(1600, C, closure=name)
        errors[name, C] = {
            **{
                f"order {k}": float(result.series(C, k)) / exact - 1
                for k in (1, 2, 4, 8)
            },
            **{
                f"[{m}/{m}]": float(result.pade(C, m)) / exact - 1 for m in (1, 2, 3, 4)
            },
        }

heads = (f"{name.split('_')[0]}, C = {C}" for name, C in errors)
print(" " * 8 + "".join(f"{head:>20}" for head in heads))
for label in next(iter(errors.values())):
    print(
        f"{label:8}" + "".join(f"{100 * one[label]:+20.3g}" for one in errors.values())
    )

# %%
for name, result in found.items():
    for one in result.crossings:
        off = f"off by {one.threshold:.0%} below C = {one.width:.0f}"
        print(f"{name}: order {one.order} {off}")

# %% tags=["hide-input"]
widths = np.geomspace(200, 20000, 200)
figure = eos.plots.new((10, 4))
axes = figure.subplots(1, 2, sharey=True)
for axis, (name, result) in zip(axes, found.items(), strict=True):
    axis.plot(
        widths,
        eos.reduced.alpha(1600, widths, closure=name),
        "k",
        lw=2,
        label="equation",
    )
    for k in (1, 2, 4):
        axis.plot(
            widths,
            [float(result.series(C, k)) for C in widths],
            "--",
            label=f"order {k}",
        )
    axis.plot(
        widths,
        [float(result.pade(C, 3)) for C in widths],
        ":",
        lw=2,
        label="Padé [3/3]",
    )
    axis.axvline(float(result.radius), color="grey", lw=0.8)
    axis.text(float(result.radius), 0.02, " radius", color="grey")
    axis.set(xscale="log", ylim=(0, 0.9), xlabel="channels $C$", title=name)
axes[0].set_ylabel(r"$\alpha$")
axes[0].legend()
figure

# %% [markdown]
# ## What this notebook claims

# %%
cubic, ridge = found["equivalent_kernel"], found["ridge"]
assert (
    abs(float(cubic.radius) - 3658.27) < 5e-3
)  # digits printed in docs/derivations.md
assert abs(float(ridge.coefficients[1]) + 213.947) < 5e-4
assert abs(float(ridge.radius) / 1.05e3 - 1) < 0.01
assert (
    abs(0.5575**2 / float(cubic.alpha_gp) ** 2 * float(cubic.naive_pole) - 633.2) < 0.2
)  # the paper's
assert all(result.radius > 640 for result in found.values())
assert abs(errors["equivalent_kernel", 640]["[3/3]"]) < 0.01
assert abs(errors["equivalent_kernel", 640]["order 8"]) > 100
