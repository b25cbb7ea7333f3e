"""Series of the theory about infinite width: first order in closed form, more by complex widths."""
