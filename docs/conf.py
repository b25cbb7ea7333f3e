"""Sphinx: the guide, derivations, the API from docstrings, the notebooks with their output."""

from sphinx.ext import autosummary

from feature_eos import __version__

project = "feature-eos"
author = "the feature-eos developers"
version = release = __version__
extensions = [
    "myst_nb",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "sphinx_design",
]
default_role = "py:obj"  # `solve` in a docstring is a link
exclude_patterns = ["_build", "_static", "jupyter_execute", "conf.py", "*.py", "notebooks/data"]
suppress_warnings = ["misc.highlighting_failure"]

myst_enable_extensions = ["amsmath", "colon_fence", "dollarmath"]
myst_heading_anchors = 3
nb_custom_formats = {".py": ["jupytext.reads", {"fmt": "py:percent"}]}
nb_execution_mode = "auto"
nb_execution_raise_on_error = True
nb_execution_timeout = 600
nb_output_stderr = "show"  # warnings are to be seen, and put right at their source
nb_merge_streams = True
autodoc_typehints = "none"
toc_object_entries_show_parents = "hide"
autosummary_generate = False  # tables of what a page documents, not a page for each name
numpydoc_show_class_members = False
copybutton_exclude = ".linenos, .gp, .go"

html_theme = "pydata_sphinx_theme"
html_title = "feature-eos"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_sidebars = {"index": []}
html_theme_options = {
    "header_links_before_dropdown": 5,
    "navigation_depth": 2,
    "show_toc_level": 2,
    "show_nav_level": 2,
    "navigation_with_keys": False,
    "secondary_sidebar_items": {"[!_]**": ["page-toc"], "_modules/**": []},
    "footer_start": ["copyright"],
    "footer_end": ["sphinx-version", "theme-version"],
}
html_context = {"default_mode": "auto"}  # light or dark, as the reader's system has it
html_copy_source = False
copyright = "the feature-eos developers, BSD-3-Clause"

# Equations without the internet: MathJax comes with the site (_static/mathjax/README.md).
mathjax_path = "mathjax/startup.js"
mathjax3_config = {
    "loader": {"load": ["core", "input/tex", "output/svg", "a11y/assistive-mml"]},
    "svg": {"fontCache": "global"},
}

autosummary.WELL_KNOWN_ABBREVIATIONS += ("Eq.",)  # no end of a sentence


def escape_bars(app, what, name, obj, options, lines):
    """|x| is an absolute value in our docstrings, not a substitution."""
    lines[:] = [line.replace("|", r"\|") for line in lines]


def setup(app):
    app.connect("autodoc-process-docstring", escape_bars)
