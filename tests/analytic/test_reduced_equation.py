"""The derived reduced equation against Eq. (9), a solvable network, and itself by other routes."""

import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest
import sympy
from mutants import breaks

from analytic import breakdown, reduced_equation
from analytic.scalar.closures import closure
from analytic.scalar.free_energy import linear_response
from analytic.series.power_series import algebraic_series
from analytic.symbols import (
    C,
    N,
    S,
    T,
    alpha,
    chi,
    g2,
    kappa,
    l_star,
    lam,
    lam_star,
    n,
    sigma2,
    sigma_a2,
    sigma_w2,
)
from numerics import reduced

PAPER = {"n": 1600, "n_patches": 20, "patch_size": 64, "noise_variance": Fraction(1, 10)}


@pytest.fixture(scope="module")
def eq():
    return reduced_equation(closure="equivalent_kernel")


def numbers(eq, **values):
    """Substitution of everything but alpha; defaults as documented."""
    given = dict(PAPER, C=640, weight_variance=2, readout_variance=2, target_norm2=1) | values
    return {eq.symbols[key]: sympy.Rational(value) for key, value in given.items()}


def test_eq_9_comes_out(eq):
    """The cubic, the eigenvalue and the feature-learning scale as Eq. (9) prints them."""
    b = n**2 * lam * g2 / C
    s = sigma2 / n
    printed = n * s * b * alpha**3 - b * alpha**2 - n * (lam + s) * alpha + 1
    assert sympy.expand(eq.compact - printed) == 0
    assert eq.eigenvalue == 4 * sigma_a2 * sigma_w2 / (sympy.pi * (1 + 2 * sigma_w2) * N * S)
    enhanced = lam / (1 - b * alpha**2)
    as_printed = sigma2 * alpha - 1 + enhanced / (enhanced + s)
    # The same roots: cleared of its denominator, Eq. (9) is a multiple of the cubic.
    ratio = sympy.cancel(sympy.numer(sympy.together(as_printed)) / eq.compact)
    assert not ratio.has(alpha)


def test_linear_activation_changes_the_equation(eq):
    linear = reduced_equation(closure="equivalent_kernel", activation="linear")
    assert linear_response("linear") == 1
    assert linear.eigenvalue == sigma_a2 * sigma_w2 / (N * S)
    assert linear.compact == eq.compact
    assert linear.residual != eq.residual


@breaks(
    "analytic/scalar/free_energy.py", "log(ratio)) / 2", "log(ratio))", "KL loses 1/2 (reduced)", case="1000"
)
@breaks(
    "analytic/scalar/free_energy.py",
    "ratio - 1 - log(ratio)",
    "ratio - 1 + log(ratio)",
    "sign of log in KL (reduced)",
    case="1000",
)
@breaks("analytic/scalar/free_energy.py", "Integer(2)", "Integer(1)", "twice the fit (reduced)", case="1000")
@breaks(
    "analytic/scalar/free_energy.py",
    "(lam_star + kappa) /",
    "(lam_star - kappa) /",
    "sign of kappa in the fit",
    case="1000",
)
@breaks(
    "analytic/scalar/closures/equivalent_kernel.py",
    "n * kappa - sigma2",
    "kappa - sigma2",
    "ridge not per sample",
    case="1000",
)
@pytest.mark.parametrize("channels", [10**3, 10**4, 10**5])
def test_against_the_matrix_theory_of_a_linear_network(channels):
    """One linear patch, X^T X = n I: Eq. (8) is solved by hand and the closure is exact.

    What the reduced equation leaves out, the K_f^{-1} half of A, is of relative size 1/C; the
    target grows with C so that chi, and with it every factor of the equation, stays of order one.
    """
    samples, size, noise, weight, readout = 60, 5, 0.3, 1.5, 0.7
    rng = np.random.default_rng(1)
    X = np.linalg.qr(rng.standard_normal((samples, size)))[0] * math.sqrt(samples)
    y = X[:, 0] * math.sqrt(norm2 := 0.2 * channels)
    Sigma = np.eye(size) * weight / size
    for _ in range(500):
        K_f = readout * X @ Sigma @ X.T + noise * np.eye(samples)
        inverse = np.linalg.inv(K_f)
        eps = inverse @ y
        A = np.outer(eps, eps) - inverse
        drive = size / weight * np.eye(size) - readout * X.T @ A @ X / channels
        Sigma = 0.5 * Sigma + 0.5 * np.linalg.inv(drive)
    eq = reduced_equation(closure="equivalent_kernel", activation="linear")
    (root,) = [
        root.value
        for root in eq.roots(
            n=samples,
            C=channels,
            n_patches=1,
            patch_size=size,
            noise_variance=noise,
            weight_variance=weight,
            readout_variance=readout,
            target_norm2=norm2,
        )
        if root.physical
    ]
    # 2/C: the neglected term multiplies l_* by 1 - (1/C) lambda_*/(lambda_* + kappa).
    assert float(root) == pytest.approx(eps @ y / (y @ y), rel=2 / channels)
    assert Sigma[0, 0] * size / weight > 1.5  # far from the Gaussian process


@breaks("analytic/scalar/free_energy.py", "sigma_w2 / S", "sigma_w2", "prior without its fan-in")
def test_eigenvalue_is_the_rayleigh_quotient_of_a_large_patch():
    """Kernel matrix of erf on random patches, off-diagonal sums; 1 - 0.3/S is its finite-size part."""
    samples, size, weight = 3000, 256, 1.3
    rng = np.random.default_rng(2)
    X = rng.standard_normal((samples, size))
    y = X[:, 0]
    K = weight * X @ X.T / size
    D = np.sqrt(1 + 2 * np.diag(K))
    Q = 2 / np.pi * np.arcsin(2 * K / np.outer(D, D))
    np.fill_diagonal(Q, 0)
    eq = reduced_equation(closure="equivalent_kernel")
    values = {N: 1, S: size, sigma_w2: weight, sigma_a2: 1}
    # Statistical error sqrt(2) S/n = 12 % without, 5 % with y normalised (five seeds: 1-4 %).
    assert y @ Q @ y / (y @ y) ** 2 == pytest.approx(float(eq.eigenvalue.subs(values)), rel=0.1)


def test_steps_name_their_source(eq):
    assert any(step.source == "Eq. (9)" for step in eq.steps)
    for step in eq.steps:
        assert step._repr_latex_().startswith("$")
        assert step.title
        assert "Eq. (" in step.source or step.source == "derived"
    assert r"\sigma_{w}^{2}" in eq.steps[1]._repr_latex_()


def test_every_step_holds_at_the_solution(eq):
    """The displayed equations, at the values that the numerical solver finds."""
    solved = reduced.solve(1600, 640, closure="equivalent_kernel")
    learned = eq.eigenvalue * solved.overlap_ratio
    values = {
        alpha: solved.alpha,
        lam_star: learned,
        lam: eq.eigenvalue,
        kappa: sigma2 / n,
        chi: solved.chi,
        T: eq.rest,
        l_star: sigma_w2 / S * solved.overlap_ratio,
    }
    equations = [step.expression for step in eq.steps if isinstance(step.expression, sympy.Eq)]
    assert len(equations) == 10
    for equation in equations:
        left, right = (side.subs(values).subs(numbers(eq)) for side in (equation.lhs, equation.rhs))
        # Rounding of a dozen operations; the terms of the stationarity condition are about 1e4.
        assert abs(sympy.N(left - right)) < 1e-10


def test_closed_form_is_the_physical_root(eq):
    for channels in (80, 640, 10**6):
        closed = eq.closed_form().subs(numbers(eq, C=channels)).evalf(30)
        (root,) = [r for r in eq.roots(**PAPER, C=channels) if r.physical]
        with mpmath.workdps(40):
            # At C = 1e6 the trigonometric form cancels up to 8 of 30 digits.
            assert abs(mpmath.mpf(str(closed)) - root.value) < 1e-20


def test_discriminant(eq):
    """Printed in b and s; positive for C > 0, where all three roots are real."""
    b, s = n**2 * lam * g2 / C, sigma2 / n
    quadratic = 4 * b**2 + b * n**2 * (lam**2 + 20 * lam * s - 8 * s**2) + 4 * n**4 * s * (lam + s) ** 3
    expected = (b * quadratic).subs(lam, eq.eigenvalue)
    assert sympy.simplify(eq.discriminant() - expected) == 0
    assert eq.discriminant().subs(numbers(eq)) > 0


def test_roots_are_isolated_and_one_is_physical(eq):
    roots = eq.roots(**PAPER, C=640)
    assert len(roots) == 3
    assert [root.physical for root in roots] == [False, True, False]
    polynomial = sympy.lambdify(alpha, eq.residual.subs(numbers(eq)), "mpmath")
    with mpmath.workdps(60):
        for root in roots:
            low, high = (mpmath.mpf(end.p) / end.q for end in root.interval)
            assert polynomial(low) * polynomial(high) < 0
            assert low < root.value < high or abs(high - low) < 1e-29 * abs(low)
            assert root.why
    (gaussian,) = eq.roots(**PAPER, C=math.inf)
    assert gaussian.physical
    assert float(gaussian.value) == pytest.approx(1 / (1600 * 16 / (5 * math.pi * 1280) + 0.1))


def test_derivative_against_differences(eq):
    """Implicit differentiation in every argument against a central difference of the root."""
    with mpmath.workdps(60):
        (root,) = [r.value for r in eq.roots(**PAPER, C=640, digits=50) if r.physical]
        given = dict(PAPER, C=640, weight_variance=2, readout_variance=2, target_norm2=1)
        at_root = {**numbers(eq), alpha: sympy.Float(root, 50)}
        for name, value in given.items():
            step = Fraction(value) / 10**12
            ends = [
                next(r.value for r in eq.roots(digits=50, **{**given, name: v}) if r.physical)
                for v in (value + step, value - step)
            ]
            difference = (ends[0] - ends[1]) / (2 * mpmath.mpf(step.numerator) / step.denominator)
            exact = eq.derivative(eq.symbols[name]).subs(at_root).evalf(40)
            # Second-order difference with relative step 1e-12.
            assert abs(difference / mpmath.mpf(str(exact)) - 1) < 1e-20


def test_series_symbolic_and_numeric_agree_and_solve_the_equation(eq):
    symbolic = eq.series(order=4)
    numeric = eq.series(order=4, **PAPER)
    for c, value in zip(symbolic, numeric, strict=True):
        exact = c.subs(numbers(eq)).evalf(40)
        assert abs(mpmath.mpf(str(exact)) / value - 1) < 1e-35
    # Second witness: Lagrange-free, the truncated series leaves a residual of order C^-5.
    polynomial = sympy.lambdify(
        (alpha, C), eq.residual.subs({k: v for k, v in numbers(eq).items() if k != C}), "mpmath"
    )
    with mpmath.workdps(60):
        leftover = [
            polynomial(sum(c / mpmath.mpf(width) ** k for k, c in enumerate(numeric)), mpmath.mpf(width))
            for width in (10**8, 10**9)
        ]
        assert abs(mpmath.log10(abs(leftover[0] / leftover[1])) - 5) < 1e-3


@breaks("analytic/series/power_series.py", "-defect / slope", "defect / slope", "a wrong order in the series")
def test_series_of_a_known_function():
    """alpha^2 = 1 + x from 1: binomial coefficients; a constant equation has a constant series."""
    exact = algebraic_series(
        {(2, 0): Fraction(1), (0, 0): Fraction(-1), (0, 1): Fraction(-1)}, Fraction(1), 6
    )
    assert exact == [Fraction(str(sympy.binomial(sympy.Rational(1, 2), k))) for k in range(7)]
    with pytest.raises(ValueError, match="at least 0"):
        algebraic_series({(1, 0): 1.0, (0, 0): -1.0}, 1.0, -1)


def test_series_converges_and_diverges_where_the_branch_point_says(eq):
    """900 terms: at C = 3800 they sum to the root, at C = 3600 they grow."""
    coefficients = eq.series(order=900, **PAPER)
    nearest = [point for point in eq.branch_points(**PAPER) if point.physical]
    assert float(mpmath.re(nearest[0].C)) == pytest.approx(-3658.27, abs=5e-3)
    with mpmath.workdps(50):
        total = sum(c / mpmath.mpf(3800) ** k for k, c in enumerate(coefficients))
        (root,) = [r.value for r in eq.roots(**PAPER, C=3800) if r.physical]
        # The last term is (3658/3800)^900 900^(-3/2) = 6e-20.
        assert abs(total - root) < 1e-17
        tail = [abs(c) / mpmath.mpf(3600) ** k for k, c in enumerate(coefficients)]
        # Each 200 terms: (3658.27/3600)^200 = 24.8, less k^(-3/2).
        assert tail[900] > 15 * tail[700] > 15 * 14 * tail[500]
        # Ratio test; a square-root singularity gives c_k/c_{k-1} = C_b (1 - 3/(2k) + O(1/k^2)).
        estimate = coefficients[900] / coefficients[899] / (1 - mpmath.mpf(3) / 1800)
        assert abs(estimate / mpmath.re(nearest[0].C) - 1) < 1e-4


def test_branch_points_and_which_sheet(eq):
    other, physical = sorted(eq.branch_points(**PAPER), key=lambda point: point.physical)
    assert float(mpmath.re(physical.C)) == pytest.approx(-3658.27, abs=5e-3)
    assert float(mpmath.re(other.C)) == pytest.approx(-4380.72, abs=5e-3)
    assert physical.physical
    assert not other.physical
    assert float(mpmath.re(physical.alpha)) == pytest.approx(1.633, abs=5e-4)
    assert "one of the two" in physical.why
    assert "stays away" in other.why
    for point in (physical, other):  # a double root: P and its slope vanish
        at = {**numbers(eq), alpha: sympy.Float(mpmath.nstr(mpmath.re(point.alpha), 30), 30)}
        at[C] = sympy.Float(mpmath.nstr(mpmath.re(point.C), 30), 30)
        slope = float(sympy.diff(eq.residual, alpha).subs(at))
        assert abs(slope) < 1e-20
        assert abs(float(eq.residual.subs(at))) < 1e-20
    x, value = physical.path[0]
    assert x == 0
    assert float(mpmath.re(value)) == pytest.approx(0.72820507087338)


def test_branch_points_are_a_complex_pair_when_noise_dominates(eq):
    """lambda < 8 sigma^2/n."""
    pair = eq.branch_points(**{**PAPER, "n": 16})
    assert all(point.physical for point in pair)
    with mpmath.workdps(40):
        assert abs(mpmath.conj(pair[0].C) - pair[1].C) < 1e-25 * abs(pair[0].C)
    assert abs(mpmath.im(pair[0].C)) > 1


def test_compiled_kernel_is_the_equation_and_its_derivatives(eq):
    f = eq.compile()
    point = {"alpha": 0.4, "n": 900.0, "C": 200.0, "n_patches": 7.0, "patch_size": 30.0}
    found = f(**point)
    values = {**numbers(eq), **{eq.symbols[key]: sympy.Rational(v) for key, v in point.items()}}
    exact = [eq.residual, *(eq.residual.diff(eq.symbols[k]) for k in ("alpha", "n", "C"))]
    for value, expression in zip(found, exact, strict=False):
        # A dozen operations on terms of order one.
        assert value == pytest.approx(float(expression.subs(values)), rel=1e-13)
    assert len(found) == 10
    assert all(map(math.isfinite, f(0.4, 900.0, math.inf)))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"C": 10}, "n is missing"),
        ({"n": 10}, "C is missing"),
        ({"n": 10, "C": 0}, "C must be above 0"),
        ({"n": -1, "C": 10}, "n must be positive"),
        ({"n": math.nan, "C": 10}, "n must be a number"),
        ({"n": 10, "C": "wide"}, "C must be a number"),
        ({"n": 10, "C": 10, "width": 3}, "unknown width; arguments are n, C"),
    ],
)
def test_bad_values(eq, arguments, message):
    with pytest.raises(ValueError, match=message):
        eq.roots(**arguments)


def test_bad_names(eq):
    with pytest.raises(ValueError, match="available: equivalent_kernel, one_over_n, ridge"):
        reduced_equation(closure="mean_field")
    with pytest.raises(ValueError, match="available: erf, linear"):
        reduced_equation(closure="equivalent_kernel", activation="sine")
    with pytest.raises(ValueError, match="is not an argument"):
        eq.derivative(lam)
    assert closure("equivalent_kernel").statement


@pytest.mark.parametrize("order", [1.5, -1, True, "2", None])
def test_orders_and_digits_are_whole_numbers(eq, order):
    """With and without numbers: one sentence that names the argument and says what to give."""
    for call in (
        lambda: eq.series(order),
        lambda: eq.series(order, n=1600),
        lambda: breakdown(eq, n=1600).series(640, order),
    ):
        with pytest.raises(
            ValueError, match=f"order={order!r} must be a whole number of at least 0; give order=0"
        ):
            call()
    for call in (eq.solve, eq.roots, lambda **g: eq.series(2, **g), eq.branch_points):
        with pytest.raises(ValueError, match=f"digits={order!r} must be a whole number of at least 1"):
            call(n=1600, C=640, digits=order)


def test_numbers_beyond_doubles_and_of_numpy_are_exact(eq):
    state = eq.solve(n=10**30, C=640)
    with mpmath.workdps(40):
        assert abs(state.alpha / eq.solve(n=np.float64(1e30), C=np.int64(640)).alpha - 1) < 1e-25
    assert eq.solve(n=10**400, C=Fraction(1, 10**400)).alpha > 0
    assert len(eq.series(np.int64(2), n=np.int32(1600))) == 3
