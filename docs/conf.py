"""Sphinx configuration: MyST pages, the README as the front page."""

import runpy
from pathlib import Path

from docutils.nodes import SkipNode

ROOT = Path(__file__).resolve().parent.parent

project = "swahr_mmpose"
author = "the swahr_mmpose authors"
copyright = "2026, the swahr_mmpose authors"
release = runpy.run_path(str(ROOT / "swahr_mmpose" / "version.py"))["__version__"]
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
]
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"
napoleon_custom_sections = [("Attributes", "params_style")]  # not "Variables"
myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]
html_theme = "furo"
html_math_renderer = "mathml"
html_title = f"swahr_mmpose {release}"
html_static_path = ["_static"]
html_css_files = ["pages.css"]


def setup(app):
    """Formulas as MathML, which browsers show without a script from elsewhere."""
    from latex2mathml.converter import convert

    def formula(display):
        def visit(writer, node):
            writer.body.append(convert(node.astext(), display=display))
            raise SkipNode

        return visit, None

    app.add_html_math_renderer("mathml", formula("inline"), formula("block"))
