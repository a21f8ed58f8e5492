"""What the package says of the environment that it finds itself in."""

import re
import subprocess
import sys
from importlib import metadata

import pytest

from swahr_mmpose.utils.environment import OPENMMLAB, check_openmmlab

from ..helpers import ROOT

REPORT = [sys.executable, "-m", "swahr_mmpose"]

#: Makes a module of the stack look as if it were missing, or of another version.
PRETEND = """
import runpy, sys
from importlib import metadata
missing, name, pretended = sys.argv[1:]
class Missing:
    def find_spec(self, module, path=None, target=None):
        if missing and module.split(".")[0] == missing:
            raise ModuleNotFoundError(f"No module named {module!r}", name=module)
sys.meta_path.insert(0, Missing())
version = metadata.version
metadata.version = lambda module: pretended if module == name else version(module)
sys.argv = ["-m"]
sys.orig_argv = [sys.executable, "-m", "swahr_mmpose"]
runpy.run_module("swahr_mmpose", run_name="__main__")
"""


def pretend(missing="", name="", version=""):
    command = [sys.executable, "-c", PRETEND, missing, name, version]
    return subprocess.run(command, text=True, capture_output=True, cwd=ROOT)


def test_the_report_of_a_working_environment():
    result = subprocess.run(REPORT, text=True, capture_output=True, cwd=ROOT)
    assert result.returncode == 0, result.stdout + result.stderr
    for name in ("torch", "numpy", "mmcv", "mmengine", "mmdet", "mmpose"):
        assert f"  ok  {name:<14}{metadata.version(name)}" in result.stdout
    assert re.search(r"swahr_hrnet_w48_coco_multiscale +– +73\.2 +COCO.*, the paper", result.stdout)
    assert result.stdout.endswith("Everything works.\n")


@pytest.mark.slow
def test_a_program_started_as_a_module_is_no_report(tmp_path):
    """Its package is imported while `sys.argv` looks as it does for the report."""
    (tmp_path / "program").mkdir()
    (tmp_path / "program" / "__init__.py").write_text("import swahr_mmpose\n")
    (tmp_path / "program" / "main.py").write_text(
        "from mmengine.runner.checkpoint import CheckpointLoader\n"
        "from mmpose.registry import MODELS\n"
        "print(MODELS.get('SWAHRHead').__name__)\n"
        "print(CheckpointLoader._schemes['http://'].__module__)\n"
    )
    command = [sys.executable, "-m", "program.main"]
    result = subprocess.run(command, text=True, capture_output=True, cwd=tmp_path)
    assert result.stdout.split() == [
        "SWAHRHead",
        "swahr_mmpose.checkpoints.mmengine_loaders",
    ], result.stderr


@pytest.mark.parametrize("missing", ["mmdet", "mmpose", "torch"])
def test_the_report_names_what_is_missing(missing):
    result = pretend(missing=missing)
    assert result.returncode == 1, result.stderr
    assert f"  !!  {missing:<14}not installed" in result.stdout
    assert "is needed, and it is not installed. Run: " in result.stdout


def test_the_report_names_what_does_not_match():
    result = pretend(name="mmcv", version="1.7.0")
    assert result.returncode == 1, result.stderr
    needed = "mmcv 2.0.1 or newer, older than 2.3.0, is needed, but 1.7.0 is installed."
    assert f"{needed} Run: mim install 'mmcv>=2.1.0,<2.2.0'" in result.stdout


def test_an_import_names_all_that_does_not_match(monkeypatch):
    real = metadata.version
    wrong = dict(mmpose="0.29.0", mmcv="1.7.0")
    monkeypatch.setattr(
        "swahr_mmpose.utils.environment.version", lambda module: wrong.get(module) or real(module)
    )
    with pytest.raises(ImportError, match="does not work with what is installed") as caught:
        check_openmmlab()
    lines = str(caught.value).splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["mmcv", "mmpose"]
    assert "but 0.29.0 is installed. Run: mim install 'mmpose>=1.3.2,<1.4.0'" in lines[2]


def test_this_environment_is_one_that_works():
    check_openmmlab()
    assert [requirement.module for requirement in OPENMMLAB][-1] == "mmpose"


@pytest.mark.slow
def test_installing_changes_nothing_else():
    """By a dry run of pip against what is installed here: it would install this package only."""
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--no-build-isolation"]
    result = subprocess.run([*command, str(ROOT)], text=True, capture_output=True)
    assert result.returncode == 0, result.stderr
    (would,) = (line for line in result.stdout.splitlines() if line.startswith("Would install"))
    (package,) = would.split()[2:]
    assert package.replace("-", "_").startswith("swahr_mmpose_")
