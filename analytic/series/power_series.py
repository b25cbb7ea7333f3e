"""Power series: their arithmetic, and that of an algebraic function by undetermined coefficients."""

from collections.abc import Mapping, Sequence
from typing import Any

import mpmath


def algebraic_series(coefficients: Mapping[tuple[int, int], Any], start: Any, order: int) -> list[Any]:
    """c_0..c_order of alpha(x) = sum_k c_k x^k with P(alpha(x), x) = 0.

    Order k of P is linear in c_k with the slope dP/dalpha at (c_0, 0), the same at every order;
    powers of the series are kept and extended, so that `order` coefficients cost O(order^2).

    Parameters
    ----------
    coefficients : mapping
        (i, j) -> p_ij of P = sum p_ij alpha^i x^j, in any field (symbolic, exact or floating).
    start : element of that field
        c_0, a simple root of P(., 0).
    order : int
        Highest order wanted, at least 0.
    """
    if order < 0:
        raise ValueError(f"order must be at least 0, not {order}")
    zero, one = start - start, start / start
    degree = max(i for i, _ in coefficients)
    # powers[i][k] = [x^k] alpha^i
    powers = [[one if i == 0 else start**i] for i in range(degree + 1)]
    slope = sum((i * p * start ** (i - 1) for (i, j), p in coefficients.items() if i and not j), zero)
    for k in range(1, order + 1):
        powers[0].append(zero)
        series = powers[1]
        series.append(zero)  # c_k = 0 for the moment
        for i in range(2, degree + 1):
            below = powers[i - 1]
            powers[i].append(sum((series[m] * below[k - m] for m in range(k)), zero))
        defect = sum((p * powers[i][k - j] for (i, j), p in coefficients.items() if j <= k), zero)
        correction = -defect / slope
        for i in range(1, degree + 1):
            powers[i][k] += i * start ** (i - 1) * correction
    return powers[1] if degree else [start]


class PowerSeries:
    """A power series up to a fixed order, of mpmath numbers, with the four operations and integer powers."""

    def __init__(self, coefficients: Sequence[Any]):
        self.c = list(coefficients)

    def _with(self, other: Any) -> "PowerSeries":
        if isinstance(other, PowerSeries):
            return other
        return PowerSeries([mpmath.mpf(other)] + [mpmath.mpf(0)] * (len(self.c) - 1))

    def __add__(self, other: Any) -> "PowerSeries":
        return PowerSeries([p + q for p, q in zip(self.c, self._with(other).c, strict=True)])

    def __neg__(self) -> "PowerSeries":
        return PowerSeries([-p for p in self.c])

    def __sub__(self, other: Any) -> "PowerSeries":
        return self + (-self._with(other))

    def __rsub__(self, other: Any) -> "PowerSeries":
        return self._with(other) - self

    def __mul__(self, other: Any) -> "PowerSeries":
        q = self._with(other).c
        return PowerSeries([mpmath.fdot(self.c[: k + 1], q[k::-1]) for k in range(len(q))])

    def __truediv__(self, other: Any) -> "PowerSeries":
        q = self._with(other).c
        out: list[Any] = []
        for k, p in enumerate(self.c):
            out.append((p - mpmath.fdot(out, q[k:0:-1])) / q[0])
        return PowerSeries(out)

    def __rtruediv__(self, other: Any) -> "PowerSeries":
        return self._with(other) / self

    def __pow__(self, power: int) -> "PowerSeries":
        if power < 0:
            return 1 / self ** (-power)
        result = self._with(1)
        for _ in range(power):
            result = result * self
        return result

    __radd__, __rmul__ = __add__, __mul__
