"""Kernels of pre-activations and their maps through an activation, panel by panel, with exact adjoints."""
