"""What a closure of the reduced theory has to say."""

from dataclasses import dataclass

from sympy import Expr, diff, limit, oo

from analytic.symbols import N, S, T, kappa, lam, lam_inert, lam_star, n, sigma2

NOT_SMALL = (
    "closure {closure!r} at n = {n}: what its first order in 1/n leaves out may be {left_out:.2g} times "
    "alpha (inf: its orders grow); use closure='ridge', which sums all orders"
)


class NotSmall(UserWarning):
    """A closure that is the first order of an expansion is used where that is not small."""


@dataclass(frozen=True)
class Truncation:
    """What a closure that takes alpha to first order in kappa - sigma^2/n leaves out (derived).

    In the setting alone: lambda_0 = lambda, and lambda_* where it makes the correction largest.

    Attributes
    ----------
    correction : Expr
        (kappa - sigma^2/n)/(lambda + sigma^2/n): what first order takes from alpha, over alpha.
    growth : Expr
        The ratio of successive orders of kappa in 1/n. They do not add up to anything from 1 on.
    trusted : float
        The largest `left_out` that is not warned of.
    """

    correction: Expr
    growth: Expr
    trusted: float

    @property
    def left_out(self) -> Expr:
        """All further orders over the whole of alpha, at most; where `growth` < 1."""
        return self.correction * (self.correction + self.growth / (1 - self.growth))


@dataclass(frozen=True)
class Closure:
    """How y^T K_f^{-1} y depends on the eigenvalue lambda_* of the target.

    All closures share the form y^T K_f^{-1} y = |a*|^2 |w*|^2 / (lambda_* + kappa), the statement
    that eps = alpha y; they differ in the effective ridge kappa, which is held fixed when the free
    energy is varied.

    Attributes
    ----------
    name : str
    condition : Expr
        Zero at the closure's kappa; in the symbols of `analytic.symbols`.
    statement : str
        The assumption, in one sentence.
    source : str
        "Eq. (n)" of the paper or "derived".
    truncation : Truncation, optional
        alpha is taken to first order in kappa - sigma^2/n, and what that leaves out.
    includes_complexity : bool
        Whether (1/2) log det K_f is part of the free energy, unless the user says otherwise.
    """

    name: str
    condition: Expr
    statement: str
    source: str
    truncation: Truncation | None = None
    includes_complexity: bool = False

    @property
    def first_order(self) -> bool:
        """Whether alpha is taken to first order in kappa - sigma^2/n."""
        return self.truncation is not None

    @property
    def least_patch(self) -> int:
        """The smallest S: closures with other modes count the S - 1 directions across w*."""
        return 1 if self.condition.has(S) else 0


def other_modes() -> Expr:
    """n kappa - sigma^2: the ridge that the modes exert on one another (derived).

    Each linear function of eigenvalue lambda_k adds kappa lambda_k/(lambda_k + kappa), N of them
    with lambda_* and N (S - 1) inert ones; the rest of the trace, lambda_k << kappa, adds T.
    """
    learned = lam_star / (lam_star + kappa)
    inert = lam_inert / (lam_inert + kappa)
    return T + kappa * (N * learned + N * (S - 1) * inert)


BARE_RIDGE = sigma2 / n


def truncation(trusted: float) -> Truncation:
    """Of the sum over modes, taken at kappa = sigma^2/n in place of kappa."""
    largest = limit(other_modes(), lam_star, oo).subs(lam_inert, lam) / n
    at_bare = {kappa: BARE_RIDGE}
    correction = largest.subs(at_bare) / (lam + BARE_RIDGE)
    return Truncation(correction, diff(largest, kappa).subs(at_bare), trusted)
