# ruff: noqa: F821
# mypy: ignore-errors
# The generator pastes this file behind `phi_dphi` and `phi_dphi_single` of an activation.


@njit(error_model="numpy", nogil=True, cache=True)
def activate(h, phi, dphi):
    """phi and its slope at every h; three arrays of one dimension."""
    for i in range(h.size):
        phi[i], dphi[i] = phi_dphi(h[i])


@njit(error_model="numpy", nogil=True, cache=True)
def activate_single(h, phi, dphi):
    """The same in single precision."""
    for i in range(h.size):
        phi[i], dphi[i] = phi_dphi_single(h[i])
