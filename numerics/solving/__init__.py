"""Stationary states of F: fixed point, Newton, continuation in the width, complex widths."""
