"""The x = 1/C at which two roots of P(alpha, x) meet, and which of them the physical root reaches.

P is given by its coefficients {(i, j): p_ij}, P = sum p_ij alpha^i x^j, mpmath numbers.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import mpmath

from analytic.scalar.equation import Terms
from analytic.series.discriminant import discriminant, zeros


@dataclass(frozen=True)
class BranchPoint:
    """A complex C where two roots meet.

    Attributes
    ----------
    C : mpmath.mpc
    alpha : mpmath.mpc
        The double root.
    physical : bool
        Whether the physical root, continued along the straight line from 1/C = 0, is one of the
        two. If so the series in 1/C cannot converge beyond.
    alpha_physical : mpmath.mpc
        The continued physical root just before the end of the line.
    path : tuple of (1/C, alpha)
        The continuation.
    why : str
    """

    C: mpmath.mpc
    alpha: mpmath.mpc
    physical: bool
    alpha_physical: mpmath.mpc
    path: tuple[tuple[mpmath.mpc, mpmath.mpc], ...]
    why: str


def branch_points(terms: Terms, start: mpmath.mpf, digits: int) -> list[BranchPoint]:
    """Every finite C at which two roots meet, the nearest to 1/C = 0 last."""
    with mpmath.workdps(digits + 20):
        unit_a, unit_x, scaled = _scaled(terms, start)
        points = sorted(zeros(discriminant(scaled), digits + 20), key=lambda point: (-abs(point), point.imag))
        return [_classify(scaled, end, double, unit_a, unit_x) for end, double in _branching(scaled, points)]


def _scaled(terms: Terms, start: mpmath.mpf) -> tuple[mpmath.mpf, mpmath.mpf, Terms]:
    """Units of alpha and x in which the Gaussian-process root and its decay are of order one."""
    unit_x = abs(start / first_coefficient(terms, start))
    return start, unit_x, {(i, j): p * start**i * unit_x**j for (i, j), p in terms.items()}


def first_coefficient(terms: Terms, start: mpmath.mpf) -> mpmath.mpf:
    """d alpha/dx at x = 0, by implicit differentiation."""
    by_x = sum(p * start**i for (i, j), p in terms.items() if j == 1)
    by_alpha = sum(i * p * start ** (i - 1) for (i, j), p in terms.items() if i and not j)
    return -by_x / by_alpha


def _roots_at(terms: Terms, point: mpmath.mpc, starts: Sequence[mpmath.mpc] = ()) -> list[mpmath.mpc]:
    """All roots alpha at x = `point`; `starts` are some near them, which only saves time."""
    degree = max(i for i, _ in terms)
    row = [sum(p * point**j for (i, j), p in terms.items() if i == k) for k in range(degree, -1, -1)]
    while row[0] == 0:
        row.pop(0)
    # turned a little, each by another angle: from real starts no complex pair would be found
    turned = [root * mpmath.expj(mpmath.mpf(k) / 1000) for k, root in enumerate(starts, 1)]
    return mpmath.polyroots(row, maxsteps=500, extraprec=200, roots_init=turned)


# How close to the end of the line the continuation stops. The two roots that meet there are then
# about sqrt(1e-6) = 1e-3 apart, in units of alpha_GP, and the third is not.
SHORT_OF_THE_END = mpmath.mpf("1e-6")


def _continue(terms: Terms, end: mpmath.mpc) -> list[tuple[mpmath.mpc, mpmath.mpc]]:
    """The root that is 1 at x = 0, followed along the straight line towards `end`.

    A step is taken only if the root's tangent, from either end of the step, misses the root at the other
    end by less than a quarter of the distance to the next root; otherwise it is halved, so that a root is not
    exchanged for its neighbour. A neighbour that stays close all the way does not make the steps short.
    """
    path = [(mpmath.mpc(0), mpmath.mpc(1))]
    position, step = mpmath.mpf(0), mpmath.mpf(1) / 16
    last = 1 - SHORT_OF_THE_END
    known: list[mpmath.mpc] = []
    slope = _slope(terms, *path[0])
    while position < last:
        trial = min(position + step, last)
        before, ahead = path[-1][1], (trial - position) * end
        predicted = before + slope * ahead
        roots = _roots_at(terms, trial * end, known)
        roots.sort(key=lambda root: abs(root - predicted))
        gap = min(abs(roots[0] - other) for other in roots[1:])
        after = _slope(terms, trial * end, roots[0]) if gap else mpmath.inf
        if max(abs(roots[0] - predicted), abs(roots[0] - after * ahead - before)) > gap / 4:
            step /= 2
            if step < mpmath.eps:
                raise ArithmeticError(
                    f"the physical root meets another {mpmath.nstr(trial, 6)} of the way to a double root, "
                    "and cannot be followed there"
                )
            continue
        path.append((trial * end, roots[0]))
        known, slope = roots, after
        position, step = trial, 2 * step
    return path


def _slope(terms: Terms, point: mpmath.mpc, root: mpmath.mpc) -> mpmath.mpc:
    """d alpha/dx of a root."""
    by_x = mpmath.fsum(j * p * root**i * point ** (j - 1) for (i, j), p in terms.items() if j)
    return -by_x / mpmath.fsum(i * p * root ** (i - 1) * point**j for (i, j), p in terms.items() if i)


def _branching(terms: Terms, points: Iterable[mpmath.mpc]) -> Iterator[tuple[mpmath.mpc, mpmath.mpc]]:
    """Of the points where roots meet those where they branch (dP/dx != 0), with the double root.

    It is the zero of dP/dalpha that P vanishes at, and need not belong to the closest pair of roots nearby:
    roots much smaller than alpha_GP are closer to one another.
    """
    along_alpha = {(i - 1, j): i * p for (i, j), p in terms.items() if i}
    along_x = {(i, j - 1): j * p for (i, j), p in terms.items() if j}
    for point in points:
        double = min(_roots_at(along_alpha, point), key=lambda root: _rest(terms, root, point))
        if _rest(along_x, double, point) > mpmath.mpf(10) ** (-mpmath.mp.dps // 3):
            yield point, double


def _rest(terms: Terms, root: mpmath.mpc, point: mpmath.mpc) -> mpmath.mpf:
    """|P| over the sum of its terms' sizes."""
    parts = [p * root**i * point**j for (i, j), p in terms.items()]
    return abs(mpmath.fsum(parts)) / mpmath.fsum(parts, absolute=True)


def _classify(
    terms: Terms, end: mpmath.mpc, double: mpmath.mpc, unit_a: mpmath.mpf, unit_x: mpmath.mpf
) -> BranchPoint:
    path = _continue(terms, end)
    followed = path[-1][1]
    first, second, *others = sorted(_roots_at(terms, path[-1][0]), key=lambda root: abs(root - double))
    near = (first + second) / 2
    physical = all(abs(followed - near) < abs(followed - root) for root in others)
    alpha_double, alpha_followed = unit_a * double, unit_a * followed
    meets = "is one of the two roots that meet" if physical else "stays away from the meeting roots"
    why = (
        f"continued from the Gaussian process along the straight line in 1/C "
        f"({len(path) - 1} steps), the physical root arrives at alpha = "
        f"{mpmath.nstr(alpha_followed, 6)}; the double root is alpha = "
        f"{mpmath.nstr(alpha_double, 6)}: it {meets}"
    )
    return BranchPoint(
        1 / (unit_x * end),
        alpha_double,
        physical,
        alpha_followed,
        tuple((unit_x * point, unit_a * root) for point, root in path),
        why,
    )


RAYS = 48  # directions in which singularities are looked for


def darboux_points(coefficients: Sequence[mpmath.mpf]) -> list[mpmath.mpc]:
    """C of the nearest square-root branch point, or conjugate pair, from the last coefficients.

    A square root at C_b puts k^{-3/2} C_b^k into c_k, to all orders in 1/k the coefficient of
    (1 - x C_b)^{1/2} (Darboux). Divided by that, d_k is a combination of the k-th powers of the pair, so that
    d_k = p d_{k-1} + q d_{k-2}; for one real point d_k/d_{k-1} is C_b.
    """
    last = len(coefficients) - 1
    d = [
        coefficients[k] * mpmath.gamma(k + 1) / mpmath.gamma(k - mpmath.mpf(1) / 2)
        for k in range(last - 3, last + 1)
    ]
    ratios = [d[i + 1] / d[i] for i in range(3)]
    if max(ratios) - min(ratios) < abs(ratios[-1]) / 1000:
        return [mpmath.mpc(ratios[-1])]
    p, q = mpmath.lu_solve(mpmath.matrix([[d[1], d[0]], [d[2], d[1]]]), mpmath.matrix([d[2], d[3]]))
    return [mpmath.mpc(point) for point in mpmath.polyroots([1, -p, -q], maxsteps=200, extraprec=200)]


def candidates_near(terms: Terms, coefficients: Sequence[mpmath.mpf]) -> list[mpmath.mpc]:
    """x at which P and dP/dalpha vanish together, found from the physical sheet; nearest first.

    The series is summed inside its circle of convergence, and a square root is extrapolated to the
    circle, in many directions and at the points of `darboux_points`; from there Newton solves P =
    dP/dalpha = 0. What it finds is a double root, of which sheet is decided by `classify_nearest`.
    """
    guesses = [1 / C for C in darboux_points(coefficients)]
    radius = min(abs(x) for x in guesses)
    guesses += [radius * mpmath.expjpi(mpmath.mpf(2 * ray) / RAYS) for ray in range(RAYS // 2 + 1)]
    rows = list(reversed(coefficients))
    found: list[mpmath.mpc] = []
    for x0 in guesses:
        # alpha = A + B sqrt(1 - t) along the ray, t = x/x0; roots of 0.3 and 0.1 at the two points.
        far, near = mpmath.polyval(rows, 0.7 * x0), mpmath.polyval(rows, 0.9 * x0)
        B = (far - near) / (mpmath.sqrt(0.3) - mpmath.sqrt(0.1))
        point = _double_root(terms, near - B * mpmath.sqrt(0.1), x0, radius)
        if point is not None and all(abs(point - other) > abs(point) * 1e-10 for other in found):
            found.append(point)
    return sorted(found, key=abs)


def all_double_roots(terms: Terms, start: mpmath.mpf) -> list[mpmath.mpc]:
    """Every x at which roots meet, as zeros of the discriminant; nearest first, upper half plane.

    Complete: for branch points so close to one another that a square root does not describe the series
    between them.
    """
    with mpmath.workdps(mpmath.mp.dps + 20):
        _, unit_x, scaled = _scaled(terms, start)
        points = zeros(discriminant(scaled), mpmath.mp.dps)
        return sorted((unit_x * point for point in points if point.imag >= 0), key=abs)


def _double_root(terms: Terms, root: mpmath.mpc, x0: mpmath.mpc, unit: mpmath.mpf) -> mpmath.mpc | None:
    """Newton on (P, dP/dalpha) in (alpha, x); None if it does not converge nearby."""

    def value(a: mpmath.mpc, z: mpmath.mpc, da: int, dx: int) -> mpmath.mpc:
        return mpmath.fsum(
            p * mpmath.ff(i, da) * mpmath.ff(j, dx) * a ** (i - da) * z ** (j - dx)
            for (i, j), p in terms.items()
            if i >= da and j >= dx
        )

    for _ in range(80):
        P, P_a, P_x = (value(root, x0, *k) for k in ((0, 0), (1, 0), (0, 1)))
        P_aa, P_ax = value(root, x0, 2, 0), value(root, x0, 1, 1)
        determinant = P_a * P_ax - P_x * P_aa
        if determinant == 0:
            return None
        step_a, step_x = (P * P_ax - P_x * P_a) / determinant, (P_a * P_a - P_aa * P) / determinant
        shrink = min(1, unit / 4 / abs(step_x)) if step_x else 1
        root, x0 = root - shrink * step_a, x0 - shrink * step_x
        if abs(x0) > 4 * unit:
            return None
        if abs(step_x) < abs(x0) * mpmath.mpf(10) ** (-mpmath.mp.dps // 2):
            real = abs(mpmath.im(x0)) < abs(x0) * mpmath.mpf(10) ** (-mpmath.mp.dps // 3)
            return mpmath.mpc(mpmath.re(x0)) if real else mpmath.mpc(mpmath.re(x0), abs(mpmath.im(x0)))
    return None


def classify_nearest(
    terms: Terms, start: mpmath.mpf, candidates: Sequence[mpmath.mpc], digits: int
) -> BranchPoint:
    """The nearest candidate that the physical root reaches on a straight line from 1/C = 0."""
    unit_a, unit_x, scaled = _scaled(terms, start)
    for end, double in _branching(scaled, (point / unit_x for point in candidates)):
        found = _classify(scaled, end, double, unit_a, unit_x)
        if found.physical:
            return found
    raise ArithmeticError(
        f"none of {len(candidates)} double roots lies on the physical sheet; ask for more digits"
    )


def conjugate(point: BranchPoint) -> BranchPoint:
    """The mirror image: P is real."""
    return replace(
        point,
        C=mpmath.conj(point.C),
        alpha=mpmath.conj(point.alpha),
        alpha_physical=mpmath.conj(point.alpha_physical),
        path=tuple((mpmath.conj(p), mpmath.conj(q)) for p, q in point.path),
    )
