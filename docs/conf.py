"""How Sphinx builds the docs: ``make docs``."""

from __future__ import annotations

from airflow_carbon import __version__

project = "airflow_carbon"
author = "The airflow_carbon authors"
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
source_suffix = {".md": "markdown"}

myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3

nitpicky = True

html_theme = "furo"
html_title = "airflow_carbon"
