"""From expressions to the text of compiled files: a printer, the loops around what it prints, a cache."""
