"""p and q of a readout of finite fan-in, from the eigenvalues of its kernel (derived)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

SWEEPS = 1000  # far more than Aitken's extrapolation needs; at a fold it bounds the time


@dataclass(frozen=True)
class Spectrum:
    """Eigenvalues of Q_f, the squared components of y, sigma^2 and P."""

    values: Array
    y2: Array
    noise: float
    P: float

    def p(self, q: float) -> float:
        return 1.0 / (1.0 + float(np.sum(self.values / (self.noise + q * self.values))) / self.P)

    def R(self, q: float) -> float:
        p = self.p(q)
        energy = float(np.sum(self.values * self.y2 / (self.noise + p * self.values) ** 2))
        return p + p * p * energy / self.P

    def roots(self) -> list[float]:
        """The smallest and the largest root of q = R(q), once if they agree."""
        # p < 1, E falls and p^2 E grows with p: R stays between its values at p(0) and at p = 1
        energy = float(np.sum(self.values * self.y2 / (self.noise + self.values) ** 2))
        low, high = self._from_end(self.p(0.0)), self._from_end(1.0 + energy / self.P)
        return [low] if abs(high - low) <= 1e-9 * high else [low, high]

    def _from_end(self, q: float) -> float:
        """The root that q <- R(q) tends to from an end: monotonically, since R increases.

        Aitken's extrapolation is taken as long as it stays on the same side of the root.
        """
        for _ in range(SWEEPS):
            one = self.R(q)
            two = self.R(one)
            if abs(two - one) <= 2e-15 * one:
                return two
            bend = two - 2 * one + q
            ahead = q - (one - q) ** 2 / bend if bend else two
            same_side = (ahead - two) * (one - q) > 0 and (self.R(ahead) - ahead) * (one - q) > 0
            q = ahead if same_side else two
        return q
