"""From the reduced free energy to one polynomial equation for alpha; Eq. (9) comes out."""

from dataclasses import dataclass, replace

from sympy import (
    Eq,
    Expr,
    Integer,
    Poly,
    cancel,
    diff,
    expand,
    factor,
    latex,
    numer,
    simplify,
    solve,
    together,
)

from analytic.scalar import free_energy
from analytic.scalar.closures import Closure
from analytic.scalar.closures.base import BARE_RIDGE
from analytic.symbols import (
    C,
    S,
    T,
    alpha,
    chi,
    g2,
    kappa,
    l_inert,
    l_star,
    lam,
    lam_inert,
    lam_star,
    n,
    r_inert,
    share,
    sigma2,
    x,
)


@dataclass(frozen=True)
class Step:
    """One step of the derivation: what is said, the expression, and where it is from."""

    title: str
    expression: Expr
    source: str

    def _repr_latex_(self) -> str:
        words = rf"\text{{{self.title} [{self.source}]}}".replace("_", r"\_")
        return rf"$\displaystyle {words}:\quad {latex(self.expression)}$"


@dataclass(frozen=True)
class Stationary:
    """What dF = 0 says, in alpha and the arguments (derived).

    Attributes
    ----------
    chi, ratio : Expr
        chi and r = l_*/l_GP.
    inert : Expr
        A quadratic in r_0 = l_0/l_GP that is zero, at given kappa; r_0 - 1 without the complexity.
    slopes : tuple of Expr
        dF/dl_* and, with the complexity, dF/dl_0.
    """

    chi: Expr
    ratio: Expr
    inert: Expr
    slopes: tuple[Expr, ...]


@dataclass(frozen=True)
class Discrepancy:
    """What the discrepancies on training and test data are, in lambda_* and kappa (derived).

    `train` is alpha, `unlearned` the part of the target that f_bar lacks at a new input,
    sigma^2 alpha_test.
    """

    train: Expr
    unlearned: Expr


def terms(complexity: bool) -> tuple[Expr, Expr, Expr]:
    """The KL of w*, the KL of the inert directions, and the data term, with or without the complexity."""
    data = free_energy.data_term() + (free_energy.complexity_term() if complexity else 0)
    inert = (S - 1) * free_energy.weight_kl(l_inert) if complexity else 0 * S
    return free_energy.weight_kl(), inert, data


def stationary(eigenvalue: Expr, of_l: Expr, complexity: bool) -> Stationary:
    """Vary F at fixed kappa, by the chain rule through lambda_* and lambda_0."""
    prior = free_energy.prior_variance()
    learned = simplify(lam * of_l / eigenvalue)  # lambda_* = lambda l_*/(sigma_w^2/S)
    kl, kl_inert, data = terms(complexity)
    (from_alpha,) = solve(alpha - discrepancy(False).train, lam_star)
    slope = diff(kl, l_star) + diff(data, lam_star) * diff(learned, l_star)
    (variance,) = solve(slope.subs(lam_star, from_alpha), l_star)
    drive = diff(free_energy.data_term(), lam_star) * diff(learned, l_star)
    chi_value = simplify(-2 * prior / C * drive.subs(lam_star, from_alpha))
    if not complexity:
        return Stationary(chi_value, simplify(variance / prior), r_inert - 1, (slope,))
    of_l0 = learned.subs(l_star, l_inert)
    slope_inert = diff(kl_inert, l_inert) + diff(data, lam_inert) * diff(of_l0, l_inert)
    closed = slope_inert.subs(lam_inert, lam * r_inert).subs(l_inert, prior * r_inert)
    quadratic = Poly(numer(together(closed)), r_inert)
    inert = expand(quadratic.primitive()[1].as_expr())
    return Stationary(chi_value, simplify(variance / prior), inert, (slope, slope_inert))


def discrepancy(first_order: bool, condition: Expr | None = None) -> Discrepancy:
    """alpha = y^T K_f^{-1} y/(n g2) and kappa/(lambda_* + kappa); to first order in kappa - sigma^2/n."""
    whole = (2 * free_energy.data_term() / (n * g2), kappa / (lam_star + kappa))
    if not first_order:
        return Discrepancy(*whole)
    (shifted,) = solve(condition, kappa)
    expanded = (
        e.subs(kappa, BARE_RIDGE) + diff(e, kappa).subs(kappa, BARE_RIDGE) * (shifted - BARE_RIDGE)
        for e in whole
    )
    return Discrepancy(*expanded)


def ridge_of(found: Stationary) -> Expr:
    """kappa = 1/(n alpha) - lambda r, from alpha = 1/[n (lambda_* + kappa)]."""
    (value,) = solve(alpha - discrepancy(False).train, kappa)
    return value.subs(lam_star, lam * found.ratio)


def inert_of(assumed: Closure, found: Stationary, complexity: bool) -> Expr:
    """r_0 as a rational function of alpha: the closure's condition is linear in it.

    Stationarity in l_0 says that the share lambda_0/(lambda_0 + kappa) is itself linear in r_0.
    """
    if not complexity:
        return Integer(1)
    in_share = simplify(assumed.condition.subs(lam_inert, share * kappa / (1 - share)))
    value = -assumed.condition.subs(lam_inert, 0) / simplify(diff(in_share, share))
    (inert_kappa,) = solve(found.inert, kappa)
    (r_of_share,) = solve(cancel(lam * r_inert / (lam * r_inert + inert_kappa)) - share, r_inert)
    at_alpha = value.subs(lam_star, lam * found.ratio).subs(kappa, ridge_of(found))
    return r_of_share.subs(share, at_alpha)


def eliminated(assumed: Closure, found: Stationary, complexity: bool) -> Expr:
    """A polynomial in alpha and 1/C that vanishes at every stationary state of the closure."""
    found = replace(
        found, ratio=cancel(found.ratio.subs(C, 1 / x)), inert=expand(x * found.inert.subs(C, 1 / x))
    )
    learned = {lam_star: lam * found.ratio, lam_inert: lam}
    if assumed.first_order:
        equation = alpha / discrepancy(True, assumed.condition).train.subs(learned) - 1
    elif complexity:
        equation = found.inert.subs(kappa, ridge_of(found))
        equation = together(equation.subs(r_inert, inert_of(assumed, found, complexity)))
    else:
        equation = assumed.condition.subs(learned).subs(kappa, ridge_of(found))
    cleared = Poly(numer(cancel(equation)), alpha, x)
    powers = [min(monomial[k] for monomial in cleared.monoms()) for k in (0, 1)]
    primitive = Poly({(i - powers[0], j - powers[1]): c for (i, j), c in cleared.terms()}, alpha, x)
    constant = primitive.coeff_monomial(1)
    # P(0) = 1 where P(0) is a number.
    scale = 1 / constant if constant.is_number and constant != 0 else Integer(1)
    return expand(scale * primitive.as_expr().subs(x, 1 / C))


def steps(
    assumed: Closure, activation: str, found: Stationary, eigenvalue: Expr, complexity: bool
) -> tuple[Step, ...]:
    """The derivation, line by line."""
    prior = free_energy.prior_variance()
    first, inert, data = terms(complexity)
    shown = discrepancy(False)
    closed = discrepancy(assumed.first_order, assumed.condition).train
    if not complexity:
        closed = closed.subs(lam_inert, lam)
    if not assumed.condition.has(lam_star):
        closed = closed.subs(kappa, solve(assumed.condition, kappa)[0])
    condition = assumed.condition if complexity else assumed.condition.subs(lam_inert, lam)
    (norm2,) = solve(found.chi - chi, g2)
    if complexity:  # its polynomial has hundreds of terms: eq.compact
        last = found.inert.subs(kappa, ridge_of(found)).subs(r_inert, inert_of(assumed, found, True))
    else:
        last = eliminated(assumed, found, False)
    return (
        Step(
            "linear response of the kernel at large S",
            free_energy.linear_response(activation),
            "Eq. (7), derived",
        ),
        Step(
            "eigenvalue of the target",
            Eq(lam_star, free_energy.target_eigenvalue(activation)),
            "Eq. (7), derived",
        ),
        Step("at the prior", Eq(lam, eigenvalue), "Eq. (9)"),
        Step("trace beyond linear functions", Eq(T, free_energy.rest_of_trace(activation)), "derived"),
        Step("reduced free energy", first + inert + data, "Eq. (8), derived"),
        Step("stationarity in l_* at fixed kappa", Eq(found.slopes[0], 0), "Eq. (8), derived"),
        *(
            Step("stationarity in l_0 at fixed kappa", Eq(slope, 0), "Eq. (8), derived")
            for slope in found.slopes[1:]
        ),
        Step("train discrepancy", Eq(alpha, shown.train), "derived"),
        Step(f"closure: {assumed.statement}", Eq(n * kappa, n * kappa - condition), assumed.source),
        Step("feature-learning scale", Eq(chi, found.chi), "Eq. (9)"),
        Step(
            "variance along w*",
            Eq(l_star, prior * simplify(found.ratio.subs(g2, norm2))),
            "derived" if complexity else "Eq. (9)",
        ),
        Step(
            "train discrepancy with this kappa",
            Eq(sigma2 * alpha, 1 - factor(1 - sigma2 * closed)),
            assumed.source,
        ),
        Step("all but alpha eliminated", Eq(last, 0), assumed.source),
    )
