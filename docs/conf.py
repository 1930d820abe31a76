"""Sphinx settings: `sphinx-build docs docs/_build` with the extra `docs` installed."""

import sklstm

project = "sklstm"
author = "sklstm developers"
copyright = "sklstm developers"
version = release = sklstm.__version__

extensions = ["myst_parser", "numpydoc", "sphinx.ext.autodoc", "sphinx.ext.mathjax"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
numpydoc_show_class_members = False
# The docstrings say more, in fewer words.
autodoc_typehints = "none"

html_theme = "furo"
html_title = "sklstm"
# performance/ holds tables, which python -m benchmarks writes and performance.md includes.
exclude_patterns = ["_build", "performance"]
