"""The discriminant of P(alpha, x) in alpha, exactly, and the complex zeros of a polynomial of integers.

P is given by its coefficients {(i, j): p_ij}, P = sum p_ij alpha^i x^j, mpmath numbers.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import mpmath
from sympy import ZZ
from sympy.polys.matrices import DomainMatrix

from analytic.scalar.equation import Terms

STEPS = 1000  # of Ehrlich and Aberth; simple zeros take about 20, a double zero halves its error in each


def discriminant(terms: Terms) -> list[int]:
    """Coefficients, constant first, of the discriminant in alpha: a polynomial in x, up to a constant factor.

    Exact for the P whose coefficients are the binary numbers given. Those numbers, of 60 digits or more, are
    integers up to a common power of two, so the discriminant at integer x is an integer; it is taken at as
    many x as fix a polynomial of its degree, at most 2 (d - 1) times that of P in x, and interpolated. Where
    the rounding of p_ij spoils a cancellation it leaves small coefficients, whose zeros are far away.
    """
    whole = _integers(terms)
    degree = max(i for i, _ in whole)
    highest = 2 * (degree - 1) * max(j for _, j in whole)
    first = -(highest // 2)
    values = []
    for point in range(first, first + highest + 1):
        row = [0] * (degree + 1)
        for (i, j), p in whole.items():
            row[i] += p * point**j
        values.append(_discriminant_of(row))
    return _interpolated(first, values)


def _integers(terms: Terms) -> dict[tuple[int, int], int]:
    """P times the power of two that makes all its coefficients whole."""
    exact = {key: mpmath.mpf(p) for key, p in terms.items() if p}
    least = min(p.exp for p in exact.values())
    return {key: int(mpmath.sign(p)) * int(p.man) << (p.exp - least) for key, p in exact.items()}


def _discriminant_of(row: Sequence[int]) -> int:
    """Of sum_i row[i] alpha^i, times +-d^(d-2): the Bezout determinant of the two slopes of its form.

    The form is F = sum_i row[i] alpha^i beta^(d-i). Where it has a double zero, at infinity too, F_alpha =
    sum i row[i] alpha^(i-1) and F_beta = sum (d - i) row[i] alpha^i have a common one; the matrix holds the
    coefficients of [F_alpha(s) F_beta(t) - F_alpha(t) F_beta(s)]/(t - s).
    """
    size = len(row) - 2
    f = [(i + 1) * row[i + 1] for i in range(size + 1)]
    g = [(size + 1 - i) * row[i] for i in range(size + 1)]
    bezout = [[0] * size for _ in range(size)]
    for i in range(size):
        for j in range(i, size):
            before = bezout[i - 1][j + 1] if i and j + 1 < size else 0
            bezout[i][j] = bezout[j][i] = before + f[i] * g[j + 1] - f[j + 1] * g[i]
    return int(DomainMatrix([[ZZ(b) for b in line] for line in bezout], (size, size), ZZ).det())


def _interpolated(first: int, values: Sequence[int]) -> list[int]:
    """The polynomial of integer coefficients with these values at first, first + 1, ...; constant first.

    Its divided differences at integers are integers (Newton), so that nothing is rounded.
    """
    differences = list(values)
    for k in range(1, len(values)):
        for i in range(len(values) - 1, k - 1, -1):
            differences[i] = (differences[i] - differences[i - 1]) // k
    found: list[int] = []
    for k in range(len(values) - 1, -1, -1):  # found (x - first - k) + difference
        found = [low - (first + k) * high for low, high in zip([0, *found], [*found, 0], strict=True)]
        found[0] += differences[k]
    while found and not found[-1]:
        found.pop()
    return found


def zeros(coefficients: Sequence[int], digits: int) -> list[mpmath.mpc]:
    """All zeros but 0 of a polynomial with real coefficients, constant first, to `digits` digits each.

    Simultaneous Newton steps (Ehrlich and Aberth) from circles that the sizes of the coefficients give, so
    that zeros of very different size are found as fast as others. Real zeros are real.
    """
    row = list(coefficients)
    while row and not row[0]:
        row.pop(0)
    with mpmath.workdps(3 * digits):
        above = [mpmath.mpf(c) for c in reversed(row)]
        found = _starts(row)
        moving = set(range(len(found)))
        for _ in range(STEPS):
            for k in sorted(moving):
                value, slope = mpmath.polyval(above, found[k], derivative=True)
                pull = slope - value * sum(1 / (found[k] - other) for other in found if other is not found[k])
                step = value / pull if value else mpmath.mpc(0)
                found[k] = found[k] - step
                if abs(step) <= abs(found[k]) * mpmath.mpf(10) ** -digits:
                    moving.discard(k)
            if not moving:
                return [_real_if_close(z, digits) for z in found]
    raise ArithmeticError(f"{len(moving)} zeros of the discriminant were not found; ask for more digits")


def _real_if_close(z: mpmath.mpc, digits: int) -> mpmath.mpc:
    return mpmath.mpc(z.real) if abs(z.imag) < abs(z) * mpmath.mpf(10) ** (-digits // 2) else z


def _starts(row: Sequence[int]) -> list[mpmath.mpc]:
    """Points on circles whose radii are the slopes of the upper hull of log|c_k| over k (Bini)."""
    heights = {k: mpmath.log(abs(c)) for k, c in enumerate(row) if c}
    corners: list[int] = []
    for k, height in heights.items():
        while len(corners) > 1 and _below(heights, corners[-2], corners[-1], k, height):
            corners.pop()
        corners.append(k)
    points = []
    for low, high in pairwise(corners):
        radius = mpmath.exp((heights[low] - heights[high]) / (high - low))
        # an angle that is no fraction of a turn: no start on the axis, nor in line with another circle's
        angles = [2 * mpmath.pi * i / (high - low) + mpmath.mpf("0.7") + low for i in range(high - low)]
        points += [radius * mpmath.expj(angle) for angle in angles]
    return points


def _below(heights: Mapping[int, mpmath.mpf], left: int, middle: int, right: int, height: mpmath.mpf) -> bool:
    """Whether the middle point is not above the line between its neighbours."""
    rise = (height - heights[left]) * (middle - left)
    return bool((heights[middle] - heights[left]) * (right - left) <= rise)
