"""No false certificate: each is checked by equations written out by hand, in 60-digit arithmetic."""

import time
from fractions import Fraction

import mpmath
import numpy as np
import pytest

pytest.importorskip("flint", reason="extra `certify`")

from analytic.series.certificates import certify, certify_cubic, pi_bounds
from analytic.symbols import ARGUMENTS
from numerics import reduced

NAMES = tuple(ARGUMENTS)
CENTRES = (1600, 640, 20, 64, 0.1, 2, 2, 1)
CLOSURES = [("equivalent_kernel", False), ("one_over_n", False), ("ridge", False), ("ridge", True)]


def draw(rng):
    """Six decades of every argument, as decimals; patches of at least one pixel."""
    values = [float(f"{centre * 10 ** rng.uniform(-3, 3):.6g}") for centre in CENTRES]
    values[3] = max(values[3], 1.0)
    return dict(zip(NAMES, values, strict=True))


def excess(closure, complexity, alpha, n, C, N, S, noise, weight, readout, norm2):
    """A function of alpha that is zero at the root, with kappa, r; by hand."""
    c = 2 * weight / (1 + 2 * weight)
    lam = 2 * readout * c / (mpmath.pi * N * S)
    T = 2 * readout / mpmath.pi * (mpmath.asin(c) - c)
    w, on = 1 / (n * alpha), int(complexity)
    r = 1 / (1 - lam * norm2 / (C * w**2) + on * N * lam / (C * w))
    kappa = w - lam * r
    if closure == "equivalent_kernel":
        return n * kappa - noise, kappa, r
    if closure == "ridge":
        b = (kappa / lam - 1 + N / C) / 2
        r0 = kappa / lam / (b + mpmath.sqrt(b * b + kappa / lam)) if on else mpmath.mpf(1)
        inert = N * (S - 1) * lam * r0 / (lam * r0 + kappa)
        return n - (noise + T) / kappa - N * lam * r / w - inert, kappa, r
    s, v = noise / n, lam * r + noise / n
    posterior = T + N * s * lam * r / v + N * (S - 1) * s * lam / (lam + s)
    return w - 1 / (1 / v - posterior / n / v**2), kappa, r


def is_true(certificate, closure, complexity, given):
    """The hand-written equation changes sign across the enclosure, in the physical range."""
    with mpmath.workdps(90):
        values = [mpmath.mpf(str(v)) for v in given.values()]
        ends = [mpmath.mpf(e.numerator) / e.denominator for e in certificate.enclosure]
        found = [excess(closure, complexity, end, *values) for end in ends]
        signs = found[0][0] * found[1][0] < 0
        return signs and all(kappa > 0 and r > 0 for _, kappa, r in found)


@pytest.mark.filterwarnings("ignore:closure 'one_over_n'")  # its own root, where that is off too
@pytest.mark.parametrize("count", [300, pytest.param(10_000, marks=pytest.mark.certify)])
def test_no_false_certificate(count, capsys):
    rng = np.random.default_rng(31)
    seconds, certified, existing = 0.0, 0, 0
    for index in range(count):
        closure, complexity = CLOSURES[index % len(CLOSURES)]
        given = draw(rng)
        start = time.perf_counter()
        certificate = certify(closure, complexity, **given)
        seconds += time.perf_counter() - start
        try:
            double = reduced.alpha(**given, closure=closure, include_complexity=complexity)
        except ValueError:
            assert not certificate.certified
            continue
        existing += 1
        if certificate.certified:
            certified += 1
            assert is_true(certificate, closure, complexity, given)
            low, high = certificate.enclosure
            assert high / low - 1 < Fraction(1, 10**48) or closure == "one_over_n"
            # The double has 1e-12, and cancels where alpha of one_over_n nearly vanishes.
            assert double == pytest.approx(float(low), rel=1e-12 if closure != "one_over_n" else 1e-9)
        else:
            assert certificate.why.startswith("not certified")
    assert certified > 0.98 * existing
    with capsys.disabled():
        print(f"\n{certified} certified of {existing}, {1e3 * seconds / count:.2f} ms each")


def test_one_over_n_is_not_certified_where_it_has_no_root():
    certificate = certify("one_over_n", n=380, C=640)
    assert not certificate.certified
    assert "not certified" in certificate.why


def test_cubic_in_rational_numbers():
    """Uniqueness and place without ball arithmetic; a wrong place is refused."""
    rng = np.random.default_rng(32)
    slack = Fraction(1, 10**12)
    for _ in range(30):
        given = draw(rng)
        root = Fraction(reduced.alpha(**given, closure="equivalent_kernel"))
        assert certify_cubic(root * (1 - slack), root * (1 + slack), **given).certified
        assert not certify_cubic(root * (1 + slack), root * (1 + 3 * slack), **given).certified
        assert not certify_cubic(root * (1 - 3 * slack), root * (1 - slack), **given).certified


def test_one_change_of_sign_in_every_case():
    """The coefficients that `certify_cubic` relies on, from the derived cubic."""
    import sympy

    from analytic import reduced_equation, symbols

    z, e, m = sympy.symbols("z e m", positive=True)
    eq = reduced_equation("equivalent_kernel")
    b = symbols.n**2 * symbols.lam * symbols.g2 / symbols.C
    at = {symbols.alpha: z / ((1 + z) * sympy.sqrt(b))}
    cleared = sympy.expand(sympy.simplify(eq.compact.subs(at) * (1 + z) ** 3))
    put = {symbols.sigma2: e * sympy.sqrt(b), symbols.lam: m**2 * symbols.g2 / symbols.C}
    coefficients = sympy.Poly(sympy.simplify(cleared.subs(put)), z).all_coeffs()
    # lambda = m^2 g2/C makes n lambda/sqrt b equal m; sigma^2 = e sqrt b.
    expected = [-m, 2 - 2 * (e + m), 3 - (e + m), 1]
    for found, wanted in zip(coefficients, expected, strict=True):
        assert sympy.simplify(found.subs(put) - wanted) == 0


def test_pi():
    low, high = pi_bounds(40)
    with mpmath.workdps(60):
        assert (
            mpmath.mpf(low.numerator) / low.denominator
            < mpmath.pi
            < mpmath.mpf(high.numerator) / high.denominator
        )
    assert high - low < Fraction(1, 10**37)


def test_a_certificate_says_what_it_proved():
    text = str(certify("equivalent_kernel", n=1600, C=640))
    assert text.startswith(
        "certified: alpha lies between 0.389776039258 and 0.389776039259, the only physical"
    )
    assert str(certify_cubic(Fraction(1, 10), Fraction(2, 10), n=1600, C=640)).startswith("not certified")
