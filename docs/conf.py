"""Sphinx configuration: MyST pages, the README as the front page."""

project = "swahr_mmpose"
author = "the swahr_mmpose authors"
extensions = ["myst_parser"]
myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]
html_theme = "alabaster"
