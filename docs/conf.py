"""Sphinx configuration: MyST pages, the README as the front page."""

import runpy
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

project = "swahr_mmpose"
author = "the swahr_mmpose authors"
release = runpy.run_path(str(ROOT / "swahr_mmpose" / "version.py"))["__version__"]
extensions = ["myst_parser"]
myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"swahr_mmpose {release}"
html_static_path = ["_static"]
html_css_files = ["pages.css"]
