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
# # Eq. (9), derived
#
# One claim: the scalar (reduced) equation of the two-layer CNN, Eq. (9), follows by differentiation
# from a free energy of one variable, the weights' variance $l_*$ along the teacher. Every line below is
# computed; nothing is typed in. Then the equation is solved, expanded in $1/C$, and the expansion is told
# where it ends.

# %%
import math
import re
import textwrap

from IPython.display import Markdown, display
from sympy import simplify

import feature_eos as eos
from analytic import symbols

eq = eos.reduced_equation(closure="equivalent_kernel")

# %% [markdown]
# ## The derivation
# Each step names its source: an equation of the paper, or "derived" ([derivations](../docs/derivations.md)).

# %%
for step in eq.steps:
    title = re.sub(r"([*_])", r"\\\1", step.title)
    display(Markdown(f"*{step.source}*: {title}"), step.expression)

# %% [markdown]
# ## Change an assumption
# A linear network has another kernel, hence another eigenvalue, hence another equation.

# %%
linear = eos.reduced_equation(closure="equivalent_kernel", activation="linear")
display(eq.eigenvalue, linear.eigenvalue)

# %% [markdown]
# ## All roots, and the physical one
# The paper's setting: $n=1600$, $N=20$ pixels of $S=64$ features, $\sigma^2=0.1$, both variances 2.

# %%
roots = eq.roots(n=1600, C=640)
for root in roots:
    kind = "the physical root" if root.physical else "not physical"
    print(f"{float(root.value):+.10f}, {kind}")
    print(textwrap.indent(textwrap.fill(root.why, 80), "    "))

# %%
widths = [math.inf, 1280, 640, 320, 160, 80]
solution = eos.reduced.solve(1600, widths, closure="equivalent_kernel")
print("      C        alpha     l_*/l_GP     chi")
for C, alpha, ratio, chi in zip(
    widths, solution.alpha, solution.overlap_ratio, solution.chi, strict=True
):
    print(f"{C:7} {alpha:12.8f} {ratio:10.5f} {chi:10.5f}")

# %% [markdown]
# ## The series in 1/C, and where it ends
# The coefficients are exact; the branch points say for which widths they mean something.

# %%
coefficients = eq.series(order=4, n=1600)
display(eq.series(order=1)[1])
for point in eq.branch_points(n=1600):
    print(f"C = {complex(point.C):.2f}")
    print(textwrap.indent(textwrap.fill(point.why, 80), "    "))

# %%
for C in (20000, 5000, 1280):
    partial = sum(float(c) / C**k for k, c in enumerate(coefficients))
    exact = eos.reduced.alpha(1600, C, closure="equivalent_kernel")
    print(f"C = {C}: order 4 gives {partial:.6f}, the equation {exact:.6f}")

# %% [markdown]
# ## What this notebook claims

# %%
x = symbols
chi = x.n**2 * x.alpha**2 * x.lam * x.g2 / x.C
enhanced, ridge = x.lam / (1 - chi), x.sigma2 / x.n
printed = x.sigma2 * x.alpha - (
    1 - enhanced / (enhanced + ridge)
)  # Eq. (9), q_train = 1
cleared = printed * (x.lam + (1 - chi) * ridge) / ridge
assert simplify(cleared + eq.compact) == 0

assert [root.physical for root in roots] == [False, True, False]
table = [
    0.72820507087,
    0.47704110131,
    0.38977603926,
    0.30637784065,
    0.23369108814,
    0.17434949836,
]
assert all(
    abs(a - b) < 6e-12 for a, b in zip(solution.alpha, table, strict=True)
)  # digits printed
assert abs(float(roots[1].value) - solution.alpha[2]) < 1e-14
(limiting,) = [point for point in eq.branch_points(n=1600) if point.physical]
assert abs(complex(limiting.C) + 3658.27) < 5e-3
assert (
    abs(eos.reduced.convergence_radius(1600, closure="equivalent_kernel") - 3658.27)
    < 5e-3
)
