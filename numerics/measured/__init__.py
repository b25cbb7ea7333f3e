"""Trained networks against the equations: their kernels measured, and put into the right-hand sides."""
