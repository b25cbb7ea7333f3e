"""The equivalent-kernel closure: sums over data are averages over their law (Eq. (9) with q = 1)."""

from analytic.scalar.closures.base import Closure
from analytic.symbols import kappa, n, sigma2

EQUIVALENT_KERNEL = Closure(
    name="equivalent_kernel",
    condition=n * kappa - sigma2,
    statement="data sums are replaced by averages over the data, so the ridge is sigma^2/n",
    source="Eq. (9)",
)
