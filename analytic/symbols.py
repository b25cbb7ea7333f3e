"""Every SymPy symbol of the package, with its assumptions, made once.

Two symbols of the same name but different assumptions are different objects to SymPy; that is why
no other file makes one, and why no string is ever parsed into an expression.
"""

from sympy import Symbol

# One Gaussian pre-activation h, and the pair (h1, h2) with covariance [[K11, K12], [K12, K22]].
h = Symbol("h", real=True)
z = Symbol("z", real=True)
v = Symbol("v", positive=True)
K12 = Symbol("K12", real=True)
K11 = Symbol("K11", positive=True)
K22 = Symbol("K22", positive=True)

# The same pair in the coordinates of the generated kernels: statistics D1 = D(K11), D2 = D(K22),
# u = K12 D1 D2 with -1 <= u <= 1 for saturating activations, and r = (1 - u^2)^(-1/2).
D1 = Symbol("D1", positive=True)
D2 = Symbol("D2", positive=True)
u = Symbol("u", real=True)
r = Symbol("r", positive=True)
