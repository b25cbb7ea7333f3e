# ruff: noqa: F821
# mypy: ignore-errors
# The generator pastes this file behind `left_out_below` of closures that are a first order in 1/n.


@njit(error_model="numpy", nogil=True, cache=True)
def left_out(arguments, out):
    """Fill what the first order in 1/n leaves out of alpha, at most; inf where the orders do not fall."""
    for i in range(out.size):
        share, growth = left_out_below(*entry(arguments, i))
        out[i] = share if growth < 1.0 else inf
