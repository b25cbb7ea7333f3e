"""Figures of what varies, as matplotlib Figures: paths, spectra, comparisons. Needs the extra `plot`."""

from numerics.figures import new, save
from numerics.plots.comparison import comparison
from numerics.plots.equations import emergent_scale, equations
from numerics.plots.phase import phase_diagram
from numerics.plots.widths import path, spectrum

__all__ = ["comparison", "emergent_scale", "equations", "new", "path", "phase_diagram", "save", "spectrum"]
