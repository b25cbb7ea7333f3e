"""Functions of single precision that LLVM turns into vector instructions.

libm's erf and exp are called number by number, 10 to 25 ns each; a rational approximation of single
precision takes half a nanosecond. Fitted here in 50 digits, by least squares of the relative error at
Chebyshev nodes, linearised about the last denominator.
"""

from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any

import mpmath as mp

DIGITS = 50
NODES = 80
ROUNDS = 8  # of the linearised fit
JIT = '@njit(error_model="numpy", fastmath={"contract"}, forceinline=True)\n'
ERF_TOP, TANH_TOP = 4, 9  # from where on they are one to single precision
DEGREES = {"erf": (6, 5), "tanh": (5, 4)}  # of numerator and denominator in x^2: 3e-9 and 2e-9
EXP_DEGREE = 6  # 3e-9 on [-log(2)/2, log(2)/2]


def _ncdf() -> str:
    with mp.workdps(DIGITS):
        root = float(mp.sqrt(0.5))
    return f'''\
{JIT}def ncdf_single(x):
    """Standard normal distribution function, to 4e-7."""
    return float32(0.5) + float32(0.5) * erf_single(float32({root!r}) * x)
'''


@cache
def _odd(name: str, top: int, what: str) -> str:
    """x P(x^2) / Q(x^2), its argument clipped to where the function reaches one."""
    above, below = rational(lambda x: getattr(mp, name)(x) / x, top, *DEGREES[name])
    return f'''\
{JIT}def {name}_single(x):
    """{what}: rational approximation, relative error below 5e-7."""
    y = float32(-{top}.0) if x < float32(-{top}.0) else float32({top}.0) if x > float32({top}.0) else x
    t = y * y
    p = {_horner(above)}
    q = {_horner(below)}
    return y * (p / q)
'''


@cache
def _exp() -> str:
    """2^k times a polynomial, k put straight into the exponent's bits."""
    high = round(mp.log(2) * 512) / 512  # log 2 in few bits, of which a multiple is exact, and the rest
    with mp.workdps(DIGITS):
        low, inverse = float(mp.log(2) - high), float(1 / mp.log(2))
    return f'''\
{JIT}def exp_single(x):
    """Exponential: relative error below 3e-7; 0 and inf beyond the range of single precision."""
    y = float32(-87.0) if x < float32(-87.0) else float32(88.0) if x > float32(88.0) else x
    k = np.floor(y * float32({inverse!r}) + float32(0.5))
    t = (y - k * float32({high!r})) - k * float32({low!r})
    p = {_horner(exponential())}
    inside = p * int32((int32(k) + 127) << 23).view(float32)
    above = float32(inf) if x > float32(88.0) else inside
    return float32(0.0) if x < float32(-87.0) else above
'''


def rational(ratio: Callable[[Any], Any], top: int, above: int, below: int) -> tuple[list[Any], list[Any]]:
    """P and Q in x^2, Q(0) = 1, with P/Q near an even function on (0, top]."""
    with mp.workdps(DIGITS):
        nodes = [top * mp.cos(mp.pi * (2 * k + 1) / (4 * NODES)) for k in range(NODES)]
        values = [ratio(x) for x in nodes]
        powers = [(x / top) ** 2 for x in nodes]
        denominators = [mp.mpf(1)] * NODES
        for _ in range(ROUNDS):
            A, b = mp.matrix(NODES, above + below + 1), mp.matrix(NODES, 1)
            for i, (t, value, q) in enumerate(zip(powers, values, denominators, strict=True)):
                for k in range(above + 1):
                    A[i, k] = t**k / (value * q)
                for k in range(1, below + 1):
                    A[i, above + k] = -(t**k) / q
                b[i] = 1 / q
            c = list(mp.lu_solve(A, b))
            P, Q = c[: above + 1], [mp.mpf(1), *c[above + 1 :]]
            denominators = [mp.polyval(Q[::-1], t) for t in powers]
        scale = mp.mpf(top) ** 2
        return [p / scale**k for k, p in enumerate(P)], [q / scale**k for k, q in enumerate(Q)]


def exponential() -> list[Any]:
    """Coefficients of a polynomial near exp on [-log(2)/2, log(2)/2]."""
    with mp.workdps(DIGITS):
        half = mp.log(2) / 2
        nodes = [half * mp.cos(mp.pi * (2 * k + 1) / (2 * NODES)) for k in range(NODES)]
        A = mp.matrix(NODES, EXP_DEGREE + 1)
        for i, x in enumerate(nodes):
            for k in range(EXP_DEGREE + 1):
                A[i, k] = x**k / mp.exp(x)
        return list(mp.lu_solve(A, mp.ones(NODES, 1)))


def _horner(coefficients: Sequence[Any]) -> str:
    """Of t, in float32."""
    *rest, top = (f"float32({float(c)!r})" for c in coefficients)
    text = top
    for c in reversed(rest):
        text = f"{c} + t * ({text})" if text != top else f"{c} + t * {text}"
    return text


# by the name that generated text calls them; made when they are asked for
SINGLE: dict[str, Callable[[], str]] = {
    "erf_single": partial(_odd, "erf", ERF_TOP, "Error function"),
    "tanh_single": partial(_odd, "tanh", TANH_TOP, "Hyperbolic tangent"),
    "exp_single": _exp,
    "ncdf_single": _ncdf,
}
