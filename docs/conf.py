"""Sphinx configuration."""

import dawson

project = "Dawson"
author = "The Dawson authors"
copyright = "The Dawson authors, Apache-2.0"
version = release = dawson.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.viewcode", "numpydoc"]
myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = "Dawson"
html_static_path = ["_static"]
exclude_patterns = ["_build"]
autodoc_typehints = "none"
numpydoc_show_class_members = False
numpydoc_xref_param_type = False
suppress_warnings = ["ref.python"]
