"""Sphinx: derivations, conventions, the API from docstrings, the notebooks with their output."""

project = "feature-eos"
author = "the feature-eos developers"
extensions = [
    "myst_nb",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
]
myst_enable_extensions = ["dollarmath", "amsmath"]
nb_custom_formats = {".py": ["jupytext.reads", {"fmt": "py:percent"}]}
nb_execution_mode = "auto"
nb_execution_raise_on_error = True
nb_execution_timeout = 600
numpydoc_show_class_members = False
autodoc_typehints = "none"
exclude_patterns = ["_build", "jupyter_execute", "conf.py", "notebooks/data"]  # two of builds
suppress_warnings = ["misc.highlighting_failure"]
html_theme = "alabaster"
html_title = "feature-eos"


def escape_bars(app, what, name, obj, options, lines):
    """|x| is an absolute value in our docstrings, not a substitution."""
    lines[:] = [line.replace("|", r"\|") for line in lines]


def setup(app):
    app.connect("autodoc-process-docstring", escape_bars)
