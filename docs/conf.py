"""Sphinx configuration: MyST pages, the README as the front page."""

project = "swahr_mmpose"
author = "the swahr_mmpose authors"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]
html_theme = "alabaster"
autodoc_mock_imports = ["mmpose", "mmcv", "mmdet", "mmengine", "xtcocotools"]
