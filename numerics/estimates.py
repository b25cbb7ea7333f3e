"""What a solve takes, of any theory."""

from __future__ import annotations

from collections.abc import Sequence

from numerics import checks
from numerics.cavity.cost import estimate_cavity
from numerics.cavity.door import THEORY as CAVITY
from numerics.costs import cost
from numerics.costs.cost import Cost
from numerics.machine.renamed import renamed
from numerics.network import Network
from numerics.problem import Problem
from numerics.readout_laws import NAMES


@renamed(readout="the law of the readout is theory=, its wiring readout= of the network")
def estimate_cost(
    net: Network | Problem,
    shape: Sequence[int] | None = None,
    outputs: int = 1,
    gradients: float | None = None,
    theory: str = "mean_field",
    draws: int | None = None,
) -> Cost:
    """Memory and time of `solve`.

    Gradients of this network are timed, on fewer data where they take long: two seconds or so, once per
    process and shape. Of sampling, `estimate_sampling` says it.

    Parameters
    ----------
    net : Network or Problem
        A Problem has its own shape and outputs.
    shape : sequence of int
        `X.shape`: (n, pixels, features), or (n, d) for a fully connected network.
    outputs : int
        Columns of y.
    gradients : float, optional
        Gradients of F that the solve takes; by default a number typical of this depth, n and width, where
        there is much to learn. A target that is learned easily took down to a sixth of it, others up to
        twice: `Solution.gradients` says how many it were.
    theory : str
        As in `solve`.
    draws : int, optional
        Of the cavity theory, as in `solve`.

    Raises
    ------
    ValueError
        When the shape does not fit the network, or `solve` would refuse the network with this theory.
    """
    checks.choice(theory, (*NAMES, CAVITY), "theory")
    if theory != CAVITY:
        return cost.estimate_cost(net, shape, outputs, gradients, theory)
    if gradients is not None:
        raise ValueError("gradients is of the Gaussian theories; theory='cavity' has draws")
    known, sizes, columns = cost.network_and_shape(net, shape, outputs)
    return estimate_cavity(known, sizes, columns, None if draws is None else checks.count(draws, "draws"))
