"""How Sphinx builds the docs: ``make docs``."""

from __future__ import annotations

import sys
from pathlib import Path

from airflow_carbon import __version__

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "airflow_carbon"
author = "The airflow_carbon authors"
version = release = __version__

extensions = ["from_code", "myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build", "_ext"]
source_suffix = {".md": "markdown"}

myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
python_maximum_signature_line_length = 80

nitpicky = True
nitpick_ignore_regex = [("py:(class|obj|exc|data)", ".*")]  # types of Airflow and of Python

html_theme = "furo"
html_title = "airflow_carbon"
