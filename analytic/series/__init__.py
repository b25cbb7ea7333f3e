"""Roots of P(alpha, 1/C) = 0, their power series in 1/C, where these end, and proofs about roots."""
