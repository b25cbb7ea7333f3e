"""Loops that the generator pastes around generated scalar kernels (text, never imported)."""
