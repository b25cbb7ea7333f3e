"""The equivalent kernel with its first correction in 1/n: the effective ridge, expanded once."""

from analytic.scalar.closures.base import BARE_RIDGE, Closure, other_modes
from analytic.symbols import kappa, n, sigma2

ONE_OVER_N = Closure(
    name="one_over_n",
    condition=n * kappa - sigma2 - other_modes().subs(kappa, BARE_RIDGE),
    statement="the posterior variance of the equivalent kernel corrects the ridge, to first order",
    source="derived",
    first_order=True,
)
