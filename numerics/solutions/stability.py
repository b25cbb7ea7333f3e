"""Is a solution a minimum of F? The smallest eigenvalue of the whitened Hessian."""

from __future__ import annotations

import numpy as np

from numerics.gaussian.hessian import Hessian

DENSE = 200  # unknowns up to which the whole matrix is made
ACCURACY = 1e-4  # of the eigenvector, so that the eigenvalue has about the square of it
RESTARTS = 100


def smallest_eigenvalue(hessian: Hessian) -> float:
    """The least v.Dv/v.v: 1 at infinite width, positive at a minimum of F, negative at a saddle point.

    By the whole matrix for small problems, by Lanczos iteration on products (some tens) for large ones.

    Raises
    ------
    RuntimeError
        When the iteration does not settle: many eigenvalues close to the smallest.
    """
    size = hessian.metric.dimension
    if size == 0:
        return 1.0
    identity = 1.0 if 0.0 in hessian.inverse_widths else np.inf  # of the layers of infinite width
    if size <= DENSE:
        return min(identity, float(np.linalg.eigvalsh(hessian.dense())[0]))
    from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh  # here: slow to import

    try:
        (least,) = eigsh(
            LinearOperator((size, size), matvec=hessian.times, dtype=np.float64),
            k=1,
            which="SA",
            v0=np.random.default_rng(0).standard_normal(size),
            tol=ACCURACY,
            maxiter=RESTARTS,
            return_eigenvectors=False,
        )
    except ArpackNoConvergence:
        raise RuntimeError(
            f"the smallest eigenvalue of the Hessian did not settle in {RESTARTS} restarts: many eigenvalues "
            "lie close to it; compare branches by their free energy instead"
        ) from None
    return min(identity, float(least))
