"""Where the names in generated text come from: imports, and source text of special functions.

Branchless (a ternary compiles to a select, an if-block stops LLVM from vectorising), with the
division semantics of ``error_model="numpy"``. Everything above these functions is generated.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from analytic.generator.single import SINGLE

# fdlibm's e_asin.c (Sun Microsystems, 1993): asin x = x + x P(x^2)/Q(x^2) below 1/2 and
# asin x = pi/2 - 2 asin sqrt((1 - x)/2) above. Where fdlibm splits the square root in two words,
# subtracting it first from pi/2 (nearly exact) is enough. NaN outside [-1, 1].
ASIN = '''\
@njit(error_model="numpy")
def asin(x):
    """Arcsine: rational approximation of fdlibm, at most 2 ulp."""
    a = -x if x < 0.0 else x
    central = a < 0.5
    t = a * a if central else 0.5 * (1.0 - a)
    s = a if central else sqrt(t)
    p = t * (
        1.66666666666666657415e-01
        + t
        * (
            -3.25565818622400915405e-01
            + t
            * (
                2.01212532134862925881e-01
                + t
                * (
                    -4.00555345006794114027e-02
                    + t * (7.91534994289814532176e-04 + t * 3.47933107596021167570e-05)
                )
            )
        )
    )
    q = 1.0 + t * (
        -2.40339491173441421878e00
        + t
        * (
            2.02094576023350569471e00
            + t * (-6.88283971605453293030e-01 + t * 7.70381505559019352791e-02)
        )
    )
    w = s * (p / q)
    outer = (1.57079632679489655800e00 - 2.0 * s) - (2.0 * w - 6.12323399573676603587e-17)
    y = s + w if central else outer
    return -y if x < 0.0 else y
'''

SINH_EXP = '''\
@njit(error_model="numpy")
def sinh_exp(x, a):
    """sinh(x) exp(a), to the last digits also where x is small, and finite wherever it is."""
    y = -x if x < 0.0 else x
    s = -0.5 * exp(a + y) * expm1(-2.0 * y)
    return -s if x < 0.0 else s
'''

COSH_EXP = '''\
@njit(error_model="numpy")
def cosh_exp(x, a):
    """cosh(x) exp(a), finite wherever it is."""
    y = -x if x < 0.0 else x
    return 0.5 * exp(a + y) * (1.0 + exp(-2.0 * y))
'''

# The same for arrays, real or complex: even and odd continuations to x of either sign are holomorphic.
SINH_EXP_ARRAYS = '''\
def sinh_exp(x, a):
    """sinh(x) exp(a), to the last digits also where x is small, and finite wherever it is."""
    sign = where(real(x) < 0.0, -1.0, 1.0)
    y = sign * x
    return -0.5 * sign * exp(a + y) * expm1(-2.0 * y)
'''

COSH_EXP_ARRAYS = '''\
def cosh_exp(x, a):
    """cosh(x) exp(a), finite wherever it is."""
    y = where(real(x) < 0.0, -x, x)
    return 0.5 * exp(a + y) * (1.0 + exp(-2.0 * y))
'''

NCDF = '''\
@njit(error_model="numpy")
def ncdf(x):
    """Standard normal distribution function."""
    return 0.5 * erfc(-0.7071067811865476 * x)
'''

# Cephes' tanh.c (Moshier, 1984): x + x^3 P(x^2)/Q(x^2) below .625 and 1 - 2/(exp(2 x) + 1) above. libm's
# takes four times as long.
TANH = '''\
@njit(error_model="numpy")
def tanh(x):
    """Hyperbolic tangent: rational approximation of Cephes, at most 2 ulp."""
    a = -x if x < 0.0 else x
    t = a * a
    p = -1.61468768441708447952e03 + t * (-9.92877231001918586564e01 + t * -9.64399179425052238628e-01)
    q = 4.84406305325125486048e03 + t * (
        2.23548839060100448583e03 + t * (1.12811678491632931402e02 + t)
    )
    outer = 1.0 - 2.0 / (exp(2.0 * a) + 1.0)
    y = a + a * t * (p / q) if a < 0.625 else outer
    return -y if x < 0.0 else y
'''

PRIMITIVES = {"asin": ASIN, "ncdf": NCDF, "tanh": TANH, "sinh_exp": SINH_EXP, "cosh_exp": COSH_EXP}


@dataclass(frozen=True)
class Import:
    """One name of a package, or the package itself under a short name."""

    module: str
    name: str = ""
    bound: str = ""  # what generated text calls it


# where a name comes from: an import, or the text that defines it, which may have to be made
Provider = Import | str | Callable[[], str]


def _from(module: str, *names: str, **renamed: str) -> dict[str, Provider]:
    pairs = [*((name, name) for name in names), *renamed.items()]
    return {bound: Import(module, name, bound) for bound, name in pairs}


# What names in the text of a compiled file may mean. A name that is not here is an error at emission.
NUMBA: Mapping[str, Provider] = {
    **_from(
        "math", "acos", "asinh", "atan", "atan2", "cos", "cosh", "erf", "erfc", "exp", "expm1", "inf", "log"
    ),
    **_from("math", "log1p", "nan", "sin", "sinh", "sqrt", "tan"),
    **_from("numba", "njit"),
    **_from("numpy", "float32", "int32"),
    "np": Import("numpy", bound="np"),
    **PRIMITIVES,
    **SINGLE,
}

# The same in a file for NumPy arrays, real or complex.
NUMPY: Mapping[str, Provider] = {
    **_from("numpy", "cos", "cosh", "exp", "expm1", "log", "log1p", "maximum", "real", "sin"),
    **_from("numpy", "sinh", "sqrt", "tan", "tanh", "where"),
    **_from("numpy", acos="arccos", asin="arcsin", asinh="arcsinh", atan="arctan"),
    **_from("scipy.special", "erf", "erfc", ncdf="ndtr"),
    "sinh_exp": SINH_EXP_ARRAYS,
    "cosh_exp": COSH_EXP_ARRAYS,
}
