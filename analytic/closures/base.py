"""What a closure of the reduced theory has to say."""

from dataclasses import dataclass

from sympy import Expr


@dataclass(frozen=True)
class Closure:
    """How y^T K_f^{-1} y depends on the eigenvalue lambda_* of the target.

    All closures share the form y^T K_f^{-1} y = |a*|^2 |w*|^2 / (lambda_* + kappa), the statement
    that eps = alpha y; they differ in the effective ridge kappa, which is held fixed when the free
    energy is varied.

    Attributes
    ----------
    name : str
    ridge : Expr
        kappa, in the symbols of `analytic.symbols`.
    statement : str
        The assumption, in one sentence.
    source : str
        "Eq. (n)" of the paper or "derived".
    """

    name: str
    ridge: Expr
    statement: str
    source: str
