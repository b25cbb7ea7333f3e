"""lambda at finite patch size S: two numbers that agree as S -> infinity (derived).

For one patch x ~ N(0, I_S) of length rho, G depends on u = K12 D D' = g(rho) g(rho') t with t the cosine
between the patches. Its power series in u separates: G = sum_k a_k (g g' t)^k. On functions h(rho) w.x/rho
the kernel therefore acts as sum_k b_k g^k(rho) g^k(rho'), b_k = a_k E[t^{k+1}], k odd, and all that is
left are one-dimensional integrals over rho.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import mpmath
from sympy import lambdify

from analytic.expectations.activations import ACTIVATIONS, activation
from analytic.expectations.kernels import kernel
from analytic.scalar.arguments import as_mpf, exact_values
from analytic.scalar.free_energy import linear_response
from analytic.symbols import D1, D2, K12, sigma_w2, u, v
from analytic.symbols import S as S_SYMBOL

FEWEST_TERMS, MOST_TERMS = (
    14,
    30,
)  # odd orders of the series in u: E[t^k] falls like (k/S)^(k/2), slowly for small S
ACCURACY = 1e-6  # of the two numbers; a slower series is refused


@dataclass(frozen=True)
class FinitePatch:
    """Corrections to lambda at finite S, each over its large-S value.

    Attributes
    ----------
    rayleigh : mpmath.mpf
        <y, Q_f y>/<y, y> of y = w.x.
    eigenvalue : mpmath.mpf
        The largest eigenvalue of Q_f on functions w.x h(|x|).
    """

    rayleigh: Any
    eigenvalue: Any
    _matrix: Any
    _overlaps: Any

    def discrepancy(self, ridge: Any) -> Any:
        """<y, (Q_f + ridge)^{-1} y>/<y, y>, ridge over the large-S lambda: what alpha is made of.

        Exact for the kernel averaged over its data; by the matrix identity for a sum of products.
        """
        size = self._matrix.rows
        inner = mpmath.lu_solve(mpmath.eye(size) + self._matrix / ridge, self._overlaps)
        return (1 - mpmath.fdot(self._overlaps, inner) / ridge) / ridge


@cache
def finite_patch(
    patch_size: float, weight_variance: Any = 2, activation_name: str = "erf", digits: int = 20
) -> FinitePatch:
    """Both numbers for patches of S = `patch_size` pixels and sigma_w^2 = `weight_variance`.

    Raises
    ------
    ValueError
        For small S, where the series in the cosine converges too slowly for 6 digits.
    """
    entry = activation(activation_name)
    if entry.statistic is None:
        known = ", ".join(name for name, other in ACTIVATIONS.items() if other.statistic is not None)
        raise ValueError(
            f"the kernel of {activation_name!r} is no function of one normalised product, which lambda at "
            f"finite patch size is derived from; choose one of {known}, or patch='large'"
        )
    values = exact_values({"n": 1, "patch_size": patch_size, "weight_variance": weight_variance})
    with mpmath.workdps(digits + 10):
        S, variance = as_mpf(values[S_SYMBOL]), as_mpf(values[sigma_w2])
        statistic = lambdify([v], entry.statistic, "mpmath")
        G = lambdify(
            [u], kernel(activation_name).G_statistic.subs(K12, u / (D1 * D2)).subs({D1: 1, D2: 1}), "mpmath"
        )
        b = _coefficients(mpmath.taylor(G, 0, 2 * MOST_TERMS), S)
        kept = [2 * i + 1 for i, value in enumerate(b) if value > 0]
        # In s = rho^2/S: g^2 = v s D(v s)^2, a gamma law of mean 1.
        moment = {m: _average(lambda s, m=m: _g2(s, variance, statistic) ** m, S) for m in _sums(kept)}
        with_length = {
            k: _average(lambda s, k=k: mpmath.sqrt(s) * _g2(s, variance, statistic) ** (mpmath.mpf(k) / 2), S)
            for k in kept
        }
        response = linear_response(activation_name).subs(sigma_w2, values[sigma_w2]).evalf(digits + 10)
        unit = variance * mpmath.mpf(response) / S
        root = {k: mpmath.sqrt(b[(k - 1) // 2] / unit) for k in kept}
        matrix = mpmath.matrix([[root[i] * root[j] * moment[(i + j) // 2] for j in kept] for i in kept])
        overlaps = mpmath.matrix([root[k] * with_length[k] for k in kept])
        top = max(mpmath.eigsy(matrix, eigvals_only=True))
        return FinitePatch(mpmath.fdot(overlaps, overlaps), top, matrix, overlaps)


def _coefficients(a: list[Any], S: Any) -> list[Any]:
    """b_k of odd k, up to where the rest of the series is below ACCURACY of the first."""
    b = [a[k] * _cosine_moment(k + 1, S) for k in range(1, 2 * MOST_TERMS, 2)]
    for count, value in enumerate(b[1:], start=1):
        if (
            count >= FEWEST_TERMS and count * abs(value) < ACCURACY * b[0]
        ):  # the b_k fall faster than 1/k^2 from here
            return b[:count]
    raise ValueError(f"patch_size={float(S):g} is too small: the series in the cosine converges too slowly")


def _sums(kept: list[int]) -> set[int]:
    return {(i + j) // 2 for i in kept for j in kept}


def _g2(s: Any, variance: Any, statistic: Any) -> Any:
    return variance * s * statistic(variance * s) ** 2


def _cosine_moment(power: int, S: Any) -> Any:
    """E[t^power] on the sphere, power even: 1 3 5 .../[S (S + 2) ...]."""
    return mpmath.fprod((2 * i + 1) / (S + 2 * i) for i in range(power // 2))


def _average(f: Any, S: Any) -> Any:
    """Over s = rho^2/S, S s chi-squared with S degrees of freedom."""
    half = S / 2
    norm = half * mpmath.log(half) - mpmath.loggamma(half)
    spread = 12 / mpmath.sqrt(half)
    ends = [max(mpmath.mpf(0), 1 - spread), mpmath.mpf(1), 1 + spread, 1 + 4 * spread]
    return mpmath.quad(
        lambda s: f(s) * mpmath.exp(norm + (half - 1) * mpmath.log(s) - half * s) if s else mpmath.mpf(0),
        ends,
    )
