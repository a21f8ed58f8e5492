"""What the files around the code say agrees with the code."""

import yaml

from swahr_mmpose.version import __version__

from .helpers import ROOT


def test_the_citation_is_of_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == __version__
    assert citation["preferred-citation"]["authors"]
