"""What the files around the code say agrees with the code."""

import yaml

from swahr_mmpose.version import __version__

from .helpers import ROOT


def read_yaml(name):
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


def test_the_citation_is_of_this_version():
    citation = read_yaml("CITATION.cff")
    assert citation["version"] == __version__
    assert citation["preferred-citation"]["authors"]
