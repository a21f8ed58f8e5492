"""What the files around the code say agrees with the code."""

import pytest
import yaml

from swahr_mmpose.version import __version__

from .helpers import ROOT


def read_yaml(name):
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


def test_the_citation_is_of_this_version():
    citation = read_yaml("CITATION.cff")
    assert citation["version"] == __version__
    assert citation["preferred-citation"]["authors"]


@pytest.mark.parametrize("name", ["bug_report", "accuracy", "feature_request"])
def test_issue_templates_are_forms(name):
    form = read_yaml(f".github/ISSUE_TEMPLATE/{name}.yml")
    assert form["name"]
    assert form["description"]
    ids = [field["id"] for field in form["body"]]
    assert len(ids) == len(set(ids))
    for field in form["body"]:
        assert field["type"] in {"textarea", "input"}
        assert field["attributes"]["label"]
