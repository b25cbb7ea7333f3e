"""What was recorded per draw, for xarray."""

from __future__ import annotations

from typing import Any

import numpy as np

from numerics.sampling import records
from numerics.solutions.tables import imported

UNITS = {
    records.ALPHA: "overlap of discrepancy and target, eps.y / y.y",
    records.LOSS: "mean square of y - f of single networks over that of y",
    records.DEGREES: "tr[Q_f K_f^{-1}]",
    records.TRACE_Q: "tr Q_f / n",
    records.ENERGY: "minus log posterior of the whitened hidden weights, up to a constant",
}


def dataset(samples: Any) -> Any:
    """An xarray Dataset with dimensions chain and draw, ready for a DataTree of ArviZ.

    Raises
    ------
    ImportError
        With the remedy, when xarray is missing.
    """
    xarray = imported()
    chains, draws = samples.shape
    scalars = {
        name: (("chain", "draw"), samples.series(name), {"definition": UNITS.get(name, _layer(name))})
        for name in records.scalar_names(samples.layers)
    }
    eps = {
        "eps": (
            ("chain", "draw", "datum", "output"),
            samples.draws.eps,
            {"definition": "K_f^{-1} y given the hidden weights, on the data of finite noise"},
        )
    }
    return xarray.Dataset(
        scalars | eps,
        coords={
            "chain": np.arange(chains),
            "draw": np.arange(draws),
            "datum": np.flatnonzero(samples.problem.observed),
        },
        attrs={
            "widths": list(samples.problem.widths),
            "activation": str(samples.problem.net.activation),
            "method": samples.report.method,
            "step": samples.report.step,
            "acceptance": samples.report.acceptance,
        },
    )


def _layer(name: str) -> str:
    kind, _, level = name.partition("_")
    if kind == "virial":
        return f"W.dU/dW / size - 1 of layer {level}: zero in the mean"
    if level == "1":
        return "tr Sigma over its prior's"
    return f"tr K / (P n) of layer {level}"
