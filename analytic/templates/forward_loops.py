# ruff: noqa: F821
# mypy: ignore-errors
# The generator pastes this file behind `phi_dphi` of an activation.


@njit(error_model="numpy", nogil=True, cache=True)
def activate(h, phi, dphi):
    """phi and its slope at every h; three arrays of one dimension."""
    for i in range(h.size):
        phi[i], dphi[i] = phi_dphi(h[i])
