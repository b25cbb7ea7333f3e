"""What a closure of the reduced theory has to say."""

from dataclasses import dataclass

from sympy import Expr

from analytic.symbols import N, S, T, kappa, lam_inert, lam_star, n, sigma2


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
    first_order : bool
        alpha is taken to first order in kappa - sigma^2/n.
    includes_complexity : bool
        Whether (1/2) log det K_f is part of the free energy, unless the user says otherwise.
    """

    name: str
    condition: Expr
    statement: str
    source: str
    first_order: bool = False
    includes_complexity: bool = False

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
