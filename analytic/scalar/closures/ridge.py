"""The effective-ridge closure: the deterministic equivalent of kernel ridge regression."""

from analytic.scalar.closures.base import Closure, other_modes
from analytic.symbols import kappa, n, sigma2

RIDGE = Closure(
    name="ridge",
    condition=n * kappa - sigma2 - other_modes(),
    statement="each mode feels the noise and the part of all modes that n data do not resolve",
    source="derived",
    includes_complexity=True,
)
