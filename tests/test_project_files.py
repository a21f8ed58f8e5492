"""What the files around the code say agrees with the code."""

import re
import subprocess

import pytest
import yaml

from swahr_mmpose.version import __version__

from .helpers import ROOT


def read_yaml(name):
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


def pinned():
    """Versions by package that `make env` installs."""
    lines = (ROOT / "requirements/env.txt").read_text().splitlines()
    return dict(line.split("==") for line in lines if "==" in line)


def test_pre_commit_has_the_versions_of_the_environment():
    ruff, local = read_yaml(".pre-commit-config.yaml")["repos"]
    assert ruff["rev"] == f"v{pinned()['ruff']}"
    (mypy,) = local["hooks"]
    assert mypy["name"] == f"mypy {pinned()['mypy']}"


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


def test_make_help_lists_every_target():
    text = (ROOT / "Makefile").read_text()
    (phony,) = re.findall(r"^\.PHONY: (.*)$", text, re.M)
    command = ["make", "--no-print-directory", "help"]
    told = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=True).stdout
    assert {line.split()[1] for line in told.splitlines()} == set(phony.split())
    assert all(len(line.split()) > 2 for line in told.splitlines())


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) < 150
