"""Expectations over Gaussian pre-activations: which activations there are, and the kernel of each."""
