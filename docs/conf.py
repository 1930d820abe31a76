"""Sphinx settings: `sphinx-build docs docs/_build` with the extra `docs` installed.

It runs the examples, each once: what they print and draw is a page of docs/gallery, and pictures on
other pages. An example that has not changed is not run again. To leave them out while writing text:
`sphinx-build -D sphinx_gallery_conf.plot_gallery=0 docs docs/_build`.
"""

import sys
from pathlib import Path

import sklstm

sys.path.insert(0, str(Path(__file__).parent))  # for gallery_settings

project = "sklstm"
author = "sklstm developers"
copyright = "sklstm developers"
version = release = sklstm.__version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx_gallery.gen_gallery",
]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
numpydoc_show_class_members = False
# The docstrings say more, in fewer words.
autodoc_typehints = "none"
# `name` in text is code, and leads to the object of this name where there is one.
default_role = "py:obj"
templates_path = ["templates"]

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "filename_pattern": r"\.py$",
    "within_subsection_order": "gallery_settings.place",
    "reset_argv": "gallery_settings.arguments",
    # Pages of the API lead to the examples that use them, and code of examples to the API.
    "backreferences_dir": "api/examples",
    "doc_module": ("sklstm",),
    "reference_url": {"sklstm": None},
    "abort_on_example_error": True,
    # What a display is, its picture says.
    "capture_repr": (),
    "show_signature": False,
    "min_reported_time": 1,
}

html_theme = "furo"
html_title = "sklstm"
# performance/ holds tables, which python -m benchmarks writes and performance.md includes.
exclude_patterns = ["_build", "performance", "templates", "gallery/*.ipynb", "gallery/*.py"]
