"""Every SymPy symbol of the package, with its assumptions, made once.

Two symbols of the same name but different assumptions are different objects to SymPy; that is why
no other file makes one, and why no string is ever parsed into an expression.
"""

from collections.abc import Iterator

import mpmath
from sympy import Expr, Float, Function, Symbol, erfc, exp, numbered_symbols, pi, sqrt

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

# The pair with means, and what the step functions of its ReLUs leave: P = E[theta theta],
# A1 = E[delta theta], A2 = E[theta delta], J = E[delta delta] and Delta = det K J.
m1 = Symbol("m1", real=True)
m2 = Symbol("m2", real=True)
P = Symbol("P", real=True)
A1 = Symbol("A1", real=True)
A2 = Symbol("A2", real=True)
J = Symbol("J", real=True)
Delta = Symbol("Delta", real=True)

# The pair (g1, g2) = (h1, h2) + independent noise, whose steps smooth ones are: its variances V11, V22 (its
# covariance is K12), n1 = V22 m1 - K12 m2, n2 = V11 m2 - K12 m1, and the determinants of K and of V.
V11 = Symbol("V11", positive=True)
V22 = Symbol("V22", positive=True)
n1 = Symbol("n1", real=True)
n2 = Symbol("n2", real=True)
detK = Symbol("detK", nonnegative=True)
detV = Symbol("detV", positive=True)

# step(S, c) = theta(h - c + noise of variance S) in a sum of terms that is being read.
step = Function("step")

# What is averaged over: a variance of noise that is itself random.
noise = Symbol("noise", positive=True)

# The exponent of a Gaussian while it is integrated over.
rate = Symbol("rate", positive=True)


def temporaries() -> Iterator[Symbol]:
    """t0, t1, ...: what generated text calls common subexpressions."""
    return numbered_symbols("t")


# sinh(x) exp(a) and cosh(x) exp(a) as functions of (x, a), by the names that generated text gives them.
sinh_exp = Function("sinh_exp")
cosh_exp = Function("cosh_exp")


class ncdf(Function):
    """The normal distribution function, kept whole: SymPy turns erfc(-x) into 2 - erfc(x), which cancels."""

    nargs = 1

    def fdiff(self, argindex: int = 1) -> Expr:
        return exp(-(self.args[0] ** 2) / 2) / sqrt(2 * pi)

    def _eval_evalf(self, prec: int) -> Expr:
        return (erfc(-self.args[0] / sqrt(2)) / 2)._eval_evalf(prec)


class quadrant(Function):
    """P(z1 > -a, z2 > -b) of standard normals (z1, z2) of correlation rho."""

    nargs = 3

    def fdiff(self, argindex: int = 1) -> Expr:
        a, b, rho = self.args
        q = sqrt(1 - rho**2)
        if argindex == 3:
            return exp(-(a**2 - 2 * rho * a * b + b**2) / (2 * q**2)) / (2 * pi * q)
        x, y = (a, b) if argindex == 1 else (b, a)
        return exp(-(x**2) / 2) / sqrt(2 * pi) * ncdf((y - rho * x) / q)

    def _eval_evalf(self, prec: int) -> Expr:
        """Drezner and Wesolowsky (1990): the slope in rho, integrated from independence."""
        if not all(argument.is_number for argument in self.args):
            return self
        with mpmath.workprec(prec + 20):
            a, b, rho = (mpmath.mpf(argument._to_mpmath(prec + 20)) for argument in self.args)

            def slope(angle: mpmath.mpf) -> mpmath.mpf:
                s = mpmath.sin(angle)
                return mpmath.exp(-(a * a - 2 * s * a * b + b * b) / (2 * mpmath.cos(angle) ** 2))

            apart = mpmath.ncdf(a) * mpmath.ncdf(b)
            turned = mpmath.quad(slope, [0, mpmath.asin(rho)])
            return Float._new((apart + turned / (2 * mpmath.pi))._mpf_, prec)


_LATEX = {
    "sigma2": r"\sigma^{2}",
    "sigma_w2": r"\sigma_{w}^{2}",
    "sigma_a2": r"\sigma_{a}^{2}",
    "g2": r"|a^{*}|^{2}|w^{*}|^{2}",
    "l_star": r"l_{*}",
    "lambda_star": r"\lambda_{*}",
    "l_0": r"l_{0}",
    "lambda_0": r"\lambda_{0}",
    "r_0": r"r_{0}",
    "p_along": r"p_{\parallel}",
    "q_along": r"q_{\parallel}",
    "p_across": r"p_{\perp}",
    "q_across": r"q_{\perp}",
    "kappa_p": r"\kappa_{p}",
    "kappa_q": r"\kappa_{q}",
}


class PaperSymbol(Symbol):
    """A symbol whose name is Python and whose LaTeX is the paper's."""

    def _latex(self, printer: object) -> str:
        return _LATEX[self.name]


# The reduced theory of the two-layer CNN.
n = Symbol("n", positive=True)
C = Symbol("C", positive=True)
N = Symbol("N", positive=True)
S = Symbol("S", positive=True)
sigma2 = PaperSymbol("sigma2", positive=True)
sigma_w2 = PaperSymbol("sigma_w2", positive=True)
sigma_a2 = PaperSymbol("sigma_a2", positive=True)
g2 = PaperSymbol("g2", positive=True)
alpha = Symbol("alpha", positive=True)

l_star = PaperSymbol("l_star", positive=True)
lam = Symbol("lambda", positive=True)
lam_star = PaperSymbol("lambda_star", positive=True)
kappa = Symbol("kappa", positive=True)
chi = Symbol("chi", positive=True)
l_inert = PaperSymbol("l_0", positive=True)  # the weights' variance in each direction but w*
lam_inert = PaperSymbol("lambda_0", positive=True)
r_inert = PaperSymbol("r_0", positive=True)  # l_0 over the prior's
T = Symbol("T", nonnegative=True)  # what of the trace of Q_f is not linear
w = Symbol("w", positive=True)  # lambda_* + kappa = 1/(n alpha)
x = Symbol("x", real=True)  # 1/C; a series and its singularities need both signs

# The reduced equation in units of its own Gaussian-process limit: a = alpha/alpha_GP,
# mu = lambda/(lambda + sigma^2/n) and t = chi at alpha_GP.
a = Symbol("a", positive=True)
mu = Symbol("mu", positive=True)
t = Symbol("t", nonnegative=True)

# The one_over_n closure in units of w0 = lambda + sigma^2/n: nu = (lambda_* - lambda)/w0, A = n alpha w0,
# kappa - sigma^2/n = d + e (nu + mu)/(1 + nu), rest = T/w0; and 1/C in those of t = t1/C.
w0 = Symbol("w0", positive=True)
nu = Symbol("nu", nonnegative=True)
A = Symbol("A", real=True)
d = Symbol("d", real=True)
e = Symbol("e", real=True)
rest = Symbol("rest", nonnegative=True)

# The ridge closure in units of lambda: W = 1/(n alpha lambda), k = kappa/lambda, tau = (sigma^2 + T)/lambda,
# f = lambda_*/(lambda_* + kappa); 1/C acts in y = |a*|^2|w*|^2/(C lambda) and c = N/C. What is solved
# for is delta = W - floor, the distance to kappa = 0, and lift = (W - floor)(W + y/floor).
W = Symbol("W", positive=True)
k = Symbol("k", positive=True)
f = Symbol("f", positive=True)
y = Symbol("y", nonnegative=True)
c = Symbol("c", nonnegative=True)
tau = Symbol("tau", positive=True)
delta = Symbol("delta", nonnegative=True)
floor = Symbol("floor", positive=True)
lift = Symbol("lift", nonnegative=True)

share = Symbol("share", positive=True)  # lambda_0/(lambda_0 + kappa)
ratio = Symbol("ratio", positive=True)  # r = l_*/l_GP where it is the unknown
pi_ball = Symbol("pi_ball", positive=True)  # pi as an interval

# A readout of finite fan-in: response p and second moment q of its weights, along a* and across it, and the
# ridge that each of the two kernels leaves.
p_along = PaperSymbol("p_along", positive=True)
q_along = PaperSymbol("q_along", positive=True)
p_across = PaperSymbol("p_across", positive=True)
q_across = PaperSymbol("q_across", positive=True)
kappa_p = PaperSymbol("kappa_p", positive=True)
kappa_q = PaperSymbol("kappa_q", positive=True)
copies = Symbol("copies", positive=True)  # one less than N or S: directions that are alike

# Argument names of `numerics.reduced` (and of every compiled kernel), in their order; their defaults.
ARGUMENTS = {
    "n": n,
    "C": C,
    "n_patches": N,
    "patch_size": S,
    "noise_variance": sigma2,
    "weight_variance": sigma_w2,
    "readout_variance": sigma_a2,
    "target_norm2": g2,
}
DEFAULTS = {
    "n_patches": "20",
    "patch_size": "64",
    "noise_variance": "0.1",
    "weight_variance": "2",
    "readout_variance": "2",
    "target_norm2": "1",
}


def in_code(name: str) -> Symbol:
    """A variable of generated code, where nothing but the name counts."""
    return Symbol(name)


# The arguments, and lambda (a keyword of Python), as generated code calls them.
IN_CODE = {symbol: in_code(name) for name, symbol in ARGUMENTS.items()} | {lam: in_code("lam")}
